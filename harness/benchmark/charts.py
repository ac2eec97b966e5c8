"""
Charts of a benchmark run: budget bars by phase, history, cost per pattern over the size of the scan.

The data of each chart is in the report's JSON too, under the chart's name, so that others can draw it their way.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.files.run_files import replacing
from harness.record.history import History

_DPI = 110
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222255", "#994455")
"""Distinguishable for readers who see colours differently (Tol's bright scheme, two dark ones added)."""

Rows = Mapping[str, Mapping[str, Any]]


def data(benchmarks: Rows, known: History) -> dict[str, Any]:
    """
    Return what the charts show.

    Args:
        benchmarks: figures by name.
        known: earlier runs on this machine, the present one among them.

    Returns:
        `budget`: seconds by phase of each epoch, and the budget; `history`: time and seconds of each benchmark;
        `scaling`: patterns and milliseconds of training a pattern, by side.
    """
    epochs = {name: row for name, row in benchmarks.items() if "budget_s" in row}
    scaling: dict[str, list[list[float]]] = {}
    for row in epochs.values():
        if "groups" in row:
            cost = 1e3 / float(row["patterns_per_second"])
            scaling.setdefault(str(row["side"]), []).append([float(row["groups"]), cost])
    return {
        "budget": {
            name: {"phases": row["phases"], "wall_s": row["wall_s"], "budget_s": row["budget_s"]}
            for name, row in epochs.items()
        },
        "history": {
            name: [[entry.utc, entry.values["seconds"]] for entry in found]
            for name in benchmarks
            if (found := [entry for entry in known.of(name) if "seconds" in entry.values])
        },
        "scaling": {side: sorted(points) for side, points in scaling.items()},
    }


def draw(folder: Path, shown: Mapping[str, Any]) -> dict[str, str]:
    """
    Draw what there is to draw.

    Args:
        folder: where the pictures go.
        shown: of `data`.

    Returns:
        Chart to file name; a chart without data is left out.
    """
    drawers = {"budget": _budget, "history": _history, "scaling": _scaling}
    made = {}
    for name, drawer in drawers.items():
        if shown[name]:
            made[name] = _saved(folder / f"benchmark-{name}.png", drawer, shown[name]).name
    return made


def _saved(path: Path, drawer: Any, shown: Any) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    drawer(figure.subplots(), shown)
    with replacing(path) as handle:
        figure.savefig(handle, format="png", dpi=_DPI)
    return path


def _budget(axes: Any, shown: Mapping[str, Mapping[str, Any]]) -> None:
    names = list(shown)
    phases = list(dict.fromkeys(phase for row in shown.values() for phase in row["phases"]))
    left = [0.0] * len(names)
    for number, phase in enumerate(phases):
        widths = [float(shown[name]["phases"].get(phase, 0.0)) for name in names]
        axes.barh(names, widths, left=left, label=phase, color=_COLOURS[number % len(_COLOURS)])
        left = [start + width for start, width in zip(left, widths, strict=True)]
    budget_s = max(float(row["budget_s"]) for row in shown.values())
    axes.axvline(budget_s, color="black", linestyle="--", label=f"budget {budget_s:g} s")
    axes.set_xlabel("wall time of the process, s (logarithmic after the first second)")
    axes.set_xscale("symlog", linthresh=1.0)
    axes.invert_yaxis()
    axes.legend(fontsize="small", ncols=2)


def _history(axes: Any, shown: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    for number, (name, points) in enumerate(shown.items()):
        seconds = [float(value) for _, value in points]
        axes.plot(range(1, len(seconds) + 1), seconds, "o-", label=name, color=_COLOURS[number % len(_COLOURS)])
    axes.set_yscale("log")
    axes.set_xlabel("run on this machine, oldest first")
    axes.set_ylabel("median, s")
    axes.legend(fontsize="x-small", ncols=2)


def _scaling(axes: Any, shown: Mapping[str, Sequence[Sequence[float]]]) -> None:
    for number, (side, points) in enumerate(shown.items()):
        sizes, costs = zip(*points, strict=True)
        axes.plot(sizes, costs, "o-", label=side, color=_COLOURS[number])
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("patterns")
    axes.set_ylabel("training, ms a pattern")
    axes.legend()
