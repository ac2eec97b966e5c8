"""
Sessions as an array of processes of this machine: what comes back, what is red, and what ends.

The same on a real cluster is in `tests/slurm`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.ci import slurm
from harness.ci.array import ArrayOptions, Ending, Task
from harness.record import directory
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log
from tests.support.array_runs import WITHIN_S, Command, is_gone, start
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[..., Command]


@pytest.fixture
def run(tmp_path: Path) -> Start:
    """Starts the command, with two tasks at a time."""

    def started(acts: dict[str, str], *options: str) -> Command:
        return start(tmp_path / "arrays", acts, "--local", "--cpus", "1", *options)

    return started


@pytest.mark.deep
def test_an_array_brings_its_event_logs_back_and_each_session_its_own_verdict(run: Start) -> None:
    command = run({"torch_integration": "pass", "tf_integration": "fail", "parity": "nothing"}, "--json")
    assert command.end() == 1, command.text
    assert json.loads(command.out.read_text()) == command.result()
    assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "fail", "parity": "fail"}
    assert [item["why"] for item in command.result()["tasks"]] == ["", "", "it brought no event log back"]
    assert command.log_verdict("torch_integration")["verdict"] == "pass"


@pytest.mark.deep
@pytest.mark.fault("cluster-task-killed")
def test_a_killed_task_is_red_at_once_and_its_neighbour_s_pass_is_kept(run: Start) -> None:
    command = run({"torch_integration": "slow", "tf_integration": "hang"})
    session = command.busy("tf_integration")
    pid = command.record(1)["pid"]
    os.kill(pid, signal.SIGKILL)
    command.until(lambda: "tf_integration: infra, lost: failed" in command.text, WITHIN_S)
    bites(command.record(1).get("ended") is not True, "the task could not say how it ended")
    assert command.end() == 13
    assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "infra"}
    command.until(lambda: is_gone(session))


@pytest.mark.deep
@pytest.mark.fault("cluster-cancelled")
def test_a_signal_ends_every_task_and_tears_everything_down(run: Start) -> None:
    command = run({"torch_integration": "hang", "tf_integration": "hang", "parity": "pass"})
    sessions = [command.busy("torch_integration")]
    command.process.send_signal(signal.SIGINT)
    assert command.end(40) == 130
    bites(command.record(0)["stop"] == "cancelled", "the task was asked to end")
    assert [pid for pid in sessions if not is_gone(pid)] == []
    assert set(command.verdicts().values()) == {"interrupted"}
    assert list(command.array.glob("*/runs/*/scratch")) == []


@pytest.mark.slow
@pytest.mark.fault("cluster-cancelled")
def test_tasks_of_this_machine_end_when_the_command_is_killed(run: Start) -> None:
    command = run({"parity": "hang"})
    session, pid = command.busy("parity"), command.record(0)["pid"]
    command.process.kill()
    command.process.wait()
    bites(not is_gone(pid), "the task outlived the command")
    command.until(lambda: is_gone(session) and is_gone(pid), 30.0)


def session_of(tmp_path: Path, session: str, gpus: int = 0) -> Task:
    """The task of a session."""
    return slurm.task(session, tmp_path, ROOT, gpus=gpus)


def test_a_task_runs_its_session_with_a_folder_of_its_own(tmp_path: Path) -> None:
    lane, ladder = (session_of(tmp_path, name, gpus=1).argv[3:] for name in ("torch_integration", "mutation"))
    assert lane == (
        *("-s", "torch_integration", "--", "--device", "cuda"),
        *("--root", str(tmp_path / "torch_integration"), "--"),
    )
    assert ladder == ("-s", "mutation", "--", "--root", str(tmp_path / "mutation"))


@pytest.mark.parametrize("session", ["parity", "benchmark"])
def test_parity_and_benchmark_compute_on_the_gpu_that_an_array_asks_for(session: str, tmp_path: Path) -> None:
    with_gpu, without = (session_of(tmp_path, session, gpus=gpus).argv[4:] for gpus in (1, 0))
    assert with_gpu == (session, "--", "--device", "cuda", "--root", str(tmp_path / session))
    assert without == (session, "--", "--root", str(tmp_path / session))


def ending(tmp_path: Path, verdict: Verdict, log: bytes | None = None, why: str = "") -> Ending:
    """How a task ended, and the log that it left."""
    task = session_of(tmp_path, "parity")
    if log is not None:
        kept = directory.create(task.root)
        kept.events.write_bytes(log)
        directory.release(kept)
    return Ending(task=task, verdict=verdict, why=why, log=tmp_path / "task-0.log")


def whole() -> bytes:
    """A log that passes."""
    return sample_log.content(sample_log.whole())


@pytest.mark.parametrize(
    ("verdict", "log", "expected"),
    [
        (Verdict.PASS, whole(), Verdict.PASS),
        (Verdict.PASS, None, Verdict.FAIL),
        (Verdict.PASS, whole()[:-40], Verdict.FAIL),
        (Verdict.FAIL, whole(), Verdict.FAIL),
        (Verdict.TIMEOUT, whole()[:-40], Verdict.TIMEOUT),
        (Verdict.TIMEOUT, None, Verdict.TIMEOUT),
        (Verdict.INFRA, whole(), Verdict.INFRA),
        (Verdict.INTERRUPTED, whole(), Verdict.INTERRUPTED),
    ],
)
def test_a_verdict_takes_a_log_and_an_end_that_agree_to_pass(
    verdict: Verdict, log: bytes | None, expected: Verdict, tmp_path: Path
) -> None:
    assert slurm.judge(ending(tmp_path, verdict, log)).verdict is expected


def test_the_log_is_more_exact_than_the_exit_code_of_nox(tmp_path: Path) -> None:
    events = [sample_log.parent("benchmark.end", benchmark="epoch", verdict="budget")]
    log = sample_log.content([*sample_log.whole()[:-1], *events, sample_log.whole()[-1] | {"verdict": "budget"}])
    found = slurm.judge(ending(tmp_path, Verdict.FAIL, log, why="its command ended with exit code 1"))
    assert (found.verdict, found.why) == (Verdict.BUDGET, "")


def test_a_living_run_keeps_its_scratch(tmp_path: Path) -> None:
    task = session_of(tmp_path, "parity")
    kept = directory.create(task.root)
    kept.events.write_bytes(whole())
    found = slurm.judge(Ending(task=task, verdict=Verdict.INFRA, log=tmp_path / "x"))
    assert kept.scratch.is_dir()
    assert found.notes == (f"{kept.path} still lives: not touched",)
    directory.release(kept)


@pytest.mark.parametrize(
    ("sessions", "why"),
    [
        (("lint",), "session 'lint' keeps no event log; allowed: torch_integration"),
        (("parity", "parity"), "session 'parity' is named twice"),
    ],
)
def test_a_session_that_brings_nothing_back_is_refused(sessions: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        slurm.check(sessions)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"minutes": 0}, "--minutes 0; allowed: 1 or more"),
        ({"gpus": -1}, "--gpus -1; allowed: 0 or more"),
        ({"silence_minutes": 0.0}, "--silence-minutes 0; allowed: more than 0"),
        ({"pending_minutes": float("nan")}, "--pending-minutes nan; allowed: more than 0"),
        ({"local": True, "partition": "x"}, "--partition 'x' is Slurm's; leave out --local or it"),
    ],
)
def test_an_option_out_of_range_is_refused(changes: dict[str, object], why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        ArrayOptions(**{"folder": tmp_path, **changes})  # type: ignore[arg-type]


def test_a_machine_without_slurm_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match=r"sbatch, squeue, scancel not on PATH; .* or --local runs here"):
        ArrayOptions(folder=tmp_path).scheduler()


@pytest.mark.fault("cluster-library")
def test_a_machine_without_nox_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.ci.slurm.find_spec", lambda _name: None)
    with pytest.raises(InfrastructureError, match=r"nox is not installed for .*; python -m pip install"):
        session_of(tmp_path, "parity")
    monkeypatch.undo()
    bites(session_of(tmp_path, "parity").argv[1:3] == ("-m", "nox"), "where it is, nothing is said")


@pytest.mark.slow
def test_the_tests_on_a_real_slurm_end_with_13_where_none_can_be_installed(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/slurm/test_array.py", "-k", "document"]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 13, done.stdout
    assert "no Slurm to test against: no " in done.stdout + done.stderr
    assert "and no apt-get to install them" in done.stdout + done.stderr
    assert "skipped" not in done.stdout
