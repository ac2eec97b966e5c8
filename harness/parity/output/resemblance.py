"""
Names what a wrong tensor resembles: the expected one with its sign changed, conjugated, turned, shifted, scaled.

A relation is named only if it explains the whole tensor to nearly its tolerance, and a thousand times better than the
expected tensor itself does. The table is read from the top, from the special to the general.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.comparison import Array, distance
from harness.parity.output.factor import simple, spoken

SLACK = 32.0
"""How much further than its tolerance a tensor may be from what explains it: the fault's own rounding."""

BETTER = 1e3
FEW = 4
"""Fewer elements than these have every relation to each other."""

_LONGEST_AXIS = 64


@dataclass(frozen=True, kw_only=True)
class Relation:
    """
    One relation.

    Attributes:
        name: name of the relation, for tests and tables.
        candidates: sentence and what the tensor would have to be, from actual and expected.
    """

    name: str
    candidates: Callable[[Array, Array, tuple[str, ...]], Iterator[tuple[str, Array]]]


def explain(actual: Array, expected: Array, tolerance: float, axes: tuple[str, ...]) -> str:
    """
    Name the relation of a wrong tensor to the expected one.

    Args:
        actual: what a side gave.
        expected: what it should be.
        tolerance: largest D that passes.
        axes: names of the axes, as many as `expected` has.

    Returns:
        What `actual` is, to be read after "is"; empty where no relation explains it.
    """
    if actual.dtype.kind not in "fc" or expected.dtype.kind not in "fc" or expected.size == 0:
        return ""
    if not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return ""
    near = SLACK * max(tolerance, 1e-13)
    before = distance(actual, expected) if actual.shape == expected.shape else math.inf
    if before <= near:
        return ""
    relations = RELATIONS if expected.size >= FEW else _OF_FEW
    for relation in relations:
        for sentence, candidate in relation.candidates(actual, expected, axes):
            if candidate.shape == actual.shape and distance(actual, candidate) <= min(near, before / BETTER):
                return sentence
    return ""


Candidates = Iterator[tuple[str, Array]]
Axes = tuple[str, ...]


def _zero(_actual: Array, expected: Array, _axes: Axes) -> Candidates:
    yield "zero everywhere", np.zeros_like(expected)


def _sign(_actual: Array, expected: Array, _axes: Axes) -> Candidates:
    yield "−1 × what is expected", -expected


def _conjugate(_actual: Array, expected: Array, _axes: Axes) -> Candidates:
    if np.iscomplexobj(expected):
        yield "the complex conjugate of what is expected", expected.conj()
        yield "−1 × the complex conjugate of what is expected", -expected.conj()
        yield "what is expected with real and imaginary part exchanged", expected.imag + 1j * expected.real


def _transposed(actual: Array, expected: Array, axes: Axes) -> Candidates:
    for order in permutations(range(expected.ndim)):
        if order != tuple(range(expected.ndim)) and expected.ndim <= len(axes):
            turned = expected.transpose(order)
            if turned.shape == actual.shape:
                names = ", ".join(axes[k] for k in order)
                yield f"what is expected, transposed: its axes in the order ({names})", turned


def _mirrored(_actual: Array, expected: Array, axes: Axes) -> Candidates:
    for axis in range(expected.ndim):
        yield f"what is expected, mirrored along {axes[axis]}", np.flip(expected, axis)


def _turned(_actual: Array, expected: Array, axes: Axes) -> Candidates:
    if expected.ndim >= 2:
        turned = expected[..., ::-1, ::-1]
        yield "what is expected, rotated by 180°", turned
        both = f"{axes[-2]} and {axes[-1]}"
        yield f"what is expected, mirrored along {both} about pixel N/2", np.roll(turned, (1, 1), axis=(-2, -1))
        if expected.shape[-1] == expected.shape[-2]:
            for quarter, angle in ((1, "90°"), (3, "−90°")):
                yield f"what is expected, rotated by {angle}", np.rot90(expected, quarter, axes=(-2, -1))


