"""How much of an eye changes that should not: `python docs/check_whatif.py [--eyes 12] [--photos DIR]`.

Edits grown eyes, or photographed ones, and prints the mean absolute change in grey levels inside and outside the edited
region, before and after blending.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from retinasynth.data.find import find_eyes
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.whatif import GOAL, Edit, grown_eye, photographed_eye, what_if
from retinasynth.progress import progress

EDITS = {
    "cup-to-disc ratio 0.85": (Edit(cup=0.85), "adult"),
    "cup-to-disc ratio 0.2": (Edit(cup=0.2), "glaucomatous"),
    "mild lesions": (Edit(lesions="mild"), "adult"),
    "moderate lesions": (Edit(lesions="moderate"), "adult"),
    "severe lesions": (Edit(lesions="severe"), "adult"),
    "lesions removed": (Edit(lesions="none"), "diabetic"),
    "vessels at 70 %": (Edit(narrow=0.7), "adult"),
    "all of it": (Edit(cup=0.85, lesions="severe", narrow=0.7), "adult"),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eyes", type=int, default=12)
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    model = load_generator("fundus-512")
    photographs = [files.photograph for files in find_eyes(arguments.photos).eyes] if arguments.photos else []

    def eye(number: int, preset: str) -> Eye:
        if not arguments.photos:
            return grown_eye(model, number, preset, {})
        return photographed_eye(photographs[number * len(photographs) // arguments.eyes], None)

    table = Table("edit", "eyes", "inside", "outside, unblended", "largest of eyes", "blended", "outside")
    with progress("Editing", len(EDITS)) as advance:
        for done, (name, (edit, preset)) in enumerate(EDITS.items(), start=1):
            changes = []
            for number in range(arguments.eyes):
                try:
                    changes.append(what_if(eye(number, preset), edit, model, seed=number).change)
                except InputError:  # the disc is cut off, there is no lesion to remove, or it is unknown
                    continue
            if changes:
                unblended = [change.outside_unblended for change in changes]
                inside, outside = (np.mean([getattr(one, side) for one in changes]) for side in ("inside", "outside"))
                table.add_row(
                    name,
                    str(len(changes)),
                    f"{inside:.2f}",
                    f"{np.mean(unblended):.2f}",
                    f"{max(unblended):.2f}",
                    str(sum(change.is_blended for change in changes)),
                    f"{outside:.2f}",
                )
            advance(done, name)
    Console(width=120).print(table)
    Console().print(f"Mean absolute change in grey levels of 255; blended where it is above {GOAL:g} outside.")


if __name__ == "__main__":
    main()
