"""Each judge of the benchmarks at its limit, one unit below and one above: which side the limit itself belongs to."""

import math

import pytest

from harness.benchmark import budget, plan, supervision_overhead
from harness.benchmark.budget import BudgetAttempt
from harness.benchmark.gate import LIMIT, Interval
from harness.benchmark.power import CAUGHT_AT, LEAST_CAUGHT, MOST_FALSE, Level
from harness.targets.devices import SIDES
from ptycho.verdict import Verdict

CHANGE = math.log1p(LIMIT)


def around(limit: float) -> tuple[float, float, float]:
    """The number below a limit, the limit, the number above."""
    return math.nextafter(limit, -math.inf), limit, math.nextafter(limit, math.inf)


def attempt(wall_s: float, cpu_s: float = 1.0, *, contended: bool | None = False) -> BudgetAttempt:
    return BudgetAttempt(wall_s=wall_s, cpu_s=cpu_s, killed=False, contended=contended)


def judged(given: BudgetAttempt) -> Verdict:
    return budget.judge(lambda: given).verdict


@pytest.mark.parametrize(
    ("wall_s", "verdict"),
    [*zip(around(budget.BUDGET_S), (Verdict.PASS, Verdict.PASS, Verdict.BUDGET), strict=True)],
)
def test_an_epoch_of_exactly_the_budget_is_within_it(wall_s: float, verdict: Verdict) -> None:
    assert judged(attempt(wall_s)) is verdict


@pytest.mark.parametrize(
    ("cpu_s", "verdict"),
    [*zip(around(budget.BUDGET_S), (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.BUDGET), strict=True)],
)
def test_on_a_busy_machine_processor_time_of_exactly_the_budget_proves_nothing(cpu_s: float, verdict: Verdict) -> None:
    assert judged(attempt(150.0, cpu_s, contended=True)) is verdict


@pytest.mark.parametrize(("wall_s", "waited"), [*zip(around(budget.WAITED * 64.0), (False, False, True), strict=True)])
def test_wall_time_of_exactly_the_factor_is_not_waiting(wall_s: float, waited: bool) -> None:
    assert attempt(wall_s, 64.0, contended=None).excused is waited


@pytest.mark.parametrize(("lower", "above"), [*zip(around(CHANGE), (False, False, True), strict=True)])
def test_a_change_of_exactly_the_limit_is_no_regression(lower: float, above: bool) -> None:
    interval = Interval(lower=lower, mean=lower, upper=lower + 1, pairs=8)
    assert (interval.above, interval.settled) == (above, above)


@pytest.mark.parametrize(("upper", "narrow"), [*zip(around(CHANGE), (True, True, False), strict=True)])
def test_an_interval_of_exactly_the_limits_width_is_narrow(upper: float, narrow: bool) -> None:
    assert Interval(lower=0.0, mean=0.0, upper=upper, pairs=8).narrow is narrow


@pytest.mark.parametrize(("upper", "settled"), [*zip(around(CHANGE), (True, False, False), strict=True)])
def test_an_interval_that_reaches_the_limit_is_not_settled(upper: float, settled: bool) -> None:
    assert Interval(lower=0.03, mean=0.03, upper=upper, pairs=8).settled is settled


def level(planted: float, regressions: int, trials: int = 20) -> Level:
    return Level(channel="cpu", planted=planted, regressions=regressions, inconclusive=0, trials=trials, spread=0.0)


@pytest.mark.parametrize(("more", "complains"), [(-1, False), (0, False), (1, True)])
def test_as_many_false_alarms_as_are_allowed_pass(more: int, complains: bool) -> None:
    trials = 100
    assert (level(0.0, round(MOST_FALSE * trials) + more, trials).complaint is not None) is complains


@pytest.mark.parametrize(("more", "complains"), [(-1, True), (0, False), (1, False)])
def test_as_many_regressions_as_must_be_caught_pass(more: int, complains: bool) -> None:
    trials = 100
    assert (level(CAUGHT_AT, round(LEAST_CAUGHT * trials) + more, trials).complaint is not None) is complains


@pytest.mark.parametrize("name", ["share", "start_s"])
@pytest.mark.parametrize(("at", "verdict"), [(0, Verdict.PASS), (1, Verdict.PASS), (2, Verdict.FAIL)])
def test_supervision_may_cost_exactly_its_limit(name: str, at: int, verdict: Verdict) -> None:
    limits = {"share": supervision_overhead.SHARE, "start_s": supervision_overhead.START_S}
    figures = {"share": 0.0, "start_s": 0.0, name: around(limits[name])[at]}
    assert supervision_overhead.judge(figures) is verdict


@pytest.mark.parametrize(("at", "sentences"), [(0, 0), (1, 0), (2, 1)])
def test_only_a_larger_budget_is_a_replaced_one(at: int, sentences: int) -> None:
    own = plan.scans(short=True)
    budget_s = around(budget.BUDGET_S)[at]
    assert len(plan.left_out(SIDES, own, short=True, budget_s=budget_s)) == sentences
