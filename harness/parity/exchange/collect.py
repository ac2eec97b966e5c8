"""
Both backends and the oracle at work at the same time, and every question judged as soon as all three have answered it.

Threads only wait or compute; they report to one queue, and everything is judged and reported in the thread that owns
the run.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.parity.compare import failure
from harness.parity.compare.response import Answer
from harness.parity.exchange import backend_client
from harness.parity.exchange.backend_client import PACKAGES, Party
from harness.parity.exchange.plan import Question
from harness.parity.judge import oracle
from harness.parity.judge.ladder import OracleAnswer
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho import fingerprint
from ptycho.parity import serve

_WAIT_S = 0.1
ORACLE = "oracle"
CORE = ("ptycho",)
"""Package whose code the oracle runs, besides its own."""


@dataclass(frozen=True, kw_only=True)
class AnsweredQuestion:
    """
    One question with everybody's answer.

    Attributes:
        number: position of the question.
        question: what was asked.
        answers: by side.
        expected: the oracle's.
    """

    number: int
    question: Question
    answers: Mapping[str, Answer]
    expected: OracleAnswer


@dataclass(frozen=True, kw_only=True)
class _Message:
    """Message of a thread: an answer to a question, its own end, or why it ended early."""

    party: str
    number: int | None = None
    answer: Answer | OracleAnswer | None = None
    error: BaseException | None = None


@dataclass(kw_only=True)
class _Round:
    answers: dict[str, Answer] = field(default_factory=dict)
    expected: OracleAnswer | None = None


OnProgress = Callable[[str, int], None]


def hear(
    parties: Sequence[Party],
    questions: Sequence[Question],
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    on_progress: OnProgress = lambda _party, _done: None,
    files: Mapping[str, Sequence[Path]] | None = None,
    timeout_s: float = backend_client.ADAPTER_TIMEOUT_S,
) -> Iterator[AnsweredQuestion]:
    """
    Ask everybody everything; yields the questions in their order, each as soon as it is answered by all.

    Args:
        parties: those that are asked.
        questions: what.
        kept: the run.
        events: its log.
        interruption: asked while waiting.
        on_progress: called with a party's name and how many questions it has answered.
        files: by a party's name, the files that it is given in place of the questions' own.
        timeout_s: limit for each adapter's process.

    Raises:
        KeyboardInterrupt: the run was asked to end; the adapters are gone.
    """
    reports: queue.SimpleQueue[_Message] = queue.SimpleQueue()
    stop = _StopSignal(interruption)
    threads = [
        threading.Thread(
            target=partial(
                _ask,
                party,
                (files or {}).get(party.name) or [question.path for question in questions],
                kept,
                events,
                stop,
                reports,
                timeout_s,
            ),
            name=f"ask-{party.name}",
        )
        for party in parties
    ]
    # A daemon: it cannot be interrupted inside NumPy, and nothing is lost with it.
    threads.append(threading.Thread(target=partial(_expect, questions, stop, reports), name=ORACLE, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield from _collect([party.name for party in parties], questions, reports, interruption, on_progress)
    finally:
        stop.asked = True
        for thread in threads[:-1]:
            thread.join()


def _collect(
    sides: Sequence[str],
    questions: Sequence[Question],
    reports: "queue.SimpleQueue[_Message]",
    interruption: Interruption,
    on_progress: OnProgress,
) -> Iterator[AnsweredQuestion]:
    rounds = [_Round() for _ in questions]
    following, ended = 0, 0
    # Answers alone are not enough: a process that ends badly after its last one has gone wrong somewhere.
    while following < len(questions) or ended < len(sides):
        interruption.check()
        try:
            message = reports.get(timeout=_WAIT_S)
        except queue.Empty:
            continue
        if message.error is not None:
            raise message.error
        if message.number is None:
            ended += 1
            continue
        if isinstance(message.answer, OracleAnswer):
            rounds[message.number].expected = message.answer
        elif message.answer is not None:
            rounds[message.number].answers[message.party] = message.answer
        on_progress(message.party, message.number + 1)
        while following < len(questions) and len(rounds[following].answers) == len(sides):
            expected = rounds[following].expected
            if expected is None and _is_silent(rounds[following].answers):
                # Nobody has anything to compare: nobody need wait for what it would be compared with.
                expected = OracleAnswer(exact={}, arrays={})
            if expected is None:
                break
            answers = {side: rounds[following].answers[side] for side in sides}
            yield AnsweredQuestion(number=following, question=questions[following], answers=answers, expected=expected)
            rounds[following] = _Round(expected=None)
            following += 1


def _is_silent(answers: Mapping[str, Answer]) -> bool:
    """Whether no side answered anything at all."""
    return all(answer.failures and not answer.arrays and not answer.exact for answer in answers.values())


class _StopSignal(Interruption):
    """The run's interruption, and a flag of its own: when one adapter fails the other need not go on."""

    def __init__(self, of: Interruption) -> None:
        super().__init__()
        self._of = of
        self.asked = False

    @property
    def hurry(self) -> bool:
        """As the run's; an adapter that is no longer wanted gets no grace."""
        return self._of.hurry or self.asked

    @property
    def reason(self) -> str | None:
        """As the run's, or that the answer is no longer wanted."""
        return self._of.reason or ("its answer is no longer wanted" if self.asked else None)


def _ask(
    party: Party,
    paths: Sequence[Path],
    kept: RunRoot,
    events: EventLog,
    stop: _StopSignal,
    reports: "queue.SimpleQueue[_Message]",
    timeout_s: float,
) -> None:
    def report(number: int, found: Answer) -> None:
        reports.put(_Message(party=party.name, number=number, answer=found))

    try:
        backend_client.ask(
            party, paths, f"adapter-{party.name}", kept, events, stop, on_answer=report, timeout_s=timeout_s
        )
        reports.put(_Message(party=party.name))
    except BaseException as error:  # carried to the thread that owns the run
        reports.put(_Message(party=party.name, error=error))


def _expect(questions: Sequence[Question], stop: _StopSignal, reports: "queue.SimpleQueue[_Message]") -> None:
    for number, question in enumerate(questions):
        if stop.asked:
            return
        reports.put(_Message(party=ORACLE, number=number, answer=expect(question)))


def expect(question: Question) -> OracleAnswer:
    """
    The oracle's answer to a question.

    What raises in it is the core's fault, or its own: the rungs of this question fail, and the others are asked.
    """
    try:
        return oracle.expected(question.request, PACKAGES)
    except Exception as error:
        record = serve.describe(error, fingerprint.ROOT)
        return OracleAnswer(exact={}, arrays={}, failure=failure.of_error(record, fingerprint.ROOT, CORE))
