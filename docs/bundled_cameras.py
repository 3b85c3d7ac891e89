"""Tell the bundled generator of the cameras that its training photographs were taken with.

    python docs/bundled_cameras.py CHASEDB1 HRF IDRID IDRID_GRADING

Its weights were trained before generators remembered cameras; those trained now (docs/bundled_generator.py) know
theirs. The training photographs are looked at, and ``cameras`` written into its ``config.json``. Half a minute for each
hundred photographs.
"""

import sys
from itertools import chain
from pathlib import Path

from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.eye.camera import cameras_of
from retinasynth.files import write_json
from retinasynth.styled.model import load_model
from retinasynth.training.bundled import HERE


def main(*folders: Path) -> None:
    """Write the cameras into the package."""
    found = chain.from_iterable(find_eyes(folder, allow_unpaired=True).split("train") for folder in folders)
    cameras = cameras_of(photograph_of(files) for files in found if files.photograph)
    folder = HERE / "fundus-512"
    config = load_model(folder).config.model_copy(update={"cameras": cameras})
    write_json(folder / "config.json", config.model_dump(mode="json"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
