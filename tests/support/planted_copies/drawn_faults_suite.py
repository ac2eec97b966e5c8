"""
Faults that the ladder's own problem hides, planted into copies: each must pass there and fail on a drawn problem.

The real adapter of a backend answers from each copy, once for all questions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.isolation.source_overlay import Edit
from harness.parity.compare.floors import DRAWN, Floors
from harness.parity.exchange import collect, plan
from harness.parity.exchange.plan import Question
from harness.parity.judge import ladder
from harness.parity.reference import drawn
from harness.parity.reference.drawn import DrawnProblem
from tests.support.golden_step0 import FIXTURE
from tests.support.planted_copies.planted_changes_suite import CopyBench

Condition = Callable[[DrawnProblem], bool]


@dataclass(frozen=True, kw_only=True)
class HiddenFault:
    """
    A fault that shows on some problems only.

    Attributes:
        name: in words.
        file: of the repository.
        old: text that is there once.
        new: what takes its place.
        shows: whether it shows on a problem.
        side: N of the problem that it is tried on.
        rung: the lowest that fails there.
    """

    name: str
    file: str
    old: str
    new: str
    shows: Condition
    side: int = 64
    rung: str = "R4"


def first(side: int, shows: Condition) -> DrawnProblem:
    """The first drawn problem of a patch side on which a fault shows."""
    return next(problem for seed in range(1000) if shows(problem := drawn.draw(side, seed)))


def fallen(faults: Sequence[HiddenFault], side: str, folder: Path) -> dict[str, tuple[list[str], str | None]]:
    """
    By fault: rungs of the ladder's own problem that fail, and the lowest one that fails on a drawn problem.

    Args:
        faults: to plant, one after the other; the unchanged code is asked first, under the name "".
        side: backend whose adapter is asked.
        folder: for copies and answers.
    """
    bench = CopyBench.at(side, folder)
    own = plan.plan(gridsizes=(1, 2), precisions=("f64",), seeds=(42,), scan=FIXTURE, steps=1, folder=folder)
    high = [_only_forward(question) for question in own if not question.is_low]
    found: dict[str, tuple[list[str], str | None]] = {}
    for number, fault in enumerate((None, *faults)):
        problems = [first(one.side, one.shows) for one in ([fault] if fault else faults)]
        asked = [*high, *plan.plan_drawn(tuple(dict.fromkeys(problems)), scan=FIXTURE, folder=folder)]
        edits = [Edit(file=fault.file, old=fault.old, new=fault.new)] if fault else []
        answers = bench.ask(f"copy-{number}", edits, [question.path for question in asked])
        failing = [
            (item.rung.name, item.drawn)
            for question, answer in zip(asked, answers, strict=True)
            for item in ladder.climb(
                question.gridsize,
                {side: answer},
                collect.expect(question),
                question.request.quantities,
                floors=Floors.load() if question.drawn is None else DRAWN,
                drawn=question.drawn,
            )
            if item.result == "fail"
        ]
        hidden = [name for name, problem in failing if problem is None]
        found[fault.name if fault else ""] = hidden, next((name for name, problem in failing if problem), None)
    return found


def expected(faults: Sequence[HiddenFault]) -> dict[str, tuple[list[str], str | None]]:
    """What `fallen` must return: the unchanged code passes everywhere."""
    return {"": ([], None)} | {fault.name: ([], fault.rung) for fault in faults}


def _only_forward(question: Question) -> Question:
    """The same question about the rungs that a drawn problem has."""
    request = replace(question.request, quantities=drawn.RUNGS, steps=())
    request.save(question.path)
    return replace(question, request=request)
