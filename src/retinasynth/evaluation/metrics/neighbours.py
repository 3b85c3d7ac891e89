"""Do generated pictures lie nearer to the photographs that were trained on than to others of the same kind?

A generator that has learnt what retinas look like is as near to people it has never seen as to those it has. One that
remembers is nearer to the latter. Training sets are larger, so most nearest neighbours are training photographs in any
case: chance is what is found when the people are dealt at random onto two sides of the same sizes.

Source: the test by nearest neighbours is that of Schilling, "Multivariate two-sample tests based on nearest
neighbors", JASA 1986; its use against copying is close to Meehan, Chaudhuri and Dasgupta, "A non-parametric test to
detect data-copying in generative models", AISTATS 2020.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from retinasynth.checks import checked_seed
from retinasynth.errors import InputError
from retinasynth.evaluation.metrics import distances
from retinasynth.evaluation.metrics.distances import Distances
from retinasynth.intervals import SEED, Estimate, bootstrap_mean

DEALS = 5_000
DRAWS = 50
MIN_PEOPLE = 4  # on each side; fewer say nothing
RANGE = 0.99  # of the deals; at 95 %, HRF stood out as near to one side of IDRiD (p = .008)
UNFAIR = 0.01
CLOSE = 0.01  # of real photographs lie nearer to one of another person
FEWEST_CLOSE = 100  # real photographs, of which that share is at least one
WEAK = 0.5  # share of copies that must stand out, else nothing was learnt

CONVENTIONS = {
    **distances.CONVENTIONS,
    "nearer_to_training": "share of generated pictures whose nearest real photograph was trained on, each distance "
    "less the mean distance of that photograph to those of other people; with its interval (bootstrap over "
    "generated eyes). A picture made from the labels of a real eye is not compared with that person",
    "chance": "the same share where the people behind the real photographs are dealt at random onto two sides of the "
    f"same sizes, and the range of {RANGE:.0%} of {DEALS:,} deals. Where people have different numbers of photographs, "
    f"as many of each are drawn, {DRAWS} times",
    "fair": "the real photographs of the two sides must be alike themselves: whether the nearest to each, of other "
    f"people, is on its own side more often than in all but {UNFAIR:.0%} of deals is asked first",
    "closest": f"share of generated pictures that lie nearer to a training photograph than all but {CLOSE:.0%} of the "
    "real photographs lie to a training photograph of another person; what share is expected of pictures that differ "
    "in nothing from photographs of other people, and how often chance gives at least as many (beta-binomial: the "
    f"limit is an order statistic); of fewer than {FEWEST_CLOSE} real photographs it is not told",
    "detectable": "the share of copies from which on the pictures would stand out of chance; above "
    f"{WEAK:.0%} nothing was learnt",
}


@dataclass(frozen=True)
class Comparison:
    """Whether generated pictures are nearer to training photographs than chance makes them, in one space.

    Attributes:
        share: of the generated pictures whose nearest real photograph was trained on.
        chance: what that share is by chance.
        chance_low: lower end of what chance does in 99 of 100 deals.
        chance_high: upper end.
        own_side: share of the real photographs whose nearest one, of other people, is on their own side.
        own_side_chance: how often chance makes that share at least as large.
        people: on the side of training and of the held-out.
    """

    share: Estimate
    chance: float
    chance_low: float
    chance_high: float
    own_side: float
    own_side_chance: float
    people: tuple[int, int] = field(default=(0, 0))

    @property
    def is_fair(self) -> bool:
        """Whether the real photographs of the two sides are alike, so that only memory can tell them apart."""
        return self.own_side_chance >= UNFAIR

    @property
    def is_nearer(self) -> bool:
        """Whether generated pictures are nearer to training than chance explains."""
        return self.share.mean > self.chance_high + 1e-9

    @property
    def excess(self) -> float:
        """The share beyond chance: 0 as chance has it, 1 where every picture is nearest to training.

        Example:
            >>> Comparison(Estimate(0.9, 0.8, 1.0, 9), 0.8, 0.7, 0.85, 0.5, 1.0).excess
            0.5
        """
        return round((self.share.mean - self.chance) / max(1 - self.chance, 1e-9), 9)

    @property
    def detectable(self) -> float:
        """The least `excess` that would have been noticed; 1 or more where nothing could be."""
        return round((self.chance_high - self.chance) / max(1 - self.chance, 1e-9), 9)

    @property
    def can_tell(self) -> bool:
        """Whether a generator of which half the pictures are copies would have been noticed."""
        return self.is_fair and self.detectable <= WEAK

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "share": self.share.to_json(),
            "chance": {"mean": self.chance, "low": self.chance_low, "high": self.chance_high},
            "excess": self.excess,
            "detectable": self.detectable,
            "own_side": {"share": self.own_side, "chance": self.own_side_chance},
            "is_fair": self.is_fair,
            "can_tell": self.can_tell,
            "is_nearer": self.is_nearer,
            "people": {"training": self.people[0], "held_out": self.people[1]},
        }


@dataclass(frozen=True)
class Closest:
    """How many generated pictures lie closer to training than people lie to each other, in one space.

    Attributes:
        limit: the distance to the nearest training photograph of another person that all but `CLOSE` of the real
            photographs exceed.
        nearer: generated pictures nearer than that.
        generated: pictures in all.
        expected: share that is nearer by chance.
        chance: how often chance gives at least as many.
        real: photographs that the limit is of.
    """

    limit: float
    nearer: int
    generated: int
    expected: float
    chance: float
    real: int

    @property
    def is_closer(self) -> bool:
        """Whether more are nearer than chance explains, at the 1 % level."""
        return self.chance < CLOSE

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "is_closer": self.is_closer}


@dataclass(frozen=True)
class Nearest:
    """The nearest real photograph of one kind to each generated picture, to show them side by side.

    Attributes:
        index: ``int (generated,)``.
        distance: ``float (generated,)``.
    """

    index: NDArray[np.intp] = field(repr=False)
    distance: Distances = field(repr=False)

    def to_json(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A name and a distance for each generated picture."""
        pairs = zip(self.index, self.distance, strict=True)
        return [{"name": names[index], "distance": round(float(distance), 4)} for index, distance in pairs]


