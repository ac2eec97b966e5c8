"""
The working tree against a commit: its figures by the ladder, its speed by the regression gate, and the gate on itself.

Changes are kept as ln(head / base) and shown as per cent, which is what a reader expects. What the gate is too coarse
for is named by the change points of the history, which never change a verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark.trend import command
from harness.benchmark.trend.changes import ChangePoint, SeriesChanges
from harness.record import rung_results
from harness.report import charts
from harness.report.charts import Series
from harness.report.load_runs import LoadedRun
from harness.report.model import Cells, Chart, Table, TableCell
from harness.report.values import NONE, figure, finite, mapping, objects, text

_TONES = {"regression": "fail", "no regression": "pass", "inconclusive": "warn"}


_WORDS = {"not answered": "warn", "unverified": "warn", "fixed": "pass", "rounding": "pass", "identical": "pass"}


def drift(run: LoadedRun) -> Table:
    """Return the word of every rung of both backends, from the log: a run that was stopped has the rows so far."""
    rows: list[Cells] = []
    for found in run.told.judged.values():
        if found.drift:
            precision, gridsize, _ = rung_results.conditions(found.label)
            rows.append(
                (
                    found.rung,
                    gridsize,
                    precision,
                    rung_results.who_of(found.label),
                    rung_results.apart(found.units, found.unit) or NONE,
                    TableCell(text=found.tensor, code=True),
                    found.reason,
                    TableCell(text=found.drift, tone=_tone(found.drift)),
                )
            )
    headings = ("rung", "gridsize", "in", "backend", "apart by", "at", "why", "word")
    return Table(caption=f"Figures against {_base(run)}, rung by rung", headings=headings, rows=rows)


def drift_table(run: LoadedRun) -> Table:
    """Return the words by rung and precision, and by who was compared."""
    headings, *rows = rung_results.drift_table(run.told.judged.values()) or [()]
    toned: list[Cells] = [
        (
            *row[:2],
            *(
                TableCell(text=cell, tone=_WORDS.get(cell.partition(",")[0], "fail") if cell else "")
                for cell in row[2:]
            ),
        )
        for row in rows
    ]
    return Table(caption=f"Figures against {_base(run)}: the worst word of each rung", headings=headings, rows=toned)


def versions(run: LoadedRun) -> Table:
    """Return which builds of the frameworks were compared, and why one could not be had."""
    rows: list[Cells] = []
    for item in objects(run.document("versions.json").get("versions")):
        installed, moved = mapping(item.get("installed")), item.get("moved")
        base = " (base)" if item.get("locked") is True else ""
        shown = (
            TableCell(text=text(installed.get("build")))
            if installed
            else TableCell(text=text(item.get("why")), tone="warn")
        )
        others = ", ".join(map(str, moved)) if isinstance(moved, list) else ""
        rows.append((text(item.get("side")), f"{text(item.get('version'))}{base}", shown, others or NONE))
    headings = ("backend", "version", "build", "other packages that differ from the base's")
    return Table(caption="Versions of the frameworks", headings=headings, rows=rows)


def _tone(word: str) -> str:
    """The tone of a word; one that is not known fails, none at all says nothing."""
    return _WORDS.get(word, "fail") if word else ""


def _base(run: LoadedRun) -> str:
    """Return what was compared with: a commit, the plain way, the locked versions."""
    other = text(run.document("ways.json").get("base")) or text(run.document("versions.json").get("base"))
    return text(run.document("drift.json").get("base"))[:12] or other or "another state"


def against(run: LoadedRun) -> Table:
    """Return what the gate says of head against base, by lane and channel."""
    told = run.document("regression.json")
    rows: list[Cells] = []
    for side, rulings in mapping(told.get("rulings")).items():
        for item in objects(rulings):
            first, result = mapping(item.get("first")), text(item.get("result"))
            again = mapping(item.get("second"))
            ends = (_percent(first.get("lower")), _percent(first.get("upper")))
            rows.append(
                (
                    side,
                    text(item.get("channel")),
                    _percent(first.get("mean")),
                    f"{ends[0]} to {ends[1]}",
                    figure(first.get("pairs"), "{:.0f}"),
                    _percent(again.get("mean")) if again else NONE,
                    TableCell(text=result, tone=_TONES.get(result, "")),
                )
            )
    headings = ("lane", "channel", "change of head", "99 % interval", "pairs", "confirmed with", "result")
    return Table(caption=f"Regression against {text(told.get('base'))[:12]}", headings=headings, rows=rows)


def self_test(run: LoadedRun) -> Table:
    """False alarms and power of the gate, by planted share."""
    rows = [_level(item) for item in objects(run.document("gate.json").get("levels"))]
    headings = ("planted", "channel", "trials", "called a regression", "inconclusive")
    return Table(caption="The regression gate, tried on itself", headings=headings, rows=rows)


def _level(item: Mapping[str, Any]) -> Cells:
    planted = finite(item.get("planted"))
    shown = NONE if planted is None else "nothing (A/A)" if planted == 0 else f"+{planted:.0%}"
    counts = (figure(item.get(key), "{:.0f}") for key in ("trials", "regressions", "inconclusive"))
    return (shown, text(item.get("channel")), *counts)


def _percent(value: object) -> str:
    found = finite(value)
    return NONE if found is None or found > 300 else f"{100 * math.expm1(found):+.1f} %"


ROWS = 60
CHARTS = 4
"""Series with a change that are drawn."""

_CHANGE_TONES = {
    "regression": "fail",
    "improvement": "pass",
    "changed method": "warn",
    "other hardware": "warn",
    "noise": "muted",
}
"""A regression of the history is marked as one, and fails nothing."""


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """
    Changes of the history.

    Attributes:
        sentence: how many series there are, and how many changes of each word; "" without a series.
        table: the changes, the newest first.
        charts: series that changed, those with the newest change first.
        refused: lines of the history that cannot be used, and why.
    """

    sentence: str
    table: Table
    charts: Sequence[Chart]
    refused: Sequence[str]


def over_time(root: Path) -> OverTime:
    """
    Return what the history of a workspace says of changes.

    Args:
        root: the workspace's folder for runs.
    """
    courses, known = command.courses_of(root)
    found = sorted((change for course in courses for change in course.changes), key=lambda one: one.last, reverse=True)
    headings = ("series", "commits", "between", "step", "word", "evidence")
    rows = [_change(one) for one in found[:ROWS]]
    drawn = (_course(course) for course in courses[:CHARTS] if course.changes)
    return OverTime(
        sentence=command.sentence(courses) if courses else "",
        table=Table(caption="Changes over time", headings=headings, rows=rows, more=max(0, len(found) - ROWS)),
        charts=[chart for chart in drawn if chart is not None],
        refused=known.refused[:ROWS],
    )


def _change(change: ChangePoint) -> Cells:
    return (
        change.series,
        TableCell(text=change.commits, code=True),
        f"{change.first[:16]} to {change.last[:16]}",
        change.step,
        TableCell(text=change.says, tone=_CHANGE_TONES[change.says]),
        change.evidence,
    )


def _course(course: SeriesChanges) -> Chart | None:
    values = list(enumerate(course.series.values, start=1))
    edges = [0, *(change.place for change in course.changes), len(values)]
    medians = [course.changes[0].before, *(change.after for change in course.changes)]
    levels = [
        point
        for start, end, level in zip(edges[:-1], edges[1:], medians, strict=True)
        for point in ((start + 1, level), (end, level))
    ]
    lines = [
        Series(name="value", points=values, colour=0),
        Series(name="level between changes", points=levels, colour=1, dashed=True),
    ]
    note = "; ".join(f"entry {one.place + 1}: {one.says} {one.step}, {one.commits}" for one in course.changes)
    measure = course.series.measure.replace("_", " ")
    return charts.lines(course.series.name, lines, x="entry, oldest first", y=measure, note=note)


TABLES = (versions, drift_table, drift, against, self_test)
"""Tables of a run, in their order on the page; each is empty for runs that it is not about."""
