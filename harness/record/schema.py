"""
The grammar of the event log: which events there are, what each must say, what begins and ends, what follows what.

It is a table, printed in `docs/events.md` and held against every log after the run. A broken rule fails the run: a log
that contradicts itself is not evidence. An event that is not in the table is kept and named, and breaks nothing, so
that a target may write events of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.record.log import Row

SCHEMA = "ptycho-harness-events/1"

_NUMBER = (int, float)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """
    Rule for one event.

    Attributes:
        event: its name.
        says: its meaning, for the documentation.
        fields: its required fields and their types.
        optional: fields that it may have, and their types; null says nothing.
        opens: span that it begins, or "".
        closes: span that it ends, or "".
        key: fields that tell two spans of a name apart; `pid` where the writer is a child.
        within: span that must be open, with the same pid where that span has it in its key.
        after: an event that must have come before, or "".
        once: whether a log has at most one.
    """

    event: str
    says: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    opens: str = ""
    closes: str = ""
    key: tuple[str, ...] = ()
    within: str = "run"
    after: str = ""
    once: bool = False


RULES = (
    Rule(
        event="run.start",
        says="a run begins; `origin` is what its outcome belongs to (commit, locks, fixtures, device)",
        fields={"schema": str, "kind": str, "name": str, "token": str, "cwd": str, "origin": dict},
        opens="run",
        within="",
        once=True,
    ),
    Rule(
        event="run.expect",
        says="what must report: fixtures, suite, tests, rungs, benchmarks",
        fields={"fixtures": list, "suite": bool, "tests": dict, "rungs": list, "benchmarks": list},
        optional={"adapters": list},
        once=True,
    ),
    Rule(
        event="device.chosen",
        says="the device is settled",
        fields={"device": str, "words": str, "lane": str},
        once=True,
    ),
    Rule(
        event="device.side",
        says="a side of a comparison has its device, or the reason why it has none",
        fields={"side": str, "device": str, "words": str},
    ),
    Rule(
        event="command.start",
        says="a process is about to start",
        fields={"label": str, "argv": list, "timeout_s": _NUMBER, "gpu": bool, "log": str},
        opens="command",
        key=("label",),
    ),
    Rule(
        event="stacks",
        says="a command was at its time limit: the file with the stacks of its processes, and their innermost frames",
        fields={"label": str, "path": str, "frames": list},
    ),
    Rule(
        event="command.end",
        says="it ended and none of its processes is alive",
        fields={"label": str, "returncode": int, "seconds": _NUMBER, "timed_out": bool},
        closes="command",
        key=("label",),
    ),
    Rule(
        event="device.control",
        says="a use of a GPU was planted: by which signs it was caught ([proof of device](gpu-runners.md))",
        fields={"provable": bool, "plant": str, "caught": list, "missed": list},
        after="device.chosen",
        once=True,
    ),
    Rule(
        event="device.proof",
        says="what a command touched of a GPU, by how many looks and reports",
        fields={"label": str, "gpu": bool, "provable": bool, "looks": int, "reported": int, "touched": list},
    ),
    Rule(
        event="device.work",
        says="what a training on a GPU says that it did there, and what is wrong with that",
        fields={"label": str, "evidence": dict, "problems": list},
    ),
    Rule(
        event="fixture.end",
        says="a fixture's result: verdict, times, scores",
        fields={"fixture": str, "verdict": str},
        after="device.chosen",
    ),
    Rule(
        event="phase.start",
        says="a pipeline enters a phase (data, import, build, trace, train, validate, checkpoint, save)",
        fields={"phase": str},
        opens="phase",
        key=("pid", "phase"),
    ),
    Rule(event="phase.end", says="and leaves it", fields={"phase": str}, closes="phase", key=("pid", "phase")),
    Rule(event="epoch.end", says="an epoch is trained, validated and saved", fields={"epoch": int}),
    Rule(event="suite.start", says="pytest begins", opens="suite", key=("pid",), after="device.chosen"),
    Rule(
        event="suite.collected",
        says="the tests that must report, and how many a selection left out",
        fields={"count": int, "deselected": int, "tests": list},
        within="suite",
    ),
    Rule(
        event="collect.error",
        says="a module of tests could not be collected",
        fields={"test": str, "message": str},
        within="suite",
    ),
    Rule(
        event="test.start",
        says="a test begins",
        fields={"test": str},
        opens="test",
        key=("pid", "test"),
        within="suite",
    ),
    Rule(
        event="test.end",
        says="its outcome: passed, failed, error, skipped, xfailed or silent",
        fields={"test": str, "outcome": str, "seconds": _NUMBER, "message": str},
        closes="test",
        key=("pid", "test"),
        within="suite",
    ),
    Rule(event="suite.end", says="pytest ends", fields={"exitstatus": int}, closes="suite", key=("pid",)),
    Rule(
        event="evidence",
        says="a command's whole output is kept, and the command that repeats it",
        fields={"label": str, "log": str, "repeat": str},
    ),
    Rule(
        event="process.held",
        says="a process came to its end and still held a thread, a descriptor or shared memory ([hygiene](hygiene.md))",
        fields={"kind": str, "name": str, "owner": str, "cell": str},
    ),
    Rule(event="leak", says="something was left behind, and by which process", fields={"path": str, "place": str}),
    Rule(event="change", says="something changed that cannot be attributed to the run", fields={"path": str}),
    Rule(
        event="finding",
        says="what is wrong, by name ([findings](findings.md)); `known` where it is a known failure",
        fields={"id": str, "subject": str, "sentence": str, "severity": str},
    ),
    Rule(event="problem", says="a reason not to pass", fields={"verdict": str, "message": str}),
    Rule(event="note", says="what a reader should know and what fails nothing", fields={"message": str}),
    Rule(
        event="probe.answer",
        says="a backend answered a request of the parity ladder",
        fields={"label": str, "number": int, "refusals": list},
        optional={"failures": dict},
    ),
    Rule(event="probe.end", says="an adapter's process ended", fields={"label": str, "returncode": int}),
    Rule(
        event="rung.end",
        says="a rung is judged; of one that fails, which side, tensor and line of code, and why",
        fields={"rung": str, "result": str},
        optional={
            "guilty": list,
            **dict.fromkeys(("tensor", "where", "reason", "cause", "drift", "unit"), str),
            "units": _NUMBER,
        },
    ),
    Rule(event="parity.low", says="the low rungs are judged", fields={"verdict": str}),
    Rule(event="parity.end", says="the ladder is climbed", fields={"verdict": str}),
    Rule(event="quality.run", says="a backend was trained with a seed", fields={"side": str, "seed": int}),
    Rule(event="quality.end", says="the trained quality is judged", fields={"verdict": str}),
    Rule(event="mutant.end", says="a planted fault was looked for", fields={"id": str, "outcome": str}),
    Rule(event="mutation.end", says="the catalogue of faults is done", fields={"verdict": str}),
    Rule(
        event="ending.end",
        says="a run was killed, and what is left is judged",
        fields={"trial": int, "victim": str, "phase": str, "failures": list},
    ),
    Rule(event="benchmark.end", says="a benchmark is judged", fields={"benchmark": str, "verdict": str}),
    Rule(
        event="run.end",
        says="the run's own verdict; nothing follows",
        fields={"verdict": str},
        closes="run",
        after="run.expect",
        once=True,
    ),
)

_BY_NAME = {rule.event: rule for rule in RULES}
_MAY_STAY_OPEN = ("phase",)
"""A test may kill a training that it started itself."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """
    Something that began and has not ended.

    Attributes:
        name: what it is: `run`, `command`, `test` …
        key: which one.
    """

    name: str
    key: tuple[Any, ...]

    def __str__(self) -> str:
        shown = [str(part) for part in self.key if not isinstance(part, int)]
        return f"{self.name} {' '.join(shown)}" if shown else self.name


@dataclass(frozen=True, kw_only=True)
class LogCheck:
    """
    Result of checking a log's grammar.

    Attributes:
        violations: broken rules, one sentence each.
        unknown: events that are not in the table, and how many.
        open: what had begun and not ended, in the order of beginning.
    """

    violations: tuple[str, ...]
    unknown: Mapping[str, int]
    open: tuple[Span, ...]


class _LogReader:
    """Goes through a log once."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.open: dict[Span, None] = {}
        self.ended = False
        self.violations: list[str] = []

    def read(self, number: int, row: Row) -> None:
        name = row["event"]
        if not self.seen and name != "run.start":
            self.violations.append(f"event {number}, {name}: a log begins with run.start")
        if self.ended:
            self.violations.append(f"event {number}, {name}: nothing may follow run.end")
        rule = _BY_NAME.get(name)
        self.seen[name] += 1
        if rule is None:
            self.unknown[name] += 1
            return
        said = [sentence for sentence in (*_fields(rule, row), *self._order(rule, row)) if sentence]
        self.violations += [f"event {number}, {name}: {sentence}" for sentence in said]
        self.ended = self.ended or name == "run.end"

    def _order(self, rule: Rule, row: Row) -> Iterable[str]:
        if rule.once and self.seen[rule.event] > 1:
            yield "a second one"
        if rule.after and not self.seen[rule.after]:
            yield f"{rule.after} must come before"
        span = Span(name=rule.opens or rule.closes, key=tuple(_hashable(row.get(part)) for part in rule.key))
        # A run that never began is said once, at the first event.
        if rule.within not in ("", "run") and Span(name=rule.within, key=(_hashable(row.get("pid")),)) not in self.open:
            yield f"there is no {rule.within} of process {row.get('pid')}"
        if rule.opens and span in self.open:
            yield f"{span} had already begun"
        elif rule.opens:
            self.open[span] = None
        if rule.closes and span not in self.open:
            yield f"{span} had not begun, or had already ended"
        elif rule.closes:
            del self.open[span]


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def _fields(rule: Rule, row: Row) -> Iterable[str]:
    for name, types in rule.fields.items():
        if name not in row:
            yield f"field {name!r} is missing"
        elif not isinstance(row[name], types) or (isinstance(row[name], bool) and types is not bool):
            yield f"field {name!r} has the wrong type: {row[name]!r:.40}"
    for name, types in rule.optional.items():
        if row.get(name) is not None and not isinstance(row[name], types):
            yield f"field {name!r} has the wrong type: {row[name]!r:.40}"
    if "pid" not in row or isinstance(row["pid"], bool) or not isinstance(row["pid"], int):
        yield "field 'pid' is missing or no number"


