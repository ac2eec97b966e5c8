"""Picture of the series that changed: values over nights, the level of each stretch, and each change with its word."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.benchmark.trend.changes import SeriesChanges
from harness.files.run_files import replacing

PANELS = 6
"""Series of a picture: those with the newest changes."""

_COLOURS = {
    "regression": "#cc3311",
    "improvement": "#228833",
    "changed method": "#aa3377",
    "other hardware": "#4477aa",
    "noise": "#777777",
}
_DPI = 110


def draw(path: Path, courses: Sequence[SeriesChanges]) -> Path:
    """
    Draw the first series of a search.

    Args:
        path: PNG to write; its folder is there.
        courses: the series, those to be seen first.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = courses[:PANELS]
    figure = Figure(figsize=(9.0, 1.0 + 1.9 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, course in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        _panel(axes, course)
    with replacing(path.absolute()) as handle:
        figure.savefig(handle, format="png", dpi=_DPI)
    return path


def _panel(axes: Any, course: SeriesChanges) -> None:
    values = course.series.values
    axes.plot(range(1, len(values) + 1), values, "o", ms=3, color="#bbbbbb")
    edges = [0, *(change.place for change in course.changes), len(values)]
    for start, end in pairwise(edges):
        axes.hlines(statistics.median(values[start:end]), start + 0.5, end + 0.5, color="black", lw=1.5)
    for change in course.changes:
        axes.axvline(change.place + 0.5, color=_COLOURS[change.says], ls="--", lw=1)
        axes.annotate(
            f"{change.says} {change.step}\n{change.commits}",
            (change.place + 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3),
            textcoords="offset points",
            va="top",
            fontsize="x-small",
            color=_COLOURS[change.says],
        )
    axes.set_title(course.series.name, fontsize="small", loc="left")
    axes.set_xlabel("entry, oldest first", fontsize="x-small")
    axes.tick_params(labelsize="x-small")
