import numpy as np
import pytest

from retinasynth.anatomy.arteries import tell_arteries
from retinasynth.anatomy.eye import Eye
from retinasynth.anatomy.growth import grow
from retinasynth.anatomy.rendering import render_photograph
from retinasynth.errors import InputError
from retinasynth.images import Mask, Photograph

Seen = tuple[Photograph, Mask, Mask | None, Mask]


def seen(eye: Eye, seed: int) -> Seen:
    """What a photograph of the eye shows, without which vessel is of which kind."""
    planes = eye.planes
    return render_photograph(eye, seed), planes["arteries"] | planes["veins"], planes["disc"], planes["fov"]


@pytest.fixture(scope="module", params=[5, 6])
def eye(request: pytest.FixtureRequest) -> Eye:
    return grow(request.param, 640)


def right_share(found: tuple[Mask, Mask], eye: Eye) -> float:
    """The share of what is labelled, where only one vessel runs, that has the right kind."""
    only = {
        "arteries": eye.planes["arteries"] & ~eye.planes["veins"],
        "veins": eye.planes["veins"] & ~eye.planes["arteries"],
    }
    right = (found[0] & only["arteries"]).sum() + (found[1] & only["veins"]).sum()
    return float(right / ((found[0] | found[1]) & (only["arteries"] | only["veins"])).sum())


def test_most_of_the_wider_vessels_are_told_and_told_right(eye):
    photograph, vessels, disc, fov = seen(eye, 3)
    found = tell_arteries(photograph, vessels, disc, fov)
    assert found is not None
    assert right_share(found, eye) > 0.95
    assert (found[0] | found[1]).sum() > 0.3 * vessels.sum()


def test_the_masks_are_disjoint_parts_of_the_vessels(eye):
    photograph, vessels, disc, fov = seen(eye, 3)
    arteries, veins = tell_arteries(photograph, vessels, disc, fov)
    assert arteries.dtype == veins.dtype == np.bool_
    assert not (arteries & veins).any()
    assert ((arteries | veins) <= vessels).all()
    assert arteries.any()
    assert veins.any()


def test_a_disc_that_is_not_known_is_no_reason_to_fail(eye):
    photograph, vessels, _, fov = seen(eye, 3)
    found = tell_arteries(photograph, vessels, None, fov)
    assert found is not None
    assert right_share(found, eye) > 0.9


def test_a_picture_turned_over_has_its_answer_turned_over(eye):
    photograph, vessels, disc, fov = seen(eye, 3)
    straight = tell_arteries(photograph, vessels, disc, fov)
    turned = tell_arteries(photograph[::-1, ::-1], vessels[::-1, ::-1], disc[::-1, ::-1], fov[::-1, ::-1])
    for one, other in zip(straight, turned, strict=True):
        assert (one & other[::-1, ::-1]).sum() > 0.9 * (one | other[::-1, ::-1]).sum()


def test_nothing_is_told_where_all_vessels_have_one_colour(eye):
    planes = {name: plane for name, plane in eye.planes.items() if name not in {"arteries", "veins"}}
    alike = Eye("of one colour", planes, geometry=eye.geometry)
    for seed in range(2):
        vessels = planes["vessels"]
        assert tell_arteries(render_photograph(alike, seed), vessels, planes["disc"], planes["fov"]) is None


def test_nothing_is_told_where_the_wider_vessels_are_the_brighter_ones(eye):
    swapped = Eye("swapped", {**eye.planes, "arteries": eye.planes["veins"], "veins": eye.planes["arteries"]})
    photograph, vessels, disc, fov = seen(swapped, 3)
    assert tell_arteries(photograph, vessels, disc, fov) is None


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
