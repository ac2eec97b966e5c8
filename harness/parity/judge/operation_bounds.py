"""
Judgement of single operations (R2): each answer against what it must be, in units of its own bound.

No figure here is relative to a whole tensor: an error is divided by what rounding may do to that very element, so that
one wrong pixel in a corner is as visible as a wrong constant.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.comparison import Array, Judgement, Result, stray
from harness.parity.compare.elements import Element, gap, listed
from harness.parity.compare.number_format import readable
from harness.parity.reference.formulas import wide
from harness.parity.reference.operations import Expectation


def judge(expectations: Mapping[str, Expectation], answers: Mapping[str, Mapping[str, Array]]) -> list[Judgement]:
    """
    Judge every operation of every side.

    Args:
        expectations: from `expected`.
        answers: arrays by side and name; names of other rungs are ignored.
    """
    strays: dict[str, list[str]] = {}
    for side, arrays in answers.items():
        for name in arrays:
            if name.startswith("R2/") and name not in expectations:
                strays.setdefault(name, []).append(side)
    return [
        *(judge_one(n, {s: a.get(n) for s, a in answers.items()}, wanted) for n, wanted in expectations.items()),
        *(stray(name, sides) for name, sides in strays.items()),
    ]


def judge_one(tensor: str, sides: Mapping[str, Array | None], expectation: Expectation) -> Judgement:
    """
    Judge one operation.

    Args:
        tensor: `R2/NAME`.
        sides: what each backend gave, None where it gave nothing.
        expectation: what it must be.
    """
    figures: dict[str, float] = {}
    reasons: list[str] = []
    guilty: list[str] = []
    beyond = False
    for side, value in sides.items():
        wrong = misfit(value, expectation.value.shape, expectation.dtype)
        if value is None or wrong:
            reasons.append(f"{side} {wrong}")
            beyond = True
        else:
            figures[side] = _figure(value, expectation)
            if figures[side] <= expectation.limit:
                continue
            reasons.append(f"{side} is {_off(figures[side], expectation)}")
        guilty.append(side)
    worst, differing = _worst(tensor, sides, guilty[0], expectation) if guilty else ((), None)
    return Judgement(
        tensor=tensor,
        result=Result.FAIL if reasons else Result.PASS,
        reasons=tuple(reasons),
        figures=figures,
        tolerance=expectation.limit,
        guilty=tuple(guilty),
        worst=worst,
        differing=differing,
        beyond_tolerance=beyond,
    )


def misfit(value: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Return what makes an answer incomparable, or nothing."""
    if value is None:
        return "is missing"
    if value.shape != shape:
        return f"has shape {value.shape}, expected {shape}"
    if value.dtype != dtype:
        return f"has type {value.dtype}, expected {dtype}"
    broken = int(np.sum(~np.isfinite(value)))
    return f"has {broken} value(s) that are NaN or infinite" if broken else ""


def _off(figure: float, expectation: Expectation) -> str:
    """Return how far an answer is from the formula, and the limit."""
    if expectation.limit == 0:
        share = f"by up to {readable(figure)} times the largest value"
        return f"off {share} from the formula; allowed 0: {expectation.reason}"
    if not math.isfinite(figure):
        return f"not zero where the formula is, which no rounding explains: {expectation.reason}"
    units = f"{readable(figure)} rounding units from the formula"
    return f"{units}; allowed {readable(expectation.limit)}: {expectation.reason}"


def _errors(value: Array, expectation: Expectation) -> NDArray[np.float64]:
    """|error| / scale of each element: for a norm, of its share; where both are zero, 0."""
    error = np.abs(wide(value) - expectation.value)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(error == 0, 0, error / expectation.scale)
    return np.asarray(share, dtype=np.float64)


def _figure(value: Array, expectation: Expectation) -> float:
    errors = _errors(value, expectation).ravel()
    return float(np.max(errors, initial=0.0) if expectation.norm is None else np.linalg.norm(errors, expectation.norm))


def _worst(
    tensor: str, sides: Mapping[str, Array | None], side: str, expectation: Expectation
) -> tuple[tuple[Element, ...], int | None]:
    """The elements that are beyond their bound, the largest difference first, and how many there are."""
    value = sides[side]
    if value is None or value.shape != expectation.value.shape:
        return (), None
    expected = np.asarray(expectation.value).astype(np.complex128 if np.iscomplexobj(expectation.value) else np.float64)
    gaps = gap(value, expected)
    errors = np.nan_to_num(_errors(value, expectation), nan=math.inf)
    beyond = errors > (expectation.limit if expectation.norm is None else 0.0)
    differing = (beyond if np.any(beyond) else gaps > 0) | np.isinf(gaps)
    given = {name: array for name, array in sides.items() if array is not None and array.shape == expected.shape}
    return listed(tensor, {**given, "formula": expected}, gaps, differing, _said), int(np.sum(differing))


def _said(value: Any) -> str:
    return f"{complex(value):.17g}" if np.iscomplexobj(value) else f"{float(value):.17g}"
