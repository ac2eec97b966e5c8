"""A run that did not pass answers first what is wrong, where, since when, and what to run next."""

import json
import re
from pathlib import Path

import pytest

from harness.cli import main
from harness.report import load_runs, trouble, write
from harness.runs import freshness
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "stale", lambda _told: [])


def test_a_ladder_names_rung_side_tensor_and_the_command_that_judges_it_again(tmp_path: Path) -> None:
    passed = sample_runs.ladder(tmp_path, when="20260101T000000Z")
    first = sample_runs.ladder(tmp_path, spoilt=0.1, when="20260102T000000Z")
    second = sample_runs.ladder(tmp_path, spoilt=0.1, when="20260103T000000Z")
    found = trouble.of(load_runs.load(second))
    assert found.what == "first failing rung: R4 at gridsize 1 in f64; at fault: torch"
    assert found.where[0] == "R4/exit_wave, torch"
    assert re.fullmatch(rf"last passed in {passed.name} \(.*\); first failed in {first.name} \(.*\)", found.since)
    assert found.next == ["python -m harness parity replay kept.npz", "nox -s parity"]
    assert trouble.of(load_runs.load(first)).since.endswith("first failed in this run")


def test_a_first_run_says_that_no_earlier_one_passed(tmp_path: Path) -> None:
    found = trouble.of(load_runs.load(sample_runs.ladder(tmp_path, spoilt=0.1)))
    assert found.since == "first failed in this run; no earlier run of this kind that passed is kept"


def test_a_run_outside_a_workspace_has_no_since(tmp_path: Path) -> None:
    folder = sample_runs.ladder(tmp_path, spoilt=0.1)
    moved = folder.rename(tmp_path / "elsewhere")
    assert trouble.of(load_runs.load(moved)).since == ""


def test_runs_of_other_kinds_are_not_earlier_ones(tmp_path: Path, scan: Path) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    assert trouble.earlier(load_runs.load(sample_runs.ladder(tmp_path, spoilt=0.1))) == []


def test_a_lane_names_the_test_and_the_command_that_repeats_the_suite(tmp_path: Path) -> None:
    rows = sample_log.whole()
    at = next(number for number, row in enumerate(rows) if row["event"] == "test.end")
    rows[at] = rows[at] | {"outcome": "failed", "message": "assert 1 == 2"}
    folder = sample_runs.root(tmp_path, "20260102T030405Z")
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    found = trouble.of(load_runs.load(folder))
    assert rows[at]["test"] in found.where
    assert found.next


def test_a_killed_run_says_where_it_was(tmp_path: Path) -> None:
    found = trouble.of(load_runs.load(sample_runs.killed(tmp_path, "torch")))
    assert found.where
    assert found.next[-1] == "nox -s torch_integration"


@pytest.mark.slow
def test_page_terminal_and_document_say_it(tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = sample_runs.everything(tmp_path, scan, spoilt=0.1)
    html = write.write([], root=root).path.read_text()
    order = [
        html.index(part)
        for part in ('class="verdict', "What is wrong with parity", 'class="cards"', "Reconstructions</h2>")
    ]
    assert order == sorted(order)
    assert "<dt>since when</dt>" in html
    assert "<dt>run next</dt>" in html
    assert Verdict.FAIL == main.main(["report", "--root", str(root)])
    assert "  next: python -m harness parity replay kept.npz" in capsys.readouterr().out.splitlines()
    main.main(["report", "--root", str(root), "--json"])
    runs = {run["name"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert runs["parity"]["trouble"]["where"][0] == "R4/exit_wave, torch"
    assert runs["torch-cpu"]["trouble"] is None
