"""
Change points of a series by E-divisive (Matteson & James, J. Am. Stat. Assoc. 109, 2014): energy statistics, permuted.

The divergence of two samples is 2 E|X − Y| − E|X − X'| − E|Y − Y'|, which is 0 only where both have the same
distribution. The split with the largest scaled divergence is a change point if a permutation of the values within
their segments hardly ever has one as large; then both halves are searched. Nothing is assumed of the distribution, so
that a night with a wild value costs power and makes no change.

As in the paper, the second part of a split may end before its segment does: a step up and one down again hide each
other from a search that only compares all that is before a place with all that is after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LEAST = 5
"""Values on either side of a change: a change is believed after five nights, never after one."""

ALPHA = 0.002
"""
Significance of a change. Every night asks again: of 365 nights without a change, 0.7 are expected to say that there is
one, and those that follow each other are one alarm.
"""

PERMUTATIONS = round(1 / ALPHA) - 1
"""As few as can reach `ALPHA`; then a single permutation that does as well as the data ends the search."""

SEED = 20140108

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ChangeSplit:
    """
    The best place to divide a segment.

    Attributes:
        at: number of the first value after it.
        statistic: scaled divergence of what is before and after.
        p: share of permutations that reach the statistic; the search for more ends where it is above the significance.
    """

    at: int
    statistic: float
    p: float


@dataclass(frozen=True, kw_only=True)
class DividedSeries:
    """
    A series that was searched.

    Attributes:
        changes: the significant splits, in the order of the series.
        candidate: the best split that was not significant, or None if every segment is too short.
    """

    changes: tuple[ChangeSplit, ...]
    candidate: ChangeSplit | None


def divergences(values: Values, *, least: int = LEAST) -> Values:
    """
    The scaled divergence of two parts that follow each other, for every place between them and every end of the second.

    Args:
        values: the segment, at least twice `least`.
        least: values of the shorter part.

    Returns:
        One row for each place from `least` to the length less `least`, one column for each end from twice `least` to
        the length; −∞ where the second part would be too short.
    """
    return _divergences(np.abs(values[:, None] - values[None, :]), _pairs(len(values), least))


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Places and ends of a segment of one length, and what divides the sums over its pairs."""

    place: NDArray[np.intp]
    end: NDArray[np.intp]
    enough: NDArray[np.bool_]
    scale: Values
    first: Values
    second: Values
    between: Values


def _pairs(count: int, least: int) -> _Pairs:
    place, end = np.arange(least, count - least + 1), np.arange(2 * least, count + 1)
    left = place[:, None].astype(np.float64)
    right = np.maximum(end[None, :] - left, 1.0)
    return _Pairs(
        place=place,
        end=end,
        enough=end[None, :] - left >= least,
        scale=left * right / (left + right),
        first=1 / (left * np.maximum(left - 1, 1)),
        second=1 / (right * np.maximum(right - 1, 1)),
        between=2 / (left * right),
    )


def _divergences(apart: Values, pairs: _Pairs) -> Values:
    sums = np.cumsum(np.cumsum(apart, axis=0), axis=1)
    corner = np.diagonal(sums)
    # Sums over ordered pairs: within the first part, between the parts, within the second.
    within = corner[pairs.place - 1][:, None]
    both = sums[np.ix_(pairs.place - 1, pairs.end - 1)]
    after = corner[pairs.end - 1][None, :] - 2 * both + within
    found = pairs.between * (both - within) - pairs.first * within - pairs.second * after
    return np.asarray(np.where(pairs.enough, pairs.scale * found, -np.inf), np.float64)


def divide(
    series: Sequence[float] | Values,
    *,
    alpha: float = ALPHA,
    permutations: int = PERMUTATIONS,
    least: int = LEAST,
    seed: int = SEED,
) -> DividedSeries:
    """
    Find the change points of a series.

    The same series has the same change points: the permutations are drawn from a seed.

    Args:
        series: finite numbers, oldest first.
        alpha: significance.
        permutations: how many; fewer than 1 / alpha − 1 can never be significant.
        least: values on either side of a change.
        seed: of the permutations.

    Raises:
        ValueError: a number that is not finite, or parameters with which nothing can be significant.
    """
    values = np.asarray(series, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a series holds a number that is not finite: leave it out first")
    if least < 2 or permutations < 1 / alpha - 1 - 1e-6:
        raise ValueError(
            f"least {least}, {permutations} permutations; allowed: 2, and 1 / alpha - 1 = {1 / alpha - 1:g}"
        )
    draw = np.random.default_rng(seed)
    edges, changes = [0, len(values)], list[ChangeSplit]()
    while True:
        segments = [values[start:end] for start, end in pairwise(edges)]
        found = _best(segments, least)
        if found is None:
            return DividedSeries(changes=_ordered(changes), candidate=None)
        number, place, statistic = found
        p = _p(segments, statistic, least, alpha, permutations, draw)
        split = ChangeSplit(at=edges[number] + place, statistic=statistic, p=p)
        if p > alpha:
            return DividedSeries(changes=_ordered(changes), candidate=split)
        changes.append(split)
        edges = sorted({*edges, split.at})


def _ordered(changes: list[ChangeSplit]) -> tuple[ChangeSplit, ...]:
    return tuple(sorted(changes, key=lambda split: split.at))


def _best(segments: Sequence[Values], least: int) -> tuple[int, int, float] | None:
    """The segment to divide, the place in it, and the statistic; None if all are too short or of one value."""
    best: tuple[int, int, float] | None = None
    for number, segment in enumerate(segments):
        if len(segment) < 2 * least or segment.min() == segment.max():
            continue
        found = divergences(segment, least=least)
        place = int(np.argmax(found.max(axis=1)))
        largest = float(found[place].max())
        if best is None or largest > best[2]:
            best = number, least + place, largest
    return best


def _p(
    segments: Sequence[Values], statistic: float, least: int, alpha: float, permutations: int, draw: np.random.Generator
) -> float:
    """Share of permutations that reach a statistic; ends early where it can only be above the significance."""
    long = [segment for segment in segments if len(segment) >= 2 * least]
    tables = [(np.abs(segment[:, None] - segment[None, :]), _pairs(len(segment), least)) for segment in long]
    most = alpha * (permutations + 1) - 1
    reached = 0
    for number in range(1, permutations + 1):
        best = -np.inf
        for apart, pairs in tables:
            order = draw.permutation(len(apart))
            best = max(best, float(_divergences(apart[np.ix_(order, order)], pairs).max()))
        # Sums in another order differ by rounding: equal is reached.
        reached += best >= statistic * (1 - 1e-12)
        if reached > most + 1e-9:
            return (reached + 1) / (number + 1)
    return (reached + 1) / (permutations + 1)
