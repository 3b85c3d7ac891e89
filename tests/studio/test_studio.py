"""The work behind the studio, and what it does with hostile uploads.

The server is attacked in test_studio_doors.py, a browser is driven in test_studio_browser.py.
"""

import asyncio
import base64
import errno
import io
import json
import os
import shutil
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pictures import put_mask, put_photograph, tiny_photograph
from retinasynth.anatomy.grow import _DENSITY_TOLERANCE
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import DataError, ImageError, InputError, OutputError, RetinasynthError
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.label_map import read_label_map
from retinasynth.generation import complete as discs
from retinasynth.generation.generator import load as load_generator
from retinasynth.generator import Generator
from retinasynth.images import Mask, read_metadata, write_mask, write_photograph
from retinasynth.studio import downloads as downloads_module
from retinasynth.studio import markup, uploads, view_model
from retinasynth.studio.downloads import MOST, Downloads
from retinasynth.studio.uploads import without_folders
from retinasynth.studio.view_model import DRAWN, GROWN, UPLOADED, Asked, Given, Look
from retinasynth.styled.generator import FoundDisc

pytest.importorskip("gradio", reason="the extra studio is not installed")
import gradio as gr
import httpx  # this and fastapi come with gradio
from fastapi import FastAPI, Request

from retinasynth.studio import canvas
from retinasynth.studio.eye import OneEye


@pytest.fixture(scope="module")
def model(styled_run: Path) -> Generator:
    return load_generator(styled_run)


def asked(seed: int = 7, **numbers: float) -> Asked:
    side, proposed = view_model.proposed(seed, "adult")
    return Asked(seed, "adult", side, "Disc, 45°", tuple({**proposed, **numbers}.items()))