def check(rows: Iterable[Row]) -> LogCheck:
    """
    Hold a log against the grammar.

    A log may stop anywhere: what is still open then is listed and breaks no rule. But a run that says that it passed
    must have closed everything.
    """
    reader, passed = _LogReader(), False
    for number, row in enumerate(rows, start=1):
        reader.read(number, row)
        passed = passed or (row["event"] == "run.end" and str(row.get("verdict")).lower() == "pass")
    unfinished = [span for span in reader.open if span.name not in _MAY_STAY_OPEN]
    if passed and unfinished:
        listed = ", ".join(map(str, unfinished))
        reader.violations.append(f"the run says that it passed, but these had not ended: {listed}")
    return LogCheck(violations=tuple(reader.violations), unknown=dict(reader.unknown), open=tuple(reader.open))


def table() -> str:
    """The table of events as Markdown: what `docs/events.md` shows."""
    rows = ["| event | fields | span | meaning |", "|---|---|---|---|"]
    for rule in RULES:
        span = f"begins {rule.opens}" if rule.opens else f"ends {rule.closes}" if rule.closes else ""
        inside = f"in {rule.within}" if rule.within not in ("", "run") and not span.endswith(rule.within) else ""
        names = [f"`{name}`" for name in rule.fields] + [f"(`{name}`)" for name in rule.optional]
        fields = ", ".join(names)
        rows.append(f"| `{rule.event}` | {fields} | {', '.join(filter(None, (span, inside)))} | {rule.says} |")
    return "\n".join(rows) + "\n"