@dataclass(frozen=True)
class Neighbours:
    """Where generated pictures lie among real ones, by one kind of distance.

    Attributes:
        training: the nearest training photographs.
        held_out: the nearest held-out ones; None where there are none.
        comparison: of the two; None where there are too few people.
        closest: how many are nearer to training than people are to each other; None of too few photographs.
    """

    training: Nearest
    held_out: Nearest | None
    comparison: Comparison | None
    closest: Closest | None = None


def measure(
    to_real: Distances,
    among_real: Distances,
    people: Sequence[str],
    trained: int,
    *,
    left_out: Sequence[str | None],
    groups: Sequence[str],
    seed: int = SEED,
) -> Neighbours:
    """Say whether generated pictures lie nearer to training photographs than to held-out ones.

    Args:
        to_real: ``float (generated, real)``, in any unit; training photographs before held-out ones.
        among_real: ``float (real, real)`` in the same unit.
        people: whose photograph each real one is.
        trained: how many were trained on.
        left_out: for each generated picture a person with whom it is not compared, or None.
        groups: the eye or person behind each generated picture, for the interval.
        seed: of drawing and dealing.

    Raises:
        InputError: the shapes do not agree, or a person is on both sides.
    """
    is_training = np.arange(len(people)) < trained
    comparison = None
    if min(len(set(people[:trained])), len(set(people[trained:]))) >= MIN_PEOPLE:
        comparison = compare_sides(
            to_real, among_real, people, is_training, left_out=left_out, groups=groups, seed=seed
        )
    return Neighbours(
        training=_nearest(to_real[:, :trained]),
        held_out=_nearest(to_real[:, trained:]) if len(people) > trained else None,
        comparison=comparison,
        closest=closest_to_training(to_real[:, :trained], among_real[:, :trained], people, trained, left_out=left_out),
    )


