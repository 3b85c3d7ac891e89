"""Unpacking zips, which may come from anybody: all that one claims to hold is measured before a file is written."""

import io
import re
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from retinasynth.errors import InputError, OutputError, RetinasynthError
from retinasynth.files import FULL_DISK

_LISTING_BYTES = 400  # what a zip needs to list a file
_END, _END_BYTES = b"PK\x05\x06", 22
_FAR_LOCATOR, _FAR_LOCATOR_BYTES, _FAR_END, _FAR_END_BYTES = b"PK\x06\x07", 20, b"PK\x06\x06", 56
_LONGEST_NAME_BYTES = 255  # of a file or folder, on all usual file systems
_LONGEST_PATH = 200
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others without bound: 50 bytes to 100 MB


@dataclass(frozen=True)
class Bounds:
    """What a zip may hold at most.

    Attributes:
        files: how many.
        unpacked_bytes: of all files together.
        file_bytes: of one file that is taken out.
        growth: how many times the size of the zip its files may have together, beyond the first billion bytes; None
            for any.
    """

    files: int
    unpacked_bytes: int
    file_bytes: int
    growth: int | None = None


def unpack(archive: Path, into: Path, bounds: Bounds, is_wanted: Callable[[PurePosixPath], bool]) -> None:
    """Write the files in a zip into a folder; hidden ones and those that are not wanted are left out.

    What it claims to hold is added up first, and no file can grow beyond its claim.

    Args:
        archive: the zip.
        into: a folder, made where missing.
        bounds: what it may hold.
        is_wanted: whether a file is taken out, by its place in the zip.

    Raises:
        InputError: it is no zip, is damaged or locked, holds too much, or points out of its folder.
        OutputError: the disk is full.
    """
    try:
        _refuse_long_listing(archive, bounds)
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, archive, into, bounds, is_wanted)
    except RetinasynthError:
        raise
    except Exception as error:  # of a damaged zip, zipfile and the libraries below it raise about anything
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise OutputError(
                f"{archive.name} cannot be unpacked: the disk is full", do="Free some space, or try again later"
            ) from error
        is_locked = "encrypted" in str(error)
        raise InputError(
            f"{archive.name} {'is locked by a password' if is_locked else 'is not a zip that can be read'}",
            expected="a zip, neither damaged nor locked",
        ) from error


def _refuse_long_listing(archive: Path, bounds: Bounds) -> None:
    """Raise where the list of files alone would fill the memory: zipfile reads it whole, whatever it counts."""
    with archive.open("rb") as file:
        start = max(0, file.seek(0, io.SEEK_END) - _END_BYTES - _FAR_LOCATOR_BYTES - _FAR_END_BYTES - 0xFFFF)
        file.seek(start)
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + _END_BYTES:
        raise zipfile.BadZipFile
    (listing_bytes,) = struct.unpack("<L", tail[end + 12 : end + 16])
    locator = end - _FAR_LOCATOR_BYTES
    if locator >= 0 and tail.startswith(_FAR_LOCATOR, locator):  # as zips above 4 GB have it
        far = locator - _FAR_END_BYTES
        (place,) = struct.unpack("<Q", tail[locator + 8 : locator + 16])
        if far < 0 or not tail.startswith(_FAR_END, far) or place != start + far:
            raise zipfile.BadZipFile
        (listing_bytes,) = struct.unpack("<Q", tail[far + 40 : far + 48])
    if listing_bytes > _LISTING_BYTES * bounds.files:
        raise InputError(f"{archive.name} lists too many files", expected=f"at most {bounds.files}")


def _unpack(
    opened: zipfile.ZipFile, archive: Path, into: Path, bounds: Bounds, is_wanted: Callable[[PurePosixPath], bool]
) -> None:
    name = archive.name
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > bounds.files:
        raise InputError(f"{name} holds {len(members)} files", expected=f"at most {bounds.files}")
    total = sum(member.file_size for member in members)
    most = bounds.unpacked_bytes
    if bounds.growth is not None:
        most = min(most, 10**9 + bounds.growth * archive.stat().st_size)
    if total > most:
        raise InputError(f"{name} unpacks to {total / 1e9:.1f} GB", expected=f"at most {most / 1e9:.0f} GB")
    places = [(_place(member, name), member) for member in members]
    into.mkdir(parents=True, exist_ok=True)
    for place, member in places:
        if any(part.startswith((".", "__MACOSX")) for part in place.parts) or not is_wanted(place):
            continue
        file = into / place
        if file.exists():
            raise InputError(f"{name} holds {place} twice", expected="each file once")
        if member.file_size > bounds.file_bytes:
            raise InputError(
                f"{place} in {name} has {member.file_size / 1e6:.0f} MB",
                expected=f"at most {bounds.file_bytes / 1e6:.0f} MB",
            )
        if member.compress_type not in _PACKINGS:
            raise InputError(
                f"{place} in {name} is packed in an unusual way",
                expected="deflated files, as most programs write them",
                do="Zip the folder anew, without special settings",
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as packed, file.open("xb") as unpacked:
            shutil.copyfileobj(packed, unpacked)  # ends at the size that was claimed


def _place(member: zipfile.ZipInfo, name: str) -> PurePosixPath:
    """Where a file of a zip belongs, relative to it; refused where that could be anywhere else."""
    place = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    is_odd = not place.parts or bool(re.search(r"[\\:]", member.filename)) or not member.filename.isprintable()
    is_long = len(str(place)) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME_BYTES for part in place.parts)
    if is_link or is_odd or is_long or place.is_absolute() or ".." in place.parts:
        raise InputError(
            f"{name} holds a file that points out of its folder, or has an impossible name",
            expected="plain files in plain folders",
            do="Zip the folder anew",
        )
    return place
