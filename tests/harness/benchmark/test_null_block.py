"""The self-test's block: what is planted is there, and nothing else."""

from collections.abc import Callable

import pytest

from harness.benchmark import calibrated_timer, gate, null_block


@pytest.mark.parametrize(
    ("text", "expected"), [("", (0.0, 0.0)), ("cpu=0.1", (0.1, 0.0)), ("cpu=0.1,memory=0.2", (0.1, 0.2))]
)
def test_the_order_is_read(text: str, expected: tuple[float, float]) -> None:
    assert null_block.planted(text) == expected


def _units_of_work(monkeypatch: pytest.MonkeyPatch, plant: str) -> set[int]:
    monkeypatch.setenv(null_block.PLANT, plant)
    done: list[int] = []

    class Counted(calibrated_timer.Kernel):
        def run(self, units: int) -> float:
            done.append(units)
            return super().run(units)

    monkeypatch.setattr(calibrated_timer, "Kernel", Counted)
    found = null_block.main(3)
    assert len(found["rows"]) == 3  # type: ignore[arg-type]
    return set(done)


def test_a_plant_is_more_work_in_every_slice_and_none_in_the_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _units_of_work(monkeypatch, "") == {calibrated_timer.UNITS, 20}
    assert _units_of_work(monkeypatch, "cpu=0.05") == {calibrated_timer.UNITS, 21}
    assert _units_of_work(monkeypatch, "cpu=0.2") == {calibrated_timer.UNITS, 24}


def test_planted_memory_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(null_block.PLANT, "memory=0.1")
    before = null_block.peak_mib()
    found = null_block.main(1)
    assert found["held"] == pytest.approx(0.1 * before * 2**20, rel=0.2)


def test_twice_the_work_is_twice_the_quotient() -> None:
    kernel = calibrated_timer.Kernel(1)

    def work(units: int) -> Callable[[int], float]:
        return lambda _: kernel.run(units)

    once, twice = (gate.estimate(calibrated_timer.measure(work(units), 60)) for units in (20, 40))
    assert twice / once == pytest.approx(2.0, rel=0.1)
