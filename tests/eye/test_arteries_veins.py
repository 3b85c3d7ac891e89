import numpy as np
import pytest

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.errors import InputError
from retinasynth.eye.arteries_veins import NARROWEST_PX, agreed_arteries, tell_arteries
from retinasynth.eye.eye import Eye
from retinasynth.eye.skeleton import vessel_graph
from retinasynth.images import Mask, Photograph

Seen = tuple[Photograph, Mask, Mask | None, Mask]


def seen(eye: Eye, seed: int) -> Seen:
    """What a photograph of the eye shows, without which vessel is of which kind."""
    planes = eye.planes
    return render_photograph(eye, seed), planes["arteries"] | planes["veins"], planes["disc"], planes["fov"]


EYES = range(20)  # as they come
Answers = list[tuple[Mask, Mask] | None]


@pytest.fixture(scope="module")
def eyes() -> list[Eye]:
    return [grow(seed, 640) for seed in EYES]


@pytest.fixture(scope="module")
def eye(eyes: list[Eye]) -> Eye:
    return eyes[0]


@pytest.fixture(scope="module")
def answers(eyes: list[Eye]) -> Answers:
    return [tell_arteries(*seen(eye, 3)) for eye in eyes]


def right_share(found: tuple[Mask, Mask], eye: Eye) -> float:
    """The share of what is labelled, where only one vessel runs, that has the right kind."""
    only = {
        "arteries": eye.planes["arteries"] & ~eye.planes["veins"],
        "veins": eye.planes["veins"] & ~eye.planes["arteries"],
    }
    right = (found[0] & only["arteries"]).sum() + (found[1] & only["veins"]).sum()
    return float(right / ((found[0] | found[1]) & (only["arteries"] | only["veins"])).sum())


@pytest.mark.xfail(reason="in grown eyes arteries are often as wide as veins, or touch them", strict=True)
def test_arteries_and_veins_are_told_in_most_eyes(answers):
    assert sum(found is not None for found in answers) >= 0.6 * len(answers)


def test_most_of_the_wider_vessels_are_told_and_told_right(eyes, answers):
    told = [(eye, found) for eye, found in zip(eyes, answers, strict=True) if found]
    assert len(told) > 5
    right = [right_share(found, eye) for eye, found in told]
    assert np.mean(right) > 0.95
    assert min(right) > 0.85
    assert np.mean([(found[0] | found[1]).sum() / eye.planes["vessels"].sum() for eye, found in told]) > 0.3


def test_the_masks_are_disjoint_parts_of_the_vessels(eyes, answers):
    for eye, found in zip(eyes, answers, strict=True):
        if found:
            arteries, veins = found
            assert arteries.dtype == veins.dtype == np.bool_
            assert not (arteries & veins).any()
            assert ((arteries | veins) <= (eye.planes["arteries"] | eye.planes["veins"])).all()
            assert arteries.any()
            assert veins.any()


def test_a_disc_that_is_not_known_is_no_reason_to_fail(eyes):
    told = []
    for eye in eyes:
        photograph, vessels, _, fov = seen(eye, 3)
        if found := tell_arteries(photograph, vessels, None, fov):
            told.append(right_share(found, eye))
    assert len(told) > 5
    assert min(told) > 0.85


def test_a_picture_turned_over_has_its_answer_turned_over(eyes, answers):
    agree, differ = [], 0
    for eye, straight in zip(eyes, answers, strict=True):
        turned = tell_arteries(*(one[::-1, ::-1] for one in seen(eye, 3)))
        if straight and turned:
            both = zip(straight, turned, strict=True)
            agree.append(min((one & other[::-1, ::-1]).sum() / (one | other[::-1, ::-1]).sum() for one, other in both))
        else:
            differ += bool(straight) != bool(turned)
    assert min(agree) == 1
    assert differ == 0


def test_hardly_anything_is_told_where_all_vessels_have_one_colour(eyes):
    told = 0
    for eye in eyes:
        planes = {name: plane for name, plane in eye.planes.items() if name not in {"arteries", "veins"}}
        photograph = render_photograph(Eye("of one colour", planes, geometry=eye.geometry), 0)
        told += tell_arteries(photograph, planes["vessels"], planes["disc"], planes["fov"]) is not None
    assert told <= 1


