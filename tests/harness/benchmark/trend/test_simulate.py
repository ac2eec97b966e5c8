"""The study of simulated years: its bars, its draws, and the whole of it on the recorded blocks."""

import numpy as np
import pytest

from harness.benchmark import blocks
from harness.benchmark.trend import simulate
from harness.benchmark.trend.simulate import Searches, Years


def made(*, false: tuple[int, ...] = (0, 1), delays: tuple[int | None, ...] = (5, 6)) -> Years:
    return Years(side="torch", block=0.03, night=0.007, false=false, delays=delays, ranges=2)


def test_the_bars_are_one_false_alarm_a_year_and_nearly_every_step_in_ten_nights() -> None:
    assert made().complaints == []
    assert made(false=(0, 2)).complaints == ["torch: 2 false alarms in a year; allowed: 1"]
    assert made(delays=(5, None)).complaints == ["torch: 1 of 2 steps of 2% found in 10 nights"]
    assert made(delays=(5, 6, 7)).complaints == ["torch: 2 of 3 ranges of commits hold the planted one"]


def searched(*, right: int = 20, wrong: int = 0, step: float = 0.08) -> Searches:
    return Searches(side="tf", step=step, right=right, wrong=wrong, trials=20, pairs=90)


def test_a_search_may_be_inconclusive_once_in_twenty_and_never_wrong() -> None:
    assert searched(right=19).complaints == []
    assert searched(right=18).complaints == ["tf: 18 of 20 searches at +8% were right"]
    assert searched(right=19, wrong=1).complaints == ["tf: 1 searches at +8% named another commit"]
    assert searched(right=9, step=0.05).complaints == []


def test_searches_on_quiet_blocks_are_right() -> None:
    costs = [9.0 + 0.01 * (number % 3) for number in range(12)]
    found = [simulate.searches("torch", costs, 6, step) for step in (0.0, 0.05)]
    assert [(one.right, one.wrong) for one in found] == [(6, 0), (6, 0)]
    assert simulate.table_of_searches(found)[1:] == [
        ["torch", "nothing", "6", "6", "0", "0", "8"],
        ["torch", "+5%", "6", "6", "0", "0", str(found[1].pairs)],
    ]


def test_a_night_is_made_of_stretches_of_recorded_blocks() -> None:
    costs = [float(number) for number in range(40)]
    found = simulate.nights(costs, 500, np.random.default_rng(0))
    assert np.mean(found) == pytest.approx(19.5, abs=0.5)
    # Of independent blocks the spread would be half of this: a stretch of four is nearly one draw.
    assert np.std(found) == pytest.approx(10.7 / np.sqrt(blocks.NIGHT / simulate.STRETCH), rel=0.1)


def test_a_report_at_the_place_of_an_earlier_one_is_no_new_alarm() -> None:
    values = [1.0] * 20 + [2.0] * 20 + [1.0] * 20
    found = list(simulate.alarms(values, 10, 60))
    assert [(night, change.place) for night, change in found] == [(24, 20), (45, 40)]


@pytest.mark.deep
def test_on_recorded_blocks_steps_are_found_and_alarms_are_rare(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main(10, as_json=True) == 0
    assert "complaints" in capsys.readouterr().out
