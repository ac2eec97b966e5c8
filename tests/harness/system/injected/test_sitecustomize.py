"""The observer names what a Python child writes outside its scratch, whichever way it does, and nothing inside."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.isolation.leaks import observed_writes
from harness.isolation.sandbox import OBSERVER
from harness.process.stacks import SIGNAL
from harness.record.log import read

WAYS = {
    "open": "open(path, 'w').close()",
    "append": "open(path, 'ab').close()",
    "low": "import os; os.close(os.open(path, os.O_CREAT | os.O_WRONLY))",
    "mkdir": "import os; os.mkdir(path)",
    "rename": "import os; open('inside', 'w').close(); os.rename('inside', path)",
    "symlink": "import os; os.symlink('/', path)",
    "sqlite": "import sqlite3; sqlite3.connect(path).execute('create table t (a)').connection.close()",
    "bytes": "open(path.encode(), 'w').close()",
}


def _observe(code: str, scratch: Path, path: Path) -> dict[str, int]:
    scratch.mkdir(exist_ok=True)
    log = scratch / "writes.log"
    env = {
        "PYTHONPATH": str(OBSERVER),
        "PTYCHO_HARNESS_WRITES": str(log),
        "PTYCHO_HARNESS_SCRATCH": str(scratch),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = [sys.executable, "-c", f"import sys; path = sys.argv[1]; {code}", str(path)]
    subprocess.run(argv, env=env, cwd=scratch, check=True)
    return observed_writes([log])


@pytest.mark.parametrize("way", WAYS)
def test_a_write_outside_is_named(tmp_path: Path, way: str) -> None:
    assert list(_observe(WAYS[way], tmp_path / "scratch", tmp_path / "planted ü")) == [str(tmp_path / "planted ü")]


def test_writes_inside_and_reads_are_not(tmp_path: Path) -> None:
    (tmp_path / "read").write_text("x")
    code = "open(path).close(); open('inside', 'w').close(); open('/dev/null', 'w').close()"
    assert _observe(code, tmp_path / "scratch", tmp_path / "read") == {}


def test_a_sibling_with_the_scratch_as_prefix_is_outside(tmp_path: Path) -> None:
    sibling = tmp_path / "scratch-not"
    assert list(_observe(WAYS["open"], tmp_path / "scratch", sibling)) == [str(sibling)]


def _said(code: str, folder: Path, *, log: bool = True) -> list[dict[str, object]]:
    """What a child says to the event log."""
    scratch, events = folder / "scratch", folder / "events.ndjson"
    scratch.mkdir()
    env = {
        "PYTHONPATH": str(OBSERVER),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PTYCHO_HARNESS_WRITES": str(scratch / "writes.log"),
        "PTYCHO_HARNESS_SCRATCH": str(scratch),
    }
    env |= {"PTYCHO_HARNESS_EVENTS": str(events)} if log else {}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=scratch, check=True)
    assert observed_writes([scratch / "writes.log"]) == {}
    return list(read(events)) if log else []


def test_what_a_pipeline_says_of_its_course_goes_into_the_event_log(tmp_path: Path) -> None:
    code = (
        "import sys; sys.audit('ptycho.phase.start', {'phase': 'train'}); sys.audit('other.event', 1)\n"
        "sys.audit('ptycho.epoch.end', {'epoch': 1, 'loss': float('nan')})"
    )
    rows = _said(code, tmp_path)
    assert [(row["event"], row.get("phase"), row.get("epoch"), row.get("loss")) for row in rows] == [
        ("phase.start", "train", None, None),
        ("epoch.end", None, 1, "nan"),
    ]


def test_a_pipeline_that_speaks_without_a_log_is_not_disturbed(tmp_path: Path) -> None:
    assert _said("import sys; sys.audit('ptycho.phase.start', {'phase': 'train'})", tmp_path, log=False) == []
    assert not (tmp_path / "events.ndjson").exists()


def test_a_dump_file_that_is_gone_is_not_made_again_and_disturbs_nobody(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(OBSERVER), "PTYCHO_HARNESS_STACKS": str(tmp_path / "gone"), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-c", "print('up')"]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("up\n", "", [])


def test_a_handler_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    code = (
        f"import importlib.util, os, signal, sys\nnumber = {int(SIGNAL)}\n"
        "signal.signal(number, lambda *_: print('mine'))\n"
        f"spec = importlib.util.spec_from_file_location('again', {str(OBSERVER / 'sitecustomize.py')!r})\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\nos.kill(os.getpid(), number)"
    )
    (tmp_path / "dump").touch()
    env = {"PTYCHO_HARNESS_STACKS": str(tmp_path / "dump"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, (tmp_path / "dump").read_text()) == ("mine\n", "")
