"""Files that hold several pictures: pages of a TIFF, frames of a GIF. One is chosen as ``FILE#2``, counted from 1."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from PIL.ExifTags import Base

from retinasynth.errors import ImageError

_PAGE = re.compile(r"(?P<file>.+)#(?P<page>[1-9]\d{0,5})", re.DOTALL)
_MOST_PAGES = 1000  # that are looked at
_ASPECT_TOLERANCE = 0.02
# What a page is to another one: bits of NewSubfileType in TIFF 6.0, a value of SubfileType in its predecessor.
_REDUCED, _TRANSPARENCY = 1, 4
_REDUCED_EARLIER = 2


def file_and_page(path: Path) -> tuple[Path, int | None]:
    """The file that a path means, and the page in it; a file that is really called ``FILE#2`` comes first.

    Example:
        >>> file_and_page(Path("eye.tif"))[1] is None
        True
    """
    match = _PAGE.fullmatch(path.name)
    if match is None or path.exists():
        return path, None
    file = path.with_name(match["file"])
    return (file, int(match["page"])) if file.is_file() else (path, None)


def is_file(path: Path) -> bool:
    """Whether there is such a file, or a file of which the path means a page."""
    return file_and_page(path)[0].is_file()


def without_page(name: str) -> tuple[str, str]:
    """The name of a file and the page that follows it, either as it is written.

    Example:
        >>> without_page("eye.tif#2"), without_page("eye#2.tif")
        (('eye.tif', '2'), ('eye#2.tif', ''))
    """
    match = _PAGE.fullmatch(name)
    return (match["file"], match["page"]) if match and "." in match["file"] else (name, "")


def turn_to_page(image: Image.Image, file: Path, page: int | None, *, refuse_several: bool = True) -> None:
    """Make one page of an opened file the one that is decoded: the one that is named, else the only or largest one.

    Smaller copies of the largest page, as thumbnails and pyramids have them, are no pages of their own.

    Args:
        image: as Pillow opened it.
        file: for messages.
        page: from 1, or None where none is named.
        refuse_several: where none is named; else the largest is taken.

    Raises:
        ImageError: there is no such page, or there are several and none is named.
    """
    if not getattr(image, "is_animated", False):
        if page not in (None, 1):
            raise ImageError(f"{file} has one page", expected="the file without #, or #1")
        return
    sizes = _sizes(image)
    if page is not None:
        if page > len(sizes):
            raise ImageError(f"{file} has {len(sizes)} pages", expected=f"#1 to #{len(sizes)}")
        image.seek(page - 1)
        return
    places = [number for number, size in enumerate(sizes) if size is not None] or [0]
    largest = max(places, key=lambda number: _area(sizes[number]))
    several = [number for number in places if number == largest or not _is_smaller(sizes[number], sizes[largest])]
    if len(several) > 1 and refuse_several:
        raise several_pages(file, [sizes[number] for number in several], several[-1] + 1)
    image.seek(largest)


def _sizes(image: Image.Image) -> list[tuple[int, int] | None]:
    """Width and height of each page; None where it is said to be a smaller copy or a mask of another.

    Pages behind one that cannot be read are not counted.
    """
    if image.format not in ("TIFF", "MPO"):  # all frames have the size of the first
        return [image.size] * min(getattr(image, "n_frames", 1), _MOST_PAGES)
    sizes: list[tuple[int, int] | None] = []
    for number in range(_MOST_PAGES):
        try:
            image.seek(number)
        except (EOFError, OSError, SyntaxError, ValueError, KeyError, TypeError):
            break
        tags = getattr(image, "tag_v2", {})
        is_copy = tags.get(Base.SubfileType) == _REDUCED_EARLIER
        kind = tags.get(Base.NewSubfileType, 0)
        is_copy = is_copy or (isinstance(kind, int) and bool(kind & (_REDUCED | _TRANSPARENCY)))
        sizes.append(None if is_copy else image.size)
    return sizes or [image.size]


def _area(size: tuple[int, int] | None) -> int:
    return 0 if size is None else size[0] * size[1]


def _is_smaller(size: tuple[int, int] | None, than: tuple[int, int] | None) -> bool:
    """Whether a page may be a smaller copy of another: of its shape."""
    if size is None or than is None or 0 in (*size, *than):
        return False
    (width, height), (most_width, most_height) = size, than
    shape = (width / height) / (most_width / most_height)
    # A thumbnail has few pixels, and its shape is rounded to them.
    tolerance = max(_ASPECT_TOLERANCE, 1 / min(size))
    return width < most_width and height < most_height and abs(shape - 1) <= tolerance


def several_pages(file: Path, sizes: Sequence[tuple[int, int] | None], last: int) -> ImageError:
    """What is said of a file of several pages, each of a width and height, of which none is named."""
    counts = Counter(f"{size[0]} x {size[1]} px" for size in sizes if size is not None)
    named = ", ".join(f"{count} of {size}" for size, count in counts.most_common(4))
    return ImageError(
        f"{file} has several pages ({named}{' ...' if len(counts) > 4 else ''})",
        expected="one picture",
        do=f"Name the page where a single file is given ({file.name}#1 to #{last}), or save it as a file of its own",
    )
