"""Where the time of a process went: nothing is lost, whatever it says of itself."""

from typing import Any

import pytest

from harness.benchmark.measure import phases


def said(event: str, phase: str, at: float, pid: int = 7) -> dict[str, Any]:
    return {"event": f"phase.{event}", "phase": phase, "monotonic_s": at, "pid": pid}


def test_phases_with_what_is_before_between_and_after_them() -> None:
    rows = [
        said("start", "data", 101.0),
        said("start", "data", 101.5, pid=8),
        said("end", "data", 102.0),
        said("start", "train", 103.0),
        said("end", "train", 107.0),
        said("start", "data", 107.0),
        said("end", "data", 107.5),
    ]
    found = phases(rows, 7, 100.0, 8.0)
    assert found == {"start": 1.0, "data": 1.5, "train": 4.0, "between": 1.0, "teardown": 0.5}


def test_a_process_that_was_ended_inside_a_phase_spent_the_rest_there() -> None:
    rows = [said("start", "data", 101.0), said("end", "data", 102.0), said("start", "train", 102.0)]
    found = phases(rows, 7, 100.0, 10.0)
    assert found == {"start": 1.0, "data": 1.0, "train": 8.0, "between": 0.0, "teardown": 0.0}
    assert sum(found.values()) == pytest.approx(10.0)


def test_a_process_that_says_nothing_is_one_figure() -> None:
    assert phases([], 7, 100.0, 3.0) == {"between": 3.0}
