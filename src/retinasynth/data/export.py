"""A data set in the raw layout of nnU-Net v2, so that segmenters of others can be trained on it.

Source: nnU-Net v2, "dataset format": ``imagesTr/NAME_0000.png`` (colour pictures are one file, as its reader of natural
images wants), ``labelsTr/NAME.png`` of class numbers, ``imagesTs/`` for test photographs, and ``dataset.json``.
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import DataError
from retinasynth.eye.label_map import class_map
from retinasynth.files import atomic_path, fill_folder, write_json
from retinasynth.images import write_photograph
from retinasynth.progress import progress


def write_nnunet(
    data: Path, out: Path, planes: Sequence[str] = ("vessels",), *, labels: str | None = None
) -> tuple[int, int]:
    """Write the eyes of a data set as nnU-Net v2 reads them.

    Args:
        data: a data set in any known layout.
        out: a new folder, called ``DatasetNNN_NAME`` by nnU-Net's convention.
        planes: the first becomes class 1 and so on; where several lie, the last wins.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Returns:
        How many training eyes, with those for validation, and test eyes.

    Raises:
        DataError: no training eye has a photograph and all planes.
        OutputError: `out` exists and is not empty, or cannot be written.
    """
    found = find_eyes(data, labels=labels)
    usable = [one for one in found.eyes if one.photograph and one.has(planes)]
    splits = {
        "train": [one for one in usable if one.split != "test"],  # nnU-Net makes its own folds for validation
        "test": [one for one in usable if one.split == "test"],
    }
    if not splits["train"]:
        raise DataError(f"{data} has no training eye with a photograph and its {', '.join(planes)}")
    with (
        fill_folder(out, what="a set for nnU-Net") as folder,
        progress("Writing", sum(map(len, splits.values()))) as tell,
    ):
        done = 0
        for split, suffix in (("train", "Tr"), ("test", "Ts")):
            for files in splits[split]:
                eye = read_eye(files)
                if eye.photograph is not None:
                    write_photograph(folder / f"images{suffix}" / f"{eye.name}_0000.png", eye.photograph)
                with atomic_path(folder / f"labels{suffix}" / f"{eye.name}.png") as temporary:
                    Image.fromarray(class_map(eye, planes)).save(temporary, "PNG")
                done += 1
                tell(done, eye.name)
        about = {
            "channel_names": {"0": "R", "1": "G", "2": "B"},
            "labels": {"background": 0, **{plane: number for number, plane in enumerate(planes, start=1)}},
            "numTraining": len(splits["train"]),
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        write_json(folder / "dataset.json", about)
    return len(splits["train"]), len(splits["test"])