def _nearest(distances: Distances) -> Nearest:
    return Nearest(distances.argmin(axis=1), distances.min(axis=1))


def closest_to_training(
    to_training: Distances,
    real_to_training: Distances,
    people: Sequence[str],
    trained: int,
    *,
    left_out: Sequence[str | None] | None = None,
) -> Closest | None:
    """How many generated pictures lie nearer to a training photograph than photographs of other people do.

    Were generated pictures like photographs of other people, the number below the k-th smallest of n distances would
    be beta-binomial with parameters k and n - k + 1.

    Args:
        to_training: ``float (generated, trained)``, in any unit.
        real_to_training: ``float (real, trained)`` in the same unit, training photographs first.
        people: whose photograph each real one is.
        trained: how many were trained on.
        left_out: for each generated picture the person whose vessels it was made from, or None.

    Returns:
        None where fewer than `FEWEST_CLOSE` real photographs have one of another person to be near to.
    """
    names = np.asarray(people)
    of_others = np.where(names[:, None] == names[:trained], np.inf, real_to_training).min(axis=1, initial=np.inf)
    of_others = of_others[np.isfinite(of_others)]
    if len(of_others) < FEWEST_CLOSE:
        return None
    own = np.array([name or "" for name in left_out or [""] * len(to_training)])
    nearest = np.where(own[:, None] == names[:trained], np.inf, to_training).min(axis=1)
    real, rank = len(of_others), max(1, round(CLOSE * len(of_others)))
    limit = float(np.sort(of_others)[rank - 1])
    nearer = int((nearest < limit).sum())
    chance = float(stats.betabinom.sf(nearer - 1, len(nearest), rank, real - rank + 1))
    return Closest(limit, nearer, len(nearest), rank / (real + 1), chance, real)


def compare_sides(
    to_real: Distances,
    among_real: Distances,
    people: Sequence[str],
    is_training: NDArray[np.bool_],
    *,
    left_out: Sequence[str | None] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = SEED,
) -> Comparison:
    """Compare the distances of generated pictures to training photographs with those to held-out ones.

    Args:
        to_real: ``float (generated, real)``, in any unit.
        among_real: ``float (real, real)`` in the same unit.
        people: whose photograph each real one is; people are dealt, photographs of one stay together.
        is_training: ``bool (real,)``.
        left_out: for each generated picture a person with whom it is not compared, or None: it was made from the
            vessels of that person and is near by construction.
        groups: the eye or person behind each generated picture, for the interval.
        seed: of drawing and dealing.

    Raises:
        InputError: the shapes do not agree, a person is on both sides, or a side has fewer than two people.

    Example:
        >>> to_real = np.array([[0.1, 0.5, 0.6, 0.7], [0.5, 0.1, 0.6, 0.7], [0.6, 0.6, 0.2, 0.9]])
        >>> compared = compare_sides(to_real, np.ones((4, 4)), list("abcd"), np.array([True, True, False, False]))
        >>> round(compared.share.mean, 3), compared.chance
        (0.667, 0.5)
    """
    names, person = np.unique(np.asarray(people), return_inverse=True)
    side = _side_of_people(to_real, among_real, person, is_training, names)
    left = np.array([_place(names, name) for name in left_out or [None] * len(to_real)])
    is_own = person[:, None] == person
    usual = np.average(among_real, axis=0, weights=~is_own)  # (real,)
    to_real = np.where(left[:, None] == person, np.inf, to_real - usual)
    among_real = np.where(is_own, np.inf, among_real - usual)

    random = np.random.default_rng(checked_seed(seed))
    most = np.bincount(person)
    each = int(most.min())
    draws = 1 if (most == each).all() else DRAWS
    nearer = np.zeros(len(to_real))
    nearest = np.zeros(len(names))  # how often each person is the nearest one to a generated picture
    pairs = np.zeros((len(names), len(names)))  # how often each is the nearest one to a photograph of another
    for _ in range(draws):
        drawn = _drawn(person, each, random)
        found = person[drawn[to_real[:, drawn].argmin(axis=1)]]
        nearer += side[found] / draws
        nearest += np.bincount(found, minlength=len(names)) / (draws * len(to_real))
        others = person[drawn[among_real[np.ix_(drawn, drawn)].argmin(axis=1)]]
        np.add.at(pairs, (person[drawn], others), 1 / (draws * len(drawn)))

    deals = random.permuted(np.tile(side, (DEALS, 1)), axis=1)
    beyond = deals @ nearest - _expected(deals, left)
    chance = float(_expected(side[None], left)[0])
    low, high = chance + np.quantile(beyond, [(1 - RANGE) / 2, (1 + RANGE) / 2])
    own = float(pairs[side[:, None] == side].sum())
    own_by_chance = ((deals @ pairs) * deals + (~deals @ pairs) * ~deals).sum(axis=1)
    return Comparison(
        share=bootstrap_mean(nearer, groups=groups, seed=seed),
        chance=chance,
        chance_low=max(float(low), 0.0),
        chance_high=min(float(high), 1.0),
        own_side=own,
        own_side_chance=float((own_by_chance >= own - 1e-9).mean()),
        people=(int(side.sum()), int((~side).sum())),
    )


