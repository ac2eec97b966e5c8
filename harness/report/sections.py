"""
Tables of a run's section: scores, tests, problems, cleanliness, origin, commands to repeat.

The tables of fixtures and tests are those of `harness.runs.summary`, so that a page says the same as a terminal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.record import verdict as log_verdict
from harness.record.outcome import COLUMNS
from harness.record.state import GREEN
from harness.report.load_runs import LoadedRun
from harness.report.model import Cells, Table, TableCell, toned
from harness.report.overall_status import VerdictLine
from harness.report.values import NONE, count, figure, first_line, mapping, objects, seconds, text

ROWS = 60
"""Rows of a table; `verdict.json` has them all."""


@dataclass(frozen=True, kw_only=True)
class ProblemText:
    """A reason not to pass: its verdict, its first line, and the rest."""

    verdict: str
    headline: str
    rest: str


@dataclass(frozen=True, kw_only=True)
class RunView:
    """
    One run.

    Attributes:
        entry: its place in the verdict.
        anchor: name of its part of the page.
        facts: when, how long, on what.
        problems: why it does not pass.
        under_way: what had begun and not ended, where the log ends before the run.
        tables: what is not empty of: tests that did not pass, findings, commands.
        tests: the counts, or "".
        notes: what fails nothing.
        repeat: label and command.
        damage: lines of the log that are not events.
    """

    entry: VerdictLine
    anchor: str
    facts: Sequence[tuple[str, str]]
    problems: Sequence[ProblemText]
    under_way: Sequence[str]
    tables: Sequence[Table]
    tests: str
    notes: Sequence[str]
    repeat: Sequence[tuple[str, str]]
    damage: Sequence[str]


def view(entry: VerdictLine, number: int) -> RunView:
    """Return what there is to show of a run."""
    run, told = entry.run, entry.run.told
    return RunView(
        entry=entry,
        anchor=f"run-{number}",
        facts=_facts(run),
        problems=[_problem(item.verdict.label, item.message) for item in run.problems],
        under_way=[str(span) for span in told.checked.open if span.name != "run"] if run.partial else [],
        tables=[table for table in (_faults(run), _findings(run), _commands(run)) if table.rows],
        tests=_tests(run),
        notes=told.notes[:ROWS],
        repeat=[(item.label, item.repeat) for item in told.commands.values() if item.repeat],
        damage=[str(found) for found in told.damage],
    )


def _problem(verdict: str, message: str) -> ProblemText:
    headline = first_line(message)
    whole = message.strip()
    return ProblemText(verdict=verdict, headline=headline, rest="" if headline == whole else whole)


def _facts(run: LoadedRun) -> list[tuple[str, str]]:
    told = run.told
    return [
        ("device", told.device if run.is_lane else ""),
        ("began", told.started.replace("T", " ")[:19] + " UTC" if told.started else "unknown"),
        ("in the log", seconds(told.seconds)),
        ("folder", run.path.name),
    ]


def _tests(run: LoadedRun) -> str:
    told = run.told
    if not (told.tests or told.collected or told.collect_errors):
        return ""
    failed = len(told.tests) - told.count(*GREEN, "running")
    parts = [f"{told.count('passed')} passed", f"{failed} failed"]
    parts += [f"{amount} {word}" for word in ("skipped", "xfailed", "running") if (amount := told.count(word))]
    parts.append(f"{len(told.collected)} collected")
    if told.deselected:
        parts.append(f"{told.deselected} left out by the caller")
    return ", ".join(parts)


def _faults(run: LoadedRun) -> Table:
    failed = (item for item in run.told.tests.values() if item.outcome not in ("passed", "skipped", "xfailed"))
    rows = [_test(item.test, item.outcome, item.message) for item in failed]
    rows += [_test(test, "not collected", why) for test, why in run.told.collect_errors.items()]
    return _bounded("Tests that did not pass", ("test", "outcome", "why"), rows)


def _code(name: str) -> TableCell:
    """A name of a program's."""
    return TableCell(text=name, code=True)


def _test(name: str, outcome: str, message: str) -> Cells:
    why = message.strip().rpartition("\n")[2]
    return (_code(name), TableCell(text=outcome, tone=toned(outcome)), first_line(why))


def _findings(run: LoadedRun) -> Table:
    rows: list[Cells] = [
        (
            _code(name),
            subject,
            first_line(text(row.get("sentence"))),
            TableCell(text="known" if row.get("known") else text(row.get("severity")), tone="warn"),
        )
        for (name, subject), row in run.told.findings.items()
    ]
    return _bounded("Findings", ("finding", "subject", "what", "severity"), rows)


def _commands(run: LoadedRun) -> Table:
    rows: list[Cells] = []
    for item in run.told.commands.values():
        code = "did not end" if item.returncode is None else "timed out" if item.timed_out else str(item.returncode)
        tone = "pass" if code == "0" else "fail"
        log = _code(item.log.rpartition("/")[2])
        rows.append((_code(item.label), TableCell(text=code, tone=tone), seconds(item.seconds), log))
    return _bounded("Processes of the run", ("process", "exit code", "time", "output in logs/"), rows)


def _bounded(caption: str, headings: Sequence[str], rows: Sequence[Cells]) -> Table:
    return Table(caption=caption, headings=headings, rows=rows[:ROWS], more=max(0, len(rows) - ROWS))


