"""A law as a value: which answers it needs, and how far they are from fulfilling it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.parity.compare.comparison import Array, distance
from harness.parity.reference.formulas import Wide, wide

Given = Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Law:
    """
    One law.

    Attributes:
        name: name of the judgement.
        says: the law in words.
        needs: names of the answers that it is about.
        residual: how far they are from it; infinite where they cannot fulfil it at all.
        limit: largest residual that passes (≤); 0 where something is counted.
        pair: two things that must be the same, what was made and what it must be; None for another kind of law.
    """

    name: str
    says: str
    needs: tuple[str, ...]
    residual: Callable[[Given], float]
    limit: float
    pair: Callable[[Given], tuple[Array, Array]] | None = None


def agree(
    name: str, says: str, needs: tuple[str, ...], pair: Callable[[Given], tuple[Array, Array]], limit: float
) -> Law:
    """A law by which two things made of the answers are the same: its residual is D = ‖a − b‖ / ‖b‖."""

    def residual(arrays: Given) -> float:
        one, other = pair(arrays)
        if one.shape != other.shape:
            raise ValueError(f"shape {one.shape}, expected {other.shape}")
        return distance(one, other)

    return Law(name=name, says=says, needs=needs, residual=residual, limit=limit, pair=pair)


def law_of(
    name: str, says: str, needs: tuple[str, ...], actual: Callable[[Given], Array], expected: Wide | Any, limit: float
) -> Law:
    """A law by which something made of the answers has a known value, also in the widest type; single is refused."""
    value = wide(expected)

    def residual(arrays: Given) -> float:
        given = actual(arrays)
        if given.shape != value.shape:
            raise ValueError(f"shape {given.shape}, expected {value.shape}")
        if limit < 2.0**-24 and given.dtype in (np.float32, np.complex64):
            raise TypeError(f"type {given.dtype}, expected double precision")
        return distance(wide(given), value)

    def pair(arrays: Given) -> tuple[Array, Array]:
        return actual(arrays), value

    return Law(name=name, says=says, needs=needs, residual=residual, limit=limit, pair=pair)


def counted(name: str, says: str, needs: tuple[str, ...], violations: Callable[[Given], float]) -> Law:
    """A law whose violations are counted: none passes."""
    return Law(name=name, says=says, needs=needs, residual=violations, limit=0.0)