def a_zip(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def a_png(size: int = 40) -> bytes:
    file = io.BytesIO()
    Image.fromarray(tiny_photograph(1, size, size)).save(file, "PNG")
    return file.getvalue()


# --- Eyes that are asked for -------------------------------------------------------------------------------------


def test_sliders_start_where_the_seed_has_them_and_move_one_thing():
    eye = view_model.grown(asked())
    measured = {line.title: line for line in view_model.measures(eye, dict(asked().numbers))}
    density = dict(asked().numbers)["vessel_density"]
    assert measured["Vessel density"].asked == f"{density:.3f}"
    assert measure_eye(eye).vessel_density == pytest.approx(density, rel=_DENSITY_TOLERANCE)
    wider = view_model.grown(asked(cup_to_disc=0.8))
    after = {line.title: line for line in view_model.measures(wider, {})}
    assert float(after["Cup-to-disc ratio"].measured) == pytest.approx(0.8, abs=0.02)
    assert after["Cup-to-disc ratio"].asked == "-"
    beyond = ~eye.planes["disc"]  # on the disc vessels bend where they dip into the cup
    assert np.array_equal(eye.planes["vessels"] & beyond, wider.planes["vessels"] & beyond)


@pytest.mark.parametrize("end", ["least", "most"])
def test_an_eye_can_be_grown_at_either_end_of_every_slider(end):
    ends = {name: getattr(slider, end) for name, slider in {**view_model.ANATOMY, **view_model.LESIONS}.items()}
    eye = view_model.grown(asked(**ends))
    assert eye.planes["vessels"].any()
    assert eye.planes["microaneurysms"].any() == (end == "most")


def test_a_source_that_is_not_there_is_said():
    with pytest.raises(InputError, match="No mask was uploaded yet"):
        view_model.eye_of(UPLOADED, asked(), Given())
    with pytest.raises(InputError, match="No photograph was uploaded yet"):
        view_model.style_of(Look(view_model.LENT), Given())


def test_a_drawing_replaces_the_vessels_inside_the_field_of_view():
    eye = view_model.grown(asked())
    everywhere = np.ones(eye.size, np.bool_)
    drawn = view_model.redrawn(eye, everywhere)
    assert np.array_equal(drawn.planes["vessels"], eye.planes["fov"])
    assert "arteries" not in drawn.planes
    assert np.array_equal(drawn.planes["disc"], eye.planes["disc"])
    assert view_model.eye_of(DRAWN, asked(), Given(drawn=drawn)) is drawn


def test_styles_differ_and_repeat(model):
    eye = view_model.grown(asked())
    six = [view_model.photograph_of(model, eye, Look(style, 3), Given()) for style in view_model.STYLES]
    again = view_model.photograph_of(model, eye, Look("4", first=3), Given())
    assert np.array_equal(six[3], again)
    assert all((one != six[0]).any() for one in six[1:])
    brighter = view_model.photograph_of(model, eye, Look("4", 3, (("brightness", 2.0),)), Given())
    assert brighter.mean() > again.mean() + 5
    lent = Given(lent=six[1])
    likeness = view_model.photograph_of(model, eye, Look(view_model.LENT), lent)
    assert np.abs(likeness.mean((0, 1)) - six[1].mean((0, 1))).max() < 12
    assert view_model.rendered(eye, Look()).shape == (*eye.size, 3)


def test_an_uploaded_mask_is_completed_unless_that_is_switched_off(styled_run, model, tmp_path, monkeypatch):
    looked = []

    def find(photograph: np.ndarray) -> FoundDisc:
        looked.append(photograph)
        return FoundDisc(grown.planes["disc"], 0.9)

    grown = view_model.grown(asked())
    bare = Eye("uploaded", {"vessels": grown.planes["vessels"]})
    told = Eye("uploaded", {name: grown.planes[name] for name in ("vessels", "disc")})
    monkeypatch.setattr(discs, "find_disc", find)
    finding = load_generator(styled_run)

    async def built() -> tuple[gr.Blocks, OneEye]:  # gradio wants a running loop, and would leave one of its own open
        with gr.Blocks() as page:
            return page, OneEye({"this": finding}, Downloads(tmp_path / "downloads"))

    page, tab = asyncio.run(built())
    with_it = next(event.inputs for event in page.fns.values() if (tab.complete, "input") in targets_of(page, event))
    values = {one: one.value for one in with_it} | {tab.given: Given(uploaded=bare), tab.source: UPLOADED}
    assert tab.complete.visible
    assert not looked  # of grown eyes it is known
    shown = [tab.look({**values, tab.complete: wanted})[tab.picture] for wanted in (False, True)]
    assert len(looked) == 2  # with it alone: the disc right and left
    of_each = [view_model.photograph_of(model, eye, Look(complete=False), Given()) for eye in (bare, told)]
    described = ("uploaded, style 1. Synthetic; not for diagnosis.", "Synthetic fundus photograph")
    assert shown == [markup.photograph(markup.Shown(photograph, *described)) for photograph in of_each]
    for wanted, photograph in zip((False, True), of_each, strict=True):
        folder = tmp_path / str(wanted)
        view_model.write_pair(folder, finding, bare, tab.wanted({**values, tab.complete: wanted}), Given())
        assert np.array_equal(read_label_map(folder, "uploaded").photograph, photograph)
    assert (of_each[0] != of_each[1]).any()


def targets_of(page: gr.Blocks, event: Any) -> list[tuple[Any, str]]:
    return [(page.blocks.get(number), name) for number, name in event.targets]


# --- What is taken along -----------------------------------------------------------------------------------------


def test_a_pair_is_the_eye_that_was_shown(model, tmp_path):
    eye = view_model.grown(asked())
    look = Look("2", 0, (("contrast", 1.0), ("evenness", 0.0)))
    view_model.write_pair(tmp_path / "pair", model, eye, look, Given())
    view_model.pack(tmp_path / "pair", tmp_path / "pair.zip")
    with zipfile.ZipFile(tmp_path / "pair.zip") as archive:
        archive.extractall(tmp_path / "out")
    read = read_label_map(tmp_path / "out" / "pair", eye.name)
    assert read.photograph is not None
    assert np.array_equal(read.photograph, view_model.photograph_of(model, eye, look, Given()))
    assert all(np.array_equal(read.planes[name], mask) for name, mask in eye.planes.items())
    said = read_metadata(tmp_path / "pair" / "images" / f"{eye.name}.png")
    assert said["Knobs"] == "contrast=1"
    assert "not for diagnosis" in (tmp_path / "pair" / "README.txt").read_text()


def test_a_set_shares_what_was_moved_and_draws_the_rest(styled_run, model, tmp_path):
    wanted = asked(cup_to_disc=0.8)
    assert view_model.shared(wanted) == {"centred_on": "disc", "angle_deg": 45.0, "cup_to_disc": 0.8}
    folder = tmp_path / "eyes"
    steps = list(view_model.write_eyes(folder, (str(styled_run), model), GROWN, wanted, Look(), Given(), 2))
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert steps == [2]
    assert [line["parameters"]["cup_to_disc"] for line in lines] == [0.8, 0.8]
    assert lines[0]["parameters"]["tortuosity"] != lines[1]["parameters"]["tortuosity"]


def test_a_set_of_a_drawing_keeps_its_labels(model, tmp_path):
    drawn = view_model.redrawn(view_model.grown(asked()), view_model.grown(asked()).planes["arteries"])
    given = Given(drawn=drawn)
    list(view_model.write_eyes(tmp_path / "eyes", ("", model), DRAWN, asked(), Look(), given, 2))
    first, second = (read_label_map(tmp_path / "eyes", f"drawn_0{number}") for number in (1, 2))
    assert np.array_equal(first.planes["vessels"], second.planes["vessels"])
    assert (first.photograph != second.photograph).any()


@pytest.mark.parametrize("count", [0, view_model.MOST_EYES + 1])
def test_a_set_has_bounds(model, tmp_path, count):
    with pytest.raises(InputError, match="1 to 50"):
        next(view_model.write_eyes(tmp_path / "eyes", ("", model), GROWN, asked(), Look(), Given(), count))


def test_downloads_are_found_by_their_word_alone_and_go(tmp_path, monkeypatch):
    downloads = Downloads(tmp_path)
    first = downloads.add("eye.zip", lambda file: file.write_text("1") and None)
    _, _, word, name = first.split("/")
    found = downloads.find(word, name)
    assert found is not None
    assert found.read_text() == "1"
    assert downloads.find(word, "../../secret") is None
    assert downloads.find("..", name) is None
    for _ in range(MOST):
        downloads.add("eye.zip", lambda file: file.write_text("2") and None)
    assert downloads.find(word, name) is None
    assert len(list(tmp_path.iterdir())) == MOST

    monkeypatch.setattr(downloads_module, "LIFE_S", -1.0)
    downloads.add("eye.zip", lambda file: file.write_text("3") and None)
    assert list(tmp_path.iterdir()) == []

    def fails(file: Path) -> None:
        file.write_text("half")
        raise InputError("no")

    with pytest.raises(InputError):
        downloads.add("eye.zip", fails)
    assert list(tmp_path.iterdir()) == []


# --- The page ----------------------------------------------------------------------------------------------------


def test_markup_escapes_what_people_sent():
    shown = markup.photograph(markup.Shown(tiny_photograph(1), "<b>", '"><script>'), ["disc"])
    assert "<script>" not in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in markup.message("<b>")
    assert 'aria-pressed="true"' in markup.choices([markup.Shown(tiny_photograph(1), "a", "b")], 0)


def test_a_canvas_starts_with_the_vessels():
    vessels = np.zeros((4, 6), np.bool_)
    vessels[1, 2:6] = vessels[2, :2] = vessels[3, 5] = True
    start = json.loads(canvas.canvas_of(Eye("a", {"vessels": vessels})))
    drawn = np.zeros(24, np.bool_)
    for first, length in zip(start["runs"][::2], start["runs"][1::2], strict=True):
        drawn[first : first + length] = True
    assert np.array_equal(drawn.reshape(4, 6), vessels)
    assert (start["width"], start["height"]) == (6, 4)


def sent(mask: Mask, mode: str = "RGBA") -> str:
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask] = (110, 224, 236, 255)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_a_drawing_is_what_is_opaque():
    mask = np.random.default_rng(1).random((20, 30)) > 0.5
    assert np.array_equal(canvas.drawing_in(sent(mask), (20, 30)), mask)


