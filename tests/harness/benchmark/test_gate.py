"""The gate's verdicts on made-up blocks: every way to be wrong is planted, and luck is drawn from a fixed seed."""

import itertools
import math

import numpy as np
import pytest

from harness.benchmark import gate
from harness.benchmark.gate import Measure, ProcessCost, Ruling, Side
from ptycho.verdict import Verdict


def measure(change: float, scatter: float, *, memory: float = 0.0, seed: int = 0) -> Measure:
    """Blocks whose head differs by a share, with log-normal scatter."""
    rng = np.random.default_rng(seed)

    def block(side: Side) -> ProcessCost:
        head = side == "head"
        return ProcessCost(
            cpu=math.exp(rng.normal(0, scatter)) * (1 + change * head),
            memory=100 * math.exp(rng.normal(0, 0.002)) * (1 + memory * head),
        )

    return block


def cpu(of: Measure) -> Ruling:
    return gate.judge(of)[0]


@pytest.mark.parametrize(("pairs", "left_out"), [(7, -1), (8, 0), (10, 3), (14, 12), (20, 37)])
def test_the_interval_leaves_out_what_published_tables_say(pairs: int, left_out: int) -> None:
    # Wilcoxon's signed ranks, two-sided 1 %: critical values 0, 3, 12 and 37.
    assert gate._left_out(pairs) == left_out


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [gate.interval(list(rng.standard_t(3, 14))) for _ in range(1500)]
    missed = sum(not one.lower <= 0 <= one.upper for one in found)
    assert missed <= 30  # 1 % are 15; more than 30 has a probability of 0.0003


def test_too_few_pairs_have_no_interval() -> None:
    with pytest.raises(ValueError, match="7 pairs have no interval at 99%; allowed: 8 or more"):
        gate.interval([0.0] * 7)


def test_equal_sides_are_no_regression_after_the_first_look() -> None:
    ruling = cpu(measure(0.0, 0.005))
    assert (ruling.result, ruling.first.pairs, ruling.second) == ("no regression", 8, None)
    assert ruling.verdict is Verdict.PASS


def test_ten_per_cent_are_a_regression_confirmed_with_fresh_blocks() -> None:
    ruling = cpu(measure(0.10, 0.01))
    assert ruling.result == "regression"
    assert ruling.second is not None
    assert ruling.second != ruling.first
    assert ruling.verdict is Verdict.FAIL


def test_memory_is_judged_apart() -> None:
    by_channel = {ruling.channel: ruling.result for ruling in gate.judge(measure(0.0, 0.005, memory=0.2))}
    assert by_channel == {"cpu": "no regression", "memory": "regression"}


def test_a_wide_interval_is_inconclusive_and_no_pass() -> None:
    ruling = cpu(measure(0.0, 0.10))
    assert (ruling.result, ruling.first.pairs, ruling.verdict) == ("inconclusive", 21, Verdict.INCONCLUSIVE)


def test_a_finding_that_fresh_blocks_do_not_repeat_is_none() -> None:
    blocks = itertools.count()

    def block(side: Side) -> ProcessCost:
        # The first stage meets a machine that slows down the head only; two blocks a pair.
        slow = next(blocks) < 2 * gate.LOOKS[0] and side == "head"
        return ProcessCost(cpu=1.2 if slow else 1.0, memory=100.0)

    ruling = cpu(block)
    assert ruling.first.above
    assert (ruling.result, ruling.second is not None) == ("no regression", True)


def test_sides_take_turns() -> None:
    order: list[Side] = []

    def block(side: Side) -> ProcessCost:
        order.append(side)
        return ProcessCost(cpu=1.0, memory=1.0)

    gate.judge(block)
    assert order[:8] == ["base", "head", "head", "base", "base", "head", "head", "base"]


def test_a_drifting_machine_is_no_regression() -> None:
    drift = itertools.count()
    ruling = cpu(lambda _: ProcessCost(cpu=1.01 ** next(drift), memory=1.0))
    assert ruling.result == "no regression"


def test_false_alarms_and_power_at_the_scatter_of_a_loaded_machine() -> None:
    def results(change: float) -> list[str]:
        return [cpu(measure(change, 0.01, seed=seed)).result for seed in range(60)]

    assert results(0.0).count("regression") == 0
    assert results(0.10).count("regression") >= 57


def test_the_estimate_is_the_middle_half_of_the_quotients() -> None:
    rows = [(100, 50, 50)] * 8 + [(900, 50, 50)] * 2 + [(10, 50, 50)] * 2
    assert gate.estimate(rows) == pytest.approx(1.0)


@pytest.mark.parametrize("rows", [[], [(1, 0, 0)], [(0, 1, 1)]])
def test_a_clock_that_stood_still_is_no_estimate(rows: list[tuple[int, int, int]]) -> None:
    with pytest.raises(ValueError, match="nothing to estimate from"):
        gate.estimate(rows)


def test_an_interval_reads_in_per_cent() -> None:
    assert str(gate.interval([math.log(1.1)] * 8)) == "+10.0 % [+10.0, +10.0]"
