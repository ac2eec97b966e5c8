"""The statistics: known values, size and power against simulation, and what is refused."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.quality import tost as quality_tost
from harness.parity.quality.tost import Margin, half_spread, needed, power, tost
from ptycho.errors import UsageError

CAMPAIGNS = 1000


def campaigns(n: int, correlation: float, difference: float) -> NDArray[np.float64]:
    """Simulated campaigns `(CAMPAIGNS, n, 2)` of two backends whose spread over seeds is 1."""
    rng = np.random.default_rng(7)
    covariance = [[1.0, correlation], [correlation, 1.0]]
    return np.asarray(rng.multivariate_normal([difference, 0], covariance, size=(CAMPAIGNS, n)))


def share_equivalent(drawn: NDArray[np.float64], margin: float | None) -> float:
    """Share of campaigns that pass; with the margin estimated from each where none is given."""
    from scipy import stats

    found = []
    for one in drawn:
        a, b = one.T
        given = half_spread(a, b) if margin is None else Margin(value=margin)
        # What `tost` does, without the power, whose integral costs more than all the rest.
        error = math.hypot(float(np.std(a - b, ddof=1)) / math.sqrt(len(a)), given.error(len(a)))
        found.append(stats.t.sf((given.value - abs(np.mean(a - b))) / error, len(a) - 1) <= quality_tost.ALPHA)
    return float(np.mean(found))


def test_figures_of_a_worked_example() -> None:
    a, b = [10.0, 12.0, 11.0, 13.0], [9.0, 12.0, 10.0, 12.0]
    found = tost(a, b, 2.0)
    assert (found.n, found.mean, found.spread) == (4, 0.75, 0.5)
    # t = (2 − 0.75) / 0.25 = 5 and t = 2.353363 at 95 % with 3 degrees of freedom.
    assert found.p == pytest.approx(0.0077, abs=1e-4)
    assert found.interval == pytest.approx((0.75 - 2.353363 * 0.25, 0.75 + 2.353363 * 0.25))
    assert (found.equivalent, found.established, found.beyond) == (True, False, False)


def test_the_simulated_share_is_that_of_the_test_itself() -> None:
    drawn = campaigns(10, 0.9, 0.3)[:40]
    passed = [tost(one[:, 0], one[:, 1], half_spread(one[:, 0], one[:, 1])).equivalent for one in drawn]
    assert share_equivalent(drawn, None) == np.mean(passed)
    assert 0 < np.mean(passed) < 1


def test_either_sign_of_a_difference_counts() -> None:
    a, b = [1.0, 2.1, 2.9, 4.0], [2.0, 3.0, 4.0, 5.1]
    one, other = tost(a, b, 0.5), tost(b, a, 0.5)
    assert one.p == other.p
    assert (one.beyond, other.beyond) == (True, True)
    assert (one.mean < 0 < other.mean) is True


def test_half_spread_is_half_the_pooled_deviation() -> None:
    margin = half_spread([0.0, 2.0, 4.0], [0.0, 4.0, 8.0])
    assert margin.value == pytest.approx(math.sqrt((4 + 16) / 2) / 2)
    # The two series move together: both spreads are wrong in the same direction.
    assert margin.relative_error == pytest.approx(math.sqrt(1 / 2))
    assert margin.error(3) == pytest.approx(margin.value / 2)


def test_the_margin_s_error_is_that_of_simulated_margins() -> None:
    values = [half_spread(one[:, 0], one[:, 1]).value for one in campaigns(20, 0.8, 0.0)]
    expected = Margin(value=0.5, relative_error=math.sqrt((1 + 0.8**2) / 4)).error(20)
    assert float(np.std(values)) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("margin", [0.5, None], ids=["given", "estimated"])
@pytest.mark.parametrize(("n", "correlation"), [(12, 0.95), (24, 0.8), (60, 0.3)])
def test_a_pair_that_differs_by_the_margin_passes_in_at_most_one_of_twenty_campaigns(
    n: int, correlation: float, margin: float | None
) -> None:
    # Three standard errors of a share of 5 % over the campaigns.
    most = quality_tost.ALPHA + 3 * math.sqrt(0.05 * 0.95 / CAMPAIGNS)
    assert share_equivalent(campaigns(n, correlation, 0.5), margin) <= most


@pytest.mark.slow
def test_a_margin_that_is_taken_for_a_number_passes_too_often() -> None:
    drawn = campaigns(24, 0.95, 0.5)
    naive = [tost(one[:, 0], one[:, 1], half_spread(one[:, 0], one[:, 1]).value).equivalent for one in drawn[:300]]
    assert np.mean(naive) > 0.08


@pytest.mark.parametrize("estimated", [False, True], ids=["given", "estimated"])
@pytest.mark.parametrize(("n", "correlation"), [(12, 0.95), (24, 0.8), (40, 0.5)])
def test_computed_power_is_the_simulated_one(n: int, correlation: float, estimated: bool) -> None:
    error = math.sqrt((1 + correlation**2) / 4) if estimated else 0.0
    computed = power(n, math.sqrt(2 - 2 * correlation), Margin(value=0.5, relative_error=error))
    simulated = share_equivalent(campaigns(n, correlation, 0.0), None if estimated else 0.5)
    assert computed == pytest.approx(simulated, abs=0.05)


def test_power_grows_with_seeds_and_margin_and_falls_with_spread() -> None:
    margin = Margin(value=0.5, relative_error=0.7)
    assert power(10, 0.5, margin) < power(20, 0.5, margin)
    assert power(10, 0.5, margin) > power(10, 1.0, margin)
    assert power(10, 0.5, margin) < power(10, 0.5, Margin(value=1.0, relative_error=0.7))
    assert power(10, 0.5, margin) > power(10, 0.5, margin, difference=0.3)
    assert power(2, 0.5, margin) == 0


def test_the_seeds_that_would_do_are_the_fewest() -> None:
    margin = Margin(value=0.5, relative_error=0.7)
    count = needed(0.6, margin)
    assert count is not None
    assert power(count - 1, 0.6, margin) < quality_tost.POWER <= power(count, 0.6, margin)
    assert needed(50.0, margin) is None


def test_too_few_seeds_do_not_pass_however_equal() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=4)
    b = a + 0.3 * rng.normal(size=4)
    found = tost(a.tolist(), b.tolist(), half_spread(a.tolist(), b.tolist()))
    assert found.power < quality_tost.POWER
    assert found.needed is not None
    assert found.needed > 4


def test_equal_figures_and_no_spread_at_all() -> None:
    assert tost([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.5).equivalent is True
    nothing = tost([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], half_spread([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]))
    assert (nothing.margin.value, nothing.equivalent, nothing.power) == (0.0, False, 0.0)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError, match=r"margin -1; allowed: 0 or more; alpha 2; allowed: 0 to 1"):
        tost([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], -1, alpha=2)
    with pytest.raises(UsageError, match=r"shapes \(2,\) and \(1,\)(.|\n)*1 pairs(.|\n)*1 figures are not finite"):
        tost([1.0, math.nan], [1.0], 0.5)
