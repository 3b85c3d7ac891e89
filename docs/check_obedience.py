"""Whether grown eyes are as asked for: `python docs/check_obedience.py [--eyes 60] [--size 1024]`.

Grows eyes of several presets and views with drawn parameters, measures each with `retinasynth.eye.biomarkers`, and
prints by how much what is measured differs from what was asked for; then the time that growing takes on one core.
"""

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.physiology import PRESETS
from retinasynth.eye.biomarkers import Biomarkers, measure_eye

MEASURED_AS = {
    "cup_to_disc": "cup_to_disc_vertical",
    "vessel_density": "vessel_density",
    "tortuosity": "tortuosity",
    "artery_to_vein_ratio": "artery_to_vein_ratio",
}
RANGES = {
    "cup_to_disc": (0.2, 0.9),
    "vessel_density": (0.06, 0.12),
    "tortuosity": (1.03, 1.2),
    "artery_to_vein_ratio": (0.5, 0.9),
}


def asked_for(seed: int) -> dict[str, Any]:
    """Drawn parameters; the view shows the whole disc."""
    random = np.random.default_rng([seed, 1])
    centre, angles = (("disc", (30.0, 45.0, 60.0)), ("macula", (45.0, 50.0, 60.0)))[seed % 2]
    drawn = {name: float(random.uniform(*limits)) for name, limits in RANGES.items()}
    view = {"centred_on": centre, "angle_deg": float(random.choice(angles))}
    return {"people": list(PRESETS)[seed % len(PRESETS)], "focal_narrowing": 0, **view, **drawn}


def measured(seed: int, size_px: int) -> Biomarkers:
    """The biomarkers of the eye that was asked for."""
    return measure_eye(grow(seed, size_px, **asked_for(seed)))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eyes", type=int, default=60)
    parser.add_argument("--size", type=int, default=1024)
    arguments = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(partial(measured, size_px=arguments.size), range(arguments.eyes), chunksize=2))
    table = Table("asked for", "eyes", "bias", "error: median", "95th percentile", "largest")
    for name, measure in MEASURED_AS.items():
        values = [(asked_for(seed)[name], getattr(one, measure)) for seed, one in enumerate(found)]
        errors = np.array([value / asked - 1 for asked, value in values if value is not None])
        figures = [np.median(errors), *np.percentile(np.abs(errors), [50, 95, 100])]
        table.add_row(
            name,
            str(len(errors)),
            *(f"{figure:+.1%}" if not n else f"{figure:.1%}" for n, figure in enumerate(figures)),
        )
    console = Console(width=120)
    console.print(table)
    times = Table("one core", "size", "median", "slowest of 12")
    for size, view in ((512, 45.0), (512, 30.0), (1024, 45.0), (1024, 60.0)):
        taken = []
        for seed in range(13):
            start = time.perf_counter()
            grow(seed, size, angle_deg=view)
            taken.append(1000 * (time.perf_counter() - start))
        times.add_row(
            f"{view:g} degrees", f"{size} px", f"{statistics.median(taken[1:]):.0f} ms", f"{max(taken[1:]):.0f} ms"
        )
    console.print(times)


if __name__ == "__main__":
    main()
