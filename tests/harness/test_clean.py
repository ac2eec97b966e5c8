"""Dead runs are swept, living ones are not touched, and checking changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import clean, processes, runroot
from ptycho.verdict import Verdict


def _dead(root: Path) -> runroot.RunRoot:
    """A run whose record names a process of another boot under a pid that is very much alive: ours."""
    run = runroot.create(root)
    record = json.loads((run.path / runroot.MARKER).read_text())
    record["owner"]["started"] = "1"
    (run.path / runroot.MARKER).write_text(json.dumps(record))
    (run.scratch / "store").mkdir()
    (run.scratch / "store" / "patches.bin").write_bytes(bytes(100))
    (run.logs / "train.log").write_text("kept")
    return run


def test_a_dead_run_loses_scratch_and_processes_and_keeps_its_logs(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    env = {**os.environ, processes.TOKEN_VARIABLE: run.token}
    argv = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout is not None
        orphan.stdout.readline()
        assert [len(remains.processes) for remains in clean.survey(tmp_path)] == [1]
        swept, refused = clean.sweep(tmp_path)
        assert orphan.wait(timeout=10) == -15
    assert ([remains.run.path for remains in swept], refused) == ([run.path], [])
    assert not run.scratch.exists()
    assert (run.logs / "train.log").read_text() == "kept"
    assert clean.survey(tmp_path) == []


def test_a_living_run_is_not_touched(tmp_path: Path) -> None:
    run = runroot.create(tmp_path)
    (run.scratch / "store").write_text("x")
    assert clean.sweep(tmp_path) == ([], [])
    assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.PASS
    assert (run.scratch / "store").read_text() == "x"


@pytest.mark.parametrize(("option", "code"), [("check", Verdict.FAIL), ("dry_run", Verdict.PASS)])
def test_looking_changes_nothing(
    tmp_path: Path, option: str, code: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _dead(tmp_path)
    options = {"check": False, "dry_run": False, "everything": True, option: True}
    assert clean.main(tmp_path, **options) == code
    assert str(run.path) in capsys.readouterr().out
    assert (run.scratch / "store" / "patches.bin").exists()


def test_all_removes_what_dead_runs_keep(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.PASS
    assert run.path.exists()
    assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.PASS
    assert not run.path.exists()
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.PASS


def test_scratch_that_is_a_link_is_refused_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _dead(tmp_path)
    outside = tmp_path / "outside"
    run.scratch.rename(outside)
    run.scratch.symlink_to(outside)
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.FAIL
    assert "left in place" in capsys.readouterr().out
    assert (outside / "store" / "patches.bin").exists()
