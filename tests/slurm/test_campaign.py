"""The mutation campaign on a real Slurm: kills of a task, of the command, and what lives on."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.ci import cells
from tests.support.array_runs import Command, is_gone, start
from tests.support.injected import bites
from tests.support.slurm_cluster import Cluster

PATIENCE_S = 240.0
"""Nothing here is about seconds, and the catalogue is read and digested on a machine that may be busy."""


def run(cluster: Cluster, tmp_path: Path, act: str) -> Command:
    """Start the campaign with two workers."""
    words = ("--id", "adam-*", "--cpus", "3")
    return start(tmp_path / "campaign", {"mutation": act}, *words, base=cluster.environment)


def stalled(command: Command) -> Path:
    """Wait until a worker waits within its batch; returns the file that says so."""
    command.until(lambda: any(command.folder.glob("arrays/*/worker-*/busy")), PATIENCE_S)
    return next(iter(command.folder.glob("arrays/*/worker-*/busy")))


@pytest.mark.fault("campaign-killed")
def test_a_killed_task_s_cells_run_when_the_command_is_given_again(cluster: Cluster, tmp_path: Path) -> None:
    command = run(cluster, tmp_path, "stall")
    busy = stalled(command)
    index = int(busy.parent.name.rpartition("-")[2]) - 1
    pid = json.loads((busy.parents[1] / f"task-{index}.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    command.until(lambda: f"{busy.parent.name}: infra, lost: failed" in command.text, PATIENCE_S)
    bites(is_gone(pid), "the task was killed")
    command.process.send_signal(signal.SIGTERM)
    assert command.end(PATIENCE_S) in (13, 130)
    again = run(cluster, tmp_path, "pass")
    assert again.end(PATIENCE_S) == 0, again.text
    made = cells.load(again.folder)
    assert made.complaints() == []
    assert len(list((again.folder / "released").iterdir())) > 0


@pytest.mark.fault("campaign-killed")
def test_an_array_that_outlived_its_command_is_not_taken_over(cluster: Cluster, tmp_path: Path) -> None:
    command = run(cluster, tmp_path, "stall")
    stalled(command)
    command.process.kill()
    command.process.wait()
    second = run(cluster, tmp_path, "pass")
    assert second.end(PATIENCE_S) == 2
    bites("running" in second.text, "the first array still runs")
    assert "error: the campaign is under way: job " in second.text
    subprocess.run(["scancel", "--me"], env=cluster.environment, check=True)
    argv = ["squeue", "--noheader"]
    command.until(lambda: subprocess.check_output(argv, env=cluster.environment) == b"", PATIENCE_S)
    third = run(cluster, tmp_path, "pass")
    assert third.end(PATIENCE_S) == 0, third.text
    assert cells.load(third.folder).complaints() == []
