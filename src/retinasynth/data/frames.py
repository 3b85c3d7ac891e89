"""Decoded eyes on disk, each in the frame of its field of view, so that pictures of all cameras are alike in size.

Decoded once, into arrays under the cache folder, and read from there by memory map.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retinasynth.cache import fill_once
from retinasynth.data.batches import stamp_of
from retinasynth.data.find import read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError
from retinasynth.eye.camera import Camera, Cameras
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.frame import frame_of, into_frame
from retinasynth.files import cache_folder
from retinasynth.images import Mask, Photograph

CACHE_FORMAT = 2


@dataclass(frozen=True)
class FramedEyes:
    """Decoded eyes of one data set, each in its frame.

    Attributes:
        files: where they come from.
        photographs: ``uint8 (n, size_px, size_px, 3)``.
        layers: ``uint8 (n, 1 + planes, size_px, size_px)``: the field of view and the label planes, 255 where a
            pixel is covered.
        known: ``bool (n, planes)``: which planes an eye has.
        cameras: that they were taken with, the most frequent first.
        fingerprint: SHA-256 over names and pixels.
    """

    files: tuple[EyeFiles, ...]
    photographs: NDArray[np.uint8]
    layers: NDArray[np.uint8]
    known: NDArray[np.bool_]
    cameras: tuple[Camera, ...]
    fingerprint: str

    def __len__(self) -> int:
        """How many eyes."""
        return len(self.files)


def load_frames(files: Sequence[EyeFiles], size_px: int, planes: Sequence[str]) -> FramedEyes:
    """Decode eyes into frames, or take them from the cache.

    Args:
        files: of eyes with a photograph; planes may be missing.
        size_px: height and width of the frames.
        planes: which label planes, in which order.

    Raises:
        DataError: an eye has no photograph.
        ImageError: a picture cannot be used.
    """
    wanted = json.dumps([CACHE_FORMAT, size_px, *planes, [stamp_of(eye, planes) for eye in files]])
    folder = fill_once(
        cache_folder() / "frames" / hashlib.sha256(wanted.encode()).hexdigest()[:24],
        lambda temporary: _decode(files, size_px, planes, temporary),
    )
    about = json.loads((folder / "frames.json").read_text(encoding="utf-8"))
    return FramedEyes(
        files=tuple(files),
        photographs=np.load(folder / "photographs.npy", mmap_mode="r", allow_pickle=False),
        layers=np.load(folder / "layers.npy", mmap_mode="r", allow_pickle=False),
        known=np.load(folder / "known.npy", allow_pickle=False),
        cameras=tuple(map(Camera.model_validate, about["cameras"])),
        fingerprint=about["fingerprint"],
    )


def _decode(files: Sequence[EyeFiles], size: int, planes: Sequence[str], folder: Path) -> None:
    def decode(one: EyeFiles) -> tuple[Photograph, NDArray[np.uint8], Photograph, Mask]:
        eye = read_eye(one.with_planes_alone(planes))
        if eye.photograph is None:
            raise DataError(f"{one.name} has no photograph")
        field = find_field_of_view(eye.photograph, one.photograph)
        frame = frame_of(field)
        absent = np.zeros(field.shape, np.bool_)
        layers = [field, *(eye.planes.get(plane, absent) for plane in planes)]
        covered = [into_frame(layer.astype(np.uint8) * np.uint8(255), frame, size) for layer in layers]
        return into_frame(eye.photograph, frame, size), np.stack(covered), eye.photograph, field

    known = np.array([[one.has([plane]) for plane in planes] for one in files])
    photographs = np.lib.format.open_memmap(folder / "photographs.npy", "w+", np.uint8, (len(files), size, size, 3))
    layers = np.lib.format.open_memmap(folder / "layers.npy", "w+", np.uint8, (len(files), 1 + len(planes), size, size))
    digest = hashlib.sha256(json.dumps([[one.name for one in files], known.tolist()]).encode())
    cameras = Cameras()
    with ThreadPoolExecutor(max_workers=2) as pool:
        for number, (photograph, covered, whole, field) in enumerate(pool.map(decode, files)):
            cameras.add(whole, field)
            photographs[number], layers[number] = photograph, covered
            digest.update(photograph.tobytes())
            digest.update(covered.tobytes())
    photographs.flush()
    layers.flush()
    np.save(folder / "known.npy", known)
    about = {
        "fingerprint": digest.hexdigest(),
        "names": [one.name for one in files],
        "cameras": [camera.model_dump() for camera in cameras.usual()],
    }
    (folder / "frames.json").write_text(json.dumps(about), encoding="utf-8")
