import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pictures import put_mask, put_photograph, tiny_photograph
from retinasynth.data.annotators import second_annotation
from retinasynth.data.find import find_eyes
from retinasynth.data.frames import FramedEyes
from retinasynth.data.grown import grown_eyes
from retinasynth.errors import DataError
from retinasynth.segmentation.data import (
    Example,
    Sources,
    as_point,
    draw_cut,
    example,
    example_batches,
    labelled,
    load_sources,
    validation_subjects,
)
from retinasynth.segmentation.photometric import as_another_camera
from retinasynth.segmentation.settings import SegmenterSettings

SIZE = 64


def settings_of(preset: str, *overrides: str) -> SegmenterSettings:
    small = [f"field_px={SIZE}", f"crop_px={SIZE}", "data.grown=0", "batch_size=2"]
    return SegmenterSettings.from_preset(preset).with_overrides([*small, *overrides])


def sources_of(data: Path, settings: SegmenterSettings) -> Sources:
    return load_sources(settings.with_overrides([f"data.folders={data}"]).data)


# --- Which eyes ---


def test_nobody_is_both_learnt_from_and_validated_on(phantoms: Path) -> None:
    sources = sources_of(phantoms, settings_of("vessels"))
    learnt = {one.subject for eyes in sources.real for one in eyes.files}
    held_out = {one.subject for one in sources.validation}
    assert held_out
    assert not learnt & held_out
    assert learnt | held_out == {one.subject for one in find_eyes(phantoms).split("train")}


def test_validation_people_stay_when_others_join(phantoms: Path) -> None:
    files = find_eyes(phantoms).split("train")
    assert validation_subjects(files, 0.25) == validation_subjects(files[::-1], 0.25)
    assert len(validation_subjects(files, 0.01)) == 1
    assert validation_subjects(files, 0) == set()
    with pytest.raises(DataError, match="All training eyes are of one person"):
        validation_subjects(files[:1], 0.1)


def test_a_set_without_the_plane_is_refused_with_what_it_has(tmp_path: Path) -> None:
    for number in range(3):
        put_photograph(tmp_path / "images" / f"{number}.png", number)
        put_mask(tmp_path / "vessels" / f"{number}.png", number)
    with pytest.raises(DataError, match=r"no training eye with a photograph and labels of disc .*have vessels"):
        labelled(str(tmp_path), ["disc"])


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to learn from"):
        load_sources(settings_of("vessels").data)


def test_grown_eyes_are_many_subjects_and_independent_of_earlier_ones() -> None:
    few, more = grown_eyes(3, SIZE), grown_eyes(16, SIZE)
    again = grown_eyes(3, SIZE)
    assert [one.name for one in few] == [one.name for one in again]
    assert len({one.name for one in more}) == len(more) == 16
    assert len({one.photograph.parent for one in more if one.photograph}) == 13


# --- Frames ---


def test_unknown_planes_are_known_to_be_unknown(phantoms: Path, tmp_path: Path) -> None:
    """A set with vessels alone teaches nothing of the disc."""
    for one in find_eyes(phantoms).split("train"):
        for source, kind in ((one.photograph, "images"), (one.planes["vessels"], "vessels")):
            (tmp_path / kind).mkdir(exist_ok=True)
            assert source
            (tmp_path / kind / f"{one.name}.png").write_bytes(source.read_bytes())
    settings = settings_of("vessels", "planes=vessels,disc", "validation_share=0")
    eyes = sources_of(tmp_path, settings).real[0]
    assert eyes.known.tolist() == [[True, False]] * len(eyes)
    assert eyes.layers[:, 1].any()
    assert not eyes.layers[:, 2].any()


def test_thin_vessels_survive_the_reduction_as_parts_of_pixels(tmp_path: Path) -> None:
    for number in range(2):
        put_photograph(tmp_path / "images" / f"{number}.png", number, 256, 256)
        line = np.zeros((256, 256), np.bool_)
        line[100, 20:230] = True
        (tmp_path / "vessels").mkdir(exist_ok=True)
        Image.fromarray(line).save(tmp_path / "vessels" / f"{number}.png")
    eyes = sources_of(tmp_path, settings_of("vessels", "validation_share=0")).real[0]
    share = eyes.layers[0, 1].sum() / 255 / SIZE**2
    assert share == pytest.approx(210 / 256**2, rel=0.06)  # the frame is 4 % larger in area
    assert 0 < eyes.layers[0, 1].max() < 128


# --- Examples ---


def test_an_example_follows_from_seed_and_position(phantoms: Path) -> None:
    settings = settings_of("disc-cup")
    sources = sources_of(phantoms, settings)
    one, again, other = (example(sources, settings, at) for at in (5, 5, 6))
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert (one[0] != other[0]).any()
    whole = list(example_batches(sources, settings, range(4), 0))
    resumed = list(example_batches(sources, settings, range(2, 4), 0))
    assert all((a == b).all() for a, b in zip(whole[2], resumed[0], strict=True))
    assert whole[0].pictures.shape == (2, 3, SIZE, SIZE)
    assert whole[0].labels.shape == (2, 2, SIZE, SIZE)


