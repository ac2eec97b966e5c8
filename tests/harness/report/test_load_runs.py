"""Which runs a report is about, and what it takes from their folders."""

import json
from pathlib import Path

import pytest

from harness.report import load_runs, write
from ptycho.errors import UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs


def test_a_run_that_was_killed_before_its_first_event_is_not_among_the_newest(tmp_path: Path, scan: Path) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    for number, log in enumerate((None, b"", b'{"event": "run.sta')):
        folder = sample_runs.root(tmp_path, f"20260103T00000{number}Z")
        if log is not None:
            (folder / "events.ndjson").write_bytes(log)
    assert ["torch-cpu"] == [run.name for run in load_runs.newest(tmp_path)]
    assert 3 == len(list(load_runs.unbegun(tmp_path)))
    html = write.write([], root=tmp_path).path.read_text()
    assert "Killed before the first event, and therefore not in this report: 20260103T000000Z" in html
    assert "unknown run" not in html


def test_the_newest_run_of_every_lane_and_kind_is_taken(tmp_path: Path, scan: Path) -> None:
    sample_runs.lane(tmp_path, "torch", scan, when="20260101T000000Z")
    newer = sample_runs.lane(tmp_path, "torch", scan, when="20260102T000000Z")
    other = sample_runs.lane(tmp_path, "tf", scan, when="20260101T000000Z")
    ladder, campaign = sample_runs.ladder(tmp_path), sample_runs.mutation(tmp_path)
    found = {run.name: run.path for run in load_runs.newest(tmp_path)}
    assert {"torch-cpu": newer, "tf-cpu": other, "parity": ladder, "mutation": campaign} == found


def test_a_run_that_is_under_way_is_named_and_left_out(tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T000000Z", living=True)
    (folder / "events.ndjson").write_bytes(sample_log.content(sample_log.whole()[:-1]))
    assert ([], [folder]) == (load_runs.newest(tmp_path), list(load_runs.under_way(tmp_path)))
    (folder / "events.ndjson").write_bytes(sample_log.content(sample_log.whole()))
    assert ["fake-cpu"] == [run.name for run in load_runs.newest(tmp_path)]


def test_a_lane_without_a_device_is_the_lane_that_was_asked_for(tmp_path: Path) -> None:
    assert ["torch-gpu"] == [run.name for run in map(load_runs.load, [sample_runs.without_gpu(tmp_path)])]


def test_a_killed_run_is_a_partial_fail(tmp_path: Path) -> None:
    run = load_runs.load(sample_runs.killed(tmp_path, "torch"))
    assert (True, Verdict.FAIL, "torch-cpu") == (run.partial, run.verdict, run.name)


def test_a_document_is_the_verdict_of_a_log_without_a_frame_and_counts_beside_one(tmp_path: Path) -> None:
    assert Verdict.PASS is load_runs.load(sample_runs.mutation(tmp_path)).verdict
    alive = load_runs.load(sample_runs.mutation(tmp_path, survived=1))
    assert (Verdict.FAIL, ["its own document says fail"]) == (alive.verdict, [item.message for item in alive.problems])
    folder = sample_runs.ladder(tmp_path)
    told = json.loads((folder / "parity.json").read_text())
    (folder / "parity.json").write_text(json.dumps(told | {"verdict": "timeout"}))
    assert Verdict.TIMEOUT is load_runs.load(folder).verdict


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000])
def test_a_document_that_cannot_be_read_is_a_problem(content: str, tmp_path: Path) -> None:
    folder = sample_runs.ladder(tmp_path)
    (folder / "parity.json").write_text(content)
    run = load_runs.load(folder)
    assert run.verdict is Verdict.FAIL
    assert run.problems[-1].message.startswith("parity.json cannot be read: ")


def test_only_the_runs_own_folder_is_read(tmp_path: Path) -> None:
    run = load_runs.load(sample_runs.ladder(tmp_path, spoilt=0.1))
    assert run.path / "pictures" / "f64-R4.png" == run.inside("/elsewhere/f64-R4.png", "pictures")
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (run.path / "pictures" / "link.png").symlink_to(secret)
    assert [None] * 4 == [run.inside(name, "pictures") for name in (str(secret), "../../secret.png", "link.png", "")]


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give the folder of a run"):
        load_runs.load(tmp_path)
