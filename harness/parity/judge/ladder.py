"""
The climb: every tensor of every rung is judged, and the lowest rung that fails is the verdict.

A rung passes only on evidence: one for which nothing was compared is unverified, and an unverified rung fails the run,
in float32 as in the gate. A known failure that passes fails the run, too: its entry must go. A rung that a side could
not answer is judged by why it could not (`harness.parity.judge.unanswered`), and what it did answer is compared all the
same.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from harness.parity.compare.comparison import Array, Judgement, Limit, Result, in_units, judge, judge_exact
from harness.parity.compare.failure import AnswerFailure
from harness.parity.compare.floors import OPTIMISER, SINGLE_TO_DOUBLE, TRAJECTORY, Floors
from harness.parity.compare.response import Answer, is_echo
from harness.parity.compare.rungs import (
    ALONE,
    DOUBLE_IN_SINGLE,
    HORIZON,
    KNOWN,
    MIXED,
    MIXED_FLOORS,
    PRECISIONS,
    RUNGS,
    WORKFLOW,
    WORKFLOW_TOLERANCE,
    KnownDifference,
    Rung,
)
from harness.parity.judge import unanswered
from harness.parity.reference.drawn import DrawnProblem
from ptycho.parity.measure import ALL_WEIGHTS, Exact
from ptycho.physics.weights import LOG_SCALE
from ptycho.verdict import Verdict

Judge = Callable[[Mapping[str, Mapping[str, Array]]], list[Judgement]]
FloorsJudge = Callable[[Mapping[str, Mapping[str, Array]], Floors], list[Judgement]]
"""A judge that gets the floors of the devices that answered."""

GRAVITY = (Result.FAIL, Result.UNVERIFIED, Result.KNOWN_FAILURE, Result.PASS, Result.NOT_GATED)


@dataclass(frozen=True, kw_only=True)
class OracleAnswer:
    """
    The oracle's answer.

    Attributes:
        exact: plain values by side and rung.
        arrays: arrays by `RUNG/NAME`.
        judges: of rungs with limits of their own: arrays by side -> judgements.
        beside: of what a rung judges besides comparing tensor with tensor.
        failure: why there is no answer, or None. What raises in the oracle is in what both sides share: the core.
    """

    exact: Mapping[str, Mapping[str, Exact]]
    arrays: Mapping[str, Array]
    judges: Mapping[str, Judge] = field(default_factory=dict)
    beside: Mapping[str, FloorsJudge] = field(default_factory=dict)
    failure: AnswerFailure | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedRung:
    """
    One rung at one gridsize in one precision, judged.

    Attributes:
        rung: which.
        gridsize: g.
        precision: of `PRECISIONS`.
        judgements: judgements of all its tensors.
        drawn: the drawn problem that it was climbed on; None: the ladder's own.
    """

    rung: Rung
    gridsize: int
    precision: str = PRECISIONS[0]
    judgements: tuple[Judgement, ...]
    drawn: DrawnProblem | None = None

    @property
    def problem(self) -> str:
        """Name of the drawn problem; empty for the ladder's own."""
        return "" if self.drawn is None else self.drawn.name

    @property
    def conditions(self) -> tuple[int, str, str]:
        """Gridsize, precision and problem: rungs that have these in common were climbed on the same answers."""
        return self.gridsize, self.precision, self.problem

    @property
    def place(self) -> str:
        """Gridsize, precision and problem, in words."""
        return f"gridsize {self.gridsize} in {self.precision}" + (f" ({self.problem})" if self.problem else "")

    @property
    def result(self) -> Result:
        """The worst of its judgements; unverified if there is none, or none that is gated."""
        gravest = min((item.result for item in self.judgements), key=GRAVITY.index, default=Result.UNVERIFIED)
        return Result.UNVERIFIED if gravest is Result.NOT_GATED else gravest

    @property
    def worst(self) -> Judgement | None:
        """Return what decides the rung: the worst judgement, among equals the one that comes nearest to its limit."""
        if not self.judgements:
            return None
        return min(self.judgements, key=lambda item: (GRAVITY.index(item.result), -_strain(item), -_figure(item)))

    @property
    def figure(self) -> float | None:
        """D of the comparison that decides the rung, None where there is none."""
        return _figure(self.worst) if self.worst is not None and self.worst.figures else None

    @property
    def noise_units(self) -> float | None:
        """The largest multiple of a tensor's floor in the rung; None where no floor is known."""
        judged = (item.noise_units for item in self.judgements if item.result is not Result.NOT_GATED)
        return max((max(units.values()) for units in judged if units), default=None)

    @property
    def not_gated(self) -> int:
        """Return how many comparisons were looked at but not judged."""
        return sum(item.result is Result.NOT_GATED for item in self.judgements)

    @property
    def guilty(self) -> tuple[str, ...]:
        """Sides at fault in any judgement of the rung."""
        return tuple(sorted({side for item in self._failed for side in item.guilty}))

    @property
    def suspect(self) -> str:
        """Name the side at fault, in words."""
        if len(self.guilty) > 1 and all(item.shared for item in self._failed):
            return "both (what they share: the core, or the oracle)"
        return " and ".join(self.guilty) or "no side"

    @property
    def is_attributed(self) -> bool:
        """Whether the code of a side is at fault: it failed, or it hung."""
        return any(item.result is Result.FAIL or item.guilty for item in self.judgements)

    @property
    def causes(self) -> tuple[Verdict, ...]:
        """The result of each judgement that does not pass: a fail, or what the machine did that explains it."""
        if not self.judgements:
            return (Verdict.FAIL,)
        fallen = [item for item in self.judgements if item.result in (Result.FAIL, Result.UNVERIFIED)]
        nothing = [Verdict.FAIL] if not fallen and self.result is Result.UNVERIFIED else []
        return (*nothing, *(item.cause or Verdict.FAIL for item in fallen))

    @property
    def _failed(self) -> list[Judgement]:
        fallen = (Result.FAIL, Result.UNVERIFIED)
        return [item for item in self.judgements if item.guilty and item.result in fallen]