def test_photograph_and_labels_are_cut_alike(phantoms: Path) -> None:
    """Where the photograph is made of its own labels, so is every example."""
    settings = settings_of("disc-cup", "photometric=0", "rotation_deg=180", "zoom=1.5")
    eyes = sources_of(phantoms, settings).real[0]
    layers = np.asarray(eyes.layers)
    painted = FramedEyes(
        eyes.files, np.stack([layers[:, 0], layers[:, 1], layers[:, 2]], -1), layers, eyes.known, (), ""
    )
    for position in range(12):
        one = example(Sources((painted,), None, ()), settings, position)
        assert (np.moveaxis(one.layers, 0, -1) == one.photograph).all()


def test_vessels_that_nobody_called_arteries_or_veins_are_untold(phantoms: Path, tmp_path: Path) -> None:
    data = tmp_path / "told"
    shutil.copytree(phantoms, data)
    for path in data.rglob("veins/*.png"):
        veins = np.asarray(Image.open(path)) > 0
        Image.fromarray(veins & (np.arange(veins.shape[1]) < veins.shape[1] // 2)).save(path)
    settings = settings_of("artery-vein", "photometric=0")
    assert settings.data.planes == ("arteries", "veins")
    untold, shares = 0, []
    for all_told, half_told in zip(*(_examples(folder, settings) for folder in (phantoms, data)), strict=True):
        assert half_told.layers.shape == (3, SIZE, SIZE)
        assert half_told.known.tolist() == [True, True]
        gone = (all_told.layers[2] > 200) & (half_told.layers[1:] == 0).all(axis=0)
        assert not half_told.told[gone].any()
        assert half_told.told[(half_told.layers[1:] > 200).any(axis=0)].all()
        untold += int(gone.sum())
        shares.append(all_told.told.mean())
    assert untold > 50
    assert np.mean(shares) > 0.99


def test_a_landmark_is_learnt_as_a_soft_spot_about_its_middle(phantoms: Path) -> None:
    settings = settings_of("landmarks", "photometric=0", "rotation_deg=0", "flip=no", "zoom=1", "stretch=0")
    sources = sources_of(phantoms, settings)
    assert settings.data.planes == ("disc", "fovea")
    frames = sources.real[0]
    for position in range(6):
        one = example(sources, settings, position)
        assert one.photograph.shape == (SIZE, SIZE, 3)
        whole = one.layers[0].mean() / 255
        assert whole > 0.6  # the whole field, not a window
        for number, plane in enumerate(settings.data.planes, start=1):
            if not frames.layers[:, number].any():
                continue
            spot = one.layers[number].astype(float)
            assert 240 <= spot.max() <= 255, plane
            spread = np.sqrt((spot > 255 * np.exp(-0.5)).sum() / np.pi)  # of a Gaussian: within one deviation
            assert 1.5 < spread < SIZE / 8
    flat = np.zeros((32, 32), np.uint8)
    assert not as_point(flat, 4.0).any()
    flat[10:13, 20:23] = 255
    assert np.unravel_index(as_point(flat, 4.0).argmax(), flat.shape) == (11, 21)


def _examples(folder: Path, settings: SegmenterSettings) -> list[Example]:
    sources = sources_of(folder, settings)
    return [example(sources, settings, at) for at in range(12)]


def test_windows_lie_in_the_field_and_close_looks_around_the_disc() -> None:
    random = np.random.default_rng(0)
    layers = np.zeros((3, 256, 256), np.uint8)
    rows, columns = np.mgrid[:256, :256]
    layers[0] = 255 * ((rows - 128) ** 2 + (columns - 128) ** 2 < 120**2)
    layers[1] = 255 * ((rows - 120) ** 2 + (columns - 180) ** 2 < 20**2)
    exudates = (rows - 140) ** 2 + (columns - 70) ** 2 < 20**2
    photograph = np.where(exudates[..., None], 220, 90).astype(np.uint8).repeat(3, axis=2)
    vessels = settings_of("vessels", "zoom=1", "stretch=0")
    cuts = [draw_cut(random, vessels, photograph, layers) for _ in range(40)]
    middles = np.array([cut.matrix @ [SIZE / 2, SIZE / 2, 1] for cut in cuts])
    assert (np.hypot(*(middles - 128).T) < 145).all()
    assert middles.std(axis=0).min() > 30
    assert [abs(np.linalg.det(cut.matrix[:, :2])) for cut in cuts] == pytest.approx([1] * 40)

    closer = settings_of("disc-cup", "zoom=1", "stretch=0")
    shares, elsewhere = [], 0
    for _ in range(300):
        cut = draw_cut(random, closer, photograph, layers)
        share = 2 * np.sqrt((cut(layers[1]) > 127).sum() / np.pi) / SIZE
        middle = cut.matrix @ [SIZE / 2, SIZE / 2, 1]
        if share < 0.1:  # another place, bright as a disc is
            elsewhere += 1
            side = SIZE * np.sqrt(abs(np.linalg.det(cut.matrix[:, :2])))
            assert np.abs(middle - (70, 140)).max() < 20 + 0.2 * side
        else:
            shares.append(share)
    whole = [share for share in shares if share < 0.18]
    near = [share for share in shares if share > 0.22]
    assert 60 < len(whole) < 130  # a third
    assert whole == pytest.approx([40 / 256] * len(whole), abs=0.02)
    assert 20 < elsewhere < 80
    assert 0.6 < np.max(near) < 0.73


def test_an_eye_without_a_disc_is_looked_at_whole() -> None:
    layers = np.full((3, 128, 128), 255, np.uint8)
    layers[1:] = 0
    settings = settings_of("disc-cup", "zoom=1", "stretch=0")
    photograph = np.zeros((128, 128, 3), np.uint8)
    cuts = [draw_cut(np.random.default_rng(seed), settings, photograph, layers) for seed in range(20)]
    assert [abs(np.linalg.det(cut.matrix[:, :2])) for cut in cuts] == pytest.approx([(128 / SIZE) ** 2] * 20)


# --- Another camera ---


def test_another_camera_changes_the_colours_and_not_the_places() -> None:
    photograph = np.zeros((96, 96, 3), np.uint8)
    photograph[20:76, 20:76] = (170, 80, 40)
    photograph[45:51, 20:76] = (110, 30, 20)
    changed = [as_another_camera(photograph, np.random.default_rng(seed), 1.0) for seed in range(30)]
    assert np.std([picture[40, 40].astype(float) for picture in changed], axis=0).min() > 10
    for picture in changed:
        grey = ndimage.gaussian_filter(picture.astype(float).mean(axis=2), 1.5)
        assert grey[30:40, 30:60].mean() > grey[47:49, 30:60].mean()  # the vessel stays, and stays dark
        assert grey[:12].max() < 60  # outside stays nearly black


def test_no_strength_changes_nothing() -> None:
    photograph = tiny_photograph(0)
    assert as_another_camera(photograph, np.random.default_rng(0), 0.0) is photograph


# --- The second observer ---


def test_the_second_observer_is_found_as_published(tmp_path: Path) -> None:
    names = {
        "chasedb1": ("Image_01L_1stHO.png", "Image_01L_2ndHO.png"),
        "drive": ("1st_manual/01_manual1.png", "2nd_manual/01_manual2.png"),
        "ours": ("vessels/eye.png", "vessels_2nd_observer/eye.png"),
        "stare": ("labels-ah/im0001.ah.png", "labels-vk/im0001.vk.png"),
    }
    put_photograph(tmp_path / "flat" / "x.png")
    template = replace(find_eyes(tmp_path / "flat").eyes[0])
    for name, (first, second) in names.items():
        files = replace(template, planes={"vessels": put_mask(tmp_path / name / first)})
        assert second_annotation(files) is None
        put_mask(tmp_path / name / second, 1)
        assert second_annotation(files) == tmp_path / name / second
    assert second_annotation(template) is None


def test_grown_eyes_validate_what_no_real_eye_shows(phantoms: Path) -> None:
    """IDRiD has discs and no cups: the threshold of the cup comes from grown eyes, that of the disc does not."""
    names = [one.name for one in sources_of(phantoms, settings_of("disc-cup", "data.grown=12")).validation]
    assert all(name.startswith("phantom") for name in names)
    folder = phantoms.parent / "discs"
    for one in find_eyes(phantoms).split("train"):
        for source, kind in ((one.photograph, "images"), (one.planes["disc"], "disc")):
            (folder / kind).mkdir(exist_ok=True, parents=True)
            assert source
            (folder / kind / f"{one.name}.png").write_bytes(source.read_bytes())
    sources = sources_of(folder, settings_of("disc-cup", "data.grown=12"))
    grown = [one for one in sources.validation if one.name.startswith("grown")]
    real = [one for one in sources.validation if not one.name.startswith("grown")]
    assert real
    assert grown
    assert all(list(one.planes) == ["cup"] for one in grown)
    assert sources.grown
    assert not {one.name for one in grown} & {one.name for one in sources.grown.files}


def test_pseudo_labels_fix_no_threshold(phantoms: Path, tmp_path: Path) -> None:
    pseudo = shutil.copytree(phantoms, tmp_path / "pseudo")
    assert sources_of(pseudo, settings_of("vessels")).validation
    (pseudo / "labelling.json").write_text("{}")
    sources = sources_of(pseudo, settings_of("vessels"))
    assert sources.validation == ()
    assert sources.eyes == 4
