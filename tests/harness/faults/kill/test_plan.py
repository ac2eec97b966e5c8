"""Trials are drawn from one seed; victims come in turn, and every tenth trial is a shipped backend's."""

from types import SimpleNamespace
from typing import Any

from harness.faults.kill import plan
from harness.faults.kill.kill import Victim
from harness.faults.kill.workloads import STAND_IN, Workload


def _job(name: str) -> Workload:
    target: Any = SimpleNamespace(settings={"nepochs": 3})
    return Workload(name=name, python="python", target=target)


def test_victims_come_in_turn_and_backends_every_tenth_time() -> None:
    drawn = plan.draw(40, 1, tuple(Victim), [_job(STAND_IN), _job("torch"), _job("tf")])
    assert [item.number for item in drawn] == list(range(1, 41))
    assert [str(item.victim) for item in drawn[:4]] == ["harness", "nox", "training", "harness"]
    assert {item.number: item.job.name for item in drawn if item.job.real} == {
        10: "torch",
        20: "tf",
        30: "torch",
        40: "tf",
    }


def test_without_a_backend_every_trial_is_the_stand_ins() -> None:
    assert {item.job.name for item in plan.draw(30, 1, [Victim.NOX], [_job(STAND_IN)])} == {STAND_IN}


def test_a_seed_repeats_its_moments_and_another_one_does_not() -> None:
    first, again, other = (
        [item.moment(0) for item in plan.draw(20, seed, tuple(Victim), [_job(STAND_IN)])] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_kill_that_came_too_late_stays_in_its_part_of_the_run() -> None:
    (planned,) = plan.draw(1, 5, [Victim.TRAINING], [_job(STAND_IN)])
    moments = [planned.moment(attempt) for attempt in range(6)]
    assert {moment.anchor for moment in moments} == {moments[0].anchor}
    assert len({moment.delay_s for moment in moments}) == 6
