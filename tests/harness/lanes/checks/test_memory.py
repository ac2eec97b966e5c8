"""Memory per pattern: from two sizes, with a forecast; never from one, and never finer than it is measured."""

from pathlib import Path

import pytest

from harness.lanes.checks import memory
from harness.lanes.checks.memory import Size
from harness.record.outcome import FixtureResult
from ptycho.data import contract
from tests.support.scans import make_dataset

SIZES = {
    "few": Size(patterns=1_000, side=64),
    "many": Size(patterns=11_000, side=64),
    "wide": Size(patterns=9, side=128),
}
OWN_MIB = 64 * 64 * 4 / 2**20


def results(**peaks: float | None) -> list[FixtureResult]:
    return [FixtureResult(fixture=name, train_peak_mib=peak) for name, peak in peaks.items()]


def test_a_pattern_s_memory_and_the_forecast_follow_from_two_sizes() -> None:
    (sentence,) = memory.forecast(results(few=500.0, many=500.0 + 10_000 * 3 * OWN_MIB), SIZES)
    gib = (500 + 99_000 * 3 * OWN_MIB) / 1024
    assert sentence == (
        "memory of train, N = 64: 500 MiB for 1000 patterns, 969 MiB for 11000: 0.047 MiB a pattern (3.0 times its own "
        f"bytes); 100,000 patterns would take {gib:.1f} GiB"
    )


@pytest.mark.parametrize(
    ("high", "said"),
    [
        (515.0, "less than 0.0016 MiB a pattern (0.1 times its own bytes)"),
        (516.0, "0.0016 MiB a pattern (0.1 times its own bytes); 100,000 patterns would take 0.6 GiB"),
        (400.0, "it does not grow with the scan"),
    ],
)
def test_a_difference_below_the_resolution_is_a_bound(high: float, said: str) -> None:
    (sentence,) = memory.forecast(results(few=500.0, many=high), SIZES)
    assert sentence.endswith(f"MiB for 11000: {said}")


@pytest.mark.parametrize("peaks", [{"few": 500.0}, {"few": 500.0, "wide": 900.0}, {"few": 500.0, "many": None}, {}])
def test_one_size_says_nothing(peaks: dict[str, float | None]) -> None:
    assert list(memory.forecast(results(**peaks), SIZES)) == []


def test_sizes_are_read_from_the_files(tmp_path: Path) -> None:
    contract.save(tmp_path / "scan.npz", make_dataset(n_patterns=7))
    assert memory.sizes({"a": tmp_path / "scan.npz"}) == {"a": Size(patterns=7, side=64)}
