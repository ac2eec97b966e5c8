"""`benchmark history`: every series with its change points, as a table, a picture and JSON. It judges no push."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.benchmark.trend import changes, series
from harness.benchmark.trend.changes import ChangePoint, SeriesChanges
from harness.record import history
from harness.system import tables
from harness.system.tables import Table
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

PICTURE = "changes.png"
SCHEMA = "ptycho-changes/1"
HEADINGS = ("series", "commits", "step", "word", "evidence")
_BARS = "▁▂▃▄▅▆▇█"
_BAR_COUNT = 32
_SHOWN = 40
"""Rows of a table on the terminal; `--json` has them all."""


def courses_of(root: Path) -> tuple[list[SeriesChanges], history.History]:
    """
    The series of a workspace with their changes, and what was read of its history.

    Args:
        root: the workspace's folder for runs.
    """
    known = history.read_all(root)
    return changes.search_all(series.of(known.records)), known


def table_of(found: Sequence[ChangePoint]) -> Table:
    """Rows of text, headings first; the newest change first."""
    ordered = sorted(found, key=lambda change: change.last, reverse=True)
    rows = [(one.series, one.commits, one.step, one.says, one.evidence) for one in ordered]
    return [list(HEADINGS), *map(list, rows)]


def overview(courses: Sequence[SeriesChanges]) -> Table:
    """One row for each series: its length, its last value, its course, its newest change."""
    rows = [["series", "entries", "last", "values, oldest first", "change"]]
    for course in courses:
        values = course.series.values
        newest = course.changes[-1] if course.changes else None
        said = "noise" if newest is None else f"{newest.says} {newest.step}"
        if newest is None and course.candidate is None:
            said = "none: too few values, or all of them equal"
        rows.append([course.series.name, str(len(values)), f"{values[-1]:.4g}", sparkline(course), said])
    return rows


def sparkline(course: SeriesChanges) -> str:
    """The last values as bars, a stroke at each change."""
    values = course.series.values
    start = max(0, len(values) - _BAR_COUNT)
    shown = values[start:]
    low, high = min(shown), max(shown)
    places = {change.place for change in course.changes}
    found = ""
    for number, value in enumerate(shown, start=start):
        level = 0 if high == low else round((value - low) / (high - low) * (len(_BARS) - 1))
        found += ("|" if number in places and number > start else "") + _BARS[level]
    return found


def sentence(courses: Sequence[SeriesChanges]) -> str:
    """The whole in a sentence."""
    found = [change for course in courses for change in course.changes]
    words = sorted({change.says for change in found})
    counts = ", ".join(f"{sum(change.says == word for change in found)} × {word}" for word in words)
    quiet = sum(not course.changes for course in courses)
    return f"{len(courses)} series: {counts or 'no change'}; {quiet} without a change beyond noise"


def main(root: Path, *, out: Path | None, only: Sequence[str], as_json: bool) -> int:
    """
    Search, print, draw, and return 0: a change in the history is shown, and the gate of one comparison judges.

    Args:
        root: the workspace's folder for runs.
        out: the picture; by default `changes.png` in the folder of the history.
        only: texts of which the name of a series holds one; empty for all series.
        as_json: print one JSON document and nothing else.

    Raises:
        UsageError: there is no history, or no series of such a name.
    """
    courses, known = courses_of(root)
    if not courses:
        refused = f"; {len(known.refused)} lines cannot be used: {known.refused[0]}" if known.refused else ""
        raise UsageError(
            f"{root / history.FOLDER} has no series of two values or more{refused}; runs of `nox -s benchmark`, "
            "`nox -s parity` and the lanes that pass append to it"
        )
    chosen = [course for course in courses if not only or any(text in course.series.name for text in only)]
    if not chosen:
        names = ", ".join(sorted(course.series.name for course in courses)[:12])
        raise UsageError(f"--series {', '.join(only)}: no series has that in its name; there are: {names}")
    found = [change for course in chosen for change in course.changes]
    if as_json:
        print(json.dumps(document(chosen, known), indent=1))
        return int(Verdict.PASS)
    from harness.benchmark.trend import picture

    tables.show(overview(chosen)[: _SHOWN + 1], title="the history, series by series")
    if len(chosen) > _SHOWN:
        print(f"… and {len(chosen) - _SHOWN} more; --series TEXT chooses, --json has all")
    if found:
        tables.show(table_of(found), title="changes over time")
    for line in known.refused:
        print(f"left out: {line}")
    print(sentence(chosen))
    made = picture.draw(out or root / history.FOLDER / PICTURE, chosen)
    print(f"picture: {made}", flush=True)
    return int(Verdict.PASS)


def document(courses: Sequence[SeriesChanges], known: history.History) -> dict[str, Any]:
    """Plain values, for JSON."""
    return {
        "schema": SCHEMA,
        "verdict": Verdict.PASS.label,
        "sentence": sentence(courses),
        "series": [
            {
                "name": course.series.name,
                "values": course.series.values,
                "commits": [point.commit for point in course.series.points],
                "changes": [changes.as_dict(change) for change in course.changes],
                "p_of_the_next": course.candidate,
            }
            for course in courses
        ],
        "refused": list(known.refused),
    }
