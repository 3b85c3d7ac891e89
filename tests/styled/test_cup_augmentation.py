import numpy as np
import pytest

from retinasynth.styled import cup_augmentation as cups_module
from retinasynth.styled.cup_augmentation import RATIOS, with_other_cup

SIZE = 96
DISC, CUP = 2, 3


def disc_of(radius: float, middle: tuple[float, float] = (48, 48)) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(rows - middle[0], columns - middle[1])
    return ((radius + 0.5 - distance).clip(0, 1) * 255).astype(np.uint8)


@pytest.fixture
def layers() -> np.ndarray:
    """Field of view, a vessel through the middle, disc and cup (half as high)."""
    vessel = np.zeros((SIZE, SIZE), np.uint8)
    vessel[:, 44:47] = 255
    field = np.full((SIZE, SIZE), 255, np.uint8)
    return np.stack([field, vessel, disc_of(20), disc_of(10)], axis=-1)


@pytest.fixture
def photograph(layers: np.ndarray) -> np.ndarray:
    levels = 80 + 60 * (layers[..., DISC, None] / 255) + 40 * (layers[..., CUP, None] / 255)
    return np.broadcast_to(levels, (SIZE, SIZE, 3)).round().astype(np.uint8).copy()


def height(layer: np.ndarray) -> int:
    return int((layer > 127).any(axis=1).sum())


def test_cups_of_many_sizes_come_out_in_photograph_and_labels_alike(photograph, layers):
    ratios = []
    for seed in range(40):
        seen, labels = with_other_cup(photograph, layers, DISC, CUP, np.random.default_rng(seed))
        ratios.append(height(labels[..., CUP]) / height(labels[..., DISC]))
        inside, outside = labels[..., CUP] > 200, (labels[..., CUP] < 50) & (labels[..., DISC] > 200)
        brightest = seen[..., 1].astype(float)
        assert brightest[inside].min() > np.percentile(brightest[outside], 90)
    assert min(ratios) < 0.35
    assert max(ratios) > 0.75
    assert np.all(np.array(ratios) < RATIOS[1] + 0.06)


def test_nothing_moves_beyond_the_disc_and_the_rim_stays(photograph, layers):
    for seed in range(10):
        seen, labels = with_other_cup(photograph, layers, DISC, CUP, np.random.default_rng(seed))
        far = disc_of(26) == 0
        np.testing.assert_array_equal(seen[far], photograph[far])
        np.testing.assert_array_equal(labels[far], layers[far])
        np.testing.assert_array_equal(labels[..., 0], layers[..., 0])
        assert abs(height(labels[..., DISC]) - height(layers[..., DISC])) <= 2


def test_vessels_bend_with_the_cup_and_stay_whole(photograph, layers):
    bent = [with_other_cup(photograph, layers, DISC, CUP, np.random.default_rng(seed))[1] for seed in range(10)]
    assert all((labels[..., 1] > 127).any(axis=1).all() for labels in bent)
    assert any((labels[..., 1] != layers[..., 1]).any() for labels in bent)


def test_a_notched_rim_is_thinned_near_a_pole_and_nowhere_else(photograph, layers, monkeypatch):
    cups = {}
    for notched in (0, 1):
        monkeypatch.setattr(cups_module, "_NOTCHED", notched)
        drawn = (with_other_cup(photograph, layers, DISC, CUP, np.random.default_rng(seed)) for seed in range(40))
        cups[notched] = [(labels[..., CUP] > 127, seen[..., 1]) for seen, labels in drawn]
    sides = []
    for (even, paint), (deeper, repainted) in zip(cups[0], cups[1], strict=True):
        rows, columns = np.nonzero(deeper & ~even)
        assert not (even & ~deeper).any()
        if len(rows) > 20:
            down, right = rows.mean() - 48, columns.mean() - 48
            assert abs(down) > 0.7 * abs(right)
            sides.append(down)
            assert repainted[rows, columns].mean() > paint[rows, columns].mean() + 10  # the photograph goes along
    assert len(sides) > 15
    assert min(sides) < 0 < max(sides)


def test_what_is_given_is_not_changed(photograph, layers):
    before = photograph.copy(), layers.copy()
    seen, _ = with_other_cup(photograph, layers, DISC, CUP, np.random.default_rng(0))
    np.testing.assert_array_equal(photograph, before[0])
    np.testing.assert_array_equal(layers, before[1])
    assert (seen != photograph).any()


@pytest.mark.parametrize("radii", [(0, 0), (3, 2), (20, 0)])
def test_where_no_cup_can_be_seen_the_eye_stays(photograph, layers, radii):
    layers[..., DISC], layers[..., CUP] = (disc_of(radius) if radius else np.zeros((SIZE, SIZE)) for radius in radii)
    seen, labels = with_other_cup(photograph, layers, DISC, CUP, np.random.default_rng(0))
    np.testing.assert_array_equal(seen, photograph)
    np.testing.assert_array_equal(labels, layers)


def test_a_disc_at_the_border_is_no_reason_to_fail(layers):
    at_border = np.stack([layers[..., 0], layers[..., 1], disc_of(20, (6, 90)), disc_of(10, (6, 90))], axis=-1)
    grey = np.full((SIZE, SIZE, 3), 120, np.uint8)
    for seed in range(5):
        seen, labels = with_other_cup(grey, at_border, DISC, CUP, np.random.default_rng(seed))
        assert seen.shape == grey.shape
        assert (labels[..., CUP] > 127).any()
