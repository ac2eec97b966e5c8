"""
Asks one backend: an adapter process of its own, several requests to one import of the framework.

Answers are read as soon as they are whole, so that the low rungs are judged while the high ones are being measured.
Both backends are asked at once, one core each. Each process has a token of its own below the run's: a process that one
leaves alive is not attributed to the other. A process that dies is started again for what is still to be answered.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.parity.compare import failure, response
from harness.parity.compare.failure import AnswerFailure, FailureKind
from harness.parity.compare.response import Answer
from harness.process import supervise
from harness.process.limits import Limits
from harness.process.phases import START
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from harness.targets import loader
from harness.targets.loader import Target
from harness.targets.model import Adapter
from ptycho.errors import InfrastructureError, UsageError
from ptycho.parity import trace
from ptycho.parity.request import COMPILED, MANIFEST, QUANTITIES, Request
from ptycho.verdict import Verdict

PACKAGES = {"torch": "ptycho_torch", "tf": "ptycho_tf"}
ADAPTER_TIMEOUT_S = 600.0
START_TIMEOUT_S, RUNG_TIMEOUT_S, STEP_TIMEOUT_S, COMPILING = 120.0, 60.0, 1.0, 8.0
"""Limits in seconds: until the first rung begins, of a rung, and more for a step of a trajectory; `COMPILING` times as
much where functions are compiled. Idle, a rung takes 4 s, a step 0.1 s; on a busy machine a hang is inconclusive."""

PROCESSES = 24
"""Of one adapter in one run, whatever happens: code that dies somewhere else each time would be asked for ever."""

DEATHS, HANGS = 4, 2
"""How often an adapter is started again after its code killed it, and how often a rung may hang."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""Another number of threads is another order of additions."""


@cache
def _shipped(side: str) -> Target:
    return loader.load(loader.built_in(side))


@dataclass(frozen=True, kw_only=True)
class Party:
    """
    One backend as it is asked: a target with an adapter, whether it ships with the harness or not.

    Attributes:
        side: `torch` or `tf`.
        python: interpreter that has its framework.
        import_root: folder from which its packages are imported, the target's own if None; a changed copy of them for
            a planted fault.
        target: its description; the one that ships with the harness if None.
        device: `cpu` or `cuda`.
        version: which state of its code is asked, where several are; "" where there is one.
    """

    side: str
    python: str = sys.executable
    import_root: Path | None = None
    target: Target | None = None
    device: str = "cpu"
    version: str = ""

    @property
    def name(self) -> str:
        """Its name among all who are asked: the side, and the version where there are several."""
        return f"{self.side}-{self.version}" if self.version else self.side

    @property
    def described(self) -> Target:
        """The target."""
        return self.target or _shipped(self.side)

    @property
    def root(self) -> Path:
        """Return where its packages are imported from."""
        return self.import_root or self.described.root

    @property
    def adapter(self) -> Adapter:
        """
        Return the adapter through which it answers.

        Raises:
            UsageError: it does not.
        """
        if self.described.adapter is None:
            raise UsageError(
                f"target {self.described.file} has no [adapter], without which it cannot be on the ladder; "
                "docs/adapter-kit.md says how to add one"
            )
        return self.described.adapter

    @property
    def package(self) -> str:
        """The package that answers: the last of the adapter's sources."""
        return self.adapter.sources[-1]


@dataclass(frozen=True, kw_only=True)
class AdapterAnswers:
    """
    Answers of an adapter.

    Attributes:
        answers: one a request, in their order; what could not be answered is in their `failures`.
        seconds: wall time of its processes.
    """

    answers: tuple[Answer, ...]
    seconds: float


OnAnswer = Callable[[int, Answer], None]


