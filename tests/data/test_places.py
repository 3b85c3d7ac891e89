"""Data sets that are named by something else than one folder: two folders, a zip, what lies one level down."""

import errno
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from pictures import put_mask, put_photograph
from retinasynth.archives import Bounds, unpack
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.data.overlays import labelled_eyes
from retinasynth.data.photographs import photographs_in
from retinasynth.data.places import name_of, pair
from retinasynth.data.selection import write_selection
from retinasynth.errors import DataError, InputError, OutputError
from retinasynth.files import cache_folder
from retinasynth.generation.folder import find_masks


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path_factory.mktemp("cache")))


def put(folder: Path, photographs: str = "mine", masks: str = "drawn", names: str = "abc") -> Path:
    for seed, name in enumerate(names):
        put_photograph(folder / photographs / f"{name}.png", seed, 40, 40)
        put_mask(folder / masks / f"{name}_mask.png", seed, 40, 40)
    return folder


def zipped(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive


# --- Two folders -------------------------------------------------------------------------------------------------


def test_two_folders_of_any_names_are_a_data_set(tmp_path):
    put(tmp_path, "camera one", "x/y")
    found = find_eyes(pair(tmp_path / "camera one", tmp_path / "x" / "y"))
    assert (found.layout, found.unpaired) == ("two folders", ())
    assert [(files.name, files.planes["vessels"].name) for files in found.eyes] == [
        (name, f"{name}_mask.png") for name in "abc"
    ]
    assert read_eye(found.eyes[0]).planes["vessels"].any()


def test_a_pair_is_found_again_from_any_folder(tmp_path, monkeypatch):
    put(tmp_path)
    monkeypatch.chdir(tmp_path)
    folder = find_eyes(Path("mine::drawn")).folder
    monkeypatch.chdir("/")
    assert find_eyes(folder.resolve()).eyes == find_eyes(pair(tmp_path / "mine", tmp_path / "drawn")).eyes


def test_both_folders_of_a_pair_may_be_split(tmp_path):
    for side in ("train", "val", "test"):
        put(tmp_path, f"mine/{side}", f"drawn/{side}", names=side)
    found = find_eyes(pair(tmp_path / "mine", tmp_path / "drawn"))
    assert [len(found.split(side)) for side in ("train", "val", "test")] == [5, 3, 3]  # letters


def test_the_masks_of_a_pair_are_of_the_plane_that_names_them(tmp_path):
    put(tmp_path, "mine", "optic disc")
    found = find_eyes(pair(tmp_path / "mine", tmp_path / "optic disc"))
    assert {plane for files in found.eyes for plane in files.planes} == {"disc"}
    put(tmp_path, "mine", "all/vessels")
    put(tmp_path, "mine", "all/cup")
    found = find_eyes(pair(tmp_path / "mine", tmp_path / "all"))
    assert {plane for files in found.eyes for plane in files.planes} == {"vessels", "cup"}


def test_a_pair_that_is_none_is_refused(tmp_path):
    put(tmp_path)
    (tmp_path / "empty").mkdir()
    put(tmp_path, "whole", "split/train")
    for photographs, masks, message in (
        ("mine", "nowhere", "nowhere does not exist"),
        ("mine", "drawn/a_mask.png", "a_mask.png is a file"),
        ("empty", "drawn", "empty has no pictures"),
        ("mine", "empty", "empty has no pictures"),
        ("whole", "split", "one has train/ and test/ and the other has not"),
    ):
        with pytest.raises(DataError, match=message):
            find_eyes(pair(tmp_path / photographs, tmp_path / masks))
    (tmp_path / "drawn" / "c_mask.png").unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) without partner: mine/c.png"):
        find_eyes(pair(tmp_path / "mine", tmp_path / "drawn"))


def test_pairs_and_zips_are_taken_wherever_data_sets_are(tmp_path):
    put(tmp_path / "set", "images", "masks")
    for data in (
        pair(tmp_path / "set" / "images", tmp_path / "set" / "masks"),
        zipped(tmp_path / "set", tmp_path / "set.zip"),
    ):
        assert len(photographs_in(data)) == len(labelled_eyes(data)) == len(find_masks(data)) == 3
        assert name_of(data) == ("set" if data.is_file() else "images")
        report = inspect_data(data)
        assert (report.pairs, [one["folder"] for one in report.planes]) == (3, ["masks"])


def test_a_foreign_selection_reaches_nothing_through_a_pair(tmp_path):
    put(tmp_path / "private")
    own = tmp_path / "downloaded"
    (own / "x").mkdir(parents=True)
    (own / "selection.json").write_text(
        f'{{"of": "x::{tmp_path}/private/mine::{tmp_path}/private/drawn", "train": ["a"], "test": []}}'
    )
    with pytest.raises(DataError, match="outside its own folder"):
        find_eyes(own)
    chosen = write_selection(
        tmp_path / "fold", pair(tmp_path / "private" / "mine", tmp_path / "private" / "drawn"), train=["a"], test=["b"]
    )
    assert [files.name for files in find_eyes(chosen).eyes] == ["a", "b"]