@pytest.mark.parametrize(
    "drawing",
    [
        None,
        7,
        "",
        "data:image/png;base64,!!",
        "data:image/png;base64," + base64.b64encode(b"no picture").decode(),
        "data:image/svg+xml;base64,AAAA",
        sent(np.ones((20, 31), np.bool_)),
        sent(np.ones((20, 30), np.bool_), "RGB"),
        "data:image/png;base64," + "A" * canvas.MAX_DRAWING_CHARACTERS,
    ],
)
def test_a_foreign_drawing_is_refused(drawing):
    with pytest.raises(InputError, match="drawing did not arrive"):
        canvas.drawing_in(drawing, (20, 30))


# --- Hostile uploads ---------------------------------------------------------------------------------------------


def test_a_large_mask_is_reduced_and_stays_binary(tmp_path):
    mask = np.zeros((1500, 3000), np.bool_)
    mask[:, 1000:1006] = True
    write_mask(tmp_path / "mask.png", mask)
    reduced = uploads.mask_in(tmp_path / "mask.png")
    assert reduced.shape == (512, 1024)
    assert 1 <= reduced.any(axis=0).sum() <= 3
    write_photograph(tmp_path / "photograph.png", tiny_photograph(1, 50, 2048))
    assert uploads.photograph_in(tmp_path / "photograph.png").shape == (25, 1024, 3)


