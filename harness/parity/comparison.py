"""
One tensor of the backends against the oracle and against each other.

Exact checks come first: presence, shape, type, and where NaN and the infinities are. NaN at the same place on both
sides is no agreement unless the oracle has it too. Then D = ‖a − b‖₂ / ‖b‖₂ of the whole tensor, complex as it is: no
means over tensors, no absolute floor, no forgiven phase.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

WORST = 3
"""Elements that are listed of a tensor that fails."""


class Result(StrEnum):
    """How a comparison came out. Only `PASS` is a pass."""

    PASS = "pass"  # noqa: S105  # not a password
    FAIL = "fail"
    UNVERIFIED = "unverified"
    KNOWN_FAILURE = "known failure"


@dataclass(frozen=True, kw_only=True)
class Element:
    """One element: where, and what each party has there."""

    index: tuple[int, ...]
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    What became of one comparison.

    Attributes:
        tensor: `RUNG/NAME`.
        result: its outcome.
        reasons: what is wrong, one sentence each.
        figures: D of each side to the oracle, by side, and `between` the two.
        tolerance: largest D that passes; None where values must be equal.
        guilty: sides that are at fault, by the oracle.
        worst: elements that differ most.
        beyond_tolerance: whether an exact check failed, so that no tolerance would pass.
    """

    tensor: str
    result: Result
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    guilty: tuple[str, ...] = ()
    worst: tuple[Element, ...] = ()
    beyond_tolerance: bool = False

    @property
    def minimum_tolerance(self) -> float | None:
        """The tolerance at which this would pass; None if there is none."""
        if self.beyond_tolerance or not self.figures:
            return None
        largest = max(self.figures.values())
        return largest if math.isfinite(largest) else None


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


def mismatches(actual: Array | None, expected: Array) -> list[str]:
    """The exact checks, in the order in which they make the later ones pointless."""
    if actual is None:
        return ["is missing"]
    if actual.shape != expected.shape:
        return [f"has shape {actual.shape}, expected {expected.shape}"]
    if actual.dtype != expected.dtype:
        return [f"has type {actual.dtype}, expected {expected.dtype}"]
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


def judge(tensor: str, sides: Mapping[str, Array | None], expected: Array | None, tolerance: float) -> Judgement:
    """
    Judge one tensor.

    Args:
        tensor: `RUNG/NAME`.
        sides: what each backend gave, None where it gave nothing.
        expected: the oracle's, None where it has none.
        tolerance: largest D that passes.
    """
    if expected is None:
        return _without_oracle(tensor, sides, tolerance)
    wrong = {side: mismatches(value, expected) for side, value in sides.items()}
    reasons = [f"{side} {sentence}" for side, sentences in wrong.items() for sentence in sentences]
    comparable = {
        side: value
        for side, value in sides.items()
        if value is not None and value.shape == expected.shape and value.dtype == expected.dtype
    }
    figures = {side: _distance(value, expected) for side, value in comparable.items()}
    for one, other in combinations(comparable, 2):
        figures["between"] = _distance(comparable[one], comparable[other])
    guilty = [side for side, sentences in wrong.items() if sentences]
    for side, value in comparable.items():
        if figures[side] > tolerance:
            guilty += [side] if side not in guilty else []
            reasons.append(f"{side} is {figures[side]:.2e} from the oracle; allowed {tolerance:.0e}")
            reasons += _transposed(side, value, expected, tolerance)
    if figures.get("between", 0.0) > tolerance and not guilty:
        reasons.append(f"the backends are {figures['between']:.2e} from each other; allowed {tolerance:.0e}")
        guilty = [max(comparable, key=figures.__getitem__)]
    return Judgement(
        tensor=tensor,
        result=Result.FAIL if reasons else Result.PASS,
        reasons=tuple(reasons),
        figures=figures,
        tolerance=tolerance,
        guilty=tuple(guilty),
        worst=_worst(comparable, expected, guilty) if reasons else (),
        beyond_tolerance=any(wrong.values()),
    )


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
        beyond_tolerance=bool(guilty),
    )


def _without_oracle(tensor: str, sides: Mapping[str, Array | None], tolerance: float) -> Judgement:
    having = tuple(side for side, value in sides.items() if value is not None)
    return Judgement(
        tensor=tensor,
        result=Result.FAIL,
        reasons=(f"{' and '.join(having)} gave a tensor that the oracle does not know",),
        tolerance=tolerance,
        guilty=having,
        beyond_tolerance=True,
    )


def _distance(actual: Array, expected: Array) -> float:
    """D over the elements that are finite on both sides; the masks have been compared already."""
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(actual) & np.isfinite(expected)
        return distance(actual[finite], expected[finite]) if finite.any() else (0.0 if finite.size == 0 else math.inf)


def _transposed(side: str, actual: Array, expected: Array, tolerance: float) -> list[str]:
    """What a tensor of fitting shape is, if it is the expected one with its axes in another order."""
    for axes in permutations(range(actual.ndim)):
        turned = actual.transpose(axes)
        fits = axes != tuple(range(actual.ndim)) and turned.shape == expected.shape
        if fits and _distance(turned, expected) <= tolerance:
            return [f"{side} is the oracle's tensor with its axes in the order {axes}"]
    return []


def _worst(sides: Mapping[str, Array], expected: Array, guilty: list[str]) -> tuple[Element, ...]:
    """The elements where a guilty side is furthest from the oracle."""
    chosen = next((sides[side] for side in guilty if side in sides), None)
    if chosen is None or chosen.size == 0:
        return ()
    with np.errstate(invalid="ignore"):
        gap = np.nan_to_num(np.abs(chosen - expected), nan=math.inf).ravel()
    listed = []
    for flat in np.argsort(gap, kind="stable")[::-1][:WORST]:
        index = tuple(int(k) for k in np.unravel_index(int(flat), expected.shape))
        values = {side: f"{value[index]:.17g}" for side, value in sides.items()}
        listed.append(Element(index=index, values={**values, "oracle": f"{expected[index]:.17g}"}))
    return tuple(listed)
