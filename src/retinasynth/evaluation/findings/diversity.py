"""What is said of diversity: whether generated photographs vary as real ones do."""

from retinasynth.errors import InputError
from retinasynth.evaluation.described import Described
from retinasynth.evaluation.metrics import appearance, diversity
from retinasynth.evaluation.results import Finding
from retinasynth.report.sections import Cell, Column, Row, Table


def diversity_finding(ours: Described, theirs: Described, *, seed: int) -> Finding:
    """Variety of style, and spread and coverage in each kind of features.

    Args:
        ours: the generated photographs.
        theirs: the real ones.
        seed: of all that is drawn.
    """
    values: dict[str, object] = {}
    sentences: list[str] = []
    tables = []
    try:
        compared = appearance.measure(
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
                    Row("Generated over real", {one.measure: one.ratio for one in compared}),
                    Row("Generated", {one.measure: one.generated_deviation for one in compared}),
                    Row("Real", {one.measure: one.real_deviation for one in compared}),
                    Row("Means apart, in real deviations", {one.measure: one.shift for one in compared}),
                ],
            )
        )
    except InputError as error:
        sentences.append(f"Variety could not be measured: {error.got}.")
    rows = []
    for name in ours.rows:
        try:
            found = diversity.measure(
                theirs.rows[name],
                ours.rows[name],
                real_groups=theirs.people,
                generated_groups=ours.people,
                seed=seed,
            )
        except InputError:
            continue
        values[f"spread_{name}"] = found.spread.to_json()
        if found.coverage is None:
            continue
        values[f"coverage_{name}"] = found.coverage.to_json()
        cells: dict[str, Cell] = {"spread": found.spread}
        cells |= {"coverage": found.coverage.share, "expected": found.coverage.expected}
        rows.append(Row(f"{name} features", cells))
    if rows:
        of_networks = {
            "spread": Column("Spread", "1 is that of real ones"),
            "coverage": Column("Coverage", "of the real ones"),
            "expected": Column("Coverage by their like", "as many real ones would reach"),
        }
        tables.append(Table("In the eyes of networks", of_networks, rows))
    return Finding(
        "diversity",
        "Diversity",
        sentences,
        tables,
        values=values,
        conventions=appearance.CONVENTIONS | diversity.CONVENTIONS,
    )
