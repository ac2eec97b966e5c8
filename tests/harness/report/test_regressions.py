"""What the regression gate said, and what it is worth, as a page shows it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.record import history
from harness.report import load_runs, regressions
from harness.report.load_runs import LoadedRun
from harness.report.model import TableCell
from tests.support import sample_runs
from tests.support.fakes.nights import night


def run(path: Path, file: str, told: dict[str, Any]) -> LoadedRun:
    folder = sample_runs.root(path, "20260102T000000Z")
    (folder / "events.ndjson").touch()
    (folder / file).write_text(json.dumps(told))
    return load_runs.load(folder)


def test_a_change_is_shown_in_per_cent_with_its_interval(tmp_path: Path) -> None:
    ends = {"lower": math.log(1.06), "mean": math.log(1.10), "upper": math.log(1.13), "pairs": 7}
    rulings = {"torch": [{"channel": "cpu", "result": "regression", "first": ends, "second": ends}]}
    made = run(tmp_path, "regression.json", {"verdict": "fail", "base": "0123456789abcdef", "rulings": rulings})
    table = regressions.against(made)
    assert "Regression against 0123456789ab" == table.caption
    wanted = ("torch", "cpu", "+10.0 %", "+6.0 % to +13.0 %", "7", "+10.0 %", TableCell(text="regression", tone="fail"))
    assert [wanted] == list(table.rows)
    assert "against" == made.name


def test_false_alarms_and_power_stand_by_what_was_planted(tmp_path: Path) -> None:
    levels = [
        {"channel": "cpu", "planted": 0.0, "regressions": 1, "inconclusive": 2, "trials": 100, "spread": 0.01},
        {"channel": "cpu", "planted": 0.1, "regressions": 98, "inconclusive": 0, "trials": 100, "spread": 0.01},
    ]
    table = regressions.self_test(run(tmp_path, "gate.json", {"verdict": "pass", "levels": levels}))
    assert [("nothing (A/A)", "cpu", "100", "1", "2"), ("+10%", "cpu", "100", "98", "0")] == list(table.rows)


@pytest.mark.parametrize("told", [{}, {"rulings": {"torch": [{}]}}, {"rulings": 3, "levels": 3}])
def test_documents_without_sense_break_nothing(told: dict[str, Any], tmp_path: Path) -> None:
    made = run(tmp_path, "regression.json", told)
    assert all("–" in row for row in regressions.against(made).rows)
    assert [] == regressions.self_test(made).rows


def test_a_change_of_the_history_is_a_row_with_its_word_and_a_chart(tmp_path: Path) -> None:
    for day in range(40):
        for subject, by, cpu in (("cost", 0.05, "a"), ("quiet", 0.0, "a"), ("moved", 0.05, "b")):
            value = 1.0 + by * (day >= 20) + 1e-3 * (day % 3)
            record = night(day, value, subject=subject, cpu=cpu if day >= 20 else "a")
            path = history.append(tmp_path, record.fingerprint, [record.entry])
    path.write_text(path.read_text() + "{torn\n")
    found = regressions.over_time(tmp_path)
    assert "3 series: 1 × other hardware, 1 × regression; 1 without a change beyond noise" == found.sentence
    words = {str(row[0]): (row[3], row[4]) for row in found.table.rows}
    assert {
        "cost, cost over calibration": ("+5.0 %", TableCell(text="regression", tone="fail")),
        "moved, cost over calibration": ("+5.0 %", TableCell(text="other hardware", tone="warn")),
    } == words
    assert 2 == len(found.charts)
    assert "entry 21: " in found.charts[0].note
    assert 1 == len(found.refused)


def test_without_a_history_nothing_is_said(tmp_path: Path) -> None:
    found = regressions.over_time(tmp_path)
    assert ("", [], []) == (found.sentence, list(found.table.rows), list(found.charts))