def test_no_picture_or_an_enormous_one_is_refused_undecoded(tmp_path):
    genuine = a_png()
    for size, said in ((20_000, "is enormous"), (8_000, "is 8000 x 8000 px")):
        header = b"IHDR" + struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
        claims = genuine[:12] + header + struct.pack(">L", zlib.crc32(header)) + genuine[33:]
        (tmp_path / "enormous.png").write_bytes(claims)
        with pytest.raises(ImageError, match=said):
            uploads.photograph_in(tmp_path / "enormous.png")
    for name, content in (("a.png", b"MZ"), ("a.exe", genuine), ("b.png", b""), ("c.jpg", b"<svg/>")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match="picture"):
            uploads.photograph_in(tmp_path / name)
    heavy = tmp_path / "heavy.png"
    with heavy.open("wb") as file:
        file.truncate(uploads.MAX_PICTURE_BYTES + 1)
    with pytest.raises(ImageError, match="40 MB"):
        uploads.mask_in(heavy)
    with pytest.raises(ImageError, match="not binary"):
        uploads.mask_in(put_photograph(tmp_path / "photograph.png"))


def test_a_zip_gives_its_pictures_alone(tmp_path):
    archive = a_zip(
        tmp_path / "eyes.zip",
        ("eyes/images/a.png", a_png()),
        ("eyes/run.sh", b"rm"),
        ("__MACOSX/eyes/images/._a.png", b"?"),
        ("eyes/.hidden.png", b"?"),
        ("eyes/subjects.csv", b"image,subject\n"),
    )
    folder = uploads.unpack(archive, tmp_path / "out")
    assert folder == tmp_path / "out" / "eyes"
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    assert files == ["images/a.png", "subjects.csv"]


@pytest.mark.parametrize(
    "name",
    ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", "a\\..\\b.png", "a\nb.png", "x" * 300 + ".png"],
)
def test_a_zip_cannot_reach_out_of_its_folder(tmp_path, name):
    archive = a_zip(tmp_path / "eyes.zip", ("good.png", a_png()), (name, a_png()))
    with pytest.raises(InputError, match="points out of its folder") as refused:
        uploads.unpack(archive, tmp_path / "in" / "out")
    assert str(tmp_path) not in str(refused.value)
    assert not (tmp_path / "in").exists()


def test_links_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InputError, match="points out"):
        uploads.unpack(a_zip(tmp_path / "eyes.zip", (link, b"/etc/passwd")), tmp_path / "out")


