"""Moments: every part of a run can be drawn, a part is reached by its event, and what was hit is read from the log."""

import random
from typing import Any

import pytest

from harness.faults.kill import kill_points
from harness.faults.kill.kill_points import ANCHORS, Moment
from tests.support import sample_log


def _row(event: str, **fields: Any) -> sample_log.Row:
    return sample_log.parent(event, **fields)


def test_every_part_is_drawn_and_a_training_that_must_live_only_in_its_own() -> None:
    drawn = [kill_points.draw(random.Random(seed), real=False, trains=False, epochs=40) for seed in range(300)]
    assert {moment.anchor.name for moment in drawn} == {anchor.name for anchor in ANCHORS}
    assert all(0 <= moment.delay_s <= moment.anchor.spread_s for moment in drawn)
    assert {moment.nth for moment in drawn if not moment.anchor.many} == {1}
    assert len({moment.nth for moment in drawn if moment.anchor.many}) > 20
    living = {
        kill_points.draw(random.Random(seed), real=True, trains=True, epochs=3).anchor.name for seed in range(100)
    }
    assert living == {anchor.name for anchor in ANCHORS if anchor.trains}


def test_the_same_seed_draws_the_same() -> None:
    first, second = (kill_points.draw(random.Random("7:1"), real=False, trains=True, epochs=9) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("name", "rows", "reached"),
    [
        ("before the log", [], True),
        ("the beginning", [], False),
        ("the beginning", [_row("run.start")], True),
        ("inference", [_row("command.start", label="scan-train")], False),
        ("inference", [_row("command.start", label="scan-infer")], True),
        ("epoch", [_row("phase.start", phase="train")], False),
        ("epoch", [_row("phase.start", phase="train")] * 2, True),
        ("epoch", [_row("phase.start", phase="train"), _row("phase.start", phase="save")], False),
    ],
)
def test_a_part_begins_with_its_event(name: str, rows: list[sample_log.Row], reached: bool) -> None:
    (anchor,) = (anchor for anchor in ANCHORS if anchor.name == name)
    assert kill_points.reached(Moment(anchor=anchor, nth=2 if anchor.many else 1, delay_s=0), rows) is reached


TRAINING = [_row("run.start"), _row("command.start", label="scan-train")]


@pytest.mark.parametrize(
    ("rows", "phase"),
    [
        ([], "before its log"),
        ([_row("run.start")], "the harness alone"),
        (TRAINING, "training: starting"),
        ([*TRAINING, _row("phase.start", phase="data")], "training: data"),
        (
            [*TRAINING, _row("phase.start", phase="data"), _row("phase.end", phase="data")],
            "training: between phases",
        ),
        ([*TRAINING, _row("command.end", label="scan-train")], "the harness alone"),
        ([_row("run.start"), _row("command.start", label="scan-infer")], "inference"),
        ([_row("run.start"), _row("command.start", label="suite")], "suite"),
        ([_row("run.start"), _row("run.end")], "after its verdict"),
    ],
)
def test_what_was_hit_is_read_from_the_log(rows: list[sample_log.Row], phase: str) -> None:
    assert kill_points.phase(rows) == phase
