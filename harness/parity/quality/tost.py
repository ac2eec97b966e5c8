"""
Are two series of paired figures equal for all practical purposes? The statistics alone: no training, no file.

A test that fails to find a difference proves nothing: with few seeds it never finds one. So the burden is turned round
(two one-sided tests, Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657): that the difference is at least as large
as a margin, on either side, must be refuted. Few or noisy seeds then fail to pass, instead of passing.

A margin that is itself estimated from the same seeds is not a number but a distribution. Its standard error is added to
that of the mean (mean and spread of normal samples are independent). Without that, up to 12 % of the campaigns of two
sides that differ by the margin would pass, where their seeds move together, instead of 5 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho.errors import UsageError

ALPHA, POWER = 0.05, 0.8

LEAST = 3
"""Pairs below which no spread is worth a test."""

MOST = 1000
"""Pairs beyond which nobody waits for a verdict."""

_GRID = 96
"""Quantiles of each of the two distributions that the power is averaged over: exact to 1e-3."""


@dataclass(frozen=True, kw_only=True)
class Margin:
    """
    The largest difference that does not matter.

    Attributes:
        value: in the unit of the figures, 0 or more.
        relative_error: its standard error at two pairs, as a part of the value; that of n pairs is √(n−1) times
            smaller. 0 for a margin that is given and not estimated.
    """

    value: float
    relative_error: float = 0.0

    def error(self, n: int) -> float:
        """Standard error of the margin when it is estimated from n pairs."""
        return self.value * self.relative_error / math.sqrt(n - 1)


@dataclass(frozen=True, kw_only=True)
class Tost:
    """
    Paired two one-sided tests of `a − b`.

    Attributes:
        n: pairs.
        mean: mean of the differences.
        spread: their standard deviation.
        margin: what they were tested against.
        alpha: size of the test.
        p: larger of the two one-sided p values.
        interval: mean ± t·(standard error, the margin's included); equivalent where it lies within ± margin.
        established: whether the difference is not 0 (two-sided t test at alpha).
        power: probability of a pass with n pairs if there is no difference at all.
        needed: pairs that would bring the power to `POWER`, None beyond `MOST`.
    """

    n: int
    mean: float
    spread: float
    margin: Margin
    alpha: float
    p: float
    interval: tuple[float, float]
    established: bool
    power: float
    needed: int | None

    @property
    def equivalent(self) -> bool:
        """Whether a difference as large as the margin is refuted on both sides."""
        return self.p <= self.alpha

    @property
    def beyond(self) -> bool:
        """Whether the two differ by more than the margin, and not by chance."""
        return self.established and abs(self.mean) > self.margin.value


def half_spread(a: Sequence[float], b: Sequence[float]) -> Margin:
    """
    Half the seed-to-seed spread of one side: ½·√((s_a² + s_b²) / 2), s with n − 1 in the denominator.

    Half a spread is what separates two seeds of one backend in most cases: a difference below it is indistinguishable
    from another draw of the seed by whoever looks at one reconstruction. The variance of the pooled spread of two
    series of normal pairs with correlation r is σ²(1 + r²) / (4(n − 1)), from cov(s_a², s_b²) = 2r²σ⁴ / (n − 1).

    Example:
        >>> half_spread([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).value
        0.5
    """
    x, y = _series(a, b)
    pooled = math.sqrt((float(np.var(x, ddof=1)) + float(np.var(y, ddof=1))) / 2)
    energy = float(np.std(x, ddof=1) * np.std(y, ddof=1))
    together = float(np.cov(x, y)[0, 1]) / energy if energy > 0 else 1.0
    return Margin(value=pooled / 2, relative_error=math.sqrt((1 + together**2) / 4))


def tost(
    a: Sequence[float],
    b: Sequence[float],
    margin: Margin | float,
    *,
    alpha: float = ALPHA,
    target: float = POWER,
) -> Tost:
    """
    Test whether two paired series are equal within a margin.

    Args:
        a: figures of one side, one a seed.
        b: figures of the other, same seeds in the same order.
        margin: a number that somebody chose, or an estimate such as `half_spread(a, b)`.
        alpha: probability of passing a pair that differs by the margin.
        target: power that `needed` is for.

    Raises:
        UsageError: with all that is wrong: series of different lengths or of fewer than `LEAST`, figures that are not
            finite, a margin below 0, alpha or target outside 0 to 1.

    Example:
        >>> found = tost([1.0, 2.0, 3.0, 4.0], [1.1, 1.9, 3.1, 3.9], 0.5)
        >>> found.equivalent, found.beyond
        (True, False)
    """
    from scipy import stats

    given = margin if isinstance(margin, Margin) else Margin(value=margin)
    problems = [] if given.value >= 0 and math.isfinite(given.value) else [f"margin {given.value}; allowed: 0 or more"]
    problems += [f"{name} {value}; allowed: 0 to 1" for name, value in _named(alpha, target) if not 0 < value < 1]
    if problems:
        raise UsageError("cannot test for equivalence: " + "; ".join(problems))
    x, y = _series(a, b)
    n, differences = len(x), x - y
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    of_mean = spread / math.sqrt(n)
    error = math.hypot(of_mean, given.error(n))
    room = given.value - abs(mean)
    p = float(stats.t.sf(room / error, n - 1)) if error > 0 else float(room <= 0)
    reach = float(stats.t.ppf(1 - alpha, n - 1)) * error
    certain = float(stats.t.ppf(1 - alpha / 2, n - 1)) * of_mean
    return Tost(
        n=n,
        mean=mean,
        spread=spread,
        margin=given,
        alpha=alpha,
        p=p,
        interval=(mean - reach, mean + reach),
        established=abs(mean) > certain,
        power=power(n, spread, given, alpha=alpha),
        needed=needed(spread, given, alpha=alpha, target=target),
    )


def power(n: int, spread: float, margin: Margin, *, difference: float = 0.0, alpha: float = ALPHA) -> float:
    """
    Probability that `tost` passes.

    The spread and the margin that a campaign will find are averaged over: the first is distributed as √(χ² / (n − 1)),
    the second normally. Given both, the mean must fall into the window that they leave (Owen 1965, Biometrika 52, 437,
    for a margin without error).

    Args:
        n: pairs.
        spread: true standard deviation of the differences.
        margin: true margin.
        difference: true mean difference.
        alpha: size of the test.
    """
    from scipy import special, stats

    if n < LEAST or margin.value <= 0:
        return 0.0
    if spread == 0 and margin.relative_error == 0:
        return float(abs(difference) < margin.value)
    quantiles = (np.arange(_GRID) + 0.5) / _GRID
    of_mean = spread / math.sqrt(n) * np.sqrt(stats.chi2.ppf(quantiles, n - 1) / (n - 1))
    of_margin = margin.error(n)
    found = margin.value + of_margin * special.ndtri(quantiles)
    window = found[:, None] - stats.t.ppf(1 - alpha, n - 1) * np.hypot(of_mean, of_margin)
    # Without any spread the mean is what it is; the smallest number keeps the quotient defined.
    width = max(spread / math.sqrt(n), np.finfo(np.float64).tiny)
    inside = special.ndtr((window - difference) / width) - special.ndtr((-window - difference) / width)
    return float(np.mean(np.maximum(inside, 0)))


def needed(spread: float, margin: Margin, *, alpha: float = ALPHA, target: float = POWER) -> int | None:
    """Smallest number of pairs whose power at no difference reaches the target; None beyond `MOST`."""
    if power(MOST, spread, margin, alpha=alpha) < target:
        return None
    low, high = LEAST - 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, spread, margin, alpha=alpha) >= target else (middle, high)
    return high


def _named(alpha: float, target: float) -> tuple[tuple[str, float], ...]:
    return ("alpha", alpha), ("target power", target)


def _series(a: Sequence[float], b: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    problems = []
    if x.shape != y.shape or x.ndim != 1:
        problems.append(f"figures of shapes {x.shape} and {y.shape}; allowed: two series of one length, a pair a seed")
    if min(x.size, y.size) < LEAST:
        problems.append(f"{min(x.size, y.size)} pairs; allowed: {LEAST} or more")
    infinite = int((~np.isfinite(x)).sum() + (~np.isfinite(y)).sum())
    if infinite:
        problems.append(
            f"{infinite} figures are not finite: a run without a figure has failed and is not a seed to leave out"
        )
    if problems:
        raise UsageError("cannot test for equivalence: " + "; ".join(problems))
    return x, y