def _shifted(_actual: Array, expected: Array, axes: Axes) -> Candidates:
    for axis, length in enumerate(expected.shape):
        for step in (1, -1, 2, -2):
            if length > abs(step):
                yield f"what is expected, shifted by {step:+d} along {axes[axis]}", np.roll(expected, step, axis)
        if length > 4:
            for step in {length // 2, -(length // 2)}:
                yield f"what is expected, shifted by half its length along {axes[axis]}", np.roll(expected, step, axis)
    if expected.ndim >= 2:
        half = tuple(n // 2 for n in expected.shape[-2:])
        sentence = f"what is expected, shifted by half its length along {axes[-2]} and {axes[-1]} (an fftshift)"
        for sign in (1, -1):
            yield sentence, np.roll(expected, tuple(sign * n for n in half), axis=(-2, -1))


def _moved_on(actual: Array, expected: Array, axes: Axes) -> Candidates:
    """Shifted without wrapping around: what is left over is zero."""
    for axis, length in enumerate(expected.shape):
        for step in (1, -1):
            if length > 2:
                moved = np.roll(expected, step, axis)
                end = [slice(None)] * expected.ndim
                end[axis] = slice(0, 1) if step > 0 else slice(-1, None)
                moved[tuple(end)] = actual[tuple(end)] if actual.shape == expected.shape else 0
                yield f"what is expected, shifted by {step:+d} along {axes[axis]}, but for its edge", moved


def _power(_actual: Array, expected: Array, _axes: Axes) -> Candidates:
    yield "the square of what is expected (a root left out, or squared twice)", expected**2
    if not np.iscomplexobj(expected) and np.all(expected >= 0):
        yield "the root of what is expected (a square left out)", np.sqrt(expected)


def _part(actual: Array, expected: Array, _axes: Axes) -> Candidates:
    if np.iscomplexobj(expected):
        yield "the real part alone of what is expected", expected.real.astype(actual.dtype)
        yield "the imaginary part alone of what is expected", 1j * expected.imag
        yield "the modulus of what is expected", np.abs(expected).astype(actual.dtype)
        return
    yield "the absolute value of what is expected", np.abs(expected)
    yield "what is expected with negative values set to zero", np.maximum(expected, 0)
    if actual.shape == expected.shape and np.any(expected == 0) and np.all(expected >= 0):
        yield "what is expected but for negative values, which should be zero", np.where(actual < 0, actual, expected)


def _factor(actual: Array, expected: Array, _axes: Axes) -> Candidates:
    factor = _fitted(actual, expected)
    if factor is None:
        return
    if np.iscomplexobj(expected) and abs(complex(factor).imag) > 1e-9 * abs(factor):
        modulus, angle = abs(factor), math.atan2(complex(factor).imag, complex(factor).real)
        turn = f"a global phase of {angle:.4g} rad"
        yield (
            (
                f"{turn} times what is expected"
                if abs(modulus - 1) < 1e-9
                else f"{turn} and a factor of {modulus:.6g} times what is expected"
            ),
            factor * expected,
        )
        return
    yield f"{spoken(complex(factor).real)} × what is expected", complex(factor).real * expected


def _simple_factor(actual: Array, expected: Array, _axes: Axes) -> Candidates:
    """Of a single number only a factor that has a short name, since some factor always fits."""
    factor = _fitted(actual, expected)
    if factor is not None and simple(complex(factor).real):
        yield f"{spoken(complex(factor).real)} × what is expected", complex(factor).real * expected


def _fitted(actual: Array, expected: Array) -> Any:
    """The factor that brings `expected` nearest to `actual`."""
    size = np.vdot(expected, expected).real
    if actual.shape != expected.shape or size == 0:
        return None
    factor = np.vdot(expected, actual) / size
    return factor if np.isfinite(factor) and factor != 0 else None


def _offset(actual: Array, expected: Array, _axes: Axes) -> Candidates:
    if actual.shape == expected.shape:
        offset = np.mean(actual - expected)
        shown = f"{offset:.6g}"
        yield f"what is expected plus {shown}", expected + offset


def _permuted(actual: Array, expected: Array, axes: Axes) -> Candidates:
    if actual.shape != expected.shape:
        return
    for axis, length in enumerate(expected.shape):
        if not 2 <= length <= _LONGEST_AXIS or expected.size == length:
            continue
        given, wanted = (np.moveaxis(a, axis, 0).reshape(length, -1) for a in (actual, expected))
        order = [int(np.argmin(np.linalg.norm(wanted - row, axis=1))) for row in given]
        if sorted(order) == list(range(length)) and order != list(range(length)):
            moved = [k for k in range(length) if order[k] != k]
            says = (
                f"{axes[axis]} {moved[0]} and {moved[1]} exchanged"
                if len(moved) == 2
                else f"{axes[axis]} in the order {order}"
            )
            yield f"what is expected with {says}", np.take(expected, order, axis)


def _rounded(actual: Array, expected: Array, _axes: Axes) -> Candidates:
    """A tensor whose every value is one of a narrower type."""
    if actual.shape != expected.shape:
        return
    error = distance(actual, expected)
    for name, unit, kept in (("bfloat16", 2.0**-8, 7), ("float16", 2.0**-11, 10), ("float32", 2.0**-24, 23)):
        if error <= 4 * unit and _has_bits(actual, kept) and not _has_bits(expected, kept):
            yield f"what is expected, rounded to {name}", actual
            return


def _has_bits(array: Array, kept: int) -> bool:
    """Whether no significand is longer than some bits after its first."""
    parts = np.stack([array.real, array.imag]) if np.iscomplexobj(array) else array
    significand: NDArray[np.float64] = np.frexp(parts.astype(np.float64))[0] * 2.0 ** (kept + 1)
    return bool(np.all(significand == np.rint(significand)))


RELATIONS = (
    Relation(name="zero", candidates=_zero),
    Relation(name="sign", candidates=_sign),
    Relation(name="conjugate", candidates=_conjugate),
    Relation(name="part", candidates=_part),
    Relation(name="transposed", candidates=_transposed),
    Relation(name="mirrored", candidates=_mirrored),
    Relation(name="turned", candidates=_turned),
    Relation(name="shifted", candidates=_shifted),
    Relation(name="moved on", candidates=_moved_on),
    Relation(name="power", candidates=_power),
    Relation(name="factor", candidates=_factor),
    Relation(name="offset", candidates=_offset),
    Relation(name="permuted", candidates=_permuted),
    Relation(name="rounded", candidates=_rounded),
)

_OF_FEW = tuple(
    Relation(name=name, candidates=function)
    for name, function in (("zero", _zero), ("sign", _sign), ("power", _power), ("factor", _simple_factor))
)