def ask(
    party: Party,
    requests: Sequence[Path],
    label: str,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    on_answer: OnAnswer | None = None,
    timeout_s: float = ADAPTER_TIMEOUT_S,
) -> AdapterAnswers:
    """
    Put requests to a backend, in one process as long as none dies.

    A process that dies, or hangs, fails the rung that it was at; the rungs after it are asked in a new process.

    Args:
        party: the one that is asked.
        requests: files of `Request.save`.
        label: name of the process, unique in its run; names its folder and its log.
        kept: the run.
        events: its log.
        interruption: asked while waiting.
        on_answer: called with the position and the answer of each request as soon as it is there.
        timeout_s: limit for each process.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    items = [_Item(number=number, path=path, request=Request.load(path)) for number, path in enumerate(requests)]
    asking = _AdapterExchange(party=party, items=items, kept=kept, events=events, label=label, on_answer=on_answer)
    while asking.unanswered:
        asking.run(interruption, timeout_s)
        if asking.processes >= PROCESSES:
            asking.give_up()
    return AdapterAnswers(answers=tuple(item.answer for item in items), seconds=asking.seconds)


@dataclass(kw_only=True)
class _Item:
    """One request, and what has been answered of it so far."""

    number: int
    path: Path
    request: Request
    parts: list[Answer] = field(default_factory=list)
    failures: dict[str, AnswerFailure] = field(default_factory=dict)
    delivered: bool = False

    @property
    def rest(self) -> tuple[str, ...]:
        """Rungs that are still to be answered."""
        done = {rung for part in self.parts for rung in (*part.failures, *part.manifest.get("quantities", ()))}
        refused = any(part.refusals for part in self.parts)
        return tuple(r for r in self.request.quantities if not refused and r not in done and r not in self.failures)

    @property
    def answer(self) -> Answer:
        """All parts as one answer."""
        failures = {rung: why for part in self.parts for rung, why in part.failures.items()}
        return Answer(
            exact={rung: values for part in self.parts for rung, values in part.exact.items()},
            arrays={name: array for part in self.parts for name, array in part.arrays.items()},
            refusals=tuple(dict.fromkeys(sentence for part in self.parts for sentence in part.refusals)),
            manifest=self.parts[-1].manifest if self.parts else {},
            failures={**failures, **self.failures},
        )


@dataclass(kw_only=True)
class _AdapterExchange:
    """
    An adapter that is being asked.

    Attributes:
        seconds: wall time of its processes.
        processes: how many it took.
        deaths: how many of them its code ended.
        hangs: how many rungs hung.
        unexplained: by request and rung, where a process ended without saying why: killed, or without a traceback.
    """

    party: Party
    items: Sequence[_Item]
    kept: RunRoot
    events: EventLog
    label: str
    on_answer: OnAnswer | None
    seconds: float = 0.0
    processes: int = 0
    deaths: int = 0
    hangs: int = 0
    unexplained: dict[tuple[int, str], AnswerFailure] = field(default_factory=dict)

    @property
    def unanswered(self) -> list[_Item]:
        """Requests of which a rung is still to be answered."""
        return [item for item in self.items if item.rest]

    @property
    def record(self) -> Path:
        """The lines that a traced process ran."""
        return self.kept.scratch / f"{self.label}.trace"

    def run(self, interruption: Interruption, timeout_s: float) -> None:
        """Ask what is still to be answered, in one process."""
        self.processes += 1
        label = self.label if self.processes == 1 else f"{self.label}-{self.processes}"
        cell = Sandbox(path=self.kept.scratch / label).make()
        cell.output.mkdir()
        pending = self.unanswered
        asked = [(item, self._request(item, label), cell.output / str(item.number)) for item in pending]
        following = 0

        def read_next() -> None:
            nonlocal following
            # The last answer waits for the end of the process: one that ends badly has gone wrong somewhere.
            while following < len(asked) - 1 and response.is_complete(asked[following][2]):
                self._take(*asked[following])
                following += 1

        try:
            ended = self._start(label, asked, cell, interruption, timeout_s, read_next)
        except InfrastructureError as error:
            said = f"cannot run: {error}"
            self._fail_all(AnswerFailure(kind=FailureKind.MACHINE, sentence=said, verdict=Verdict.INFRA))
            return
        self.seconds += ended.seconds
        self.events.write("probe.end", label=label, returncode=ended.returncode, seconds=round(ended.seconds, 2))
        # An adapter that has begun an answer and ends well without finishing it has not ended well.
        unfinished = any((out / MANIFEST).is_file() and not response.is_complete(out) for _, _, out in asked)
        good = ended.returncode == 0 and ended.stop is None and not ended.timed_out and not unfinished
        while following < len(asked) and (good or response.is_complete(asked[following][2])):
            self._take(*asked[following], last=not good and following == len(asked) - 1)
            following += 1
        if not good:
            sources = tuple(self.party.adapter.sources)
            began = following < len(asked) and (asked[following][2] / MANIFEST).is_file()
            why = failure.of_end(ended, timeout_s, self.party.root, sources, began=began or following > 0)
            self._died(why, asked[following:], at_start=following == 0)

    def _request(self, item: _Item, label: str) -> Path:
        """The request's file, or one of what is left of it."""
        if (item.rest, self.party.device) == (item.request.quantities, item.request.device):
            return item.path
        path = self.kept.scratch / f"{label}-request-{item.number}.npz"
        replace(item.request, quantities=item.rest, device=self.party.device).save(path)
        return path

    def _start(
        self,
        label: str,
        asked: "Sequence[tuple[_Item, Path, Path]]",
        cell: Sandbox,
        interruption: Interruption,
        timeout_s: float,
        read_next: Callable[[], None],
    ) -> supervise.CompletedCommand:
        party, kept = self.party, self.kept
        values = {"python": party.python, "root": party.root, "here": party.described.file.parent, "cache": cell.cache}
        argv = loader.fill(party.adapter.argv, values)
        for _, path, out in asked:
            argv += ["--request", str(path), "--out", str(out)]
        token = f"{kept.token}-{label}"
        extra = {name: text.format(**values) for name, text in party.described.environment.items()}
        place = asked[0][0].number, asked[0][0].rest[0]
        traced = {trace.VARIABLE: str(self.record)} if place in self.unexplained else {}
        env = sandbox.build(
            cell,
            token=f"{kept.token}:{token}",
            scratch=kept.scratch,
            events=kept.events,
            import_root=party.root,
            gpu=party.device == "cuda",
            # A crash in native code is then traced to the line that called it.
            extra=extra | ONE_THREAD | {"PYTHONFAULTHANDLER": "1"} | traced,
        )
        times = COMPILING if any(item.request.way == COMPILED for item, _, _ in asked) else 1.0
        phases = {START: times * START_TIMEOUT_S, **dict.fromkeys(QUANTITIES, times * RUNG_TIMEOUT_S)}
        steps = [step for item, _, _ in asked for step in item.request.steps]
        phases[QUANTITIES[-1]] += STEP_TIMEOUT_S * max(steps, default=0)
        return supervise.run(
            argv,
            env=env,
            cwd=cell.cwd,
            log=kept.logs / f"{label}.log",
            timeout_s=timeout_s,
            token=token,
            interruption=interruption,
            meanwhile=read_next,
            limits=Limits(phase_s=phases),
        )

    def _take(self, item: _Item, path: Path, out: Path, *, last: bool = False) -> None:
        """Read one answer; deliver it, unless it is the last one of a process that ended badly."""
        party = self.party
        item.parts.append(response.read(out, path, party.package, party.root, party.adapter.sources))
        if not last:
            self._deliver(item)

    def _deliver(self, item: _Item) -> None:
        if item.delivered or item.rest:
            return
        item.delivered = True
        for rung in set(item.request.quantities) - set(item.answer.failures):
            if (death := self.unexplained.get((item.number, rung))) is not None:
                item.failures[rung] = replace(death, answered=True)
        whole = item.answer
        self.events.write(
            "probe.answer",
            label=self.label,
            number=item.number,
            refusals=list(whole.refusals),
            failures={rung: why.sentence for rung, why in whole.failures.items()},
        )
        if self.on_answer is not None:
            self.on_answer(item.number, whole)

    def _died(self, why: AnswerFailure, asked: "Sequence[tuple[_Item, Path, Path]]", *, at_start: bool) -> None:
        """A process ended badly: settle the rung that it was at, and whether the rest can be asked."""
        if not asked:
            self._fail_last(why)
            return
        item, path, out = asked[0]
        began = (out / MANIFEST).is_file()
        if began:
            self._take(item, path, out, last=True)
        if not item.rest:
            self._fail_last(why)
            return
        place = item.number, item.rest[0]
        silent = why.kind is FailureKind.KILLED or (why.kind is FailureKind.DIED and why.location is None)
        if silent and place not in self.unexplained:
            # Asked again, it shows whether somebody killed it or its own code did, and at which line.
            self.unexplained[place] = why
            return
        if why.kind is FailureKind.KILLED:
            why = replace(
                why, kind=FailureKind.DIED, sentence=f"{why.sentence} twice at the same place", verdict=Verdict.FAIL
            )
        if silent:
            why = replace(why, location=failure.last_line(self.record, self.party.root))
        self.deaths += 1
        self.hangs += why.kind is FailureKind.HUNG
        if at_start and not began:
            self._fail_all(why)
            return
        # An adapter made from an older kit does not say which rung it was at.
        item.failures |= dict.fromkeys(item.rest[:1] if began else item.rest, why)
        if self.deaths >= DEATHS or self.hangs >= HANGS or why.kind in (FailureKind.MACHINE, FailureKind.MEMORY):
            sentence = f"was not asked: its process had ended badly {self.deaths} times, at last it {why.sentence}"
            self._fail_all(AnswerFailure(kind=FailureKind.NOT_ASKED, sentence=sentence, verdict=why.verdict))
        self._deliver(item)

    def _fail_last(self, why: AnswerFailure) -> None:
        """A process ended badly after its last answer: that is said of the last rung, which was answered."""
        item = next(item for item in reversed(self.items) if not item.delivered)
        sentence = f"{why.sentence} after its last answer"
        item.failures.setdefault(item.request.quantities[-1], replace(why, sentence=sentence, answered=True))
        self._deliver(item)

    def give_up(self) -> None:
        """Ask nothing more."""
        sentence = f"was not asked: {self.processes} processes had ended badly before"
        self._fail_all(AnswerFailure(kind=FailureKind.NOT_ASKED, sentence=sentence))

    def _fail_all(self, why: AnswerFailure) -> None:
        """Nothing more can be asked: everything unanswered fails for one reason."""
        for item in self.items:
            item.failures |= dict.fromkeys(item.rest, why)
            self._deliver(item)
