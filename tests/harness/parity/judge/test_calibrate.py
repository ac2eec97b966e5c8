"""Measuring floors: what is perturbed arrives, the largest counts, and how it was measured is kept."""

import pytest

from harness.parity.judge import calibrate
from harness.parity.judge.calibrate import FIRST_SEED, Part
from harness.parity.reference.rounding_noise import UNITS


def part(*quantities: str, precision: str = "f32", runs: int = 2, steps: int = 0) -> Part:
    return Part(precision=precision, quantities=quantities, runs=runs, steps=steps, reason="for a test")


def test_a_layer_is_off_by_a_few_units() -> None:
    found = calibrate.differences(part("R3"), 1, FIRST_SEED)
    assert {name[:3] for name in found} == {"R3/"}
    assert min(found.values()) > UNITS["f32"]
    assert max(found.values()) < 50 * UNITS["f32"]


def test_float64_is_off_by_the_ratio_of_the_units() -> None:
    single = calibrate.differences(part("R3"), 1, FIRST_SEED)
    double = calibrate.differences(part("R3", precision="f64"), 1, FIRST_SEED)
    ratios = {name: double[name] / single[name] * UNITS["f32"] / UNITS["f64"] for name in single}
    # The oracle's own rounding is in the float64 figure, too.
    assert min(ratios.values()) > 0.3
    assert max(ratios.values()) < 3


def test_the_floor_is_the_largest_of_all_runs() -> None:
    one, other = (calibrate.differences(part("R7"), 1, FIRST_SEED + k) for k in range(2))
    progress: list[tuple[int, int]] = []
    held = calibrate.measure([part("R7")], (1,), on_progress=lambda done, of: progress.append((done, of)))
    assert held.values == {"f32": {1: {name: max(one[name], other[name]) for name in one}}}
    assert progress == [(1, 2), (2, 2)]
    (told,) = held.measured["parts"]
    assert (told["runs"], told["seeds"], told["rungs"]) == (2, [FIRST_SEED, FIRST_SEED + 1], ["R7"])
    assert set(held.measured["versions"]) == {"python", "numpy"}


def test_what_is_zero_without_rounding_has_a_floor_of_zero() -> None:
    found = calibrate.differences(part("R7"), 1, FIRST_SEED)
    assert {found[name] for name in found if name.endswith("_0")} == {0.0}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_a_trajectory_is_measured_without_reading_a_scan(precision: str) -> None:
    found = calibrate.differences(part("R8", precision=precision, steps=1), 1, FIRST_SEED)
    assert {"R8/1.weights", "R8/losses"} <= set(found)
    assert 0 < found["R8/1.weights"] < 0.1


def test_the_runs_are_many_enough() -> None:
    runs = {name: item.runs for item in calibrate.PARTS for name in item.quantities if item.precision == "f32"}
    assert all(runs[name] >= 16 for name in ("R3", "R4", "R5", "R6", "R7"))
    assert runs["R8"] >= 8