def test_a_zip_bomb_is_refused_before_it_bursts(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 10**6)
    bomb = a_zip(tmp_path / "bomb.zip", *((f"{number}.png", bytes(300_000)) for number in range(4)))
    with pytest.raises(InputError, match="unpacks to"):
        uploads.unpack(bomb, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_that_lies_about_its_size_is_cut_off(tmp_path):
    liar = a_zip(tmp_path / "liar.zip", ("a.png", bytes(500_000)))
    content = bytearray(liar.read_bytes())
    for signature, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.find(signature) + place
        content[at : at + 4] = struct.pack("<L", 1000)
    liar.write_bytes(content)
    with pytest.raises(InputError, match="not a zip that can be read"):
        uploads.unpack(liar, tmp_path / "out")
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file()) <= 1000


def test_a_zip_with_very_many_files_is_refused_by_its_listing(tmp_path, monkeypatch):
    many = a_zip(tmp_path / "many.zip", *((f"{number}.png", b"") for number in range(300)))
    monkeypatch.setattr(uploads, "MAX_FILES", 30)
    with pytest.raises(InputError, match="lists too many files"):
        uploads.unpack(many, tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "MAX_FILES", 100)
    with pytest.raises(InputError, match="holds 300 files"):
        uploads.unpack(many, tmp_path / "out")


def test_other_zips_that_cannot_be_used_are_explained(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a zip"):
        uploads.unpack(tmp_path / "no.zip", tmp_path / "1")
    with pytest.raises(InputError, match="holds no pictures"):
        uploads.unpack(a_zip(tmp_path / "text.zip", ("a.txt", b"a")), tmp_path / "2")
    with pytest.raises(InputError, match="not a zip"):
        uploads.unpack(a_zip(tmp_path / "both.zip", ("a.png", a_png()), ("a.png/b.png", a_png())), tmp_path / "3")
    with pytest.raises(ImageError, match=r"a\.png cannot be opened"):
        uploads.unpack(a_zip(tmp_path / "bad.zip", ("a.png", b"bad")), tmp_path / "4")
    locked = a_zip(tmp_path / "locked.zip", ("a.png", a_png()))
    content = bytearray(locked.read_bytes())
    for signature, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.find(signature) + place] |= 1
    locked.write_bytes(content)
    with pytest.raises(InputError, match="locked by a password"):
        uploads.unpack(locked, tmp_path / "5")


@pytest.mark.parametrize("place", ["", "eyes/", "eyes/inner/", "eyes/train/images/"])
@pytest.mark.parametrize("name", ["selection.json", "Selection.JSON"])
def test_a_zip_cannot_choose_eyes_of_another_folder(tmp_path, place, name):
    put_photograph(tmp_path / "private" / "a.png")
    chosen = {"of": str(tmp_path / "private"), "train": ["a"], "test": []}
    archive = a_zip(tmp_path / "eyes.zip", (f"{place}{name}", json.dumps(chosen).encode()), ("eyes/b.png", a_png()))
    with pytest.raises(
        InputError, match=r"holds a selection\.json.* Expected: a zip that holds its photographs itself"
    ):
        uploads.unpack(archive, tmp_path / "out")
    inside = a_zip(tmp_path / "more.zip", ("selection.json", b'{"of": "a", "train": [], "test": []}'), ("a/b.png", b""))
    with pytest.raises(InputError, match=r"holds a selection\.json"):
        uploads.unpack(inside, tmp_path / "out")


def packed(packing: int) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", packing) as opened:
        for number in range(3):
            opened.writestr(f"eyes/images/ä{number}.png", a_png())
        opened.writestr("eyes/subjects.csv", b"image,subject\n" * 9)
    return whole.getvalue()


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zips_are_taken_as_usual_programs_write_them(tmp_path, packing):
    (tmp_path / "eyes.zip").write_bytes(packed(packing))
    assert len(list(uploads.unpack(tmp_path / "eyes.zip", tmp_path / "out").rglob("*.png"))) == 3


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_would_fill_the_memory_are_refused(tmp_path, packing):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", packing) as opened, opened.open("a.png", "w") as file:
        for _ in range(100):
            file.write(bytes(1_000_000))
    content = bytearray(archive.read_bytes())
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<L", 1000)  # what it claims to unpack to
    archive.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match="packed in an unusual way"):
        uploads.unpack(archive, tmp_path / "out")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10e6


