"""An array on this machine, through submitit's own local cluster: logs come back, and their absence is red."""

import json
import sys
from pathlib import Path

import pytest

from harness.ci import slurm
from harness.ci.slurm import Returned, Task, Wanted
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log

ROOT = Path(__file__).resolve().parents[3]
WRITES_A_LOG = """
import pathlib, sys
from harness.record import directory
run = directory.create(pathlib.Path(sys.argv[1]))
run.events.write_bytes(pathlib.Path(sys.argv[2]).read_bytes())
print("done")
"""


def wanted(folder: Path, *sessions: str, **changes: object) -> Wanted:
    return Wanted(**{"sessions": sessions, "cluster": "local", "folder": folder, "minutes": 5, **changes})  # type: ignore[arg-type]


def test_a_task_runs_its_session_with_a_folder_of_its_own(tmp_path: Path) -> None:
    asked = wanted(tmp_path, "torch_integration", "parity", gpus=1)
    lane, ladder = (slurm.task(name, asked, ROOT).argv[3:] for name in asked.sessions)
    assert lane == (
        *("-s", "torch_integration", "--", "--device", "cuda"),
        *("--root", str(tmp_path / "torch_integration"), "--"),
    )
    assert ladder == ("-s", "parity", "--", "--root", str(tmp_path / "parity"))


@pytest.mark.slow
def test_an_array_brings_its_event_logs_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "events.ndjson"
    log.write_bytes(sample_log.content(sample_log.whole()))
    asked = wanted(tmp_path / "array", "torch_integration", "tf_integration")
    tasks = [
        Task(
            session=name,
            argv=(sys.executable, "-c", WRITES_A_LOG, str(asked.folder / name), str(log)),
            cwd=ROOT,
            root=asked.folder / name,
        )
        for name in asked.sessions
    ]
    first, second = slurm.submit(tasks, asked)
    assert [item.session for item in (first, second)] == list(asked.sessions)
    assert [(item.returncode, item.tail) for item in (first, second)] == [(0, "done\n")] * 2
    for item in (first, second):
        (content,) = item.logs.values()
        assert content == log.read_bytes()
    assert slurm.keep(first, tmp_path / "returned") is Verdict.PASS
    (kept,) = (tmp_path / "returned").glob("*/verdict.json")
    assert json.loads(kept.read_text())["verdict"] == "pass"


def returned(**changes: object) -> Returned:
    given = {"session": "parity", "returncode": 0, "seconds": 1.0, "host": "h", "tail": "", "logs": {}, **changes}
    return Returned(**given)  # type: ignore[arg-type]


def test_a_task_without_a_log_is_no_pass(tmp_path: Path) -> None:
    assert slurm.keep(returned(), tmp_path) is Verdict.FAIL


def test_a_log_that_was_cut_is_no_pass(tmp_path: Path) -> None:
    whole = sample_log.content(sample_log.whole())
    assert slurm.keep(returned(logs={"run": whole}), tmp_path / "whole") is Verdict.PASS
    assert slurm.keep(returned(logs={"run": whole[:-40]}), tmp_path / "cut") is not Verdict.PASS


def test_a_command_that_failed_is_no_pass_whatever_its_log_says(tmp_path: Path) -> None:
    assert (
        slurm.keep(returned(returncode=1, logs={"run": sample_log.content(sample_log.whole())}), tmp_path)
        is Verdict.FAIL
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sessions": ("lint",)}, "session 'lint' keeps no event log; allowed: torch_integration"),
        ({"sessions": ("parity", "parity")}, "session 'parity' is named twice"),
        ({"cluster": "cloud"}, "--cluster 'cloud'; allowed: slurm, local"),
        ({"minutes": 0}, "--minutes 0; allowed: 1 or more"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(changes: dict[str, object], why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        wanted(tmp_path, **{"sessions": ("parity",), **changes})


def test_a_machine_without_slurm_is_said(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="--cluster local runs here"):
        slurm.submit([], wanted(tmp_path, "parity", cluster="slurm"))
