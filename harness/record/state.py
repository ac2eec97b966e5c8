"""
The state of a run, replayed from its log: the one reading of the events that every report is made from.

It takes any log, whole or cut at any byte, and never gives up: a field that is missing or of a wrong type is empty
here and a violation in `harness.record.schema`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.record import required, rung_results, schema
from harness.record.log import Damage, Log, Row
from harness.record.outcome import Problem
from harness.record.required import RequiredResults
from harness.record.rung_results import ORDER, RungResult, Tally
from harness.record.schema import LogCheck
from ptycho.verdict import Verdict

UNBEGUN, NAMELESS = "run that was killed before its first event", "run without a beginning"
"""What means the name of a run whose log says none: because it is empty, or because its beginning is lost."""

GREEN = ("passed", "xfailed", "skipped")
"""Outcomes of a test that are not a fault of it."""


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """
    One test.

    Attributes:
        test: node id.
        outcome: as in `test.end`, or `running`.
        seconds: wall time.
        message: why, where there is something to say.
    """

    __test__ = False

    test: str
    outcome: str
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """
    One process of the run.

    Attributes:
        label: its name in the run.
        argv: its argument vector.
        returncode: its exit code, or None while it runs.
        seconds: its wall time, or None while it runs.
        timed_out: whether it was killed at its limit.
        log: its whole output, or "".
        repeat: the command that repeats it, or "".
    """

    label: str
    argv: tuple[str, ...] = ()
    returncode: int | None = None
    seconds: float | None = None
    timed_out: bool = False
    log: str = ""
    repeat: str = ""


@dataclass(kw_only=True)
class RunState:
    """
    A run as its log tells it.

    Attributes:
        kind: `lane` or `parity`; "" if the log does not say.
        name: name of the target.
        lane: framework and device; the target's name until the device is settled.
        device: in words.
        token: token of the run.
        origin: what its outcome belongs to.
        expected: what must report.
        fixtures: results by name.
        commands: processes by label.
        tests: results by node id; those that run are among them.
        collected: tests that pytest collected.
        deselected: how many tests a selection left out.
        collect_errors: modules that could not be collected, and why.
        judged: what is known of each rung at each gridsize, precision and seed, by label.
        benchmarks: results by name.
        asked: labels of the adapters that answered a question, if only by why they cannot.
        control: how the planted use of a GPU ended, or None.
        proofs: what each command touched of a GPU, by label.
        findings: what is wrong, by id and subject; those that count are among the problems, too.
        problems: reasons not to pass.
        notes: what fails nothing.
        epochs: epochs that ended, by pid of the training.
        verdict: the run's own, or None where the log ends before.
        started: time of day (UTC) of the first event.
        seconds: monotonic time from the first to the last event.
        last: name of the last event.
        checked: what the grammar says.
        damage: lines that are not events.
    """

    kind: str = ""
    name: str = ""
    lane: str = ""
    device: str = "not yet known"
    token: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    expected: RequiredResults = field(default_factory=RequiredResults)
    fixtures: dict[str, Row] = field(default_factory=dict)
    commands: dict[str, CommandResult] = field(default_factory=dict)
    tests: dict[str, TestResult] = field(default_factory=dict)
    collected: tuple[str, ...] = ()
    deselected: int = 0
    collect_errors: dict[str, str] = field(default_factory=dict)
    judged: dict[str, RungResult] = field(default_factory=dict)
    benchmarks: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    control: Row | None = None
    proofs: dict[str, Row] = field(default_factory=dict)
    findings: dict[tuple[str, str], Row] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    epochs: dict[int, int] = field(default_factory=dict)
    verdict: Verdict | None = None
    started: str = ""
    seconds: float = 0.0
    last: str = ""
    checked: LogCheck = field(default_factory=lambda: schema.check([]))
    damage: tuple[Damage, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the log goes to the run's end."""
        return self.verdict is not None

    @property
    def reported(self) -> dict[str, str]:
        """Outcome of every test that ended."""
        return {name: result.outcome for name, result in self.tests.items() if result.outcome != "running"}

    @property
    def title(self) -> str:
        """Return what the run is about, for people; what it says of itself, or that it never said."""
        if self.lane or self.kind:
            return self.lane or self.kind
        return NAMELESS if self.last else UNBEGUN

    @property
    def rungs(self) -> dict[str, str]:
        """Result of every rung at each gridsize, precision and seed, by label."""
        return {label: found.result for label, found in self.judged.items()}

    @property
    def tally(self) -> Tally:
        """The rungs as they are counted; those that must report and did not are among them."""
        return rung_results.tally(self.rungs, self.expected.rungs)

    @property
    def failed_rungs(self) -> list[RungResult]:
        """Rungs that were judged and failed, from the lowest up, in the order of the log."""
        order = list(self.tally.results)
        failed = (found for found in self.judged.values() if found.result == rung_results.FAIL)
        return sorted(failed, key=lambda found: order.index(found.rung))

    @property
    def known(self) -> frozenset[str]:
        """Ids of the findings that the target's list of known failures covers."""
        return frozenset(name for (name, _), row in self.findings.items() if row.get("known"))

    def count(self, *outcomes: str) -> int:
        """Return how many tests have one of the outcomes."""
        return sum(result.outcome in outcomes for result in self.tests.values())


def tell(log: Log) -> RunState:
    """Read the events of a log in their order."""
    story = RunState(checked=schema.check(log.rows), damage=log.damage)
    for row in log.rows:
        _take(story, row)
    if log.rows:
        first, last = log.rows[0], log.rows[-1]
        story.started, story.last = str(first.get("utc", "")), last["event"]
        story.seconds = max(0.0, _number(last.get("monotonic_s")) - _number(first.get("monotonic_s")))
    return story


