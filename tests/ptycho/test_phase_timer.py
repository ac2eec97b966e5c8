from collections.abc import Iterator

import pytest

from ptycho import phase_timer
from ptycho.phase_timer import Clock


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the monotonic clock shows next."""
    shown: list[float] = []
    monkeypatch.setattr(phase_timer, "perf_counter", lambda: shown.pop(0))
    return shown


def entered(watch: Clock, names: str) -> Iterator[str]:
    for name in names.split():
        with watch.phase(name):
            yield name


def test_a_phase_that_is_entered_again_adds_up_in_the_order_of_first_entry(ticks: list[float]) -> None:
    ticks += [10.0, 12.0, 20.0, 20.5, 30.0, 34.0]
    watch = Clock()
    assert list(entered(watch, "train validate train")) == ["train", "validate", "train"]
    assert list(watch.seconds.items()) == [("train", 6.0), ("validate", 0.5)]


def test_a_phase_that_fails_is_counted_and_its_error_passes(ticks: list[float]) -> None:
    ticks += [1.0, 4.0]
    watch = Clock()
    with pytest.raises(ZeroDivisionError), watch.phase("train"):
        _ = 1 / 0
    assert watch.seconds == {"train": 3.0}


def test_an_inner_phase_is_part_of_the_outer_one(ticks: list[float]) -> None:
    ticks += [0.0, 1.0, 3.0, 10.0]
    watch = Clock()
    with watch.phase("outer"), watch.phase("inner"):
        assert watch.seconds == {}
    assert watch.seconds == {"inner": 2.0, "outer": 10.0}


def test_real_time_passes() -> None:
    watch = Clock()
    with watch.phase("loop"):
        sum(range(1000))
    assert 0 < watch.seconds["loop"] < 5
