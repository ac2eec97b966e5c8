"""Figures of ended runs reach the history once, with what they belong to; a history in the way fails no run."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.record import directory, history, log, state
from harness.record.history import MeasuredFigures
from harness.runs import remember
from tests.support import sample_runs


def entries(folder: Path) -> list[MeasuredFigures]:
    return remember.entries(state.tell(log.parse((folder / "events.ndjson").read_bytes())), folder)


def told(folder: Path, number: int, **changes: Any) -> None:
    """Change one event of a log."""
    rows = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    rows[number] |= changes
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def lane(tmp_path: Path) -> Path:
    scan = tmp_path / "scan.npz"
    scan.write_bytes(b"scan")
    folder = sample_runs.root(tmp_path, "20260102T030405Z")
    rows = sample_runs.lane_rows("torch", scan)
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_lane_leaves_the_quality_of_each_fixture_that_passed(lane: Path) -> None:
    (entry,) = entries(lane)
    assert (entry.kind, entry.subject) == ("lane", "torch-cpu scan")
    assert entry.values == {"phase_correlation": 0.94}
    assert set(entry.method) == {"scores", "data set scan"}
    rows = [json.loads(line) for line in (lane / "events.ndjson").read_text().splitlines()]
    number = next(at for at, row in enumerate(rows) if row["event"] == "fixture.end")
    told(lane, number, scores={"phase_correlation": 0.9, "fourier_error": 0.02})
    assert entries(lane)[0].values == {"phase_correlation": 0.9, "fourier_error": 0.02}
    told(lane, number, scores={"phase_correlation": float("nan"), "fourier_error": True})
    assert entries(lane) == []
    told(lane, number, scores={"phase_correlation": 0.9}, verdict="fail")
    assert entries(lane) == []


def test_a_ladder_leaves_the_noise_units_of_each_rung_that_passed(tmp_path: Path) -> None:
    folder = sample_runs.ladder(tmp_path)
    document = json.loads((folder / "parity.json").read_text())
    rows = [("R3", 1.5, "pass"), ("R4", 2.5, "fail"), ("R5", None, "pass"), ("R6", "inf", "pass")]
    document["rungs"] = [
        {"rung": rung, "precision": "f32", "gridsize": 2, "result": result, "noise_units": units}
        for rung, units, result in rows
    ]
    document["parties"] = {"f32": {"torch": {"engine": {"version": "2.13.0+cpu"}}, "tf": {"engine": []}}}
    (folder / "parity.json").write_text(json.dumps(document))
    (entry,) = entries(folder)
    assert (entry.subject, entry.values) == ("R3 f32 gridsize 2", {"noise_units": 1.5})
    assert (entry.versions, entry.method["seed"]) == ({"torch": "2.13.0+cpu"}, "42")


@pytest.mark.parametrize("text", ["[]", "{}", '{"rungs": [1]}', '{"rungs": 3, "parties": [1]}'])
def test_a_document_of_somebody_else_leaves_nothing(tmp_path: Path, text: str) -> None:
    folder = sample_runs.ladder(tmp_path)
    (folder / "parity.json").write_text(text)
    assert entries(folder) == []


def test_a_run_appends_to_its_workspace_and_what_is_in_the_way_is_a_sentence(lane: Path) -> None:
    root = lane.parents[1]
    assert directory.load(lane) is not None
    assert remember.remember(lane) == []
    (record,) = history.read_all(root).records
    assert record.entry.subject == "torch-cpu scan"
    assert set(record.fingerprint) == {"cpu", "cores", "gpu", "driver", "device", "locks"}
    for path in (root / "history").iterdir():
        path.unlink()
        path.mkdir()
    (sentence,) = remember.remember(lane)
    assert sentence.startswith("the figures of this run are not in the history: ")


def test_a_log_outside_a_workspace_has_no_history(tmp_path: Path, lane: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "events.ndjson").write_bytes((lane / "events.ndjson").read_bytes())
    assert remember.remember(tmp_path / "elsewhere") == []
    assert not (tmp_path / "history").exists()
