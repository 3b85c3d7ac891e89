"""Generated photographs as a set, beside real ones: realism, diversity and privacy, each a part of the report."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from retinasynth.errors import ImageError, InputError
from retinasynth.evaluation.findings import Finding
from retinasynth.evaluation.metrics import diversity, features, privacy, realism
from retinasynth.evaluation.metrics.diversity import Appearance, appearance
from retinasynth.evaluation.metrics.features import Features, FundusFeatures, ImageNetFeatures, OnnxFeatures, Row
from retinasynth.evaluation.metrics.privacy import Pictures, Privacy, examine_privacy
from retinasynth.evaluation.metrics.vessels_found import one_thread_each
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.images import Photograph, encoded, resize_photograph
from retinasynth.intervals import SEED, Estimate
from retinasynth.parallel import in_order
from retinasynth.progress import progress
from retinasynth.report.sections import Column, Gallery, Shown, Table
from retinasynth.report.sections import Row as TableRow

MOST_NEIGHBOURS = 6  # generated pictures that are shown beside their nearest real ones
_NEIGHBOUR_PX = (256, 256)
_LOOKED_AT_FOR_SHAPE = 15  # photographs of each side

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Real:
    """The real photographs that a generated set is compared with.

    Attributes:
        unseen: what it should look like; best photographs of people that were not trained on.
        training: what the generator learnt from, or None where that is not known.
    """

    unseen: Pictures
    training: Pictures | None = None


@dataclass(frozen=True)
class _Looks:
    """What is kept of each photograph that can be looked at.

    Attributes:
        people: whose eye each shows.
        rows: by the name of the features, ``float32 (n, d)``.
        appearances: of each.
        lost: names of those that are black or of one colour.
    """

    people: Sequence[str]
    rows: Mapping[str, Row]
    appearances: Sequence[Appearance]
    lost: Sequence[str]


def set_parts(generated: Pictures, real: Real, *, network: Path | None = None, seed: int = SEED) -> list[Finding]:
    """What realism, diversity and privacy have to say of a set.

    Args:
        generated: the photographs; of those made from a real eye's labels, `people` is that eye's person.
        real: what they are compared with. All are brought to the resolution of the generated ones before they are
            looked at, and stretched as these are.
        network: an ONNX file with a network of the user's own, whose features are measured too; see `OnnxFeatures`.
        seed: of all that is drawn.

    Raises:
        ModelError: the file holds no such network.
    """
    networks: list[Features] = [FundusFeatures()]
    if importlib.util.find_spec("efficientnet_lite_pytorch"):
        networks.append(ImageNetFeatures())
    if network is not None:
        networks.append(OnnxFeatures(network))
    like = _Shape.of(generated, real.unseen)
    ours = _look("generated", generated, networks, None)
    theirs = _look("real", real.unseen, networks, like)
    parts = [_realism_part(ours, theirs, seed), _diversity_part(ours, theirs, seed)]
    if real.training is None:
        parts.append(_not_examined("which photographs the generator learnt from is not known"))
        return parts
    first = networks[0].name
    learnt = _each("training", real.training, like, networks[0])
    made = replace(generated, features=None if ours.lost else ours.rows[first])
    held_out = replace(real.unseen, features=None if theirs.lost else theirs.rows[first])
    known = [row for row in learnt if row is not None]
    training = replace(real.training, features=np.stack(known) if len(known) == len(learnt) else None)
    try:
        found = examine_privacy(made, training, held_out, seed=seed)
        parts.append(_privacy_part(made, training, held_out, found))
    except InputError as error:
        parts.append(_not_examined(error.got))
    return parts


def _each(
    what: str, pictures: Pictures, like: "_Shape | None", look: Callable[[Photograph], Seen]
) -> list[Seen | None]:
    """What is seen in each photograph, brought to about a size; None of one that is black or of one colour."""

    def seen(number: int) -> Seen | None:
        photograph = pictures.read(number)
        try:
            return look(photograph if like is None else like.given(photograph))
        except ImageError:
            return None

    found = []
    with progress(f"Looking at {what} photographs", len(pictures)) as advance, one_thread_each() as begin:
        for done, one in enumerate(in_order(seen, range(len(pictures)), begin=begin), start=1):
            found.append(one)
            advance(done, pictures.names[done - 1])
    return found


def _look(what: str, pictures: Pictures, networks: Sequence[Features], like: "_Shape | None") -> _Looks:
    def look(photograph: Photograph) -> tuple[list[Row], Appearance]:
        field = find_field_of_view(photograph)
        return [network(photograph, field) for network in networks], appearance(photograph, field)

    looked = _each(what, pictures, like, look)
    seen = [one for one in looked if one is not None]
    return _Looks(
        people=[person for person, one in zip(pictures.people, looked, strict=True) if one is not None],
        rows={
            network.name: np.stack([rows[place] for rows, _ in seen]) if seen else np.zeros((0, 1), np.float32)
            for place, network in enumerate(networks)
        },
        appearances=[one for _, one in seen],
        lost=[name for name, one in zip(pictures.names, looked, strict=True) if one is None],
    )


class _Shape(NamedTuple):
    """How real photographs become comparable with generated ones.

    Attributes:
        size: of the generated ones, height and width.
        side: of the square around their field of view, in pixels; None where real ones stretched to that size have the
            shape of the generated ones.
    """

    size: tuple[int, int]
    side: float | None

    @classmethod
    def of(cls, generated: Pictures, real: Pictures) -> "_Shape":
        """The shape of a set, told from a few of both by how wide their fields of view are for their height."""
        height, width = generated.read(0).shape[:2]
        ours, theirs = (_fields(pictures) for pictures in (generated, real))
        if not ours or not theirs:
            return cls((height, width), None)
        wanted = np.median([box.wide / box.high for box in ours])
        plain = np.median([box.wide / box.high for box in theirs])
        stretched = np.median(
            [box.wide / box.high * box.picture[0] / box.picture[1] * width / height for box in theirs]
        )
        is_stretched = abs(np.log(stretched / wanted)) <= abs(np.log(plain / wanted))
        return cls((height, width), None if is_stretched else float(np.median([box.side for box in ours])))

    def given(self, photograph: Photograph) -> Photograph:
        """A real photograph at this resolution, and in this shape."""
        if self.side is None:
            return resize_photograph(photograph, self.size)
        scale = self.side / _field(photograph).side
        height, width = photograph.shape[:2]
        return resize_photograph(photograph, (max(1, round(height * scale)), max(1, round(width * scale))))


class _Box(NamedTuple):
    """The box around a field of view, in pixels, and the size of its picture."""

    high: int
    wide: int
    picture: tuple[int, int]

    @property
    def side(self) -> int:
        return max(self.high, self.wide)


def _field(photograph: Photograph) -> _Box:
    field = find_field_of_view(photograph)
    high, wide = int(field.any(axis=1).sum()), int(field.any(axis=0).sum())
    return _Box(high, wide, (photograph.shape[0], photograph.shape[1]))


def _fields(pictures: Pictures) -> list[_Box]:
    """Of a few photographs, those that show something."""
    boxes = []
    for number in range(0, len(pictures), max(1, len(pictures) // _LOOKED_AT_FOR_SHAPE)):
        with contextlib.suppress(ImageError):
            boxes.append(_field(pictures.read(number)))
    return boxes


def _lost_sentence(looks: _Looks) -> Iterator[str]:
    if looks.lost:
        yield (
            f"{len(looks.lost)} photographs are black or of one colour and were left out, for example {looks.lost[0]}."
        )


# --- Realism and diversity ---------------------------------------------------------------------------------------


def _realism_part(ours: _Looks, theirs: _Looks, seed: int) -> Finding:
    sentences, rows = list(_lost_sentence(ours)), []
    values: dict[str, object] = {}
    for name in ours.rows:
        try:
            found = realism.realism(
                theirs.rows[name],
                ours.rows[name],
                features=name,
                real_groups=theirs.people,
                generated_groups=ours.people,
                seed=seed,
            )
        except InputError as error:
            sentences.append(f"Realism in {name} features could not be measured: {error.got}.")
            continue
        sentences.append(found.reading)
        values[name] = found.to_json()
        accuracy = found.classified.balanced_accuracy if found.classified else None
        rows.append(
            TableRow(
                f"{name} features",
                {"distance": found.distance, "halves": found.halves, "accuracy": accuracy or "too few pictures"},
            )
        )
    values |= _frechet(ours, theirs, sentences)
    columns = {
        "distance": Column("Kernel distance", "0 is no difference", 5),
        "halves": Column("Halves of the real", "what no difference looks like", 5),
        "accuracy": Column("Real or synthetic", "balanced accuracy, 0.5 cannot tell", 3),
    }
    count = f"{len(theirs.appearances)} real and {len(ours.appearances)} generated photographs."
    tables = [Table("In the eyes of networks", columns, rows, count)] if rows else []
    conventions = realism.CONVENTIONS | features.CONVENTIONS
    return Finding("realism", "Realism", sentences, tables, values=values, conventions=conventions)


def _frechet(ours: _Looks, theirs: _Looks, sentences: list[str]) -> dict[str, object]:
    """The Frechet distance in a network of the user's own, or why there is none."""
    values: dict[str, object] = {}
    for name in ours.rows:
        if name.startswith("network "):
            try:
                values["frechet_distance"] = realism.frechet_distance(theirs.rows[name], ours.rows[name], features=name)
            except InputError as error:
                sentences.append(f"No Frechet distance: {error.got}.")
    if not values:
        values["frechet_distance"] = None
    return values


