"""
Known defects of an answer, as changes of arrays and plain values: what the self-check plants, and nothing else.

Each is one that a comparator of some project lets pass: NaN on both sides, a tensor that nobody compares because it is
missing, a mean that hides an element, an absolute floor that hides small numbers, a forgiven phase.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LIMITS: Mapping[str, float] = {"R3": 1e-12, "R4": 1e-11, "R5": 1e-12, "R6": 1e-11, "R7": 1e-14, "R8": 1e-9}
NAMED_LIMITS: Mapping[str, float] = {"R8/workflow.": 1e-7}
"""What the rungs may allow in float64, written down a second time: whoever raises one must say so twice."""

ABOVE, BELOW = 3.0, 1 / 3
"""Multiples of a limit that must fail and must pass."""


def limit_of(tensor: str) -> float:
    """Return what a tensor must be allowed, as it is typed out above and not as the ladder has it."""
    own = (limit for begin, limit in NAMED_LIMITS.items() if tensor.startswith(begin))
    return next(own, LIMITS[tensor.partition("/")[0]])


@dataclass(frozen=True, kw_only=True)
class Defect:
    """
    Fault that is planted in one tensor.

    Attributes:
        name: in words, to follow `a tensor with …`.
        plant: the tensor that is given instead, None where it is missing.
        fits: whether a tensor can have it.
        of_values: whether it is a matter of size, which only a rung with a limit judges.
    """

    name: str
    plant: Callable[[Array], Array | None]
    fits: Callable[[Array], bool] = lambda _array: True
    of_values: bool = True


def with_element(array: Array, value: complex) -> Array:
    """A copy whose largest element is another."""
    changed = array.copy()
    changed.flat[int(np.argmax(np.abs(changed)))] = value
    return changed


def moved(array: Array, relative: float) -> Array:
    """A copy with one element moved so that D is `relative`."""
    changed = array.copy()
    at = int(np.argmin(np.abs(changed)))
    changed.flat[at] += relative * float(np.linalg.norm(array.ravel()))
    return changed


def _turned(array: Array) -> Array:
    return np.ascontiguousarray(np.swapaxes(array, -1, -2))


def _has_square_face(array: Array) -> bool:
    return array.ndim >= 2 and array.shape[-1] == array.shape[-2] and not np.array_equal(_turned(array), array)


def _can_roll(array: Array) -> bool:
    return array.ndim >= 1 and not np.array_equal(_rolled(array), array)


def _rolled(array: Array) -> Array:
    return np.roll(array, 1, axis=1 if array.ndim > 1 and array.shape[1] > 1 else -1)


def _single(array: Array) -> Array:
    return array.astype(np.complex64 if np.iscomplexobj(array) else np.float32)


def _is_complex(array: Array) -> bool:
    return np.iscomplexobj(array) and bool(np.any(array.imag))


DEFECTS = (
    Defect(name="one NaN", plant=lambda a: with_element(a, np.nan), of_values=False),
    Defect(name="one infinity", plant=lambda a: with_element(a, np.inf), of_values=False),
    Defect(name="nothing in it: missing", plant=lambda _a: None, of_values=False),
    Defect(
        name="another shape", plant=lambda a: a[..., :-1], fits=lambda a: a.ndim > 0 and a.size > 1, of_values=False
    ),
    Defect(name="float32 as its type", plant=_single, of_values=False),
    Defect(name="a factor of 1.001", plant=lambda a: a * 1.001),
    Defect(name="the other sign", plant=np.negative),
    Defect(name="zeros", plant=np.zeros_like),
    Defect(name="one element moved", plant=lambda a: moved(a, 1e-6)),
    Defect(name="channels or columns rolled", plant=_rolled, fits=_can_roll),
    Defect(name="its last axes swapped", plant=_turned, fits=_has_square_face),
    Defect(name="conjugated values", plant=np.conj, fits=_is_complex),
    Defect(name="another global phase", plant=lambda a: a * np.exp(1e-3j), fits=_is_complex),
)


def drifted(value: Any) -> Any:
    """A plain value that is nearly the given one, and not equal to it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return float(np.nextafter(value, np.inf)) if isinstance(value, float) else value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if not value.endswith("0") else "1")
    if isinstance(value, list):
        return [*value[:-1], drifted(value[-1])] if value else [0]
    return 0 if value is None else None
