"""What is said of realism: how far generated photographs are from real ones, and whether they can be told apart."""

from retinasynth.errors import InputError
from retinasynth.evaluation.described import Described
from retinasynth.evaluation.metrics import features, frechet_distance, kernel_distance, two_sample
from retinasynth.evaluation.results import Finding
from retinasynth.report.sections import Cell, Column, Row, Table


def realism_finding(ours: Described, theirs: Described, *, seed: int) -> Finding:
    """Kernel distance and two-sample test in each kind of features, and a Frechet distance where one was asked for.

    Args:
        ours: the generated photographs.
        theirs: the real ones.
        seed: of all that is drawn.
    """
    sentences, rows = list(ours.lost_sentences), []
    values: dict[str, object] = {}
    for name in ours.rows:
        real, generated = theirs.rows[name], ours.rows[name]
        classified = None
        try:
            distance = kernel_distance.measure(
                real, generated, features=name, real_groups=theirs.people, generated_groups=ours.people, seed=seed
            )
            if min(len(real), len(generated)) >= two_sample.FEWEST_PICTURES:
                classified = two_sample.measure(
                    real, generated, real_groups=theirs.people, generated_groups=ours.people, seed=seed
                )
        except InputError as error:
            sentences.append(f"Realism in {name} features could not be measured: {error.got}.")
            continue
        reading = " ".join([classified.reading, distance.reading] if classified else [distance.reading])
        sentences.append(reading)
        values[name] = {
            "features": name,
            "kernel_distance": distance.distance.to_json(),
            "halves": distance.halves.to_json() if distance.halves else None,
            "real_or_synthetic": classified.to_json() if classified else None,
            "reading": reading,
        }
        accuracy = classified.balanced_accuracy if classified else "too few pictures"
        cells: dict[str, Cell] = {"distance": distance.distance, "halves": distance.halves, "accuracy": accuracy}
        rows.append(Row(f"{name} features", cells))
    values |= _frechet(ours, theirs, sentences)
    columns = {
        "distance": Column("Kernel distance", "0 is no difference", 5),
        "halves": Column("Halves of the real", "what no difference looks like", 5),
        "accuracy": Column("Real or synthetic", "balanced accuracy, 0.5 cannot tell", 3),
    }
    count = f"{len(theirs.appearances)} real and {len(ours.appearances)} generated photographs."
    tables = [Table("In the eyes of networks", columns, rows, count)] if rows else []
    conventions = {
        name: text
        for one in (kernel_distance, frechet_distance, two_sample, features)
        for name, text in one.CONVENTIONS.items()
    }
    return Finding("realism", "Realism", sentences, tables, values=values, conventions=conventions)


def _frechet(ours: Described, theirs: Described, sentences: list[str]) -> dict[str, object]:
    """The Frechet distance in a network of the user's own, or why there is none."""
    values: dict[str, object] = {}
    for name in ours.rows:
        if name.startswith("network "):
            try:
                values["frechet_distance"] = frechet_distance.measure(theirs.rows[name], ours.rows[name], features=name)
            except InputError as error:
                sentences.append(f"No Frechet distance: {error.got}.")
    if not values:
        values["frechet_distance"] = None
    return values