# --- Zips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["", "My set/"])
def test_a_zip_is_read_as_the_folder_in_it(tmp_path, around):
    put(tmp_path / "set" / around, "images", "masks")
    (tmp_path / "set" / "README.txt").write_text("read me")
    archive = zipped(tmp_path / "set", tmp_path / "set.zip")
    found = find_eyes(archive)
    assert (found.folder, found.layout, [files.name for files in found.eyes]) == (archive, "two folders", list("abc"))
    assert all(files.photograph.is_relative_to(cache_folder()) for files in found.eyes)


def test_a_zip_that_has_changed_is_unpacked_again(tmp_path):
    archive = zipped(put(tmp_path / "set", "images", "masks"), tmp_path / "set.zip")
    assert len(find_eyes(archive).eyes) == 3
    zipped(put(tmp_path / "set", "images", "masks", "abcd"), archive)
    assert len(find_eyes(archive).eyes) == 4


def test_a_zip_in_a_folder_is_read_where_nothing_else_is(tmp_path):
    put(tmp_path / "set", "images", "masks")
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "README.md").write_text("read me")
    zipped(tmp_path / "set", tmp_path / "download" / "set.zip")
    assert len(find_eyes(tmp_path / "download").eyes) == 3
    zipped(tmp_path / "set", tmp_path / "download" / "other.zip")
    with pytest.raises(DataError, match=r"its zips are: other\.zip, set\.zip.*Name one of the zips"):
        find_eyes(tmp_path / "download")


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "C:/a.png", "a\\..\\b.png", "a\nb.png"])
def test_a_zip_that_points_out_of_its_folder_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr(name, b"?")
    with pytest.raises(DataError, match=r"set\.zip holds a file that points out of its folder"):
        find_eyes(tmp_path / "set.zip")
    assert not list(cache_folder().rglob("*.png"))
    assert not inspect_data(tmp_path / "set.zip").ok


def test_links_and_bombs_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="points out of its folder"):
        find_eyes(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(4):
            file.writestr(f"{number}.png", bytes(1000))
    for bounds, message in (
        (Bounds(3, 10**9, 10**9), "holds 4 files"),
        (Bounds(9, 3000, 10**9), "unpacks to"),
        (Bounds(9, 10**9, 999), r"0\.png in bomb\.zip has"),
    ):
        with pytest.raises(InputError, match=message):
            unpack(tmp_path / "bomb.zip", tmp_path / "out", bounds, lambda _: True)
    (tmp_path / "no.zip").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"no\.zip is not a zip that can be read"):
        find_eyes(tmp_path / "no.zip")


def test_a_zip_grows_no_more_than_its_size_allows(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("0.png", b"")
    content = bytearray((tmp_path / "bomb.zip").read_bytes())
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<L", 3 * 10**9)
    (tmp_path / "bomb.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"unpacks to 3\.0 GB"):
        find_eyes(tmp_path / "bomb.zip")


def test_the_list_of_files_of_a_large_zip_is_bounded_too(tmp_path):
    """As zips of more than 4 GB or 65,535 files say it, in a record of its own."""
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as file:
        file.writestr("a.png", b"?")
        file.writestr("b.png", b"?")
    content = (tmp_path / "many.zip").read_bytes()
    end = content.rfind(b"PK\x05\x06")
    size, start = struct.unpack("<LL", content[end + 12 : end + 20])
    head, tail = bytearray(content[:end]), bytearray(content[end:])
    tail[12:20] = b"\xff" * 8

    def with_listing(listed: int) -> Path:
        far = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, listed, start)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(head), 1)
        (tmp_path / "far.zip").write_bytes(head + far + locator + tail)
        return tmp_path / "far.zip"

    unpack(with_listing(size), tmp_path / "1", Bounds(9, 10**9, 10**9), lambda _: True)
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == ["a.png", "b.png"]
    with pytest.raises(InputError, match="lists too many files"):
        unpack(with_listing(10**12), tmp_path / "2", Bounds(9, 10**9, 10**9), lambda _: True)


def test_a_full_disk_is_not_the_fault_of_the_zip(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = zipped(put(tmp_path / "set"), tmp_path / "set.zip")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OutputError, match="the disk is full"):
        find_eyes(archive)


# --- One level down ----------------------------------------------------------------------------------------------


def test_a_set_beside_a_readme_and_tables_is_found(tmp_path):
    put(tmp_path / "the set", "images", "masks")
    (tmp_path / "README.md").write_text("read me")
    (tmp_path / "grades.csv").write_text("image,retinopathy_grade\na,3\nb,0\n")
    assert [files.grade for files in find_eyes(tmp_path).eyes] == [3, 0, None]


def test_pictures_beside_the_photographs_that_are_not_read_are_said(tmp_path):
    put(tmp_path, "photos", "drawn")
    found = find_eyes(tmp_path)
    assert found.layout == "photographs"
    assert found.notes == (
        f"drawn/ beside photos/ is not read; if it holds masks, name the two as {tmp_path}/photos::{tmp_path}/drawn.",
    )


def test_the_folder_that_has_the_set_is_named(tmp_path):
    put(tmp_path / "vessels of all", "images", "masks")
    put_photograph(tmp_path / "code" / "figures" / "a.png")
    with pytest.raises(DataError, match=r"of which vessels of all is a data set.*Name .*/vessels of all"):
        find_eyes(tmp_path)
    put(tmp_path / "more", "images", "masks")
    with pytest.raises(DataError, match="of which more, vessels of all are data sets"):
        find_eyes(tmp_path)
