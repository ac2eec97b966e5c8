"""
The climb: every tensor of every rung is judged, and the lowest rung that fails is the verdict.

A rung passes only on evidence: one for which nothing was compared is unverified, and an unverified rung of the gate
fails the run. A known failure that passes fails the run, too: its entry must go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.parity.answer import Answer, is_echo
from harness.parity.comparison import Array, Judgement, Result, judge, judge_exact
from harness.parity.rungs import KNOWN, RUNGS, Known, Rung
from ptycho.probe_rungs import Exact
from ptycho.verdict import Verdict

GRAVITY = (Result.FAIL, Result.UNVERIFIED, Result.KNOWN_FAILURE, Result.PASS)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """
    The oracle's answer.

    Attributes:
        exact: plain values by side and rung.
        arrays: arrays by `RUNG/NAME`.
    """

    exact: Mapping[str, Mapping[str, Exact]]
    arrays: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Climbed:
    """
    One rung at one gridsize, judged.

    Attributes:
        rung: which.
        gridsize: g.
        judgements: of all its tensors.
    """

    rung: Rung
    gridsize: int
    judgements: tuple[Judgement, ...]

    @property
    def result(self) -> Result:
        """The gravest of its judgements; unverified if there is none."""
        return min((item.result for item in self.judgements), key=GRAVITY.index, default=Result.UNVERIFIED)

    @property
    def worst(self) -> Judgement | None:
        """What decides the rung: the gravest judgement, among equals the one with the largest figure."""
        if not self.judgements:
            return None
        return min(self.judgements, key=lambda item: (GRAVITY.index(item.result), -_figure(item)))

    @property
    def figure(self) -> float | None:
        """The largest D of the rung, None where values must be equal."""
        figures = [_figure(item) for item in self.judgements if item.figures]
        return max(figures, default=None)

    @property
    def guilty(self) -> tuple[str, ...]:
        """Sides at fault in any judgement of the rung."""
        return tuple(sorted({side for item in self.judgements if item.result is Result.FAIL for side in item.guilty}))


def _figure(judgement: Judgement) -> float:
    return max(judgement.figures.values(), default=0.0)


def climb(
    gridsize: int,
    answers: Mapping[str, Answer],
    expected: Expected,
    quantities: Sequence[str],
    known: Sequence[Known] = KNOWN,
) -> list[Climbed]:
    """
    Judge every rung that was asked for.

    Args:
        gridsize: g.
        answers: by side.
        expected: the oracle's.
        quantities: names of the rungs that were asked for.
        known: comparisons that are expected to fail.
    """
    found = []
    for rung in RUNGS:
        if rung.name in quantities:
            judged = _exactly(rung, answers, expected) if rung.tolerance is None else _closely(rung, answers, expected)
            marked = tuple(_mark(item, known) for item in judged)
            found.append(Climbed(rung=rung, gridsize=gridsize, judgements=marked))
    return found


def refusals(answers: Mapping[str, Answer]) -> dict[str, tuple[str, ...]]:
    """Why answers do not count, by side; empty if all of them do."""
    found = {side: answer.refusals for side, answer in answers.items() if answer.refusals}
    sides = sorted(answers)
    if not found and len(sides) == 2 and is_echo(*(answers[side] for side in sides)):
        sentence = "its layers are the other side's bit for bit: one of the two is a copy"
        found = dict.fromkeys(sides, (sentence,))
    return found


def first_failure(climbed: Sequence[Climbed]) -> Climbed | None:
    """The lowest rung that does not stand, at the smallest gridsize."""
    order = [rung.name for rung in RUNGS]
    fallen = [item for item in climbed if item.result in (Result.FAIL, Result.UNVERIFIED)]
    return min(fallen, key=lambda item: (order.index(item.rung.name), item.gridsize), default=None)


def verdict(climbed: Sequence[Climbed], refused: Mapping[str, object]) -> Verdict:
    """`PASS` only if rungs were climbed, each stands, and no answer was refused."""
    return Verdict.FAIL if refused or not climbed or first_failure(climbed) else Verdict.PASS


def _exactly(rung: Rung, answers: Mapping[str, Answer], expected: Expected) -> list[Judgement]:
    given = {side: answer.exact.get(rung.name, {}) for side, answer in answers.items()}
    wanted = {side: rungs.get(rung.name, {}) for side, rungs in expected.exact.items()}
    names = dict.fromkeys(name for values in (*wanted.values(), *given.values()) for name in values)
    return [
        judge_exact(
            f"{rung.name}/{name}",
            {side: values[name] for side, values in given.items() if name in values},
            {side: values[name] for side, values in wanted.items() if name in values},
        )
        for name in names
    ]


def _closely(rung: Rung, answers: Mapping[str, Answer], expected: Expected) -> list[Judgement]:
    tolerance = rung.tolerance if rung.tolerance is not None else 0.0
    of_rung = [expected.arrays, *(answer.arrays for answer in answers.values())]
    names = dict.fromkeys(name for arrays in of_rung for name in arrays if name.startswith(f"{rung.name}/"))
    return [
        judge(
            name,
            {side: answer.arrays.get(name) for side, answer in answers.items()},
            expected.arrays.get(name),
            tolerance,
        )
        for name in names
    ]


def _mark(judgement: Judgement, known: Sequence[Known]) -> Judgement:
    """A known failure that fails is no failure of the run; one that passes is."""
    for entry in known:
        if judgement.tensor == f"{entry.rung}/{entry.tensor}":
            if judgement.result is Result.FAIL:
                reasons = (f"known failure {entry.id}: {entry.reason}", *judgement.reasons)
                return replace(judgement, result=Result.KNOWN_FAILURE, reasons=reasons)
            reasons = (f"known failure {entry.id} passes: remove its entry from harness/parity/rungs.py",)
            return replace(judgement, result=Result.FAIL, reasons=reasons)
    return judgement
