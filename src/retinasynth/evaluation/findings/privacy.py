"""What is said of privacy: the verdict, beside the pictures that lie nearest to training photographs."""

import numpy as np

from retinasynth.evaluation.pictures import Pictures
from retinasynth.evaluation.privacy import CONVENTIONS, Privacy
from retinasynth.evaluation.results import Finding
from retinasynth.images import encoded, resize_photograph
from retinasynth.intervals import Estimate
from retinasynth.report.sections import Column, Gallery, Row, Shown, Table

MOST_NEIGHBOURS = 6  # generated pictures that are shown beside their nearest real ones
_NEIGHBOUR_PX = (256, 256)


def not_examined(reason: str) -> Finding:
    """That privacy was not examined, and why."""
    sentence = f"Whether somebody was copied was not examined: {reason.rstrip('.')}."
    return Finding("privacy", "Privacy", [sentence], values={"answer": None, "reason": reason})


def privacy_finding(generated: Pictures, training: Pictures, held_out: Pictures, found: Privacy) -> Finding:
    """The verdict on privacy, with copies and nearest neighbours to look at."""
    columns = {
        "share": Column("Nearest to training", "share of the generated"),
        "chance": Column("By chance", "and its range in 99 of 100 deals"),
    }
    rows = [
        Row(
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
        conventions=CONVENTIONS,
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