def _diversity_part(ours: _Looks, theirs: _Looks, seed: int) -> Finding:
    values: dict[str, object] = {}
    sentences: list[str] = []
    tables = []
    try:
        compared = diversity.compare(
            theirs.appearances,
            ours.appearances,
            real_groups=theirs.people,
            generated_groups=ours.people,
            seed=seed,
        )
        sentences += [one.reading for one in compared]
        values["appearance"] = {one.measure: one.to_json() for one in compared}
        columns = {one.measure: Column(one.measure[0].upper() + one.measure[1:]) for one in compared}
        tables.append(
            Table(
                "Deviation from picture to picture",
                columns,
                [
                    TableRow("Generated over real", {one.measure: one.ratio for one in compared}),
                    TableRow("Generated", {one.measure: one.generated_deviation for one in compared}),
                    TableRow("Real", {one.measure: one.real_deviation for one in compared}),
                    TableRow("Means apart, in real deviations", {one.measure: one.shift for one in compared}),
                ],
            )
        )
    except InputError as error:
        sentences.append(f"Variety could not be measured: {error.got}.")
    rows = []
    for name in ours.rows:
        cells: dict[str, object] = {}
        try:
            spread = diversity.spread_ratio(
                theirs.rows[name],
                ours.rows[name],
                real_groups=theirs.people,
                generated_groups=ours.people,
                seed=seed,
            )
            values[f"spread_{name}"] = spread.to_json()
            covered = diversity.coverage(theirs.rows[name], ours.rows[name], groups=theirs.people, seed=seed)
            values[f"coverage_{name}"] = covered.to_json()
        except InputError:
            continue
        cells = {"spread": spread, "coverage": covered.share, "expected": covered.expected}
        rows.append(TableRow(f"{name} features", cells))  # type: ignore[arg-type]
    if rows:
        of_networks = {
            "spread": Column("Spread", "1 is that of real ones"),
            "coverage": Column("Coverage", "of the real ones"),
            "expected": Column("Coverage by their like", "as many real ones would reach"),
        }
        tables.append(Table("In the eyes of networks", of_networks, rows))
    return Finding("diversity", "Diversity", sentences, tables, values=values, conventions=diversity.CONVENTIONS)


