"""What may be named as a data set beside one folder: a zip of it, or a folder of photographs and one of masks.

The two folders of a pair are named in one path, ``IMAGES::MASKS``, which is kept, passed on and resumed from like any.
"""

import functools
import hashlib
from pathlib import Path, PurePosixPath

from retinasynth import archives
from retinasynth.cache import fill_once
from retinasynth.errors import DataError, InputError
from retinasynth.files import cache_folder
from retinasynth.pages import is_file

BOUNDS = archives.Bounds(files=200_000, unpacked_bytes=100 * 10**9, file_bytes=2 * 10**9, growth=50)
_SEPARATOR = "::"


def pair(photographs: Path, masks: Path) -> Path:
    """A folder of photographs and one of masks as one data set.

    Example:
        >>> str(pair(Path("photos"), Path("drawn/vessels")))
        'photos::drawn/vessels'
    """
    return Path(f"{photographs}{_SEPARATOR}{masks}")


def folders_of_pair(path: Path) -> tuple[Path, Path] | None:
    """The folder of photographs and that of masks that `pair` put together; None for any other path.

    Example:
        >>> folders_of_pair(Path("photos::drawn/vessels"))[1].name, folders_of_pair(Path("photos"))
        ('vessels', None)
    """
    photographs, separator, masks = str(path).partition(_SEPARATOR)
    return (Path(photographs), Path(masks)) if separator and not path.exists() else None


def name_of(path: Path) -> str:
    """What a data set is called: its folder of photographs, if it has two, or its zip without the suffix.

    Example:
        >>> name_of(Path("eyes/photos::drawn")), name_of(Path("eyes/photos"))
        ('photos', 'photos')
    """
    both = folders_of_pair(path)
    return both[0].name if both else path.stem if is_zip(path) else path.name


def is_zip(path: Path) -> bool:
    """Whether a path is that of a zip."""
    return path.suffix.lower() == ".zip" and path.is_file()


def zips_in(folder: Path) -> list[Path]:
    """The zips in a folder, sorted; hidden ones are left out."""
    return sorted(path for path in folder.iterdir() if is_zip(path) and path.name[0] != ".")


def is_data_set(path: Path) -> bool:
    """Whether a path names a data set rather than a single picture, be it there or not."""
    return not is_file(path) or is_zip(path)


def unpacked(archive: Path) -> Path:
    """The folder under the cache with the files of a zip, unpacked on first use and again where the zip has changed.

    Raises:
        DataError: it is no zip, is damaged or locked, holds too much (`BOUNDS`), or points out of its folder.
        OutputError: the cache cannot be written.
    """
    status = archive.stat()
    return _unpacked(archive.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)  # what is under the cache is looked over each time, which takes long
def _unpacked(archive: Path, *version: int) -> Path:
    def unpack(into: Path) -> None:
        try:
            archives.unpack(archive, into, BOUNDS, _is_wanted)
        except InputError as error:
            raise DataError(
                f"{archive}: {error.got}", expected=error.expected, do=error.do or "Unpack it and name its folder"
            ) from error

    key = hashlib.sha256(repr((str(archive), *version)).encode()).hexdigest()[:24]
    return fill_once(cache_folder() / "unpacked" / key, unpack)


def _is_wanted(place: PurePosixPath) -> bool:
    return place.suffix.lower() != ".zip"