def _side_of_people(
    to_real: Distances,
    among_real: Distances,
    person: NDArray[np.intp],
    is_training: NDArray[np.bool_],
    names: NDArray[np.str_],
) -> NDArray[np.bool_]:
    """For each person whether its photographs were trained on, after checking what was given."""
    count = len(person)
    if to_real.ndim != 2 or to_real.shape[1:] != (count,) or among_real.shape != (count, count) or not len(to_real):
        raise InputError(
            f"Distances of shape {to_real.shape} and {among_real.shape} for {count} real photographs",
            expected="(generated, real) with at least one generated, and (real, real)",
        )
    if is_training.shape != (count,):
        raise InputError(f"is_training has shape {is_training.shape}", expected=f"({count},), as there are photographs")
    trained = np.bincount(person, weights=is_training) > 0
    held_out = np.bincount(person, weights=~is_training) > 0
    if (trained & held_out).any():
        both = names[trained & held_out]
        raise InputError(f"{len(both)} people are on both sides: {', '.join(both[:5])}", expected="each on one")
    if trained.sum() < 2 or held_out.sum() < 2:
        raise InputError(
            f"There are {trained.sum()} people on the side of training and {held_out.sum()} held out",
            expected="at least two on each",
        )
    return np.asarray(trained)


def _place(names: NDArray[np.str_], name: str | None) -> int:
    return -1 if name is None or name not in names else int(np.searchsorted(names, name))


def _drawn(person: NDArray[np.intp], each: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Indices of `each` photographs of every person, at random."""
    shuffled = random.permutation(len(person))
    order = shuffled[np.argsort(person[shuffled], kind="stable")]
    start = np.r_[0, np.cumsum(np.bincount(person))[:-1]]
    return np.sort(order[(start[:, None] + np.arange(each)).ravel()])


def _expected(deals: NDArray[np.bool_], left: NDArray[np.intp]) -> NDArray[np.float64]:
    """The share expected by chance in each deal, ``(deals, people)``: as many of the people who are compared with.

    A picture that is not compared with one person has one fewer on the side to which that person is dealt.
    """
    people = deals.shape[1]
    trained = deals.sum(axis=1).astype(np.float64)
    alone = left >= 0
    without = deals[:, left[alone]].sum(axis=1)
    of_all = (len(left) - alone.sum()) * trained / people
    return np.asarray((of_all + (alone.sum() * trained - without) / (people - 1)) / len(left))