@pytest.mark.parametrize(
    "packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_whatever_is_wrong_with_a_zip_is_said_in_a_sentence(tmp_path, packing):
    genuine, archive = packed(packing), tmp_path / "eyes.zip"
    random = np.random.default_rng(packing)
    headers = [at for at in range(len(genuine)) if genuine[at : at + 2] == b"PK"]
    taken, said = 0, []
    for number in range(400):
        content = bytearray(genuine)
        for _ in range(random.choice([1, 2, 8])):
            is_header = random.random() < 0.6
            near = random.choice(headers) + random.integers(46) if is_header else random.integers(len(content))
            at = min(int(near), len(content) - 1)
            kind = random.random()
            if kind < 0.7:
                content[at] = random.integers(256)
            elif kind < 0.8:
                content[at : at + 4] = random.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"])
            elif kind < 0.9:
                del content[at : at + int(random.integers(1, 40))]
            else:
                content[at:at] = random.bytes(int(random.integers(1, 30)))
        archive.write_bytes(content)
        try:  # whatever else it raises fails
            uploads.unpack(archive, tmp_path / str(number))
            taken += 1
        except RetinasynthError as error:
            said.append(str(error))
    assert len(said) > 200
    assert all(len(sentence) < 1000 and str(tmp_path) not in without_folders(sentence) for sentence in said)
    assert (taken > 0) == (packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))


def test_a_name_that_no_disk_can_hold_is_refused(tmp_path):
    archive = a_zip(tmp_path / "eyes.zip", ("good.png", a_png()), ("ä" * 130 + ".png", a_png()))
    with pytest.raises(InputError, match="an impossible name"):
        uploads.unpack(archive, tmp_path / "out")


def test_a_full_disk_is_not_the_fault_of_the_zip(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OutputError, match=r"eyes\.zip cannot be unpacked: the disk is full"):
        uploads.unpack(a_zip(tmp_path / "eyes.zip", ("a.png", a_png())), tmp_path / "out")


def test_a_geometry_that_is_nested_by_the_thousand_is_a_damaged_one(tmp_path):
    put_photograph(tmp_path / "eyes" / "images" / "a.png", height=64, width=64)
    put_mask(tmp_path / "eyes" / "vessels" / "a.png", height=64, width=64)
    (tmp_path / "eyes" / "geometry").mkdir()
    (tmp_path / "eyes" / "geometry" / "a.json").write_text("[" * 100_000)
    view_model.pack(tmp_path / "eyes", tmp_path / "eyes.zip")
    folder = uploads.unpack(tmp_path / "eyes.zip", tmp_path / "out")
    with pytest.raises(DataError, match=r"a\.json cannot be read .*nested too deeply"):
        read_eye(find_eyes(folder).eyes[0])


def test_messages_name_no_folders(tmp_path):
    from retinasynth.studio.handlers import read_and_remove, said

    file = put_photograph(tmp_path / "my photograph.png")
    with pytest.raises(ImageError) as refused:
        read_and_remove(str(file), uploads.mask_in)
    assert str(tmp_path) in str(refused.value)
    assert str(tmp_path) not in said(refused.value)
    assert "my photograph.png is not binary" in said(refused.value)
    assert not file.exists()
    assert "/etc" not in said(OSError("/etc/passwd"))


# --- Evaluations -------------------------------------------------------------------------------------------------


def test_two_zips_become_a_report(tmp_path):
    from retinasynth.studio.evaluation import evaluated

    for what, shift in (("real", 0), ("generated", 1)):
        folder = tmp_path / what
        for number in range(1):
            put_photograph(folder / "images" / f"{number}.png", seed=number + shift, height=64, width=64)
            put_mask(folder / "vessels" / f"{number}.png", seed=number, height=64, width=64)
        view_model.pack(folder, tmp_path / f"{what}.zip")
    report = tmp_path / "report.html"
    sentences = evaluated(tmp_path / "real.zip", tmp_path / "generated.zip", report, sets=False)
    assert sentences
    page = report.read_text()
    assert "generated against real" in page
    assert str(tmp_path) not in page


# --- The server --------------------------------------------------------------------------------------------------


