"""Copies are found and others are not; nearness moves with them; and where nothing can be told, that is said."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage import data

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.data.near_duplicates import MIN_TEXTURE, sketch
from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics import copies
from retinasynth.evaluation.metrics.copies import ALTERED, SQUEEZED, FalseAlarms, find_retinas, plant
from retinasynth.evaluation.metrics.distances import pixel_distances, plane_of
from retinasynth.evaluation.metrics.neighbours import (
    Comparison,
    closest_to_training,
    compare_sides,
)
from retinasynth.evaluation.pictures import Pictures, views_of
from retinasynth.evaluation.privacy import CONVENTIONS, Privacy, examine_privacy
from retinasynth.images import Photograph, resize_photograph

SIZE = 160


def photograph(seed: int) -> Photograph:
    made = phantom_eye(seed, SIZE).photograph
    assert made is not None
    return made


@pytest.fixture(scope="module", autouse=True)
def _few_plants() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "PLANTED", 2)
        yield


@pytest.fixture(scope="module")
def retina() -> Photograph:
    """A real photograph, CC0."""
    return resize_photograph(data.retina(), (256, 256))


@pytest.fixture(scope="module")
def eyes() -> list[Photograph]:
    return [photograph(seed) for seed in range(100, 126)]


def pictures(kind: str, photographs: Sequence[Photograph], **more: object) -> Pictures:
    names = [f"{kind}{number}" for number in range(len(photographs))]
    return Pictures(names, names, photographs.__getitem__, **more)  # type: ignore[arg-type]


def examined(generated: Pictures, training: Pictures, held_out: Pictures, seed: int = 0) -> Privacy:
    return examine_privacy(generated, training, held_out, seed=seed, quiet=True)


# --- Distances ---


def test_pixel_distance_is_that_of_the_nearest_mirror_image(eyes, retina):
    first, second = (np.stack([plane_of(one) for one in some]) for some in (eyes[:3], [*eyes[2:4], retina]))
    expected = [
        [min(np.linalg.norm(one - turned) for turned in (of, of[::-1], of[:, ::-1], of[::-1, ::-1])) for of in second]
        for one in first
    ]
    assert pixel_distances(first, second) == pytest.approx(np.array(expected), abs=2e-3)
    assert np.linalg.norm(first, axis=(1, 2)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("how", ["exact", "flipped", "recoloured", "JPEG of quality 40", "blurred"])
def test_pixel_distance_survives_what_does_not_move_the_picture(how, retina, eyes):
    here, altered = plane_of(retina), plane_of(ALTERED[how](retina))
    others = pixel_distances(here[None], np.stack([plane_of(one) for one in eyes])).min()
    assert pixel_distances(here[None], altered[None])[0, 0] < 0.5 * others


def test_a_picture_of_nothing_is_near_to_nothing(retina):
    nothing = np.stack([plane_of(np.full((90, 120, 3), grey, np.uint8)) for grey in (0, 128)])
    assert nothing == pytest.approx(0, abs=1e-3)
    assert pixel_distances(nothing, plane_of(retina)[None]) == pytest.approx(np.sqrt(2), abs=0.02)


# --- Comparison ---


def cloud(seed: int, count: int, width: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def compared(made: np.ndarray, trained: np.ndarray, unseen: np.ndarray, **more: object) -> Comparison:
    real = np.concatenate([trained, unseen])
    people = [f"p{number:03d}" for number in range(len(real))]
    sides = np.arange(len(real)) < len(trained)
    return compare_sides(cdist(made, real), cdist(real, real), people, sides, **more)  # type: ignore[arg-type]


def test_the_share_is_that_of_a_plain_loop():
    made, trained, unseen = cloud(1, 50), cloud(2, 30), cloud(3, 12)
    real = [*trained, *unseen]
    usual = [np.mean([np.linalg.norm(one - other) for other in real if other is not one]) for one in real]
    nearest = [
        min(
            range(len(real)), key=lambda number, picture=picture: np.linalg.norm(picture - real[number]) - usual[number]
        )
        for picture in made
    ]
    found = compared(made, trained, unseen)
    assert found.share.mean == pytest.approx(np.mean([number < 30 for number in nearest]))
    assert found.chance == pytest.approx(30 / 42)
    assert found.people == (30, 12)


def test_chance_is_what_all_deals_do_on_average():
    """Five people, two trained on: all ten deals, counted."""
    made, real = cloud(4, 40, 3), cloud(5, 5, 3)
    shares = []
    for one in range(5):
        for two in range(one):
            chosen = [one, two]
            rest = [number for number in range(5) if number not in chosen]
            shares.append(compared(made, real[chosen], real[rest]).share.mean)
    found = compared(made, real[:2], real[2:])
    assert np.mean(shares) == pytest.approx(found.chance) == pytest.approx(0.4)
    assert found.chance_low == pytest.approx(min(shares), abs=0.01)
    assert found.chance_high == pytest.approx(max(shares), abs=0.01)


def test_left_out_people_are_not_compared_with_and_chance_knows():
    made, trained, unseen = cloud(6, 12), cloud(7, 20), cloud(8, 12)
    made = made * 0.2 + unseen  # near by construction, as vessels that were asked for
    names = [f"p{20 + number:03d}" for number in range(12)]
    assert compared(made, trained, unseen).share.mean == 0
    found = compared(made, trained, unseen, left_out=names)
    assert found.chance == pytest.approx(20 / 31)
    assert found.chance_low <= found.share.mean <= found.chance_high


def test_copies_lift_the_share_to_one_and_half_of_them_half_way():
    trained, unseen, random = cloud(9, 80), cloud(10, 20), np.random.default_rng(0)
    copied = trained[random.integers(80, size=200)] + 0.3 * cloud(11, 200)
    whole, half, none = (
        compared(np.concatenate([copied[:n], cloud(12, 200 - n)]), trained, unseen) for n in (200, 100, 0)
    )
    assert whole.share.mean == 1 == whole.excess
    assert half.excess == pytest.approx(0.5, abs=0.12)
    assert none.excess == pytest.approx(0, abs=0.2)
    assert (whole.is_nearer, half.is_nearer, none.is_nearer) == (True, True, False)
    assert all(one.can_tell for one in (whole, half, none))


def test_chance_alone_is_seldom_taken_for_memory():
    found = [compared(cloud(3 * n, 60), cloud(3 * n + 1, 40), cloud(3 * n + 2, 10)) for n in range(40)]
    assert sum(one.is_nearer for one in found) <= 4
    assert sum(not one.is_fair for one in found) <= 2
    assert np.mean([one.excess for one in found]) == pytest.approx(0, abs=0.08)
    assert np.mean([one.share.low <= one.chance <= one.share.high for one in found]) > 0.7


def test_people_with_more_photographs_have_no_advantage():
    """Each training person four times: a nearest neighbour among all would be one of theirs in 16 of 17 cases."""
    base, random = cloud(13, 60), np.random.default_rng(1)
    real = np.concatenate([np.repeat(base[:40], 4, axis=0) + 0.01 * cloud(14, 160), base[40:]])
    people = [f"p{number:02d}" for number in [*np.repeat(np.arange(40), 4), *range(40, 60)]]
    sides = np.arange(180) < 160
    made = random.normal(size=(150, 40))
    found = compare_sides(cdist(made, real), cdist(real, real), people, sides)
    assert found.chance == pytest.approx(2 / 3)
    assert found.people == (40, 20)
    assert found.chance_low <= found.share.mean <= found.chance_high
    again = compare_sides(cdist(made, real), cdist(real, real), people, sides)
    assert again == found
    assert compare_sides(cdist(made, real), cdist(real, real), people, sides, seed=1).share != found.share


def test_sides_that_differ_themselves_are_not_fair():
    trained, unseen = cloud(15, 40), cloud(16, 20) + 0.8
    found = compared(cloud(17, 60), trained, unseen)
    assert found.share.mean > found.chance_high
    assert not found.is_fair
    assert not found.can_tell


def test_pictures_closer_to_training_than_subjects_are_are_counted():
    random = np.random.default_rng(0)
    real = random.normal(size=(200, 6))
    real[1::2] = real[::2] + 0.01  # two photographs of each person, hardly different: not near, but the same
    people, trained = [f"p{number // 2}" for number in range(200)], 120
    among = cdist(real, real[:trained])

    def closest(made, **more):
        return closest_to_training(cdist(made, real[:trained]), among, people, trained, **more)

    others, copies = random.normal(size=(400, 6)), real[:100] + 0.001
    unseen = closest(others)
    assert unseen.real == 200
    assert unseen.limit > 0.1
    assert unseen.nearer < 12
    assert unseen.expected == pytest.approx(2 / 201)
    half = np.concatenate([others[:100], copies])
    assert 98 <= closest(half).nearer <= 104
    assert closest(half).is_closer
    asked = closest(half, left_out=[*[None] * 100, *people[:100]])
    assert asked.nearer < 6  # made from the vessels of that very person
    assert not asked.is_closer
    assert closest_to_training(cdist(half, real[:80]), among[:90, :80], people[:90], 80) is None


def test_chance_alone_is_seldom_called_closer():
    called = 0
    for seed in range(300):
        rows = np.random.default_rng(seed).normal(size=(450, 4))
        real, made = rows[:150], rows[150:]
        found = closest_to_training(
            cdist(made, real[:90]), cdist(real, real[:90]), [f"p{number}" for number in range(150)], 90
        )
        assert found is not None
        called += found.is_closer
    assert called <= 9  # 3 are expected, and training photographs have one fewer to be near to


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"to_real": np.ones((0, 6))}, "at least one generated"),
        ({"among_real": np.ones((5, 5))}, r"\(5, 5\) for 6 real"),
        ({"is_training": np.array([True])}, r"expected|\(6,\)"),
        ({"people": list("aabcda")}, "1 people are on both sides: a"),
        ({"people": list("aaabbc")}, "1 people on the side of training"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, words):
    given = {
        "to_real": np.ones((2, 6)),
        "among_real": np.ones((6, 6)),
        "people": list("abcdef"),
        "is_training": np.arange(6) < 3,
    }
    with pytest.raises(InputError, match=words):
        compare_sides(**(given | change))


# --- Copies ---


def test_the_bound_of_false_alarms_is_that_of_the_binomial():
    found = FalseAlarms.count(3, 50)
    random = np.random.default_rng(0)
    assert (random.binomial(50, found.upper, 200_000) <= 3).mean() == pytest.approx(0.05, abs=0.002)
    assert FalseAlarms.count(0, 600).upper == pytest.approx(1 - 0.05 ** (1 / 600))
    assert FalseAlarms.count(4, 4).upper == FalseAlarms.count(0, 0).upper == 1


@pytest.mark.parametrize("size", [(256, 256), (170, 256)])
def test_every_kind_of_planted_copy_of_a_real_photograph_is_found(size, retina, eyes):
    training = [retina, *eyes[:4]]
    sketches = [sketch(one) for one in training]
    planted = plant(training.__getitem__, sketches, np.array([0]), list("abcde"), size=size, aspect=1.0)
    assert [one.kind for one in planted] == [*ALTERED, *([SQUEEZED] if size[0] != size[1] else [])]
    assert [one.missed for one in planted] == [()] * len(planted)


def test_a_planted_copy_that_is_not_found_is_named(retina, monkeypatch):
    monkeypatch.setattr(copies, "ALTERED", {"exact": ALTERED["exact"], "black": np.zeros_like})
    planted = plant([retina].__getitem__, [sketch(retina)], np.array([0]), ["a"], size=(256, 256), aspect=1.0)
    assert [(one.kind, one.missed) for one in planted] == [("exact", ()), ("black", ("a",))]


def test_a_planted_copy_must_lead_to_its_texture_too(retina, monkeypatch):
    monkeypatch.setattr(copies, "MIN_TEXTURE", 2.0)
    planted = plant([retina].__getitem__, [sketch(retina)], np.array([0]), ["a"], size=(256, 256), aspect=1.0)
    assert [one.missed for one in planted] == [("a",)] * len(ALTERED)


def test_of_several_views_the_one_that_agrees_best_counts(retina):
    views = [sketch(ALTERED[how](retina)) for how in ("blurred", "exact", "JPEG of quality 40")]
    [found] = find_retinas([views], [sketch(retina)])
    assert (found.first, found.second, found.correlation) == (0, 0, pytest.approx(1, abs=0.01))


def test_nearness_survives_a_squeeze_too(eyes):
    wide = [resize_photograph(one, (SIZE, SIZE))[20:120] for one in eyes[:5]]
    squeezed = [resize_photograph(one, (128, 128)) for one in wide[:2]]
    found = examined(pictures("g", squeezed), pictures("t", wide), pictures("h", []))
    assert found.spaces["pixels"].training.index.tolist() == [0, 1]
    assert found.spaces["pixels"].training.distance.max() < 0.5
    assert [one.kind for one in found.planted][-1] == SQUEEZED


def test_pictures_squeezed_to_another_shape_lead_to_their_photograph():
    wide = resize_photograph(data.retina(), (256, 256))[48:208]  # 1.6 : 1, as many cameras cut it
    square = resize_photograph(wide, (256, 256))
    views = views_of(square, wide.shape[1] / wide.shape[0])
    assert [view.shape[:2] for view in views] == [(256, 256), (256, 410)]
    assert len(views_of(wide, 1.55)) == len(views_of(square, None)) == 1
    [found] = find_retinas([tuple(map(sketch, views))], [sketch(wide)])
    assert found.texture > 0.8
    assert find_retinas([], [sketch(wide)]) == []


# --- The whole ---


@pytest.fixture(scope="module")
def clean(eyes) -> Privacy:
    """Twelve generated pictures, eight people trained on and six held out, all of one kind and all different."""
    return examined(pictures("g", eyes[:12]), pictures("t", eyes[12:20]), pictures("h", eyes[20:26]))


def test_pictures_of_other_eyes_are_not_flagged(clean):
    assert clean.copies == []
    assert clean.answer in ("no sign of copying", "no copies found")
    assert (clean.false_alarms.people, clean.false_alarms.of) == (0, 14)
    comparison = clean.spaces["pixels"].comparison
    assert comparison is not None
    assert comparison.is_fair
    assert not comparison.is_nearer
    assert comparison.chance == pytest.approx(8 / 14)
    assert comparison.chance_low <= comparison.share.mean <= comparison.chance_high
    assert all(not one.missed for one in clean.planted)


def test_copies_are_counted_named_and_said_loudly(eyes):
    altered = [alter(eyes[12 + number]) for number, alter in enumerate(ALTERED.values())]
    features = [cloud(20, 26)[rows] for rows in (np.r_[12:19], np.r_[12:20], np.r_[20:26])]
    made, trained, unseen = (
        pictures(kind, some, features=own)
        for kind, some, own in zip("gth", (altered, eyes[12:20], eyes[20:26]), features, strict=True)
    )
    found = examined(made, trained, unseen)
    assert [(one.generated, one.training) for one in found.copies] == [(number, number) for number in range(7)]
    assert [one.is_mirrored for one in found.copies] == [how == "flipped" for how in ALTERED]
    assert found.answer == "copies"
    assert found.verdict[0].startswith("The generator copies: 7 of 7")
    assert found.spaces["features"].comparison.share.mean == 1
    assert found.spaces["features"].training.index.tolist() == list(range(7))
    assert found.spaces["features"].training.distance == pytest.approx(0, abs=1e-6)
    assert found.spaces["pixels"].comparison.share.mean > 0.8
    assert found.spaces["pixels"].training.index[:3].tolist() == [0, 1, 2]


def test_vessels_that_were_asked_for_are_no_copy_but_their_texture_is():
    label_maps = [phantom_eye(seed, 384) for seed in range(3)]
    real = [phantom_photograph(eye, seed) for seed, eye in enumerate(label_maps)]
    drawn = [phantom_photograph(label_maps[1], 2), real[1]]
    for made_from, expected in ((["t1", "t1"], [True, False]), (["t2", "t2"], [False, False]), (None, [False, False])):
        made = pictures("g", drawn, made_from=made_from)
        found = examined(made, pictures("t", real), pictures("h", []))
        assert [(one.generated, one.training) for one in found.copies] == [(0, 1), (1, 1)]
        assert [one.is_asked_for for one in found.copies] == expected
        assert [one.texture < MIN_TEXTURE for one in found.copies] == [True, False]
    alone = examined(pictures("g", drawn[:1], made_from=["t1"]), pictures("t", real), pictures("h", []))
    assert alone.answer == "no copies found"
    assert any("as asked for" in sentence for sentence in alone.verdict)


def test_too_few_held_out_people_are_said_to_be_too_few(eyes):
    found = examined(pictures("g", eyes[:3]), pictures("t", eyes[12:20]), pictures("h", eyes[20:22]))
    assert found.spaces["pixels"].comparison is None
    assert found.spaces["pixels"].held_out is not None
    assert found.answer == "no copies found"
    assert "could not be told" in found.verdict[0]
    assert any("Photographs of 2 people were held out" in sentence for sentence in found.verdict)


def test_a_missed_plant_leaves_the_question_open(eyes, monkeypatch):
    monkeypatch.setattr(copies, "ALTERED", {"exact": ALTERED["exact"], "black": np.zeros_like})
    found = examined(pictures("g", eyes[:3]), pictures("t", eyes[12:20]), pictures("h", eyes[20:26]))
    assert found.answer == "cannot be told"
    assert "could not be established" in found.verdict[0]
    assert "missed 2 of 4" in found.verdict[1]


def test_one_retina_under_two_names_is_a_false_alarm_to_look_at(eyes):
    trained = pictures("t", [*eyes[12:16], ALTERED["flipped"](eyes[12])])
    found = examined(pictures("g", eyes[:2]), trained, pictures("h", [eyes[13]]))
    assert {pair[:2] for pair in found.false_alarms.pairs} == {("h0", "t1"), ("t0", "t4")}
    assert found.false_alarms.people == 3
    assert any("look at these 2 pairs" in sentence.lower() for sentence in found.verdict)
    declared = replace(trained, people=[*trained.names[:4], "t0"])
    assert examined(pictures("g", eyes[:2]), declared, pictures("h", [])).false_alarms.pairs == ()


def test_the_same_seed_gives_the_same_answer_and_all_of_it_is_json(clean, eyes):
    again = examined(pictures("g", eyes[:12]), pictures("t", eyes[12:20]), pictures("h", eyes[20:26]))
    told = json.loads(json.dumps(clean.to_json(), allow_nan=False))
    assert told == json.loads(json.dumps(again.to_json()))
    assert told["conventions"] == CONVENTIONS
    nearest = told["spaces"]["pixels"]["nearest_training"]
    assert [set(one) for one in nearest] == [{"name", "distance"}] * 12
    assert set(told) == {
        *("answer", "verdict", "counts", "copies", "false_alarms", "planted", "spaces", "conventions"),
    }


def test_the_planted_are_of_different_people_and_follow_the_seed():
    people = [f"p{number // 3}" for number in range(90)]
    once, again, other = (copies._to_plant(people, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1))
    assert len({people[number] for number in once}) == len(once) == copies.PLANTED
    assert once == again != other


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"people": ["a"]}, "1 people"),
        ({"names": ["a", "a"]}, "Two pictures are called 'a'"),
        ({"features": np.ones((3, 2))}, "3 features"),
        ({"features": np.full((2, 2), np.nan)}, "not all finite"),
        ({"made_from": ["t0"]}, "1 eyes they were made from"),
    ],
)
def test_pictures_that_do_not_belong_together_are_refused(change, words):
    given = {"names": ["a", "b"], "people": ["a", "b"], "read": lambda _: np.zeros((9, 9, 3), np.uint8)}
    with pytest.raises(InputError, match=words):
        Pictures(**(given | change))


def test_what_cannot_be_examined_is_refused(eyes):
    some, none = pictures("t", eyes[:2]), pictures("h", [])
    with pytest.raises(DataError, match="0 generated"):
        examined(pictures("g", []), some, none)
    with pytest.raises(DataError, match="1 people are trained on and held out: t1"):
        examined(pictures("g", eyes[:1]), some, Pictures(["h"], ["t1"], eyes.__getitem__))
    with pytest.raises(InputError, match="neither trained on nor held out, such as 'x'"):
        examined(pictures("g", eyes[:1], made_from=["x"]), some, none)
    longer = replace(some, features=np.ones((2, 4)))
    with pytest.raises(InputError, match="lengths"):
        examined(pictures("g", eyes[:1], features=np.ones((1, 3))), longer, none)