def _take(story: RunState, row: Row) -> None:
    name = row["event"]
    if name in _TAKERS:
        _TAKERS[name](story, row)


def _number(value: object) -> float:
    """A finite number; 0 for anything else, such as one with more digits than a float has room for."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    try:
        found = float(value)
    except OverflowError:
        return 0.0
    return found if math.isfinite(found) else 0.0


OLD_KINDS = {"endings": "kill-test"}
"""Kinds of run by the name that they had in the last release."""


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _start(story: RunState, row: Row) -> None:
    story.kind, story.name, story.token = (_text(row, key) for key in ("kind", "name", "token"))
    story.kind = OLD_KINDS.get(story.kind, story.kind)
    story.lane = story.lane or story.name
    origin = row.get("origin")
    story.origin = origin if isinstance(origin, dict) else {}


def _expect(story: RunState, row: Row) -> None:
    story.expected = required.of_fields(row)


def _device(story: RunState, row: Row) -> None:
    story.device, story.lane = _text(row, "words"), _text(row, "lane")


def _command_start(story: RunState, row: Row) -> None:
    argv = row.get("argv")
    words = tuple(map(str, argv)) if isinstance(argv, list) else ()
    story.commands[_text(row, "label")] = replace(_known(story, row), argv=words, log=_text(row, "log"))


def _known(story: RunState, row: Row) -> CommandResult:
    label = _text(row, "label")
    return story.commands.get(label, CommandResult(label=label))


def _command_end(story: RunState, row: Row) -> None:
    known, code = _known(story, row), row.get("returncode")
    story.commands[known.label] = replace(
        known,
        returncode=code if isinstance(code, int) else None,
        seconds=_number(row.get("seconds")),
        timed_out=row.get("timed_out") is True,
    )


def _evidence(story: RunState, row: Row) -> None:
    known = _known(story, row)
    story.commands[known.label] = replace(known, log=_text(row, "log"), repeat=_text(row, "repeat"))


def _fixture(story: RunState, row: Row) -> None:
    story.fixtures[_text(row, "fixture")] = row


def _collected(story: RunState, row: Row) -> None:
    tests = row.get("tests")
    story.collected += tuple(map(str, tests)) if isinstance(tests, list) else ()
    story.deselected += int(_number(row.get("deselected")))


def _collect_error(story: RunState, row: Row) -> None:
    story.collect_errors[_text(row, "test")] = _text(row, "message")


def _test_start(story: RunState, row: Row) -> None:
    name = _text(row, "test")
    if name not in story.tests:
        story.tests[name] = TestResult(test=name, outcome="running")


def _test_end(story: RunState, row: Row) -> None:
    name, outcome = _text(row, "test"), _text(row, "outcome")
    known = story.tests.get(name)
    if known is not None and known.outcome not in (*GREEN, "running"):
        return  # a test that failed once has failed, whatever a second run of it says
    story.tests[name] = TestResult(
        test=name, outcome=outcome, seconds=_number(row.get("seconds")), message=_text(row, "message")
    )


def _rung(story: RunState, row: Row) -> None:
    found = rung_results.of_event(row)
    before = story.judged.get(found.label)
    # A rung that failed once has failed, whatever a second judgement of it says.
    if before is None or (_rank(found.result), bool(before.why)) < (_rank(before.result), bool(found.why)):
        story.judged[found.label] = found


def _rank(result: str) -> int:
    return ORDER.index(rung_results.worst([result]))


def _benchmark(story: RunState, row: Row) -> None:
    story.benchmarks[_text(row, "benchmark")] = _text(row, "verdict")


def _asked(story: RunState, row: Row) -> None:
    story.asked.add(_text(row, "label"))


def _control(story: RunState, row: Row) -> None:
    story.control = row


def _proof(story: RunState, row: Row) -> None:
    story.proofs[_text(row, "label")] = row


def _verdict(row: Row) -> Verdict:
    """The verdict of an event; one that is not of the closed set is a fail (no `or`: a pass is 0)."""
    found = Verdict.parse(row.get("verdict"))
    return Verdict.FAIL if found is None else found


def _problem(story: RunState, row: Row) -> None:
    found = Problem(verdict=_verdict(row), message=_text(row, "message"))
    if found not in story.problems:
        story.problems.append(found)


def _finding(story: RunState, row: Row) -> None:
    story.findings[_text(row, "id"), _text(row, "subject")] = row


def _note(story: RunState, row: Row) -> None:
    story.notes.append(_text(row, "message"))


def _epoch(story: RunState, row: Row) -> None:
    pid = int(_number(row.get("pid")))
    story.epochs[pid] = max(story.epochs.get(pid, 0), int(_number(row.get("epoch"))))


def _end(story: RunState, row: Row) -> None:
    # A verdict that there is not is not a pass, and neither is a second one that is better than the first.
    found = _verdict(row)
    if story.verdict is None or story.verdict is Verdict.PASS:
        story.verdict = found


_TAKERS = {
    "run.start": _start,
    "run.expect": _expect,
    "device.chosen": _device,
    "command.start": _command_start,
    "command.end": _command_end,
    "evidence": _evidence,
    "fixture.end": _fixture,
    "suite.collected": _collected,
    "collect.error": _collect_error,
    "test.start": _test_start,
    "test.end": _test_end,
    "probe.answer": _asked,
    "rung.end": _rung,
    "benchmark.end": _benchmark,
    "device.control": _control,
    "device.proof": _proof,
    "finding": _finding,
    "problem": _problem,
    "note": _note,
    "epoch.end": _epoch,
    "run.end": _end,
}