def statuses(folder: Path, path: str, *chunks: bytes, claimed: int | None = None) -> tuple[int, dict[str, str]]:
    """Status and headers that a server within bounds, which reads all it is sent, answers to a request."""
    from retinasynth.studio.server import Bounds

    app = FastAPI()

    @app.post("/{rest:path}")
    async def read(request: Request) -> str:
        return str(len(await request.body()))

    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    headers = [] if claimed is None else [(b"content-length", str(claimed).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    asyncio.run(Bounds(app, folder)(scope, receive, send))
    return answers[0]["status"], {name.decode(): value.decode() for name, value in answers[0]["headers"]}


def test_requests_are_kept_within_bounds(tmp_path, monkeypatch):
    from retinasynth.studio import server

    monkeypatch.setattr(server, "MAX_MESSAGE_BYTES", 1000)
    status, headers = statuses(tmp_path, "/gradio_api/queue/join", b"x" * 900)
    assert (status, headers["x-content-type-options"]) == (200, "nosniff")
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert statuses(tmp_path, "/gradio_api/queue/join", claimed=2000)[0] == 413
    assert statuses(tmp_path, "/gradio_api/queue/join", b"x" * 600, b"x" * 600)[0] == 413
    assert statuses(tmp_path, "/gradio_api/upload", b"x" * 600, b"x" * 600)[0] == 200
    assert statuses(tmp_path, "/gradio_api/upload", claimed=300_000_000)[0] == 413
    (tmp_path / "upload").write_bytes(b"x" * 2000)
    monkeypatch.setattr(server, "MAX_KEPT_BYTES", 1999)
    assert statuses(tmp_path, "/gradio_api/upload", b"x")[0] == 507
    os.utime(tmp_path / "upload", (0, 0))  # an upload that broke off long ago
    assert statuses(tmp_path, "/gradio_api/upload", b"x")[0] == 200
    assert not (tmp_path / "upload").exists()


def test_uploads_that_are_on_their_way_count_as_well(tmp_path, monkeypatch):
    from retinasynth.studio import server

    monkeypatch.setattr(server, "MAX_KEPT_BYTES", 2500)
    heads: list[int] = []

    async def reads_another(scope: Any, receive: Any, send: Any) -> None:
        if len(heads) < 4:
            await bounds({**scope}, receive, answered)  # one more comes meanwhile
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def answered(message: dict[str, Any]) -> None:
        heads.extend([message["status"]] if message["type"] == "http.response.start" else [])

    bounds = server.Bounds(reads_another, tmp_path)
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": [(b"content-length", b"1000")]}
    asyncio.run(bounds(scope, lambda: None, answered))  # type: ignore[arg-type, return-value]
    assert heads == [507, 200, 200, 200]
    heads = [0] * 4
    asyncio.run(bounds(scope, lambda: None, answered))  # type: ignore[arg-type, return-value]
    assert heads == [0, 0, 0, 0, 200]


def test_the_server_shows_nothing_of_the_machine(studio):
    page = httpx.get(studio, timeout=60)
    assert page.status_code == 200
    assert "retinasynth-studio-" not in page.text  # the folder of uploads
    assert str(Path.home()) not in page.text
    assert str(Path(uploads.__file__).parent) not in page.text
    for path in ("/downloads/a/b", "/downloads/..%2f..%2fetc/passwd", "/gradio_api/file=/etc/passwd", "/docs"):
        answer = httpx.get(studio + path, timeout=60)
        assert answer.status_code in (403, 404), path
        assert "root:" not in answer.text


def test_a_port_that_is_taken_is_said():
    from retinasynth.errors import OutputError
    from retinasynth.studio.server import listen

    with listen("127.0.0.1", 0) as taken, pytest.raises(OutputError, match="Choose another `port`"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_a_model_without_styles_cannot_open_the_studio(trained):
    from retinasynth.studio import serve

    with pytest.raises(InputError, match="follows no style"):
        serve([str(trained)], "enhance", "127.0.0.1", 0, print)
    with pytest.raises(InputError, match="same name"):
        serve([str(trained), str(trained)], "enhance", "127.0.0.1", 0, print)
