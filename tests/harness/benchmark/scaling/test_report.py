"""What sizes show: memory or cost that grows is a fail that says how much."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.benchmark.scaling import figure
from harness.benchmark.scaling.report import PHASES, ScalingReport, SizeRow, label
from ptycho.verdict import Verdict


def row(
    patterns: int,
    *,
    mib: float = 100.0,
    microseconds: float = 90.0,
    side: int = 64,
    mask: str = "none",
    **steps: Any,
) -> SizeRow:
    seconds = dict.fromkeys(PHASES, 1e-6 * microseconds * patterns / len(PHASES)) | {"plain": 0.5}
    reading: dict[str, Any] = {"patterns": patterns, "side": side, "gridsize": 1, "groups": patterns}
    reading |= {"bytes_read": patterns * side * side * 4, "cold": {}, "seconds": seconds, "wall": seconds}
    return SizeRow(reading=reading | {"peak": {"own": mib / 2, "mapped": mib / 2, "both": mib}}, mask=mask, steps=steps)


def test_flat_sizes_pass() -> None:
    report = ScalingReport(rows=[row(1000), row(100_000, mib=300.0, microseconds=130.0)])
    assert (report.verdict, [sentence for item in report.rows for sentence in report.complaints(item)]) == (0, [])


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        (row(100_000, mib=400.0), "M=100000 N=64 g=1: 315 MB more than M=1000 N=64 g=1; allowed: 300 MB"),
        (row(100_000, microseconds=180.0), "M=100000 N=64 g=1: a pattern costs 2.00 × that of M=1000 N=64 g=1"),
    ],
)
def test_what_grows_is_named(planted: SizeRow, sentence: str) -> None:
    report = ScalingReport(rows=[row(1000), planted])
    assert report.verdict is Verdict.FAIL
    assert [text[: len(sentence)] for text in report.complaints(planted)] == [sentence]


@pytest.mark.parametrize(("mask", "allowed"), [("one", 1.1), ("each", 1.4)])
def test_a_mask_that_costs_too_much_is_named(mask: str, allowed: float) -> None:
    plain, inside = row(1000), row(1000, mask=mask, microseconds=90 * allowed * 0.999)
    assert ScalingReport(rows=[plain, inside]).verdict is Verdict.PASS
    above = row(1000, mask=mask, microseconds=90 * allowed + 1)
    report = ScalingReport(rows=[plain, above])
    assert report.complaints(above) == [
        f"M=1000 N=64 g=1 mask={mask}: a pattern costs {allowed + 1 / 90:.2f} × that without a mask; allowed: {allowed}"
    ]
    alone = ScalingReport(rows=[inside])
    assert alone.verdict is Verdict.FAIL
    assert alone.complaints(inside) == [
        f"M=1000 N=64 g=1 mask={mask}: the same scan without a mask was not measured, so that the cost is not known"
    ]


def test_training_that_grows_is_named() -> None:
    small = row(1000, torch={"seconds_per_pattern": 0.01, "peak_mb": 500.0})
    large = row(100_000, torch={"seconds_per_pattern": 0.01, "peak_mb": 2000.0})
    assert "training with torch takes 1500 MB more" in ScalingReport(rows=[small, large]).complaints(large)[0]


def test_sides_are_held_apart() -> None:
    assert ScalingReport(rows=[row(1000), row(1000, side=256, mib=900.0)]).verdict is Verdict.PASS


def test_no_size_is_no_pass() -> None:
    assert ScalingReport(rows=[], left_out={label(10, 256, 1): "too large"}).verdict is Verdict.FAIL


def test_an_odd_reading_from_the_disk_does_not_decide() -> None:
    found = row(1000)
    cold = {"plain": [2.0, 0.1, 2.2], "epoch": [2.5, 9.0, 2.4]}
    assert SizeRow(reading={**found.reading, "cold": cold}).of_cold == pytest.approx(0.8)


def test_what_is_written(tmp_path: Path) -> None:
    report = ScalingReport(rows=[row(1000), row(100_000, torch={"seconds_per_pattern": 0.01, "peak_mb": 500.0})])
    written = json.loads(report.write(tmp_path / "scale.json").read_text())
    assert (written["schema"], written["verdict"]) == ("ptycho-harness-scale/3", "pass")
    assert [item["reading"]["patterns"] for item in written["rows"]] == [1000, 100_000]
    assert written["rows"][0]["of_cold"] is None
    headings, first, second = report.table()
    assert headings[:3] == ["M", "N", "gridsize"]
    assert (first[-1], second[-1]) == ("", "10.0, 500")
    figure.save(tmp_path / "scale.png", report)
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
