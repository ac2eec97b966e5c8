"""
The reader's first question about a run that did not pass: what is wrong, where, since when, and what to run next.

Everything is read from the run's own log and documents, and from earlier runs of the same kind that are still kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.record import directory
from harness.record.state import GREEN
from harness.report import load_runs, overall_status
from harness.report.load_runs import LoadedRun
from harness.report.values import first_line, mapping, text, texts
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

EARLIER = 12
"""Earlier runs that are read for `since when`."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """
    Answer to a reader's first question.

    Attributes:
        what: what is wrong, in one sentence.
        where: places, the most exact first: rung, test, finding, file and line, log of a process.
        since: the last run that passed and the first that did not.
        next: commands that repeat the smallest failing part.
    """

    what: str
    where: Sequence[str]
    since: str
    next: Sequence[str]

    def lines(self) -> list[str]:
        """Return the place, the first run with it and the next command, as a terminal shows them."""
        since = [f"since: {self.since}"] if self.since else []
        return [*(f"where: {place}" for place in self.where), *since, *(f"next: {words}" for words in self.next)]


def of(run: LoadedRun) -> Trouble:
    """The trouble of a run that did not pass."""
    before = earlier(run)
    return Trouble(
        what=overall_status.sentence(run),
        where=[*dict.fromkeys(_where(run))][:6] or [f"{run.path.name}/verdict.json"],
        since="" if before is None else since(run, before),
        next=[*dict.fromkeys(_next(run))][:3],
    )


def _where(run: LoadedRun) -> Iterator[str]:
    first = mapping(run.climbed.get("first_failure"))
    if first:
        yield f"{text(first.get('tensor'))}, {text(first.get('suspect')) or 'side not settled'}"
        yield from texts(first.get("look_at"))[:3]
    for test in run.told.tests.values():
        if test.outcome not in (*GREEN, "running"):
            yield test.test
    yield from run.told.collect_errors
    for (name, subject), row in run.told.findings.items():
        if not row.get("known") and row.get("severity") == "error":
            yield f"{name}: {subject}"
    for command in run.told.commands.values():
        if command.returncode != 0 and command.log:
            yield f"{command.label}: output in logs/{Path(command.log).name}"


def _next(run: LoadedRun) -> Iterator[str]:
    first = mapping(run.climbed.get("first_failure"))
    if replay := text(first.get("command")):
        yield replay
    failed = [test.test for test in run.told.tests.values() if test.outcome not in (*GREEN, "running")]
    suite = run.told.commands.get("suite")
    if failed and suite is not None and suite.repeat:
        yield suite.repeat
    for row in run.told.findings.values():
        if not row.get("known") and (again := text(row.get("command"))):
            yield again
    for command in run.told.commands.values():
        if command.returncode not in (0, None) and command.repeat:
            yield command.repeat
    kind = next((kind for kind in overall_status.KINDS if kind.matches(run.name)), None)
    yield kind.command if kind is not None else f"python -m harness report rebuild {run.path}"


def since(run: LoadedRun, before: Sequence[LoadedRun]) -> str:
    """Say when a run of this kind passed last, and name the first that did not."""
    first, passed = run, None
    for one in before:
        if one.verdict is Verdict.PASS:
            passed = one
            break
        first = one
    failing = "this run" if first is run else _named(first)
    if passed is None:
        return f"first failed in {failing}; no earlier run of this kind that passed is kept"
    return f"last passed in {_named(passed)}; first failed in {failing}"


def _named(run: LoadedRun) -> str:
    commit = first_line(text(mapping(run.told.origin).get("commit")))[:12]
    began = run.told.started.replace("T", " ")[:16]
    details = ", ".join(
        part for part in (f"commit {commit}" if commit else "", f"{began} UTC" if began else "") if part
    )
    return f"{run.path.name} ({details})" if details else run.path.name


def earlier(run: LoadedRun) -> list[LoadedRun] | None:
    """
    Earlier runs of the same kind in the same workspace, the newest first, down to one that passed.

    Returns:
        At most `EARLIER` of them; None if the run's folder is not in a workspace.
    """
    if run.path.resolve().parent.name != "runs":
        return None
    before = []
    for found in directory.find(run.path.resolve().parents[1]):
        if found.path.name == run.path.name:
            break
        if found.has_begun and not found.alive and load_runs.name_of(found.path) == run.name:
            before.append(found.path)
    runs = []
    for path in reversed(before[-EARLIER:]):
        try:
            runs.append(load_runs.load(path))
        except UsageError:  # removed meanwhile
            continue
        if runs[-1].verdict is Verdict.PASS:
            break
    return runs
