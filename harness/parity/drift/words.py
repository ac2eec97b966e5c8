"""The words for a rung between two states of the code, what decides each, and how the log is judged by them."""

from dataclasses import dataclass
from enum import StrEnum

from harness.parity.compare.comparison import Result
from harness.parity.exchange import plan
from harness.parity.judge.ladder import JudgedRung
from ptycho.verdict import Verdict


class Word(StrEnum):
    """Word for a rung of two states of the code, the worst first."""

    REGRESSION = "regression"
    OUTSIDE = "both outside"
    CHANGED = "changed"
    NOT_ANSWERED = "not answered"
    UNVERIFIED = "unverified"
    FIXED = "fixed"
    ROUNDING = "rounding"
    IDENTICAL = "identical"


WORST_FIRST = tuple(Word)
PASSING = (Word.FIXED, Word.ROUNDING, Word.IDENTICAL)
FAILING = (Word.REGRESSION, Word.OUTSIDE, Word.CHANGED)


@dataclass(frozen=True, kw_only=True)
class RungChange:
    """
    One thing about a rung.

    Attributes:
        word: what it is.
        tensor: where.
        reason: why, in a sentence.
        attributed: `old`, `new`, or "".
        cause: what explains that there is no answer.
    """

    word: Word
    tensor: str = ""
    reason: str = ""
    attributed: str = ""
    cause: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Drift:
    """
    One rung of one backend at one gridsize in one precision.

    Attributes:
        side: backend, `torch` or `tf`.
        climbed: the ladder's own judgement, with `old` and `new` as sides.
        seed: seed of the problem.
        finding: what decides.
        compared: values and arrays that both states gave.
        differing: names of those that are not equal to the bit, in the order of their measurement.
        units: the largest difference of the two states that rounding may explain; None where there is none.
        unit: what `units` counts.
        largest: the tensor with that difference.
        alike: whether both states are outside the oracle's limit with the same bits.
        way: the way of running that is compared with the plain one; "" where something else is compared.
        version: the framework's version that is compared with the locked one; "" where something else is compared.
    """

    side: str
    climbed: JudgedRung
    seed: int
    finding: RungChange
    compared: int
    differing: tuple[str, ...] = ()
    units: float | None = None
    unit: str = ""
    largest: str = ""
    alike: bool = False
    way: str = ""
    version: str = ""

    @property
    def word(self) -> Word:
        """Return how the two states compare."""
        return self.finding.word

    @property
    def label(self) -> str:
        """Name in the event log."""
        item = self.climbed
        return label(item.rung.name, self.who, item.precision, item.gridsize, self.seed)

    @property
    def who(self) -> str:
        """Return the backend, and its version or way of running where there are several."""
        return f"{self.side} {self.version or self.way}".strip()

    @property
    def result(self) -> Result:
        """Return the word as a result of the ladder, by which the log is judged."""
        if self.word in PASSING:
            return Result.PASS
        return Result.FAIL if self.word in FAILING else Result.UNVERIFIED

    @property
    def verdict(self) -> Verdict:
        """The verdict that the rung alone would give."""
        if self.word in PASSING:
            return Verdict.PASS
        return Verdict.FAIL if self.word in FAILING else self.finding.cause or Verdict.INCONCLUSIVE


def label(rung: str, side: str, precision: str, gridsize: int, seed: int) -> str:
    """The name of a backend's rung in the event log."""
    return plan.label(f"{rung} {side}", precision, gridsize, seed)


def name_of(side: str, version: str) -> str:
    """The name under which a backend in one state of the code answers."""
    return f"{side}-{version}"
