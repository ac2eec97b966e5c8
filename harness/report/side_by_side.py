"""Two runs of one kind side by side: what differs in verdict, code, rungs, tests, scores and times."""

import re
from collections.abc import Callable, Iterator, Sequence

from harness.record.outcome import COLUMNS
from harness.record.state import GREEN
from harness.report.load_runs import LoadedRun
from harness.report.model import Cells, Table, TableCell, toned
from harness.report.values import NONE, figure, first_line, mapping, number, seconds, text

_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)( s| min| h)?")

LISTED = 20
"""Tests, rungs and problems that are listed one by one."""


def table(old: LoadedRun, new: LoadedRun) -> Table:
    """
    Two runs as one table, with a mark where they differ.

    Args:
        old: the earlier run.
        new: the later one.
    """
    rows: list[Cells] = [
        (what, _cell(before), _cell(after), _change(before, after)) for what, before, after in _rows(old, new)
    ]
    return Table(
        caption=f"{new.name}: {old.path.name} and {new.path.name}",
        headings=("what", old.path.name, new.path.name, "change"),
        rows=rows,
    )


Row = tuple[str, str, str]


def _rows(old: LoadedRun, new: LoadedRun) -> Iterator[Row]:
    def row(what: str, take: Callable[[LoadedRun], str]) -> Row:
        return what, take(old), take(new)

    yield row("verdict", lambda run: run.verdict.label)
    yield row("began", lambda run: run.told.started.replace("T", " ")[:19])
    yield row("commit", lambda run: text(mapping(run.told.origin).get("commit"))[:12])
    yield row("uncommitted changes", lambda run: text(mapping(run.told.origin).get("changes_sha256"))[:12])
    yield row("time in the log", lambda run: seconds(run.told.seconds))
    if old.told.judged or new.told.judged:
        yield row("rungs", lambda run: run.told.tally.sentence)
    if old.climbed.get("first_failure") or new.climbed.get("first_failure"):
        yield row("first failing rung", _first)
    if old.told.tests or new.told.tests:
        yield row("tests that passed", lambda run: str(run.told.count("passed")))
    yield from _scores(old, new)
    yield from _listed("test", _tests(old), _tests(new))
    yield from _listed("benchmark", dict(old.told.benchmarks), dict(new.told.benchmarks))
    yield from _listed("problem", _problems(old), _problems(new))


def _problems(run: LoadedRun) -> dict[str, str]:
    return {first_line(problem.message): problem.verdict.label for problem in run.problems}


def _first(run: LoadedRun) -> str:
    first = mapping(run.climbed.get("first_failure"))
    return " ".join(text(first.get(key)) for key in ("rung", "tensor")).strip()


def _tests(run: LoadedRun) -> dict[str, str]:
    return {test.test: test.outcome for test in run.told.tests.values() if test.outcome not in GREEN}


def _scores(old: LoadedRun, new: LoadedRun) -> Iterator[Row]:
    for name in dict.fromkeys((*old.told.fixtures, *new.told.fixtures)):
        rows = [mapping(run.told.fixtures.get(name)) for run in (old, new)]
        for heading, key, form in COLUMNS:
            values = [figure(mapping(row.get("scores")).get(key), form) for row in rows]
            if values != [NONE, NONE]:
                yield f"{name}: {heading}", values[0], values[1]
        for key, heading in (("train_s", "training"), ("infer_s", "inference")):
            times = [number(row.get(key)) for row in rows]
            if times != [None, None]:
                yield f"{name}: {heading}", seconds(times[0]), seconds(times[1])


def _listed(kind: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Row]:
    """Items that one of the two has, or has otherwise."""
    differing = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    for name in differing[:LISTED]:
        yield f"{kind} {name}", old.get(name, NONE), new.get(name, NONE)
    if len(differing) > LISTED:
        yield f"{len(differing) - LISTED} more of kind {kind}", "", ""


def _cell(value: str) -> TableCell | str:
    return TableCell(text=value, tone=toned(value)) if value in ("pass", "fail", "failed", "error") else value or NONE


def _change(old: str, new: str) -> TableCell | str:
    """Return how much larger the new value is: numbers as a difference, times in per cent."""
    if old == new:
        return ""
    before, after = _NUMBER.fullmatch(old), _NUMBER.fullmatch(new)
    if before is None or after is None or before[2] != after[2]:
        return TableCell(text="differs", tone="warn")
    if before[2]:
        return f"{100 * (float(after[1]) / float(before[1]) - 1):+.0f} %" if float(before[1]) else "differs"
    return f"{float(after[1]) - float(before[1]):+.3g}"


def tables(old: LoadedRun, shown: Sequence[LoadedRun]) -> list[Table]:
    """The table of an earlier run and each shown run of its kind."""
    return [table(old, run) for run in shown if run.name == old.name and run.path.resolve() != old.path.resolve()]