def _figure(judgement: Judgement) -> float:
    return max(judgement.figures.values(), default=0.0)


def _strain(judgement: Judgement) -> float:
    """The largest figure in units of what is allowed."""
    return 0.0 if judgement.tolerance is None else in_units(_figure(judgement), judgement.tolerance)


def climb(
    gridsize: int,
    answers: Mapping[str, Answer],
    expected: OracleAnswer,
    quantities: Sequence[str],
    known: Sequence[KnownDifference] = KNOWN,
    *,
    precision: str = PRECISIONS[0],
    floors: Floors | None = None,
    drawn: DrawnProblem | None = None,
) -> list[JudgedRung]:
    """
    Judge every rung that was asked for.

    Args:
        gridsize: g.
        answers: by side.
        expected: the oracle's.
        quantities: names of the rungs that were asked for.
        known: comparisons that are expected to fail.
        precision: precision of the answers, of `PRECISIONS`.
        floors: what rounding alone does to each tensor; those of the repository if None.
        drawn: the drawn problem that was asked; None: the ladder's own.
    """
    measured = Floors.load() if floors is None else floors
    climbed = []
    for rung in RUNGS:
        if rung.name not in quantities:
            continue
        failures = {
            side: answer.failures[rung.name] for side, answer in answers.items() if rung.name in answer.failures
        }
        if expected.failure is not None:
            judged = [unanswered.without_oracle(rung.name, expected.failure, sorted(answers))]
        else:
            partial = {side for side, why in failures.items() if not why.answered}
            judge = partial_judge(rung, expected, gridsize, precision, measured, partial)
            judged = [*unanswered.guarded(rung.name, judge, answers), *unanswered.judge(rung.name, failures)]
        marked = tuple(_mark(item, known, precision, gridsize) for item in judged)
        climbed.append(JudgedRung(rung=rung, gridsize=gridsize, precision=precision, judgements=marked, drawn=drawn))
    return climbed


