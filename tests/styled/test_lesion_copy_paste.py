import numpy as np
import pytest

from retinasynth.styled.lesion_copy_paste import with_lent_lesions

SIZE = 128
FIELD, VESSELS, DISC, HAEMORRHAGES, EXUDATES = range(5)
LESIONS = (HAEMORRHAGES, EXUDATES)


def spot(row: int, column: int, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return ((np.hypot(rows - row, columns - column) <= radius) * 255).astype(np.uint8)


@pytest.fixture
def layers() -> np.ndarray:
    """A round field of view with a disc on the left, and nothing else."""
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    return np.stack([spot(64, 64, 60), nothing, spot(64, 30, 10), nothing, nothing], axis=-1)


@pytest.fixture
def photograph(layers: np.ndarray) -> np.ndarray:
    return (layers[..., [FIELD]] / 255 * np.array([160, 80, 20])).astype(np.uint8)


@pytest.fixture
def lender(layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brighter, with a spot half as bright and one half as bright again; a lesion lies on its disc too."""
    its = layers.copy()
    its[..., HAEMORRHAGES] = np.maximum(spot(90, 80, 5), spot(64, 30, 4))
    its[..., EXUDATES] = spot(40, 90, 4)
    bright = layers[..., [FIELD]] / 255 * np.array([150, 100, 60])
    bright[its[..., HAEMORRHAGES] > 0] *= 0.5
    bright[its[..., EXUDATES] > 0] *= 1.5
    return bright.round().astype(np.uint8), its


def lent(photograph, layers, lender, disc=DISC):
    return with_lent_lesions(photograph, layers, *lender, lesions=LESIONS, disc=disc)


def test_a_lesion_is_as_dark_or_pale_as_at_home(photograph, layers, lender):
    seen, labels = lent(photograph, layers, lender)
    np.testing.assert_allclose(seen[90, 80], 0.5 * photograph[90, 80], atol=3)
    np.testing.assert_allclose(seen[40, 90, :2], 1.5 * photograph[40, 90, :2], rtol=0.08)
    assert labels[90, 80, HAEMORRHAGES] == 255
    assert labels[40, 90, EXUDATES] == 255


def test_nothing_changes_away_from_lesions_nor_on_the_disc(photograph, layers, lender):
    seen, labels = lent(photograph, layers, lender)
    near = np.maximum(spot(90, 80, 12), spot(40, 90, 11)) > 0
    np.testing.assert_array_equal(seen[~near], photograph[~near])
    np.testing.assert_array_equal(labels[~near], layers[~near])
    np.testing.assert_array_equal(labels[..., :3], layers[..., :3])
    somewhere, there = lent(photograph, layers, lender, disc=None)
    assert there[64, 30, HAEMORRHAGES] == 255
    assert somewhere[64, 30].sum() < photograph[64, 30].sum()


def test_own_lesions_stay(photograph, layers, lender):
    layers[..., EXUDATES] = spot(70, 70, 3)
    _, labels = lent(photograph, layers, lender)
    assert labels[70, 70, EXUDATES] == labels[40, 90, EXUDATES] == 255


def test_nothing_is_laid_outside_the_field_and_the_input_is_kept(photograph, layers, lender):
    picture, its = lender
    its[..., HAEMORRHAGES] = np.maximum(its[..., HAEMORRHAGES], spot(4, 4, 3))
    before = photograph.copy(), layers.copy()
    seen, labels = lent(photograph, layers, (picture, its))
    assert labels[4, 4, HAEMORRHAGES] == 0
    assert (seen[layers[..., FIELD] == 0] == 0).all()
    np.testing.assert_array_equal(photograph, before[0])
    np.testing.assert_array_equal(layers, before[1])
