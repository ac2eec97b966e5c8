"""Charts: their data, and a picture for each that has any."""

from pathlib import Path
from typing import Any

import pytest

from harness.benchmark import charts
from harness.record.history import History
from tests.support.fakes.nights import night

ROW = {"side": "tf", "phases": {"train": 3.0}, "wall_s": 3.5, "budget_s": 120.0, "groups": 64, "verdict": "pass"}


def known(*seconds: float) -> History:
    return History(records=tuple(night(day, one, measure="seconds", subject="e") for day, one in enumerate(seconds)))


def test_data_of_each_chart() -> None:
    rows: dict[str, dict[str, Any]] = {"e": {**ROW, "patterns_per_second": 50.0}, "other": {"verdict": "silent"}}
    assert charts.data(rows, known(1.0, 2.0)) == {
        "budget": {"e": {"phases": {"train": 3.0}, "wall_s": 3.5, "budget_s": 120.0}},
        "history": {"e": [["2026-01-01T00:00:00+00:00", 1.0], ["2026-01-02T00:00:00+00:00", 2.0]]},
        "scaling": {"tf": [[64.0, pytest.approx(20.0)]]},
    }


def test_a_chart_without_data_is_left_out(tmp_path: Path) -> None:
    made = charts.draw(tmp_path, charts.data({}, known()) | {"history": {"e": [["t", 1.0]]}})
    assert made == {"history": "benchmark-history.png"}
    assert (tmp_path / "benchmark-history.png").read_bytes()[:4] == b"\x89PNG"
