"""What is asked, in which order, and of which precision."""

from pathlib import Path
from typing import Any

import pytest

from harness.parity.exchange import plan as exchange_plan
from harness.parity.exchange.plan import HIGH, LOW, Question
from harness.parity.reference.drawn import draw
from ptycho.parity.request import QUANTITIES, Request
from tests.support.golden_step0 import FIXTURE


def plan(folder: Path, **changes: Any) -> list[Question]:
    given: dict[str, Any] = {"gridsizes": (1, 2), "precisions": ("f64", "f32"), "seeds": (7,), "steps": 100}
    return exchange_plan.plan(**{**given, **changes}, scan=FIXTURE, folder=folder)


def test_low_and_high_rungs_are_all_rungs() -> None:
    assert (*LOW, *HIGH) == QUANTITIES
    assert LOW[0] == "R0"
    assert HIGH[0] == "R3"


@pytest.mark.slow
def test_low_rungs_of_everything_come_before_high_ones_of_anything(tmp_path: Path) -> None:
    asked = plan(tmp_path)
    lows = [question.is_low for question in asked]
    assert lows == sorted(lows, reverse=True)
    covered = {(item.precision, item.gridsize, name) for item in asked for name in item.request.quantities}
    assert {("f64", g, name) for g in (1, 2) for name in QUANTITIES} <= covered
    assert {("f32", g, name) for g in (1, 2) for name in HIGH} <= covered


def test_each_request_lies_in_its_file(tmp_path: Path) -> None:
    asked = plan(tmp_path, gridsizes=(1,), precisions=("f64",))
    assert [Request.load(item.path).nonce for item in asked] == [item.request.nonce for item in asked]
    assert len({item.request.nonce for item in asked}) == len(asked)


@pytest.mark.slow
def test_the_float32_trajectory_ends_where_rounding_parts_correct_backends(tmp_path: Path) -> None:
    lengths = {item.precision: max(item.request.steps) for item in plan(tmp_path) if not item.is_low}
    assert lengths == {"f64": 100, "f32": exchange_plan.SINGLE_STEPS}


def test_every_seed_is_a_ladder_of_its_own(tmp_path: Path) -> None:
    asked = plan(tmp_path, seeds=(1, 2), gridsizes=(1,), precisions=("f64",))
    assert [(item.seed, item.is_low) for item in asked] == [(1, True), (1, False), (2, True), (2, False)]
    assert [item.label for item in asked[:2]] == [f"f64-gridsize-1-{LOW[0]}-{LOW[-1]}", "f64-gridsize-1-R3-R8"]


def test_a_drawn_problem_is_a_question_of_its_own(tmp_path: Path) -> None:
    problem = draw(64, 3)
    (asked,) = exchange_plan.plan_drawn([problem], scan=FIXTURE, folder=tmp_path)
    size = problem.model.gridsize
    assert not asked.is_low
    assert asked.problem == "N 64, seed 3"
    assert asked.label == f"f64-gridsize-{size}-N-64-seed-3-R3-R6"
    assert asked.rungs["R4"] == f"R4 f64 gridsize {size} N 64 seed 3"
    assert Request.load(asked.path).nonce == asked.request.nonce


def test_a_drawn_problem_asks_for_what_every_party_answers(tmp_path: Path) -> None:
    (asked,) = exchange_plan.plan_drawn([draw(64, 3)], scan=FIXTURE, folder=tmp_path, answered=("R0", "R4", "R8"))
    assert asked.request.quantities == ("R4",)
    assert exchange_plan.plan_drawn([draw(64, 3)], scan=FIXTURE, folder=tmp_path, answered=("R0",)) == []
