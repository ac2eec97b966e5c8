"""The verdict of the whole: what counts, what is missed, what is stale."""

from pathlib import Path

import pytest

from harness.report import load_runs, overall_status
from harness.runs import freshness
from ptycho.verdict import Verdict
from tests.support import sample_runs


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """No run is stale but those that a test names."""
    old: dict[str, list[str]] = {}
    monkeypatch.setattr(freshness, "stale", lambda told: old.get(told.lane, []))
    return old


def judged(path: Path, *, chosen: bool = False) -> overall_status.OverallStatus:
    return overall_status.judge(load_runs.newest(path), chosen=chosen)


def test_it_passes_if_every_gate_ran_and_passed(tmp_path: Path, scan: Path) -> None:
    found = judged(sample_runs.everything(tmp_path, scan))
    assert (Verdict.PASS, "5 of 5 runs passed") == (found.verdict, found.sentence)
    names = [entry.run.name for entry in found.entries]
    assert ["torch-cpu", "tf-cpu", "parity", "benchmark", "mutation"] == names
    sentences = {entry.run.name: entry.sentence for entry in found.entries}
    assert "1 fixture scored, 3 tests passed" == sentences["torch-cpu"]
    assert "2 of 2 rungs pass" == sentences["parity"]
    assert "2 of 2 planted faults found" == sentences["mutation"]


def test_a_gate_that_did_not_run_leaves_the_whole_incomplete_unless_runs_were_chosen(
    tmp_path: Path, scan: Path
) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    found = judged(tmp_path)
    assert (Verdict.INCONCLUSIVE, "incomplete", True) == (found.verdict, found.word, found.incomplete)
    assert "1 of 4 gates run, none failed; did not run: TensorFlow lane, parity, benchmark" == found.sentence
    chosen = judged(tmp_path, chosen=True)
    assert (Verdict.PASS, "pass", "1 of 1 run passed") == (chosen.verdict, chosen.word, chosen.sentence)


def test_a_failure_beside_a_gate_that_did_not_run_is_a_fail(tmp_path: Path, scan: Path) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    sample_runs.ladder(tmp_path, spoilt=0.1)
    found = judged(tmp_path)
    assert (Verdict.FAIL, "fail", False) == (found.verdict, found.word, found.incomplete)
    assert "1 of 2 runs passed; did not run: TensorFlow lane, benchmark" == found.sentence


def test_an_old_green_counts_as_a_gate_that_did_not_run(
    tmp_path: Path, scan: Path, fresh: dict[str, list[str]]
) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    fresh["torch-cpu"] = ["commit: the outcome is of a, wanted is b"]
    found = judged(tmp_path)
    assert (Verdict.INCONCLUSIVE, True) == (found.verdict, found.incomplete)
    lists = "not current: PyTorch lane; did not run: TensorFlow lane, parity, benchmark"
    assert f"0 of 4 gates run, none failed; {lists}" == found.sentence


@pytest.mark.parametrize("ending", sample_runs.ENDINGS)
def test_a_ladder_that_was_stopped_shows_its_first_failure(tmp_path: Path, ending: str) -> None:
    sample_runs.stopped(tmp_path, ending, guilty=["torch"])
    (entry,) = judged(tmp_path, chosen=True).entries
    assert entry.verdict is (Verdict.INTERRUPTED if ending == "interrupted" else Verdict.FAIL)
    assert "first failing rung: R2 at gridsize 1 in f64; at fault: torch" == entry.sentence


def test_no_run_at_all_is_a_fail(tmp_path: Path) -> None:
    assert Verdict.FAIL is judged(tmp_path).verdict
    assert Verdict.FAIL is judged(tmp_path, chosen=True).verdict


def test_the_gravest_verdict_is_that_of_the_whole(tmp_path: Path, scan: Path) -> None:
    sample_runs.everything(tmp_path, scan, spoilt=0.1)
    assert Verdict.FAIL is judged(tmp_path).verdict
    sample_runs.without_gpu(tmp_path)
    assert Verdict.INFRA is judged(tmp_path).verdict


@pytest.mark.slow
def test_the_first_failure_of_a_ladder_is_its_sentence(tmp_path: Path) -> None:
    sample_runs.ladder(tmp_path, spoilt=0.1)
    (entry,) = judged(tmp_path, chosen=True).entries
    assert "first failing rung: R4 at gridsize 1 in f64; at fault: torch" == entry.sentence


def test_an_old_green_of_a_gate_is_no_green(tmp_path: Path, scan: Path, fresh: dict[str, list[str]]) -> None:
    sample_runs.everything(tmp_path, scan)
    fresh["tf-cpu"] = ["commit: the outcome is of a, wanted is b"]
    found = judged(tmp_path)
    (entry,) = (entry for entry in found.entries if entry.stale)
    assert (Verdict.INCONCLUSIVE, Verdict.PASS, False) == (found.verdict, entry.verdict, entry.counts)
    assert "3 of 4 gates run, none failed; not current: TensorFlow lane" == found.sentence


def test_an_old_red_of_a_gate_stays_red(tmp_path: Path, scan: Path, fresh: dict[str, list[str]]) -> None:
    sample_runs.everything(tmp_path, scan, spoilt=0.1)
    fresh["fake-cpu"] = fresh["parity"] = ["commit: the outcome is of a, wanted is b"]
    found = judged(tmp_path)
    (entry,) = (entry for entry in found.entries if entry.stale)
    assert (Verdict.FAIL, Verdict.FAIL, True) == (found.verdict, entry.verdict, entry.counts)


def test_an_old_run_of_another_device_does_not_count_beside_a_new_one(
    tmp_path: Path, scan: Path, fresh: dict[str, list[str]]
) -> None:
    sample_runs.everything(tmp_path, scan)
    sample_runs.without_gpu(tmp_path)
    fresh["torch"] = ["commit: the outcome is of a, wanted is b"]
    found = judged(tmp_path)
    (entry,) = (entry for entry in found.entries if entry.run.name == "torch-gpu")
    assert (Verdict.PASS, Verdict.INFRA, False) == (found.verdict, entry.verdict, entry.counts)
