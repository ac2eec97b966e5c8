"""
The parity ladder as a reader climbs it: every rung with how near it comes to its limit, and its first failure in full.

Made from `parity.json` (docs/parity.md has its schema), whatever version wrote it: what it does not say is not shown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from harness.record import rung_results
from harness.record.rung_results import NOT_REACHED, STANDING
from harness.report import first_failure, ladder_picture, ladder_results
from harness.report.first_failure import FirstFailure
from harness.report.load_runs import LoadedRun
from harness.report.model import Cells, Table, TableCell, toned
from harness.report.values import NONE, figure, finite, mapping, number, objects, text, texts, times

ROWS = 100
"""Rows of the table; a ladder has about forty, a survey over seeds as many for each."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """
    A rung at one gridsize in one precision.

    Attributes:
        precision: `f64` or `f32`.
        gridsize: g.
        result: result of the rung.
        worst: largest figure, or None where values are equal or not.
        allowed: what is allowed, or None.
        tip: all of it in words.
        logged: whether only the log knows of it, and no figure was kept.
    """

    precision: str
    gridsize: str
    result: str
    worst: float | None
    allowed: float | None
    tip: str
    logged: bool = False

    @property
    def share(self) -> float | None:
        """Power of ten of what was found over what is allowed; None where nothing is measured on a scale."""
        if self.worst is None or not self.allowed or self.worst <= 0:
            return None
        return math.log10(self.worst / self.allowed) if math.isfinite(self.worst) else math.inf


@dataclass(frozen=True, kw_only=True)
class RungSection:
    """
    A rung of the ladder.

    Attributes:
        name: `R0` …
        what: what is compared.
        result: the worst of its marks.
        marks: one for each gridsize and precision.
        picture: the marks on their scale.
        margin: how many times the worst of them fits into what is allowed, in words.
        first: whether the first failure is here.
    """

    name: str
    what: str
    result: str
    marks: Sequence[Mark]
    picture: Markup
    margin: str
    first: bool = False


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """
    A run of the ladder.

    Attributes:
        steps: the rungs, the highest first, as on a ladder.
        axis: the scale below the marks.
        table: every figure.
        failure: the first one, or None.
        refused: answers that do not count, and why.
        proof: what was planted to see that a pass is one.
        unverified: rungs about which the run says nothing, and why.
        summary: the ladder in a line.
        unreached: rungs that the run did not reach, or not at every gridsize and precision.
    """

    steps: Sequence[RungSection]
    axis: Markup
    table: Table
    failure: FirstFailure | None
    refused: Sequence[str]
    proof: Table
    unverified: Sequence[tuple[str, str]]
    summary: str
    unreached: Sequence[str] = ()


def of(run: LoadedRun) -> Ladder | None:
    """The ladder that a run climbed, as far as it came; None of a run that climbs none."""
    told = run.climbed
    if not told:
        return None
    rows = objects(told.get("rungs"))
    unverified = [
        (text(item.get("name")), f"{text(item.get('what'))}: {text(item.get('reason'))}")
        for item in objects(told.get("unverified"))
    ]
    first = text(mapping(told.get("first_failure")).get("rung"))
    steps = [
        replace(_step(name, [row for row in rows if text(row.get("rung")) == name]), first=name == first)
        for name in _names(rows)
    ]
    missing = [
        RungSection(name=name, what=why, result="unverified", marks=(), picture=Markup(), margin="not measured")
        for name, why in unverified
        if name not in {step.name for step in steps}
    ]
    unreached = ladder_results.not_reached(run.told)
    # A rung that passes where it was judged passes only if it was judged everywhere.
    steps = [
        replace(step, result=NOT_REACHED, margin=f"{step.margin}; not reached everywhere")
        if step.name in unreached and step.result in STANDING
        else step
        for step in steps
    ]
    missing += [
        replace(_step(name, []), result=NOT_REACHED, margin=f"the run did not reach {name}")
        for name in unreached
        if name not in {step.name for step in steps}
    ]
    return Ladder(
        steps=tuple(reversed([*steps, *missing])),
        axis=ladder_picture.axis(),
        table=_table(rows),
        failure=first_failure.of(run, told, rows),
        refused=tuple(
            f"{party}: {why}" for party, given in mapping(told.get("refused")).items() for why in texts(given)
        ),
        proof=_proof(mapping(told.get("proof"))),
        unverified=tuple(unverified),
        summary=ladder_results.tally(told, run.told).sentence,
        unreached=unreached,
    )


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(text(row.get("rung")) for row in rows))


def _step(name: str, rows: Sequence[Mapping[str, Any]]) -> RungSection:
    from harness.parity.compare.rungs import RUNGS

    marks = tuple(_mark(row) for row in rows)
    what = next((rung.what for rung in RUNGS if rung.name == name), "")
    return RungSection(
        name=name,
        what=what,
        result=rung_results.worst(mark.result for mark in marks),
        marks=marks,
        picture=ladder_picture.scale(name, marks),
        margin=_margin(marks),
    )


def _mark(row: Mapping[str, Any]) -> Mark:
    worst, allowed = number(row.get("worst")), finite(row.get("tolerance"))
    asked = (text(row.get("precision")), f"gridsize {text(row.get('gridsize'))}", text(row.get("problem")))
    where = ", ".join(filter(None, asked))
    logged = bool(row.get(ladder_results.LOGGED))
    found = f"{figure(worst, '{:.2g}')} of {figure(allowed, '{:.2g}')} allowed"
    units = number(row.get("noise_units"))
    parts = [
        f"{where}: {text(row.get('result'))}",
        "no figures: the run ended early"
        if logged
        else found
        if worst is not None
        else "values are equal"
        if row.get("result") == "pass"
        else "values differ",
        f"{units:.2g} noise units" if units is not None else "",
        f"at {text(row.get('tensor'))}" if worst else "",
    ]
    return Mark(
        precision=text(row.get("precision")),
        gridsize=text(row.get("gridsize")),
        result=text(row.get("result")),
        worst=worst,
        allowed=allowed,
        tip=", ".join(part for part in parts if part),
        logged=logged,
    )


def _margin(marks: Sequence[Mark]) -> str:
    """Say how near the rung comes to its limit, in words."""
    shares = [mark.share for mark in marks if mark.share is not None]
    wrong = [mark for mark in marks if mark.result != "pass"]
    if not shares and any(mark.logged for mark in marks):
        return "fails; no figures were kept" if wrong else "passes; no figures were kept"
    if not shares:
        return f"{wrong[0].result}: values differ" if wrong else "equal"
    worst = max(shares)
    if worst > 0:
        return "beyond every limit" if math.isinf(worst) else f"{times(10**worst)} times the limit"
    return f"margin {times(10**-worst)}" if not wrong else wrong[0].result


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = ("rung", "gridsize", "in", "compared", "worst", "noise units", "allowed", "at", "result")
    made: list[Cells] = []
    for row in rows:
        gated = finite(row.get("not_gated")) or 0
        compared = figure(row.get("compared"), "{:.0f}") + (f" ({gated:.0f} not gated)" if gated else "")
        result, worst = text(row.get("result")), number(row.get("worst"))
        shown = figure(worst, "{:.1e}") if worst is not None else "equal" if result == "pass" else "not equal"
        allowed = "equal" if row.get("tolerance") is None else figure(row.get("tolerance"), "{:.0e}")
        if row.get(ladder_results.LOGGED):
            shown = allowed = NONE
        at = text(row.get("tensor")) if worst or result != "pass" else ""
        made.append(
            (
                text(row.get("rung")),
                ", ".join(filter(None, (text(row.get("gridsize")), text(row.get("problem"))))),
                text(row.get("precision")),
                *(compared, shown, figure(row.get("noise_units"))),
                allowed,
                TableCell(text=at, code=True),
                TableCell(text=result, tone=toned(result)),
            )
        )
    caption = "Every rung at every gridsize and precision, and on drawn problems"
    return Table(caption=caption, headings=headings, rows=made[:ROWS], more=max(0, len(made) - ROWS))


def _proof(told: Mapping[str, Any]) -> Table:
    rows = []
    for item in objects(told.get("canaries")):
        at, outcome = text(item.get("at")), text(item.get("outcome"))
        rows.append(
            (
                TableCell(text=text(item.get("id")), code=True),
                text(item.get("story")),
                at or NONE,
                ", ".join(texts(item.get("named"))) or NONE,
                TableCell(text=outcome, tone=toned(outcome)),
            )
        )
    return Table(
        caption="Faults that this run planted into copies of the code, to see that a pass is one",
        headings=("fault", "what it does", "found at", "accused", "outcome"),
        rows=rows,
    )
