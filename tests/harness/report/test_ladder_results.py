"""A ladder that was stopped is on the page as far as it came, from its log alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.report import ladder_section, load_runs, overall_status, sections, write
from harness.report.ladder_section import Ladder
from harness.report.model import TableCell
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs
from tests.support.fakes import fake_adapter
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[3]

KNOWN: dict[str, Any] = {
    "guilty": ["torch"],
    "tensor": "R2/exit_wave.even",
    "where": "ptycho_torch/physics.py:18 exit_wave",
}


def _ladder(folder: Path) -> Ladder:
    found = ladder_section.of(load_runs.load(folder))
    assert found is not None
    return found


@pytest.mark.parametrize("ending", sample_runs.ENDINGS)
def test_a_stopped_ladder_shows_what_failed_and_what_it_did_not_reach(tmp_path: Path, ending: str) -> None:
    folder = sample_runs.stopped(tmp_path, ending, reason="D is 2, allowed 1e-11", **KNOWN)
    bites(not (folder / "parity.json").exists(), "the run ended before it could write its own report")
    found = _ladder(folder)
    assert ["R4", "R3", "R2", "R0"] == [step.name for step in found.steps]
    assert ["not reached", "not reached", "fail", "pass"] == [step.result for step in found.steps]
    assert ["R3", "R4"] == found.unreached
    assert "1 of 4 rungs pass; failed: R2; not reached: R3, R4" == found.summary
    failure = found.failure
    assert failure is not None
    assert ("R2 at gridsize 1 in f64", "torch", "R2/exit_wave.even") == (failure.where, failure.guilty, failure.tensor)
    assert ["D is 2, allowed 1e-11", "ptycho_torch/physics.py:18 exit_wave"] == list(failure.reasons)
    html = write.write([folder], root=tmp_path).path.read_text()
    assert "None of the runs shown here compared" not in html
    assert "First failing rung: R2 at gridsize 1 in f64; at fault: torch" in html
    assert "Not reached: R3, R4" in html


def test_no_figure_is_made_up_for_what_only_the_log_knows(tmp_path: Path) -> None:
    found = _ladder(sample_runs.stopped(tmp_path, "infra"))
    assert {("–", "–", "–", "–")} == {(row[3], row[4], row[5], row[6]) for row in found.table.rows}
    assert ["fails; no figures were kept", "passes; no figures were kept"] == [step.margin for step in found.steps[2:]]
    assert found.failure is not None
    assert () == found.failure.facts


def test_a_rung_that_was_judged_at_one_gridsize_only_does_not_stand(tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T040000Z")
    lines = sample_runs.stopped_log("killed").splitlines(keepends=True)
    (folder / "events.ndjson").write_bytes(b"".join(lines[:4]))
    found = _ladder(folder)
    assert ["not reached", "not reached", "fail", "not reached"] == [step.result for step in found.steps]
    assert "0 of 4 rungs pass; failed: R2; not reached: R0, R3, R4" == found.summary


def test_a_ladder_that_was_stopped_before_its_first_rung_is_there_and_says_so(tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T040000Z")
    content = sample_runs.stopped_log("killed")
    for lines, said in ((1, "no rung was judged"), (2, "0 of 4 rungs pass; not reached: R0, R2, R3, R4")):
        (folder / "events.ndjson").write_bytes(b"".join(content.splitlines(keepends=True)[:lines]))
        assert said == _ladder(folder).summary
        assert "None of the runs shown here compared" not in write.write([folder], root=tmp_path).path.read_text()


def test_what_a_document_lacks_comes_from_the_log(tmp_path: Path) -> None:
    folder = sample_runs.ladder(tmp_path)
    told = json.loads((folder / "parity.json").read_text())
    told["rungs"] = told["rungs"][:1]
    (folder / "parity.json").write_text(json.dumps(told))
    rows = [
        row | {"result": "fail"} if row.get("rung") == "R4 g1 f64" else row
        for row in map(json.loads, (folder / "events.ndjson").read_text().splitlines())
    ]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    found = _ladder(folder)
    assert {"R4": "fail", "R3": "pass"} == {step.name: step.result for step in found.steps if step.name != "R9"}
    assert found.failure is not None


@pytest.mark.deep
def test_an_adapter_that_dies_after_a_rung_failed_does_not_wipe_it(tmp_path: Path) -> None:
    fault = "value * 2 if name.startswith('R2/exit_wave') else 1 / 0 if name == 'R6/object' else value"
    sides = {"torch": fake_adapter.write(tmp_path / "torch", fault=fault), "tf": fake_adapter.write(tmp_path / "tf")}
    given = [f"--python={side}={path}" for side, path in sides.items()]
    small = ("--gridsize", "1", "--precision", "f64", "--steps", "1", "--canaries", "0", "--root", str(tmp_path))
    code = subprocess.run(
        [sys.executable, "-m", "harness", "parity", *given, *small], cwd=ROOT, capture_output=True, check=False
    ).returncode
    (run,) = map(load_runs.load, (tmp_path / "runs").iterdir())
    told = json.loads((run.path / "verdict.json").read_text())
    bites("R2" in told["rung_counts"]["failed"], "a low rung failed before the adapter died")
    assert (Verdict.FAIL, "fail", Verdict.FAIL) == (code, told["verdict"], run.verdict)
    html = write.write([run.path], root=tmp_path).path.read_text()
    assert "First failing rung: R2 at gridsize 1 in f64" in html
    assert "None of the runs shown here compared" not in html


@pytest.mark.parametrize("seeds", [1, 30])
def test_a_ladder_over_seeds_that_was_stopped_is_no_run_of_the_gate(tmp_path: Path, seeds: int) -> None:
    folder = sample_runs.root(tmp_path, "20260102T040000Z")
    rungs = [f"R{number} f64 gridsize 1 seed {seed}" for seed in range(seeds) for number in (0, 2, 3, 4)]
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, rungs=rungs)[:2]
    start[0] = start[0] | {"kind": "parity", "name": "parity"}
    judged = [sample_log.parent("rung.end", rung=label, result="pass") for label in rungs[:-1]]
    (folder / "events.ndjson").write_bytes(sample_log.content([*start, *judged]))
    assert ("parity" if seeds == 1 else "parity over seeds") == load_runs.load(folder).name
    found = _ladder(folder)
    assert "3 of 4 rungs pass; not reached: R4" == found.summary
    assert (min(len(judged), 100), max(0, len(judged) - 100)) == (len(found.table.rows), found.table.more)


def test_a_run_with_drawn_problems_is_one_of_the_gate_and_shows_each_row(tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T050000Z")
    rungs = ["R4 f64 gridsize 2 seed 42", "R4 f64 gridsize 2 N 64 seed 7", "R4 f64 gridsize 2 N 128 seed 8"]
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, rungs=rungs)[:2]
    start[0] = start[0] | {"kind": "parity", "name": "parity"}
    judged = [sample_log.parent("rung.end", rung=label, result="pass") for label in rungs]
    (folder / "events.ndjson").write_bytes(sample_log.content([*start, *judged]))
    assert load_runs.load(folder).name == "parity"
    shown = [row[1] for row in _ladder(folder).table.rows]
    assert shown == ["2", "2, N 64, seed 7", "2, N 128, seed 8"]


def test_what_is_silent_is_listed_once_a_rung(tmp_path: Path) -> None:
    folder = sample_runs.stopped(tmp_path, "killed")
    (entry,) = overall_status.judge([load_runs.load(folder)], chosen=True).entries
    assert ["R3", "R4"] == [cell.text for row in sections.silent([entry]).rows if isinstance(cell := row[1], TableCell)]


def test_a_lane_climbs_no_ladder(tmp_path: Path, scan: Path) -> None:
    assert ladder_section.of(load_runs.load(sample_runs.lane(tmp_path, "torch", scan))) is None
