"""A run's folder is known by its record, and nothing without one is taken for a run."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness import processes, runroot


def test_a_new_run_is_alive_found_and_empty(tmp_path: Path) -> None:
    run = runroot.create(tmp_path)
    assert run.alive
    assert list(runroot.find(tmp_path)) == [run]
    assert run.owner == processes.identify(os.getpid())
    assert run.path.parent == tmp_path / "runs"
    assert run.path.name.endswith(f"Z-{run.token}")
    assert sorted(path.name for path in run.path.iterdir()) == ["logs", "pictures", "run.json", "scratch"]
    assert run.remove_scratch() == []
    assert not run.scratch.exists()


def test_tokens_differ(tmp_path: Path) -> None:
    assert len({runroot.create(tmp_path).token for _ in range(5)}) == 5


def test_a_run_of_another_boot_or_start_is_dead(tmp_path: Path) -> None:
    run = runroot.create(tmp_path)
    assert not replace(run, owner=replace(run.owner, boot="earlier")).alive
    assert not replace(run, owner=replace(run.owner, started="0")).alive


@pytest.mark.parametrize(
    "record", [None, "", "[]", "{}", '{"schema": "another"}', '{"schema": "ptycho-harness-run/1"}']
)
def test_a_folder_without_a_whole_record_is_not_ours(tmp_path: Path, record: str | None) -> None:
    folder = tmp_path / "runs" / "stray"
    folder.mkdir(parents=True)
    if record is not None:
        (folder / "run.json").write_text(record)
    assert runroot.load(folder) is None
    assert list(runroot.find(tmp_path)) == []


def test_a_link_to_a_run_is_not_a_run(tmp_path: Path) -> None:
    run = runroot.create(tmp_path)
    (run.path.parent / "link").symlink_to(run.path)
    assert [found.path.name for found in runroot.find(tmp_path)] == [run.path.name]
    assert json.loads((run.path / "run.json").read_text())["token"] == run.token


def test_no_runs_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list(runroot.find(tmp_path / "absent")) == []


def test_the_run_that_a_path_lies_in(tmp_path: Path) -> None:
    run = runroot.create(tmp_path)
    assert runroot.enclosing(run.scratch / "train" / "writes.log") == run
    assert runroot.enclosing(tmp_path / "runs" / "file") is None


def test_a_folder_is_abandoned_when_its_maker_is_gone(tmp_path: Path) -> None:
    own = processes.identify(os.getpid())
    for name in (f"a-{own.pid}-{own.started}", f"b-{own.pid}-1", "c", "d-x-y"):
        (tmp_path / "runs" / f".nascent-{name}").mkdir(parents=True)
    found = [path.name for path in runroot.abandoned(tmp_path)]
    assert found == [f".nascent-b-{own.pid}-1", ".nascent-c", ".nascent-d-x-y"]
    assert runroot.abandoned(tmp_path / "absent") == []
    assert list(runroot.find(tmp_path)) == []


def test_making_a_run_leaves_nothing_unfinished(tmp_path: Path) -> None:
    run = runroot.create(tmp_path)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.path.name]


def test_the_whole_folder_of_a_run_goes(tmp_path: Path) -> None:
    run, other = runroot.create(tmp_path), runroot.create(tmp_path)
    assert run.remove() == []
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [other.path.name]
    assert run.remove() == []