def scores(runs: Sequence[LoadedRun]) -> Table:
    """Figures of every fixture of every lane, each followed by its flat object's."""
    headings = ("fixture", "lane", *(heading for heading, _, _ in COLUMNS), "verdict")
    rows: list[Cells] = []
    names = dict.fromkeys(name for run in runs for name in run.told.fixtures)
    for name in names:
        having = [run for run in runs if name in run.told.fixtures]
        for run in having:
            row = run.told.fixtures[name]
            verdict = text(row.get("verdict")).lower()
            closing = TableCell(text=verdict or NONE, tone=toned(verdict))
            rows.append((name, run.name, *_figures(row.get("scores")), closing))
        given = (mapping(run.told.fixtures[name].get("flat")) for run in having)
        if (flat := next(filter(None, given), None)) is not None:
            rows.append((f"{name}: flat object", "any", *_figures(flat), TableCell(text="to be beaten", tone="muted")))
    return Table(caption="Figures of merit, beside those of a flat object", headings=headings, rows=rows)


def _figures(scores: object) -> tuple[str, ...]:
    given = mapping(scores)
    return tuple(figure(given.get(key), form) for _, key, form in COLUMNS)


def ledger(runs: Sequence[LoadedRun]) -> Table:
    """Return what was left behind, run by run; a run that did not end has not compared."""
    rows: list[Cells] = []
    for run in runs:
        found = [row for row in run.rows if row["event"] in ("leak", "change")]
        for event in found[:ROWS]:
            what, blame = text(event["event"]), text(event.get("blame")) or text(event.get("label"))
            tone = "fail" if what == "leak" else "warn"
            owner = blame or "unattributed"
            rows.append((run.name, TableCell(text=what, tone=tone), _code(text(event.get("path"))), owner))
        if len(found) > ROWS:
            rows.append((run.name, "…", f"{len(found) - ROWS} more, in its event log", ""))
        if not found:
            clean = TableCell(text="nothing", tone="pass")
            silent = TableCell(text="not compared", tone="fail")
            rows.append((run.name, silent if run.partial else clean, "", "the run did not end" if run.partial else ""))
    return Table(
        caption="What runs left outside their folders", headings=("run", "left", "path", "attributed to"), rows=rows
    )


def known(runs: Sequence[LoadedRun]) -> Table:
    """Findings, tests and rungs that fail and are accepted."""
    rows: list[Cells] = []
    for run in runs:
        for (name, subject), row in run.told.findings.items():
            if row.get("known"):
                rows.append((run.name, _code(f"{name}: {subject}"), text(row.get("known"))))
        expected = (item for item in run.told.tests.values() if item.outcome == "xfailed")
        rows += [(run.name, _code(item.test), first_line(item.message) or "expected") for item in expected]
        lived = (rung for rung, outcome in run.told.rungs.items() if outcome == "known failure")
        rows += [(run.name, _code(rung), "listed in harness/parity/compare/rungs.py") for rung in lived]
    return _bounded("Known failures, accepted with a reason", ("run", "what", "why"), rows)


def silent(entries: Sequence[VerdictLine]) -> Table:
    """Return what must report and did not, and what ran and says nothing, with the reason."""
    rows: list[Cells] = []
    for entry in entries:
        run = entry.run
        rows += [
            (run.name, _code(item.name or item.kind), TableCell(text=item.why, tone="fail"))
            for item in log_verdict.grouped(run.told, run.judged.silent)
        ]
        skipped = (item for item in run.told.tests.values() if item.outcome == "skipped")
        rows += [(run.name, _code(item.test), first_line(item.message) or "skipped") for item in skipped]
        if run.told.deselected:
            amount = count(run.told.deselected, "test")
            rows.append((run.name, amount, "left out by the caller's own arguments for pytest"))
        unverified = objects(run.document("parity.json").get("unverified"))
        rows += [(run.name, text(item.get("name")), text(item.get("reason"))) for item in unverified]
    return _bounded("Silent within a run", ("run", "what", "why"), rows)


def fingerprint(runs: Sequence[LoadedRun]) -> Table:
    """Return what the outcomes belong to: commit, locks, fixtures, frameworks, machine."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        origin = mapping(run.told.origin)
        facts: dict[str, Any] = {
            "commit": origin.get("commit"),
            "uncommitted changes": _short(origin.get("changes_sha256")),
            "device asked for": origin.get("device"),
            "device": run.told.device if run.is_lane else "",
        }
        for path, digest in mapping(origin.get("locks")).items():
            facts[f"lock {path.rpartition('/')[2]}"] = _short(digest)
        for name, item in mapping(origin.get("fixtures")).items():
            facts[f"fixture {name}"] = _short(mapping(item).get("sha256"))
        for key, value in {**facts, **_engines(run), **_machine(run)}.items():
            if value:
                found.setdefault((key, text(value)), []).append(run.name)
    rows = [(key, _code(value), ", ".join(names)) for (key, value), names in sorted(found.items())]
    return Table(caption="What the outcomes belong to", headings=("what", "which", "of"), rows=rows)


def _short(digest: object) -> str:
    return f"sha256 {digest[:16]}…" if isinstance(digest, str) else ""


def _engines(run: LoadedRun) -> dict[str, str]:
    """Frameworks as the adapters of a ladder say them."""
    found: dict[str, str] = {}
    for answers in mapping(run.document("parity.json").get("parties")).values():
        for side, manifest in mapping(answers).items():
            engine = mapping(mapping(manifest).get("engine"))
            words = (text(engine.get(key)) for key in ("framework", "version", "device_name"))
            found[f"engine of {side}"] = " ".join(word for word in words if word)
    return found


def _machine(run: LoadedRun) -> dict[str, str]:
    """The machine as a benchmark says it."""
    told = run.document("bench.json") or run.document("scale.json")
    info = mapping(told.get("machine_info"))
    given = dict(info) | dict(mapping(info.get("fingerprint"))) | dict(mapping(told.get("fingerprint")))
    found = {}
    for key, value in given.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found[f"machine: {key}"] = str(value)
        elif key == "cpu":
            found["machine: cpu"] = text(mapping(value).get("brand_raw"))
    return found
