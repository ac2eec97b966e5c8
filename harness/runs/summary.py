"""
A run's summary for a reader, as Markdown (a service's job page) and as plain text (a terminal), made from its log.

Both are drawn from the same sections, so that neither says more than the other. They are bounded: a job page takes
1 MiB and drops the whole of a longer one; what is cut is said, and `verdict.json` has everything.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.record import rung_results, verdict
from harness.record.outcome import COLUMNS
from harness.record.rung_results import STANDING
from harness.record.state import GREEN, RunState
from harness.record.verdict import LogVerdict
from harness.system import tables

LARGEST = 1_000_000
"""Bytes of a summary, below the 1 MiB that job pages take."""

_ROWS = 60
_TEXT = 2_000


@dataclass(frozen=True, kw_only=True)
class SummarySection:
    """
    A heading with a table, or with lines.

    Attributes:
        title: the heading.
        table: rows of cells, headings first; empty for none.
        lines: items of a list.
        more: how many rows or lines were left out.
    """

    title: str
    table: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    more: int = 0


def headline(told: RunState, judged: LogVerdict) -> str:
    """Lane, verdict and exit code; and in capitals that the report is partial, where it is."""
    partial = " - PARTIAL: the log ends before the run did" if judged.partial else ""
    return f"{told.title}: {judged.verdict.label} (exit {int(judged.verdict)}){partial}"


def sections(told: RunState, judged: LogVerdict) -> list[SummarySection]:
    """Everything that there is to say, in the order in which a reader wants it; empty sections are left out."""
    problems = [f"{problem.verdict.label}: {_cut(problem.message)}" for problem in judged.problems]
    under_way = [str(span) for span in told.checked.open if span.name != "run"] if judged.partial else []
    unknown = [f"{name} ({count}), kept in the log" for name, count in told.checked.unknown.items()]
    made = [
        _list("Problems", problems),
        _list("Did not report", [str(found) for found in verdict.grouped(told, judged.silent)]),
        _list("Under way when the log ends", under_way),
        _table("Fixtures", _fixtures(told)),
        _list("Tests", _tests(told)),
        _table("Tests that did not pass", _faults(told)),
        _rungs(told),
        _table("Against another state", rung_results.drift_table(told.judged.values())),
        _table("Benchmarks", [("benchmark", "verdict"), *told.benchmarks.items()]),
        _table("Commands", _commands(told)),
        _list("To repeat", [f"{item.label}: {item.repeat}" for item in told.commands.values() if item.repeat]),
        _table("Findings", _findings(told)),
        _list("Notes", [_cut(note) for note in told.notes]),
        _list("Unknown events", unknown),
        _list("Damaged lines", [str(found) for found in told.damage]),
        _list("Run", _run(told)),
    ]
    return [section for section in made if section.lines or len(section.table) > 1]


def _rungs(told: RunState) -> SummarySection:
    rows: list[tuple[str, ...]] = [("rung", "result", "does not pass at", "why")]
    why = {found.rung: _cut(found.why) for found in reversed(told.failed_rungs) if found.why}
    for rung, result in told.tally.results.items():
        where = "; ".join(rung_results.places(told.rungs, rung, besides=STANDING))
        rows.append((rung, result, where, why.get(rung, "")))
    return replace(_table("Rungs", rows), lines=(told.tally.sentence,) if len(rows) > 1 else ())


def _list(title: str, lines: Sequence[str]) -> SummarySection:
    return SummarySection(title=title, lines=tuple(lines[:_ROWS]), more=max(0, len(lines) - _ROWS))


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> SummarySection:
    return SummarySection(title=title, table=tuple(rows[: _ROWS + 1]), more=max(0, len(rows) - 1 - _ROWS))


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]} [… {len(text) - _TEXT} characters more]"


def _figure(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) and not isinstance(value, bool) else "-"


def _fixtures(told: RunState) -> list[tuple[str, ...]]:
    rows = [("fixture", *(heading for heading, _, _ in COLUMNS), "train s", "infer s", "verdict")]
    for name, row in told.fixtures.items():
        for label, key in ((name, "scores"), ("  flat object", "flat")):
            scores = row.get(key)
            given = scores if isinstance(scores, dict) else {}
            if key == "flat" and not given:
                continue
            figures = tuple(_figure(given.get(figure), form) for _, figure, form in COLUMNS)
            own = tuple(_figure(row.get(time), "{:.1f}") for time in ("train_s", "infer_s"))
            closing = (*own, str(row.get("verdict", "-")).lower()) if key == "scores" else ("", "", "")
            rows.append((label, *figures, *closing))
    return rows


def _tests(told: RunState) -> list[str]:
    if not (told.tests or told.collected or told.collect_errors):
        return []
    failed = len(told.tests) - told.count(*GREEN, "running")
    counts = (
        f"{told.count('passed')} passed, {failed} failed, {told.count('skipped')} skipped, "
        f"{told.count('xfailed')} failed as expected, {told.count('running')} running, "
        f"{len(told.collected)} collected"
    )
    left_out = [f"{told.deselected} deselected by the caller's own arguments"] if told.deselected else []
    new = [name for name in told.reported if told.expected.tests and _function(name) not in told.expected.tests]
    unlisted = [f"{len(new)} tests that reported are not in the manifest, {new[0]} among them"] if new else []
    return [counts, *left_out, *unlisted]


def _function(test: str) -> str:
    from harness.record.required import function_of

    return function_of(test)


def _faults(told: RunState) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("test", "outcome", "seconds", "why")]
    for result in told.tests.values():
        if result.outcome != "passed":
            why = result.message.strip().rpartition("\n")[2]
            rows.append((result.test, result.outcome, f"{result.seconds:.2f}", why[:200]))
    rows += [(test, "not collected", "-", why.strip().rpartition("\n")[2]) for test, why in told.collect_errors.items()]
    return rows


def _findings(told: RunState) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("finding", "subject", "severity", "known because")]
    for (name, subject), row in told.findings.items():
        rows.append((name, subject, str(row.get("severity", "")), str(row.get("known") or "")))
    return rows


def _commands(told: RunState) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("command", "exit code", "seconds", "output")]
    for item in told.commands.values():
        code = "did not end" if item.returncode is None else "timed out" if item.timed_out else str(item.returncode)
        rows.append((item.label, code, _figure(item.seconds, "{:.1f}"), item.log))
    return rows


def _run(told: RunState) -> list[str]:
    origin = told.origin
    fixtures = origin.get("fixtures") if isinstance(origin.get("fixtures"), dict) else {}
    return [
        f"device: {told.device}",
        f"commit: {origin.get('commit')}",
        f"data sets: {', '.join(fixtures or ()) or 'none'}",
        f"began: {told.started or 'unknown'}, {told.seconds:.1f} s in the log",
        *(f"training of process {pid}: {epoch} epochs ended" for pid, epoch in told.epochs.items()),
    ]


def text(told: RunState, judged: LogVerdict) -> str:
    """The summary as plain text."""
    parts = [headline(told, judged)]
    for section in sections(told, judged):
        parts.append(f"\n{section.title}")
        if section.table:
            parts += [f"  {line}" for line in tables.plain(section.table).splitlines()]
        parts += ["  " + line.replace("\n", "\n    ") for line in section.lines]
        parts += [f"  … and {section.more} more, in verdict.json"] if section.more else []
    return _bounded("\n".join(parts) + "\n")


def markdown(told: RunState, judged: LogVerdict) -> str:
    """The summary as Markdown."""
    parts = [f"# {_cell(headline(told, judged))}\n"]
    for section in sections(told, judged):
        parts.append(f"## {section.title}\n")
        if section.table:
            head, *rows = section.table
            parts.append(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
            parts += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
            parts.append("")
        parts += [_item(line) for line in section.lines]
        parts += [f"\n… and {section.more} more, in verdict.json"] if section.more else []
        parts.append("")
    return _bounded("\n".join(parts))


def _cell(text: str) -> str:
    """Text that cannot break out of a cell or a heading."""
    plain = " ".join(text.split())
    for mark in ("\\", "|", "`", "*", "_", "<", "[", "#"):
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def _item(line: str) -> str:
    """An item of a list: its first line as text, the rest as code in a fence that it cannot close."""
    first, _, rest = line.partition("\n")
    if not rest:
        return f"- {_cell(first)}"
    fence = "`" * (max((len(run) for run in _runs(rest)), default=0) + 3)
    body = "\n".join(f"  {part}" for part in rest.splitlines())
    return f"- {_cell(first)}\n\n  {fence}text\n{body}\n  {fence}\n"


def _runs(text: str) -> list[str]:
    """Runs of backticks."""
    return [run for run in "".join(mark if mark == "`" else " " for mark in text).split() if run]


def _bounded(whole: str) -> str:
    """A text of at most `LARGEST` bytes, with a note where it was longer."""
    data = whole.encode("utf-8", errors="backslashreplace")
    if len(data) <= LARGEST:
        return data.decode()
    kept = data[: LARGEST - 200].decode("utf-8", errors="ignore")
    return f"{kept}\n\n[cut here: {len(data)} bytes in all; verdict.json has everything]\n"


def how_to_see(run: Path) -> str:
    """The line at the end of a run that says how to see it as a page, with the interpreter that makes it."""
    return f"as a page: {shlex.join([sys.executable, '-m', 'harness', 'report', str(run), '--open'])}"