def calibre(plane: Mask) -> float:
    """The mean calibre, pixels, of the vessels that are wide enough to be told."""
    segments = vessel_graph(plane).segments
    calibres = np.concatenate([segment.calibres for segment in segments])
    steps = np.concatenate([segment.steps for segment in segments])
    return float(np.average(calibres, weights=steps * (calibres >= NARROWEST_PX)))


def test_little_is_told_where_the_wider_vessels_are_the_brighter_ones(eyes):
    told = []
    for eye in eyes:
        swapped = Eye("swapped", {**eye.planes, "arteries": eye.planes["veins"], "veins": eye.planes["arteries"]})
        if calibre(swapped.planes["arteries"]) > calibre(swapped.planes["veins"]):
            told.append(tell_arteries(*seen(swapped, 3)) is not None)
    assert len(told) > 0.7 * len(eyes)
    assert sum(told) <= 0.2 * len(told)


@pytest.mark.parametrize("grey", [0, 120])
def test_nothing_is_told_of_a_grey_picture_or_of_no_vessels(eye, grey):
    _, vessels, disc, fov = seen(eye, 3)
    flat = np.full((*vessels.shape, 3), grey, np.uint8)
    assert tell_arteries(flat, vessels, disc, fov) is None
    assert tell_arteries(flat, np.zeros_like(vessels), disc, fov) is None
    assert tell_arteries(flat, vessels, np.zeros_like(disc), np.zeros_like(fov)) is None


def test_a_mask_of_another_size_is_refused(eye):
    photograph, vessels, disc, fov = seen(eye, 3)
    with pytest.raises(InputError, match="one size"):
        tell_arteries(photograph, vessels[1:], disc, fov)
    with pytest.raises(InputError, match="one size"):
        tell_arteries(photograph, vessels, disc[:, 1:], fov)


def exact_odds(eye: Eye) -> np.ndarray:
    """What a perfect segmenter would say: on arteries 3, on veins -3, elsewhere 0."""
    return 3.0 * eye.planes["arteries"] - 3.0 * eye.planes["veins"]


def test_what_a_segmenter_saw_rightly_is_painted_on_all_vessels(eyes):
    right = []
    for eye in eyes[:6]:
        vessels = eye.planes["arteries"] | eye.planes["veins"]
        found = agreed_arteries(exact_odds(eye), vessels, eye.planes["disc"], eye.planes["fov"])
        assert not (found[0] & found[1]).any()
        assert ((found[0] | found[1]) <= vessels).all()
        assert (found[0] | found[1]).sum() > 0.9 * vessels.sum()
        right.append(right_share(found, eye))
    assert np.mean(right) > 0.97


def test_the_course_of_vessels_outvotes_mistakes_of_the_segmenter(eyes):
    random, right = np.random.default_rng(0), []
    for eye in eyes[:6]:
        vessels = eye.planes["arteries"] | eye.planes["veins"]
        patches = np.kron(random.random((40, 40)) < 0.25, np.ones((16, 16))) > 0
        odds = np.where(patches, -1, 1) * exact_odds(eye)
        found = agreed_arteries(odds, vessels, eye.planes["disc"], eye.planes["fov"])
        right.append((right_share(((odds > 0) & vessels, (odds < 0) & vessels), eye), right_share(found, eye)))
    alone, agreed = np.mean(right, axis=0)
    assert alone < 0.8
    assert agreed > 0.9


def test_where_a_segmenter_saw_neither_nothing_is_told(eye):
    vessels = eye.planes["vessels"]
    arteries, veins = agreed_arteries(np.zeros(vessels.shape), vessels, None, eye.planes["fov"])
    assert not (arteries | veins).any()
    none = np.zeros_like(vessels)
    assert not any(one.any() for one in agreed_arteries(exact_odds(eye), none, None, eye.planes["fov"]))
