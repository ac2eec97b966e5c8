"""
The working tree against a commit: its figures by the ladder, its speed by the regression gate, and the gate on itself.

Changes are kept as ln(head / base) and shown as per cent, which is what a reader expects.
"""

import math
from collections.abc import Mapping
from typing import Any

from harness.record import rung_results
from harness.report.load_runs import Run
from harness.report.model import Cell, Cells, Table
from harness.report.values import NONE, figure, finite, mapping, objects, text

_TONES = {"regression": "fail", "no regression": "pass", "inconclusive": "warn"}


_WORDS = {"not answered": "warn", "unverified": "warn", "fixed": "pass", "rounding": "pass", "identical": "pass"}


def drift(run: Run) -> Table:
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
                    Cell(text=found.tensor, code=True),
                    found.reason,
                    Cell(text=found.drift, tone=_tone(found.drift)),
                )
            )
    headings = ("rung", "gridsize", "in", "backend", "apart by", "at", "why", "word")
    return Table(caption=f"Figures against {_base(run)}, rung by rung", headings=headings, rows=rows)


def drift_table(run: Run) -> Table:
    """Return the words by rung and precision, and by who was compared."""
    headings, *rows = rung_results.drift_table(run.told.judged.values()) or [()]
    toned: list[Cells] = [
        (
            *row[:2],
            *(Cell(text=cell, tone=_WORDS.get(cell.partition(",")[0], "fail") if cell else "") for cell in row[2:]),
        )
        for row in rows
    ]
    return Table(caption=f"Figures against {_base(run)}: the worst word of each rung", headings=headings, rows=toned)


def versions(run: Run) -> Table:
    """Return which builds of the frameworks were compared, and why one could not be had."""
    rows: list[Cells] = []
    for item in objects(run.document("versions.json").get("versions")):
        installed, moved = mapping(item.get("installed")), item.get("moved")
        base = " (base)" if item.get("locked") is True else ""
        shown = Cell(text=text(installed.get("build"))) if installed else Cell(text=text(item.get("why")), tone="warn")
        others = ", ".join(map(str, moved)) if isinstance(moved, list) else ""
        rows.append((text(item.get("side")), f"{text(item.get('version'))}{base}", shown, others or NONE))
    headings = ("backend", "version", "build", "other packages that differ from the base's")
    return Table(caption="Versions of the frameworks", headings=headings, rows=rows)


def _tone(word: str) -> str:
    """The tone of a word; one that is not known fails, none at all says nothing."""
    return _WORDS.get(word, "fail") if word else ""


def _base(run: Run) -> str:
    """Return what was compared with: a commit, the plain way, the locked versions."""
    other = text(run.document("ways.json").get("base")) or text(run.document("versions.json").get("base"))
    return text(run.document("drift.json").get("base"))[:12] or other or "another state"


def against(run: Run) -> Table:
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
                    Cell(text=result, tone=_TONES.get(result, "")),
                )
            )
    headings = ("lane", "channel", "change of head", "99 % interval", "pairs", "confirmed with", "result")
    return Table(caption=f"Regression against {text(told.get('base'))[:12]}", headings=headings, rows=rows)


def self_test(run: Run) -> Table:
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


TABLES = (versions, drift_table, drift, against, self_test)
"""Tables of a run, in their order on the page; each is empty for runs that it is not about."""
