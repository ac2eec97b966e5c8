"""
`python -m harness parity --ways`: one backend in several ways of running, each against its plain way on one thread.

Each backend is asked in every way, one process for each number of threads, which TensorFlow can set once a process, and
one for what is compiled.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.isolation import revision, source_overlay
from harness.parity.compare.response import Answer
from harness.parity.drift import compiled, frame, judge, plant, report, ways, words
from harness.parity.drift.frame import Conditions
from harness.parity.drift.report import DriftReport
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.ways import PLAIN, THREADS, WAYS
from harness.parity.drift.words import Drift
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.system import pool
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT
from ptycho.parity.request import Request

FILE = "ways.json"
BASE = "the plain way on one thread"
LIMIT_S = 3600.0
"""Of the process that compiles: some minutes a question on two cores."""


def name_of(way: str, threads: int) -> str:
    """The name of a way on some threads."""
    return f"{way}, {threads} thread{'s' if threads > 1 else ''}"


COMPARED = tuple(name_of(way.name, n) for n in THREADS for way in WAYS if (way.name, n) != (PLAIN, 1))
"""Ways that are compared with the plain one on one thread."""

CHECKED = next(way.name for way in WAYS if way.name != PLAIN)
"""The way, on one thread, into whose answers differences are planted; as into those of the compiled way."""

PROGRAM = "program"
KINDS = BATCH, COMPILED = "batch", "compiled"
Key = tuple[str, str, int]
"""A way's name, with its threads if it has some, a precision and a gridsize."""


@dataclass(frozen=True, kw_only=True)
class WaysOptions(Conditions):
    """
    Options of the command.

    Attributes:
        kinds: of `KINDS`: the batch otherwise and on several threads, or through a compiler.
    """

    kinds: tuple[str, ...] = KINDS

    @property
    def threads(self) -> tuple[int, ...]:
        """Return on how many threads the backends are asked without a compiler: on one what all is compared with."""
        return THREADS if BATCH in self.kinds else THREADS[:1]

    @property
    def required(self) -> RequiredResults:
        """Every rung of every way, and every process: each must report."""
        rungs: tuple[str, ...] = ()
        adapters = [_label(side, _threads(count)) for side in self.pythons for count in self.threads]
        if BATCH in self.kinds:
            rungs += self.labels([f"{side} {way}" for side in self.pythons for way in COMPARED], lambda _: ways.RUNGS)
        if COMPILED in self.kinds:
            rungs += self.labels([f"{side} {compiled.NAMES[side]}" for side in self.pythons], lambda _: compiled.RUNGS)
            adapters += [_label(side, compiled.NAMES[side]) for side in self.pythons]
        return RequiredResults(rungs=rungs, adapters=tuple(adapters))


@dataclass(frozen=True, kw_only=True)
class WayJob:
    """
    The questions that one process of one backend is asked.

    Attributes:
        side: backend.
        label: of the process.
        asked: by way, precision and gridsize: the requests, and what makes one answer of theirs.
        limit_s: for the process.
    """

    side: str
    label: str
    asked: Mapping[Key, tuple[Sequence[Request], Callable[[Sequence[Answer]], Answer]]]
    limit_s: float = backend_client.ADAPTER_TIMEOUT_S


