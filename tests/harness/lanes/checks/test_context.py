"""Attempts run side by side as far as the target allows, and come back in their order."""

import threading
from pathlib import Path

import pytest

from harness.lanes.checks.attempt import TrainInferRun
from harness.lanes.checks.context import side_by_side


def attempt(name: str) -> TrainInferRun:
    return TrainInferRun(name=name, model=Path(name), output=Path(name))


def test_two_at_once_are_under_way_together_and_keep_their_order() -> None:
    both = threading.Barrier(2, timeout=30)

    def make(name: str) -> TrainInferRun:
        both.wait()
        return attempt(name)

    made = side_by_side([lambda name=name: make(name) for name in "abcd"], 2)  # type: ignore[misc]
    assert [item.name for item in made] == list("abcd")


def test_one_at_a_time_begins_when_the_one_before_has_ended() -> None:
    under_way, most = [0], [0]

    def make(name: str) -> TrainInferRun:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        under_way[0] -= 1
        return attempt(name)

    made = side_by_side([lambda name=name: make(name) for name in "abc"], 1)  # type: ignore[misc]
    assert ([item.name for item in made], most) == (list("abc"), [1])


@pytest.mark.parametrize("at_once", [1, 2])
def test_an_interruption_of_one_is_one_of_the_caller(at_once: int) -> None:
    def interrupted() -> TrainInferRun:
        raise KeyboardInterrupt("asked to end")

    with pytest.raises(KeyboardInterrupt, match="asked to end"):
        side_by_side([interrupted, lambda: attempt("b")], at_once)
