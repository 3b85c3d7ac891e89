"""The report of a search for settings: one self-contained page, the answer first."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from retinasynth.evaluation.results import LOWER_IS_BETTER, MEASURE_NAMES, UNITS, figure_text
from retinasynth.report.page import render as render_page
from retinasynth.report.plots import INK, MODEL, MUTED, RIVAL, drawing, panel, svg
from retinasynth.report.sections import Column, Mark, Plot, Report, Row, Section, Table
from retinasynth.studies.space import Search, Value
from retinasynth.studies.tuning_results import CONVENTIONS, Trial, Tuning
from retinasynth.studies.words import counted


def render(tuning: Tuning) -> str:
    """The report as one HTML page that asks for nothing outside itself."""
    direction = "lower" if tuning.measure in LOWER_IS_BETTER else "higher"
    trials = Section("trials", "Trials, the best first", tables=[_trials(tuning)])
    return render_page(
        Report(
            tuning.title,
            tuning.verdict[0],
            [*_best(tuning), *_search(tuning), trials],
            CONVENTIONS,
            tuning.about,
            sentences=tuning.verdict[1:],
            facts=[counted(len(tuning.trials), "trial"), f"{direction} is better"],
            kind="search",
        )
    )


def _best(tuning: Tuning) -> list[Section]:
    if tuning.best is None:
        return []
    start = tuning.trials[0].params
    rows = [
        Row(name, {"best": value_text(value), "start": value_text(start[name])})
        for name, value in tuning.best.params.items()
    ]
    note = "`best.yaml` holds them in full: `retinasynth train --config best.yaml --data DIR --out RUN`"
    columns = {"best": Column("best"), "start": Column("start")}
    table = Table("", columns, rows, note, corner="setting", leads=False)
    return [Section("best", "The best settings", tables=[table])]


def _search(tuning: Tuning) -> list[Section]:
    if all(trial.value is None for trial in tuning.trials):
        return []
    plots, note = [_history(tuning)], "Dashed: the settings that the search started from."
    if tuning.importances:
        plots.append(_importances(tuning))
    else:
        note += " Too few trials to say which settings matter."
    return [
        Section("search", "The search", plots=plots, note=note),
        Section(
            "settings",
            f"Each setting against {MEASURE_NAMES[tuning.measure]}",
            plots=[_setting(tuning, name, search) for name, search in tuning.space.items()],
            note="A dot for each trial that finished, a ring around the best. Other settings differ from dot to dot "
            "too.",
        ),
    ]


def _trials(tuning: Tuning) -> Table:
    measure = tuning.measure
    columns = {"value": Column(f"{MEASURE_NAMES[measure]}{UNITS.get(measure, '')}")}
    columns |= {name: Column(name.replace(".", " ").replace("_", " ")) for name in tuning.space}
    rows = []
    for trial in sorted(tuning.trials, key=lambda trial: _rank(trial, measure)):
        value = trial.state if trial.value is None else figure_text(measure, trial.value)
        params = {name: value_text(one) for name, one in trial.params.items()}
        rows.append(Row(str(trial.number), {"value": value, **params}, note=trial.why))
    return Table("", columns, rows, corner="trial")


def value_text(value: Value) -> str:
    """A value with the digits that it deserves.

    Example:
        >>> value_text(0.00034712), value_text(64), value_text("batch")
        ('0.000347', '64', 'batch')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _rank(trial: Trial, measure: str) -> tuple[bool, float, int]:
    """Best first, then those without a value."""
    value = 0.0 if trial.value is None else trial.value
    return trial.value is None, value if measure in LOWER_IS_BETTER else -value, trial.number


def _history(tuning: Tuning) -> Plot:
    """A dot for each trial that finished, and the best so far."""
    name, finished = MEASURE_NAMES[tuning.measure], [trial for trial in tuning.trials if trial.value is not None]
    numbers = np.array([trial.number for trial in finished])
    values = np.array([trial.by_fold[-1] for trial in finished])
    best = (np.minimum if tuning.measure in LOWER_IS_BETTER else np.maximum).accumulate(values)
    with drawing():
        figure, axes = panel("trial")
        axes.axhline(values[0], color=MUTED, linewidth=0.8, linestyle="--")
        axes.step(numbers, best, where="post", color=MODEL, linewidth=1.6)
        axes.plot(numbers, values, "o", color=RIVAL, markersize=4)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        shown = [figure_text(tuning.measure, float(value)) for value in (values[0], best[-1])]
        drawn = svg(figure, f"{name} of each trial: the first {shown[0]}, the best {shown[1]}")
        return Plot(f"{name}{UNITS.get(tuning.measure, '')} by trial", drawn, [Mark("best so far", "better")])


def _importances(tuning: Tuning) -> Plot:
    items = list(tuning.importances.items())[::-1]
    with drawing():
        figure, axes = panel("share", height_inches=0.9 + 0.28 * len(items))
        axes.barh([name for name, _ in items], [share for _, share in items], color=MODEL, height=0.55)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        shown = ", ".join(f"{name} {share:.2f}" for name, share in tuning.importances.items())
        return Plot("Importance of each setting", svg(figure, f"Importance of each setting: {shown}"))


def _setting(tuning: Tuning, name: str, search: Search) -> Plot:
    """The value of each trial against what it tried; a ring around the best, dashed the start."""
    finished = [trial for trial in tuning.trials if trial.value is not None]
    values = [trial.by_fold[-1] for trial in finished]
    with drawing():
        figure, axes = panel(name.rpartition(".")[2].replace("_", " "), height_inches=2.2)
        if search.choices:
            places = [float(search.choices.index(trial.params[name])) for trial in finished]
            axes.set_xticks(range(len(search.choices)), [value_text(choice) for choice in search.choices])
            axes.set_xlim(-0.5, len(search.choices) - 0.5)
        else:
            places = [float(trial.params[name]) for trial in finished]
            if search.log:
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
                axes.xaxis.set_major_formatter("{x:g}")
                axes.xaxis.set_minor_formatter(NullFormatter())
        axes.plot(places, values, "o", color=MODEL, markersize=4, alpha=0.7)
        if tuning.best is not None:
            at = finished.index(tuning.best)
            axes.plot([places[at]], [values[at]], "o", markerfacecolor="none", markeredgecolor=INK, markersize=9)
        label = f"{MEASURE_NAMES[tuning.measure]} of each trial against {name}"
        return Plot(name, svg(figure, label))
