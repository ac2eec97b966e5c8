"""
One tensor of the backends against the oracle and against each other.

Exact checks come first: presence, shape, type, and where NaN and the infinities are. NaN at the same place on both
sides is not agreement unless the oracle has it too. Then D = ‖a − b‖₂ / ‖b‖₂ of the whole tensor, complex as it is: no
means over tensors, no absolute floor, no forgiven phase. A figure is shown in noise units, too: multiples of the
tensor's own floor, which is what rounding alone does to it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.axes import label
from harness.parity.compare.elements import FEW, Element, apart, gap, listed
from harness.parity.compare.location import Location
from harness.parity.compare.number_format import readable
from ptycho.verdict import Verdict

Array = NDArray[Any]

MISSING = "is missing"
SHARED = 0.1
"""Two sides that differ by less than this part of their distance from the oracle err together."""

SINGLE: Mapping[Any, Any] = {
    np.dtype(np.float64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.complex64),
}
"""Type of an answer in float32 by the oracle's."""


class Result(StrEnum):
    """Result of a comparison. Only `PASS` is a pass; what is not gated is looked at, and no evidence."""

    PASS = "pass"  # noqa: S105  # not a password
    FAIL = "fail"
    UNVERIFIED = "unverified"
    KNOWN_FAILURE = "known failure"
    NOT_GATED = "not gated"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    The result of one comparison.

    Attributes:
        tensor: `RUNG/NAME`.
        result: its outcome.
        reasons: what is wrong, one sentence each.
        figures: D of each side to the oracle, by side, and `between` the two.
        tolerance: largest D that passes; None where values must be equal.
        guilty: sides that are at fault, by the oracle.
        shared: whether the sides agree with each other and not with the oracle: the fault is in what they share.
        worst: elements that differ, the worst first.
        differing: how many elements differ; None where that was not counted.
        beyond_tolerance: whether something else than D failed, so that no tolerance would pass.
        floor: D that rounding alone makes of this tensor in the precision of the run; None if it was not measured.
        location: line of code at which a side could not answer; None where values were compared.
        call: the last thing that such a side was asked, or None.
        after: the last quantity that it answered before, as `RUNG/NAME`, or None.
        cause: what the machine did that explains a missing answer; None where nothing does.
    """

    tensor: str
    result: Result
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    guilty: tuple[str, ...] = ()
    shared: bool = False
    worst: tuple[Element, ...] = ()
    differing: int | None = None
    beyond_tolerance: bool = False
    floor: float | None = None
    location: Location | None = None
    call: str | None = None
    after: str | None = None
    cause: Verdict | None = None

    @property
    def is_missing(self) -> bool:
        """Whether all that is wrong is that a side did not give it: then nothing is known of how it computes."""
        return bool(self.reasons) and all(reason.endswith(f" {MISSING}") for reason in self.reasons)

    @property
    def minimum_tolerance(self) -> float | None:
        """The tolerance at which this would pass; None if there is none."""
        if self.beyond_tolerance or not self.figures:
            return None
        largest = max(self.figures.values())
        return largest if math.isfinite(largest) else None

    @property
    def noise_units(self) -> dict[str, float]:
        """Figures as multiples of the floor; empty if there is none."""
        if self.floor is None:
            return {}
        return {name: in_units(figure, self.floor) for name, figure in self.figures.items()}


def in_units(figure: float, floor: float) -> float:
    """A figure as a multiple of a floor; of a floor of zero, which rounding cannot touch, 0 or infinite."""
    if floor > 0:
        return figure / floor
    return math.inf if figure > 0 else 0.0


def distance(actual: Array, expected: Array) -> float:
    """D = ‖actual − expected‖ / ‖expected‖: 0 where both are zero, infinite where only `expected` is or for NaN."""
    gap = np.abs(np.ravel(actual - expected)).astype(np.float64)
    size = np.abs(np.ravel(expected)).astype(np.float64)
    largest_gap, largest = float(gap.max(initial=0.0)), float(size.max(initial=0.0))
    if largest_gap == 0:
        return 0.0
    if largest == 0 or not math.isfinite(largest_gap / largest):
        return math.inf
    # Each norm in units of its largest element: squares of 1e-200 are zero, and zero passes.
    relative = np.linalg.norm(gap / largest_gap) / np.linalg.norm(size / largest)
    return float(relative * (largest_gap / largest))


def is_laundered(actual: Array, expected: Array) -> bool:
    """
    Whether float64 values all went through float32 somewhere, while the expected ones did not.

    A cast leaves values that float32 holds exactly; of honest float64 values one in half a thousand million does.
    """
    return actual.dtype in (np.float64, np.complex128) and _is_single(actual) and not _is_single(expected)


def _is_single(array: Array) -> bool:
    parts = np.stack([array.real, array.imag]) if np.iscomplexobj(array) else array
    finite = parts[np.isfinite(parts)].astype(np.float64)
    with np.errstate(over="ignore"):
        return bool(np.all(finite.astype(np.float32) == finite))


def mismatches(actual: Array | None, expected: Array, dtype: "np.dtype[Any] | None" = None) -> list[str]:
    """
    The exact checks, in the order in which they make the later ones pointless.

    Args:
        actual: what a side gave, None where it gave nothing.
        expected: the oracle's.
        dtype: type that a side must answer in; None is the oracle's.
    """
    wanted = expected.dtype if dtype is None else dtype
    if actual is None:
        return [MISSING]
    if actual.shape != expected.shape:
        return [f"has shape {actual.shape}, expected {expected.shape}"]
    if actual.dtype != wanted:
        return [f"has type {actual.dtype}, expected {wanted}"]
    if actual.dtype.kind not in "fc":
        return [] if np.array_equal(actual, expected) else ["has other values, which must be equal"]
    found = []
    for name, where in (("NaN", np.isnan), ("+inf", _positive_infinity), ("−inf", _negative_infinity)):
        wrong = int(np.sum(where(actual) != where(expected)))
        if wrong:
            found.append(f"has {name} at {wrong} element(s) unlike the oracle")
    if is_laundered(actual, expected):
        found.append(f"is {actual.dtype}, but every value is a float32 value: a hidden cast")
    return found


def _positive_infinity(array: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isposinf(array.real) | np.isposinf(array.imag))


def _negative_infinity(array: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isneginf(array.real) | np.isneginf(array.imag))


@dataclass(frozen=True, kw_only=True)
class Limit:
    """
    Limit within which one tensor must agree.

    Attributes:
        tolerance: largest D that passes (≤); None where nothing is known that it could be judged by.
        floor: D that rounding alone makes of it; None if it was not measured.
        ratio: largest ratio of the sides' D to the oracle that passes (≤), each counted as one floor at least; None for
            no limit.
        single: whether the sides answer in float32 and complex64.
        gated: whether D is judged at all; exact checks are made anyway.
    """

    tolerance: float | None
    floor: float | None = None
    ratio: float | None = None
    single: bool = False
    gated: bool = True


def judge(
    tensor: str, sides: Mapping[str, Array | None], expected: Array | None, tolerance: float | Limit | None
) -> Judgement:
    """
    Judge one tensor.

    Args:
        tensor: `RUNG/NAME`.
        sides: what each backend gave, None where it gave nothing.
        expected: the oracle's, None where it has none.
        tolerance: largest D that passes, or everything that limits it.
    """
    limit = tolerance if isinstance(tolerance, Limit) else Limit(tolerance=tolerance)
    if expected is None:
        return _without_oracle(tensor, sides, limit)
    if expected.dtype.kind not in "fc":
        # Counts must be equal; rounding has no part in them.
        limit = Limit(tolerance=0.0)
    dtype = SINGLE.get(expected.dtype, expected.dtype) if limit.single else expected.dtype
    wrong = {side: mismatches(value, expected, dtype) for side, value in sides.items()}
    reasons = [f"{side} {sentence}" for side, sentences in wrong.items() for sentence in sentences]
    guilty = [side for side, sentences in wrong.items() if sentences]
    comparable = {
        side: value.astype(expected.dtype, copy=False)
        for side, value in sides.items()
        if value is not None and value.shape == expected.shape and value.dtype == dtype
    }
    figures = {side: _distance(value, expected) for side, value in comparable.items()}
    for one, other in combinations(comparable, 2):
        figures["between"] = _distance(comparable[one], comparable[other])
    allowed = limit.tolerance if limit.gated else None
    if allowed is not None:
        for side in comparable:
            if figures[side] > allowed:
                guilty += [side] if side not in guilty else []
                reasons.append(f"{side} is {readable(figures[side])} from the oracle; allowed {readable(allowed)}")
        if figures.get("between", 0.0) > allowed and not guilty:
            between = readable(figures["between"])
            reasons.append(f"the backends are {between} from each other; allowed {readable(allowed)}")
            guilty = [max(comparable, key=figures.__getitem__)]
    unbalanced = _unbalanced(figures, comparable, limit) if allowed is not None and not guilty else []
    if unbalanced:
        reasons += unbalanced
        guilty = [max(comparable, key=figures.__getitem__)]
    result = Result.FAIL if reasons else Result.PASS
    if not reasons and not limit.gated:
        result, reasons = Result.NOT_GATED, ["not judged: rounding alone parts correct backends here"]
    elif not reasons and allowed is None:
        result, reasons = Result.UNVERIFIED, ["it has no floor to be judged by; `harness parity calibrate` measures it"]
    worst, differing = _worst(tensor, comparable, expected, guilty, allowed)
    return Judgement(
        tensor=tensor,
        result=result,
        reasons=tuple(reasons),
        figures=figures,
        tolerance=allowed,
        guilty=tuple(guilty),
        shared=_is_shared(guilty, comparable, figures),
        worst=worst,
        differing=differing,
        beyond_tolerance=any(wrong.values()) or bool(unbalanced),
        floor=limit.floor,
    )


def _unbalanced(figures: Mapping[str, float], sides: Mapping[str, Array], limit: Limit) -> list[str]:
    """Whether one side, inside the tolerance, errs much more than the other: one of them computes otherwise."""
    if limit.ratio is None or limit.floor is None or len(sides) < 2:
        return []
    # One floor at least: below it, errors are chance, and so is their ratio.
    errors = sorted((max(figures[side], limit.floor), side) for side in sides)
    (least, better), (largest, worse) = errors[0], errors[-1]
    if in_units(largest, least) <= limit.ratio or largest == least:
        return []
    return [f"{worse} errs {in_units(largest, least):.1f} times as much as {better}; allowed {limit.ratio:g}"]


def _is_shared(guilty: list[str], sides: Mapping[str, Array], figures: Mapping[str, float]) -> bool:
    """Whether all sides are at fault and, by D, much closer to each other than to the oracle."""
    if len(guilty) < 2 or set(guilty) != set(sides):
        return False
    return figures.get("between", math.inf) <= SHARED * min(figures[side] for side in sides)


def judge_exact(tensor: str, sides: Mapping[str, Any], expected: Mapping[str, Any]) -> Judgement:
    """
    Judge a plain value, which must equal the oracle's; a side without it fails, and so does one that alone has it.

    Args:
        tensor: `RUNG/NAME`.
        sides: value by side, a side without it left out.
        expected: the oracle's value by side, a side of which it is not expected left out.
    """
    names = sorted({*sides, *expected})
    guilty = [side for side in names if side not in sides or side not in expected or sides[side] != expected[side]]
    reasons = [
        f"{side} has {sides[side]!r} where nothing is expected"
        if side not in expected
        else f"{side} has {sides.get(side, 'nothing')!r}, expected {expected[side]!r}"
        for side in guilty
    ]
    return Judgement(
        tensor=tensor,
        result=Result.FAIL if guilty else Result.PASS,
        reasons=tuple(reasons),
        guilty=tuple(guilty),
        shared=len(guilty) > 1 and all(side in sides and sides[side] == sides[guilty[0]] for side in guilty),
        worst=_unequal(tensor, sides, expected, guilty),
        beyond_tolerance=bool(guilty),
    )


def _unequal(
    tensor: str, sides: Mapping[str, Any], expected: Mapping[str, Any], guilty: Sequence[str]
) -> tuple[Element, ...]:
    """The entries of a list that differ; none where the values are not lists of one length."""
    chosen = next((side for side in guilty if side in sides and side in expected), None)
    if chosen is None or not all(isinstance(value, list) for value in (*sides.values(), *expected.values())):
        return ()
    wanted = expected[chosen]
    if len(wanted) < 2 or {len(value) for value in sides.values()} != {len(wanted)}:
        return ()
    parties = {**sides, "oracle": wanted}
    return tuple(
        Element(
            index=(k,), values={party: repr(value[k]) for party, value in parties.items()}, name=label(tensor, (k,))
        )
        for k in range(len(wanted))
        if sides[chosen][k] != wanted[k]
    )[:FEW]


def _without_oracle(tensor: str, sides: Mapping[str, Array | None], limit: Limit) -> Judgement:
    having = tuple(side for side, value in sides.items() if value is not None)
    return Judgement(
        tensor=tensor,
        result=Result.FAIL,
        reasons=(f"{' and '.join(having)} gave a tensor that the oracle does not know",),
        tolerance=limit.tolerance,
        guilty=having,
        beyond_tolerance=True,
    )


def _distance(actual: Array, expected: Array) -> float:
    """D over the elements that are finite on both sides; the masks have been compared already."""
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(actual) & np.isfinite(expected)
        return distance(actual[finite], expected[finite]) if finite.any() else (0.0 if finite.size == 0 else math.inf)


def _worst(
    tensor: str, sides: Mapping[str, Array], expected: Array, guilty: list[str], tolerance: float | None
) -> tuple[tuple[Element, ...], int | None]:
    """The elements where a side at fault differs from the oracle, and how many there are."""
    chosen = next((sides[side] for side in guilty if side in sides), None)
    if chosen is None or chosen.size == 0:
        return (), None
    gaps = gap(chosen, expected)
    differing = apart(gaps, expected, tolerance)
    return listed(tensor, {**sides, "oracle": expected}, gaps, differing), int(np.sum(differing))


def stray(tensor: str, sides: Sequence[str]) -> Judgement:
    """An answer to no question is a failure: its name is wrong, or an unneeded question was asked."""
    return Judgement(
        tensor=tensor,
        result=Result.FAIL,
        reasons=(f"{' and '.join(sides)} gave an answer that nobody asked for",),
        guilty=tuple(sides),
        beyond_tolerance=True,
    )