def run(options: WaysOptions, interruption: Interruption) -> tuple[DriftReport, Path]:
    """
    Compare.

    Returns:
        The report, and the `ways.json` that holds it.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    sides = tuple(options.pythons)
    with frame.logged(options, kind="ways", expected=options.required) as (kept, events, finish):
        questions = _questions(options, kept) if BATCH in options.kinds else []
        programs = _programs(options, kept) if COMPILED in options.kinds else []
        # A copy: an edit or a commit while it is asked would be another source than its answers name.
        tree = source_overlay.copy(ROOT, kept.scratch / "trees" / "head", revision.PACKAGES)
        ask = partial(_ask, options, tree, kept, events, interruption)
        # What is compiled takes longest.
        todo = [
            *(_of_compiler(side, programs) for side in sides if programs),
            *(_of_threads(side, threads, questions, programs) for threads in options.threads for side in sides),
        ]
        answered: dict[str, dict[Key, Answer]] = {side: {} for side in sides}
        for job, found in pool.several(ask, todo, jobs=len(sides), interruption=interruption):
            answered[job.side].update(found)
        compared = [*_compared(questions, programs, answered)]
        rows = [row for one in compared for row in one.judge()]
        for row in rows:
            events.write("rung.end", **report.fields(row))
        made = DriftReport(
            base=BASE,
            rows=report.in_order(rows),
            complaints=_complaints(compared, options.seed),
            seed=options.seed,
            seconds=time.monotonic() - clock,
        )
        return made, finish(made, FILE)


def _label(side: str, what: str) -> str:
    return f"adapter-{side}-{what}"


def _threads(count: int) -> str:
    return f"{count}-threads"


def _questions(options: Conditions, kept: RunRoot) -> list[Question]:
    """The plain question at every gridsize in every precision."""
    made: list[Question] = []
    for precision in options.precisions:
        for gridsize in options.gridsizes:
            asked = problem.request(
                gridsize=gridsize,
                seed=options.seed,
                scan=options.scan,
                steps=1,
                precision=precision,
                quantities=ways.RUNGS,
                masked=False,
            )
            path = kept.path / f"request-{len(made):03d}.npz"
            request = ways.enlarged(asked, options.seed)
            request.save(path)
            made.append(Question(gridsize=gridsize, precision=precision, seed=options.seed, request=request, path=path))
    return made


def _programs(options: Conditions, kept: RunRoot) -> list[Question]:
    """Return the questions of what programs call, at every gridsize in every precision."""
    places = [(precision, gridsize) for precision in options.precisions for gridsize in options.gridsizes]
    return [
        compiled.question(
            gridsize=gridsize,
            precision=precision,
            seed=options.seed,
            scan=options.scan,
            path=kept.path / f"request-{PROGRAM}-{number:03d}.npz",
        )
        for number, (precision, gridsize) in enumerate(places)
    ]


def _key(way: str, question: Question) -> Key:
    return way, question.precision, question.gridsize


def _of_threads(side: str, threads: int, questions: Sequence[Question], programs: Sequence[Question]) -> WayJob:
    """Every part of the batch on so many threads; on one of them also what programs call, in the plain way."""
    asked: dict[Key, Any] = {
        _key(name_of(way.name, threads), question): (
            ways.requests(question.request, way, threads),
            partial(ways.merged, way),
        )
        for question in questions
        for way in WAYS
    }
    if threads == THREADS[0]:
        asked |= {_key(PROGRAM, question): ([question.request], _only) for question in programs}
    return WayJob(side=side, label=_label(side, _threads(threads)), asked=asked)


def _of_compiler(side: str, programs: Sequence[Question]) -> WayJob:
    """Return the questions of what programs call to functions that are compiled."""
    name = compiled.NAMES[side]
    asked = {_key(name, question): ([compiled.request(question)], _proved) for question in programs}
    return WayJob(side=side, label=_label(side, name), asked=asked, limit_s=LIMIT_S)


def _only(answers: Sequence[Answer]) -> Answer:
    (answer,) = answers
    return answer


def _proved(answers: Sequence[Answer]) -> Answer:
    return compiled.proved(_only(answers))


def _ask(
    options: Conditions, tree: Path, kept: RunRoot, events: EventLog, interruption: Interruption, job: WayJob
) -> tuple[WayJob, Mapping[Key, Answer]]:
    """Put a job to its backend; returns it with the answers."""
    paths: list[Path] = []
    for number, (requests, _merge) in enumerate(job.asked.values()):
        for part, request in enumerate(requests):
            paths.append(kept.scratch / f"{job.label}-{number:03d}-{part}.npz")
            request.save(paths[-1])
    party = Party(side=job.side, python=options.pythons[job.side], import_root=tree)
    done = backend_client.ask(party, paths, job.label, kept, events, interruption, timeout_s=job.limit_s)
    answers = iter(done.answers)
    return job, {key: merge([next(answers) for _ in requests]) for key, (requests, merge) in job.asked.items()}


@dataclass(frozen=True, kw_only=True)
class ComparedWay:
    """
    A way of one backend, its plain way, and the oracle.

    Attributes:
        side: backend.
        name: of the way.
        question: the plain one.
        expected: the oracle's answer.
        given: both answers by `old` and `new`.
        base: the plain way in words.
    """

    side: str
    name: str
    question: Question
    expected: OracleAnswer
    given: Mapping[str, Answer]
    base: str

    def judge(self) -> list[Drift]:
        """Judge both ways against each other and by the oracle."""
        states = {OLD: self.base, NEW: f"the way {self.name}"}
        return judge.compare(self.question, self.expected, self.given, self.side, way=self.name, states=states)

    def complaints(self, seed: int) -> list[str]:
        """Return what was planted into the way's answer and not seen."""
        answers = {words.name_of(self.side, state): answer for state, answer in self.given.items()}
        heard = AnsweredQuestion(number=0, question=self.question, answers=answers, expected=self.expected)
        return [f"{self.name}: {line}" for line in plant.check([heard], [self.side], seed, exchanged=True)]


def _compared(
    questions: Sequence[Question], programs: Sequence[Question], answered: Mapping[str, Mapping[Key, Answer]]
) -> Iterator[ComparedWay]:
    """Yield every way of every backend beside its plain way."""
    plain = name_of(PLAIN, THREADS[0])
    for question in questions:
        expected = ways.expected(collect.expect(question))
        for side, found in answered.items():
            for name in COMPARED:
                given = {OLD: found[_key(plain, question)], NEW: found[_key(name, question)]}
                yield ComparedWay(side=side, name=name, question=question, expected=expected, given=given, base=BASE)
    for question in programs:
        expected, base = compiled.expected(collect.expect(question)), compiled.PLAIN
        for side, found in answered.items():
            name = compiled.NAMES[side]
            given = {OLD: found[_key(PROGRAM, question)], NEW: found[_key(name, question)]}
            yield ComparedWay(side=side, name=name, question=question, expected=expected, given=given, base=base)


def _complaints(compared: Sequence[ComparedWay], seed: int) -> list[str]:
    """Plant into one way of each kind of each backend: the judges are the same ones for all of them."""
    wanted = {name_of(CHECKED, THREADS[0]), *compiled.NAMES.values()}
    first: dict[tuple[str, str], ComparedWay] = {}
    for one in compared:
        if one.name in wanted:
            first.setdefault((one.side, one.name), one)
    return [line for one in first.values() for line in one.complaints(seed)]


def main(options: WaysOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    return frame.main(partial(run, options), as_json=options.json, follow=follow)