def partial_judge(
    rung: Rung, expected: OracleAnswer, gridsize: int, precision: str, floors: Floors, partial: AbstractSet[str]
) -> Callable[[Mapping[str, Answer]], list[Judgement]]:
    """
    Return what judges the answers to one rung.

    Args:
        rung: which.
        expected: the oracle's answer.
        gridsize: g.
        precision: of `PRECISIONS`.
        floors: what rounding alone does to each tensor.
        partial: sides that could answer a part only; the rest is not asked of them.
    """

    def judge(answers: Mapping[str, Answer]) -> list[Judgement]:
        whole = {side: answer.arrays for side, answer in answers.items() if side not in partial}
        if rung.name in expected.judges:
            judged = expected.judges[rung.name](whole) if whole else []
            for side in partial & answers.keys():
                arrays = answers[side].arrays
                judged += [item for item in expected.judges[rung.name]({side: arrays}) if item.tensor in arrays]
        elif rung.tolerance is None:
            judged = _exactly(rung, answers, expected, partial)
        else:
            judged = _closely(rung, answers, expected, gridsize, precision, floors, partial)
        if rung.name in expected.beside and whole:
            judged = [*judged, *expected.beside[rung.name](whole, floors)]
        return judged

    return judge


def limit(rung: Rung, tensor: str, gridsize: int, precision: str, floors: Floors) -> Limit:
    """
    Return the limit of a tensor: the rung's tolerance in float64, multiples of the tensor's own floor in float32.

    Args:
        rung: whose.
        tensor: `RUNG/NAME`.
        gridsize: g.
        precision: of `PRECISIONS`.
        floors: what was measured; a float32 tensor without a floor has no tolerance, and so is unverified.
    """
    floor = floors.of(tensor, gridsize, precision)
    if precision == PRECISIONS[0]:
        own = (floors.drawn and rung.drawn) or rung.tolerance
        return Limit(tolerance=WORKFLOW_TOLERANCE if tensor.startswith(WORKFLOW) else own, floor=floor)
    tolerance = None
    narrow = precision == MIXED and not tensor.startswith(OPTIMISER)
    if floor is not None and rung.floors is not None:
        alone = ALONE if tensor.endswith(LOG_SCALE) else 1.0
        multiple = MIXED_FLOORS if narrow else rung.floors
        tolerance = max(multiple * floor * alone, rung.tolerance or 0.0)
    elif floors.derived and rung.tolerance is not None and not narrow:
        # As many rounding units as in float64; that is all that is known of a device that is not calibrated.
        tolerance = rung.tolerance / SINGLE_TO_DOUBLE
    return Limit(
        tolerance=tolerance,
        floor=floor,
        ratio=None if floors.derived or narrow else rung.ratio,
        single=not tensor.startswith(DOUBLE_IN_SINGLE),
        gated=not tensor.startswith(TRAJECTORY) or _is_within_horizon(tensor, floor),
    )


def _is_within_horizon(tensor: str, floor: float | None) -> bool:
    """Whether a tensor of a float32 trajectory is judged: no single weight is, see `ptycho.parity.measure.together`."""
    is_whole = tensor == f"{TRAJECTORY}losses" or tensor.endswith(f".{ALL_WEIGHTS}")
    return is_whole and (floor is None or floor <= HORIZON)


def refusals(answers: Mapping[str, Answer]) -> dict[str, tuple[str, ...]]:
    """Return why answers do not count, by side; empty if all of them do."""
    found = {side: answer.refusals for side, answer in answers.items() if answer.refusals}
    sides = sorted(answers)
    if not found and len(sides) == 2 and is_echo(*(answers[side] for side in sides)):
        sentence = "its layers are the other side's bit for bit: one of the two is a copy"
        found = dict.fromkeys(sides, (sentence,))
    return found