# --- Privacy -----------------------------------------------------------------------------------------------------


def _not_examined(reason: str) -> Finding:
    sentence = f"Whether somebody was copied was not examined: {reason.rstrip('.')}."
    return Finding("privacy", "Privacy", [sentence], values={"answer": None, "reason": reason})


def _privacy_part(generated: Pictures, training: Pictures, held_out: Pictures, found: Privacy) -> Finding:
    columns = {
        "share": Column("Nearest to training", "share of the generated"),
        "chance": Column("By chance", "and its range in 99 of 100 deals"),
    }
    rows = [
        TableRow(
            f"In {name}",
            {"share": one.share, "chance": Estimate(one.chance, one.chance_low, one.chance_high, one.share.n)},
        )
        for name, space in found.spaces.items()
        if (one := space.comparison) is not None
    ]
    return Finding(
        "privacy",
        "Privacy",
        found.verdict,
        [Table("Nearness", columns, rows)] if rows else [],
        galleries=[*_copies(generated, training, found), _neighbours(generated, training, held_out, found)],
        values=found.to_json(),
        conventions=privacy.CONVENTIONS,
    )


def _copies(generated: Pictures, training: Pictures, found: Privacy) -> list[Gallery]:
    shown = [
        Shown(
            generated.names[one.generated],
            [f"shows the retina of {training.names[one.training]}, vessels correlate by {one.correlation:.2f}"],
            {
                "Generated": _view(generated, one.generated),
                "Training photograph": _view(training, one.training),
            },
        )
        for one in sorted(found.copies, key=lambda one: -one.correlation)
        if not one.is_asked_for
    ]
    return [Gallery("Copies", shown[:MOST_NEIGHBOURS])] if shown else []


def _neighbours(generated: Pictures, training: Pictures, held_out: Pictures, found: Privacy) -> Gallery:
    """The generated pictures that lie nearest to a training photograph, beside it and the nearest held-out one."""
    space = found.spaces["pixels"]
    shown = []
    for number in np.argsort(space.training.distance, kind="stable")[:MOST_NEIGHBOURS]:
        views = {
            "Generated": _view(generated, int(number)),
            "Nearest in training": _view(training, int(space.training.index[number])),
        }
        distances = f"{space.training.distance[number]:.3f} from training"
        if space.held_out is not None:
            views["Nearest held out"] = _view(held_out, int(space.held_out.index[number]))
            distances += f", {space.held_out.distance[number]:.3f} from held out"
        shown.append(Shown(generated.names[number], [distances], views))
    return Gallery("Nearest neighbours", shown, "The pictures that lie nearest to a training photograph, in pixels.")


def _view(pictures: Pictures, number: int) -> bytes:
    return encoded(resize_photograph(pictures.read(number), _NEIGHBOUR_PX), "JPEG")
