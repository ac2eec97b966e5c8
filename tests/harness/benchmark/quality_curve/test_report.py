"""The bar: met by the longest training that fits the time, on both sides, in all three figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.benchmark.quality_curve import figure
from harness.benchmark.quality_curve.report import Point, QualityCurve
from ptycho.verdict import Verdict

FLAT = {"phase_correlation": 0.0, "phase_psnr": 5.0, "amplitude_psnr": 20.0}
GOOD = {"phase_correlation": 0.93, "phase_psnr": 13.0, "amplitude_psnr": 26.0}


def point(side: str, epochs: int, seconds: float, *, way: float | None = 0.95, **worse: float) -> Point:
    return Point(
        side=side,
        epochs=epochs,
        training_s=seconds,
        process_s=seconds + 4,
        scores=GOOD | worse,
        flat=FLAT,
        way=way,
    )


def report(*points: Point, measured: bool = False) -> QualityCurve:
    return QualityCurve(points=points, sides=("torch", "tf"), within_s=120.0, measured=measured)


TF = point("tf", 4, 80.0)


def test_both_sides_in_time_and_above_the_bar_pass() -> None:
    found = report(point("torch", 1, 20.0, phase_correlation=0.2), point("torch", 4, 70.0), TF)
    assert (list(found.complaints()), found.verdict) == ([], Verdict.PASS)
    assert found.as_dict()["counted"] == {"torch": 4, "tf": 4}


@pytest.mark.parametrize(
    ("worse", "sentence"),
    [
        ({"phase_correlation": 0.89}, "phase correlation 0.890; needed: 0.90"),
        ({"phase_correlation": float("nan")}, "phase correlation nan; needed: 0.90"),
        ({"phase_psnr": 9.9}, "phase PSNR 4.9 dB over a flat object; needed: 5 dB"),
        ({"amplitude_psnr": 22.9}, "amplitude PSNR 2.9 dB over a flat object; needed: 3 dB"),
    ],
)
def test_one_figure_below_its_bar_fails(worse: dict[str, float], sentence: str) -> None:
    found = report(point("torch", 4, 70.4, **worse), TF)
    assert list(found.complaints()) == [f"torch, 4 epochs in 70 s: {sentence}"]
    assert found.verdict is Verdict.FAIL


def test_of_a_measured_scan_only_the_data_judge() -> None:
    poor = {"phase_correlation": 0.1, "phase_psnr": 1.0, "amplitude_psnr": 1.0}
    assert list(report(point("torch", 4, 70.0, way=0.9, **poor), TF, measured=True).complaints()) == []


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        (0.894, "Fourier error 89% of the way from a flat object to the file's; needed: 90%"),
        (-0.5, "Fourier error -50% of the way from a flat object to the file's; needed: 90%"),
        (float("nan"), "Fourier error nan% of the way from a flat object to the file's; needed: 90%"),
        (None, "the file's object explains the data no better than a flat one; needed: 90%"),
    ],
)
def test_a_measured_scan_that_is_not_explained_fails(way: float | None, sentence: str) -> None:
    found = report(point("torch", 4, 70.4, way=way), TF, measured=True)
    assert list(found.complaints()) == [f"torch, 4 epochs in 70 s: {sentence}"]
    assert found.verdict is Verdict.FAIL


def test_a_good_training_that_takes_too_long_does_not_count() -> None:
    found = report(point("torch", 1, 20.0, phase_psnr=6.0), point("torch", 8, 121.0), TF)
    assert list(found.complaints()) == ["torch, 1 epoch in 20 s: phase PSNR 1.0 dB over a flat object; needed: 5 dB"]


def test_the_longest_counts_also_where_a_shorter_one_scored_better() -> None:
    found = report(point("torch", 4, 70.0), point("torch", 6, 100.0, phase_correlation=0.5), TF)
    assert found.verdict is Verdict.FAIL


def test_a_side_without_a_training_in_time_fails() -> None:
    found = report(TF, replace(TF, side="torch", training_s=200.0))
    assert list(found.complaints()) == ["torch: no training fits 120 s"]
    assert list(report(TF).complaints()) == ["torch: no training fits 120 s"]


def test_the_table_has_a_row_a_point() -> None:
    assert report(TF).table()[1:] == [["tf, 4 epochs", "80", "84", "0.930", "+8.0", "+6.0", "95%"]]
    assert report(replace(TF, way=None)).table()[1][-1] == "–"


@pytest.mark.slow
def test_the_picture_has_a_line_for_each_side(tmp_path: Path) -> None:
    path = figure.save(tmp_path / "curve.png", report(point("torch", 4, 70.0), TF))
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