def in_order(climbed: Sequence[JudgedRung]) -> list[JudgedRung]:
    """From the lowest rung to the highest, the ladder's own problem first, float64 before float32, small gridsizes."""
    order = [rung.name for rung in RUNGS]

    def height(item: JudgedRung) -> tuple[int, bool, int, int]:
        precision = PRECISIONS.index(item.precision)
        return order.index(item.rung.name), item.drawn is not None, precision, item.gridsize

    return sorted(climbed, key=height)


def first_failure(climbed: Sequence[JudgedRung]) -> JudgedRung | None:
    """
    The lowest rung that does not pass, in float64 before float32, at the smallest gridsize.

    One at which the code of a side is at fault comes before one that the machine alone explains.
    """
    below = fallen(climbed)
    return next((item for item in below if item.is_attributed), next(iter(below), None))


def fallen(climbed: Sequence[JudgedRung]) -> list[JudgedRung]:
    """Rungs that do not pass, from the lowest."""
    return [item for item in in_order(climbed) if item.result in (Result.FAIL, Result.UNVERIFIED)]


def verdict(climbed: Sequence[JudgedRung], refused: Mapping[str, object]) -> Verdict:
    """
    `PASS` only if rungs were climbed, each passes, and no answer was refused.

    Any judgement that failed makes it `FAIL`, whatever died later. Where only the machine explains what is missing, it
    is the worst of what the machine did.
    """
    causes = {cause for item in fallen(climbed) for cause in item.causes}
    if refused or not climbed or Verdict.FAIL in causes:
        return Verdict.FAIL
    return min(causes, key=CAUSES.index, default=Verdict.PASS)


CAUSES = (Verdict.TIMEOUT, Verdict.OOM, Verdict.INFRA, Verdict.INCONCLUSIVE)
"""What a machine can do to an answer, the worst first."""


def _exactly(
    rung: Rung, answers: Mapping[str, Answer], expected: OracleAnswer, partial: AbstractSet[str]
) -> list[Judgement]:
    given = {side: answer.exact.get(rung.name, {}) for side, answer in answers.items()}
    wanted = {side: rungs.get(rung.name, {}) for side, rungs in expected.exact.items() if side in answers}
    for side in partial & given.keys():
        wanted[side] = {name: value for name, value in wanted.get(side, {}).items() if name in given[side]}
    names = dict.fromkeys(name for values in (*wanted.values(), *given.values()) for name in values)
    return [
        judge_exact(
            f"{rung.name}/{name}",
            {side: values[name] for side, values in given.items() if name in values},
            {side: values[name] for side, values in wanted.items() if name in values},
        )
        for name in names
    ]


def _closely(
    rung: Rung,
    answers: Mapping[str, Answer],
    expected: OracleAnswer,
    gridsize: int,
    precision: str,
    floors: Floors,
    partial: AbstractSet[str],
) -> list[Judgement]:
    of_rung = [answer.arrays for answer in answers.values()]
    if not answers.keys() <= partial:
        of_rung = [expected.arrays, *of_rung]
    names = dict.fromkeys(name for arrays in of_rung for name in arrays if name.startswith(f"{rung.name}/"))
    return [
        judge(
            name,
            {s: answer.arrays.get(name) for s, answer in answers.items() if s not in partial or name in answer.arrays},
            expected.arrays.get(name),
            limit(rung, name, gridsize, precision, floors),
        )
        for name in names
    ]


def _mark(judgement: Judgement, known: Sequence[KnownDifference], precision: str, gridsize: int) -> Judgement:
    """A known failure that fails is not a failure of the run; one that passes is."""
    for entry in known:
        if entry.names(judgement.tensor, precision, gridsize):
            if judgement.result is Result.FAIL:
                reasons = (f"known failure {entry.id}: {entry.reason}", *judgement.reasons)
                return replace(judgement, result=Result.KNOWN_FAILURE, reasons=reasons)
            reasons = (f"known failure {entry.id} passes: remove its entry from harness/parity/compare/rungs.py",)
            return replace(judgement, result=Result.FAIL, reasons=reasons)
    return judgement
