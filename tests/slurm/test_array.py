"""Arrays on a real Slurm without accounting, as it is installed: what a user sees when something goes wrong there."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.array_runs import WITHIN_S, Command, is_gone, start
from tests.support.injected import bites
from tests.support.slurm_cluster import Cluster

Start = Callable[..., Command]
DAEMON_S = 30.0


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Start:
    """Starts the command against the cluster."""

    def started(acts: dict[str, str], *options: str, name: str = "arrays") -> Command:
        return start(tmp_path / name, acts, *options, base=cluster.environment)

    return started


def queue(cluster: Cluster) -> str:
    """Jobs that have not ended."""
    argv = ["squeue", "--noheader", "--format=%i|%T|%r"]
    return subprocess.run(argv, env=cluster.environment, capture_output=True, text=True, check=False).stdout


def test_two_nodes_run_the_tasks_and_their_logs_are_the_result(run: Start) -> None:
    command = run({"torch_integration": "pass", "tf_integration": "slow"}, "--cpus", "3")
    assert command.end() == 0, command.text
    assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "pass"}
    assert command.log_verdict("tf_integration")["verdict"] == "pass"
    # Three of four cores each: they cannot have been on one node.
    said = [path.read_text() for path in sorted(command.array.glob("task-*.log"))]
    assert sorted(text.rpartition(" on ")[2].strip() for text in said) == ["n1", "n2"]
    assert f"job {command.result()['job']}: 2 tasks" in command.text


@pytest.mark.fault("cluster-task-killed")
@pytest.mark.parametrize("victim", ["task", "script"])
def test_a_killed_task_is_red_within_ten_seconds_and_its_neighbour_s_pass_is_kept(run: Start, victim: str) -> None:
    command = run({"torch_integration": "slow", "tf_integration": "hang"})
    session = command.busy("tf_integration")
    pid = command.record(1)["pid"]
    os.kill(pid, signal.SIGKILL)
    if victim == "script":
        os.kill(session, signal.SIGKILL)
    command.until(lambda: is_gone(pid))
    bites(command.record(1).get("ended") is not True, "the task could not say how it ended")
    command.until(lambda: "tf_integration: infra, lost: failed" in command.text, WITHIN_S)
    assert command.end() == 13
    assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "infra"}
    assert command.log_verdict("torch_integration")["verdict"] == "pass"
    command.until(lambda: is_gone(session))


@pytest.mark.fault("cluster-task-killed")
def test_a_rung_that_had_failed_is_not_excused_by_a_killed_task(run: Start) -> None:
    command = run({"parity": "fail-and-hang"})
    command.busy("parity")
    os.kill(command.record(0)["pid"], signal.SIGKILL)
    assert command.end() == 1
    bites("lost" in command.result()["tasks"][0]["why"], "the task was lost")


@pytest.mark.fault("cluster-time-limit")
def test_a_time_limit_is_11_with_every_report(run: Start) -> None:
    command = run({"torch_integration": "pass", "tf_integration": "hang"}, "--minutes", "2")
    assert command.end(180) == 11, command.text
    assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "timeout"}
    bites(command.record(1)["stop"] == "limit", "Slurm sent its signal before the limit")
    told = command.log_verdict("tf_integration")
    assert (told["verdict"], told["partial"]) == ("interrupted", False)
    assert "SIGTERM: the time limit of 2 min" in told["problems"][0]["message"]
    (folder,) = command.array.glob("tf_integration/runs/*")
    assert {"junit.xml", "summary.md", "verdict.json"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "scratch").exists()
    assert "Traceback" not in command.text


@pytest.mark.fault("cluster-time-limit")
def test_a_time_limit_of_processes_of_this_machine_is_the_same(tmp_path: Path) -> None:
    command = start(tmp_path / "arrays", {"parity": "hang"}, "--local", "--minutes", "1")
    assert command.end(90) == 11, command.text
    bites(command.record(0)["stop"] == "limit", "it was asked to end before its limit")
    told = command.log_verdict("parity")
    assert (told["verdict"], told["partial"]) == ("interrupted", False)
    assert "SIGTERM: the time limit of 1 min" in told["problems"][0]["message"]
    assert list(command.array.glob("*/runs/*/scratch")) == []


@pytest.mark.fault("cluster-time-limit")
def test_a_task_that_does_not_heed_the_limit_is_11_too(run: Start) -> None:
    command = run({"parity": "deaf"}, "--minutes", "1")
    assert command.end(180) == 11, command.text
    bites(command.record(0).get("ended") is not True, "Slurm killed it")
    assert "killed at the time limit of 1 min" in command.result()["tasks"][0]["why"]


@pytest.mark.fault("cluster-cancelled")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_takes_the_array_back_and_tears_everything_down(
    run: Start, cluster: Cluster, number: signal.Signals
) -> None:
    # Three cores each, of twice four: the third waits.
    acts = {"torch_integration": "hang", "tf_integration": "hang", "parity": "pass"}
    command = run(acts, "--cpus", "3")
    sessions = [command.busy(name) for name in ("torch_integration", "tf_integration")]
    command.until(lambda: "parity: pending (Resources)" in command.text)
    bites(len(queue(cluster).splitlines()) > 0, "the array is in the queue")
    command.process.send_signal(number)
    assert command.end(40) == 130
    assert queue(cluster) == ""
    assert [pid for pid in sessions if not is_gone(pid)] == []
    assert set(command.verdicts().values()) == {"interrupted"}
    assert command.log_verdict("tf_integration")["partial"] is False
    assert list(command.array.glob("*/runs/*/scratch")) == []
    assert "Traceback" not in command.text


@pytest.mark.fault("cluster-cancelled")
def test_an_array_that_somebody_else_cancels_is_interrupted_and_no_pass(run: Start, cluster: Cluster) -> None:
    command = run({"torch_integration": "pass", "tf_integration": "hang"})
    command.busy("tf_integration")
    command.until(lambda: "torch_integration: pass" in command.text)
    job = json.loads((command.array / "array.json").read_text())["job"]
    subprocess.run(["scancel", job], env=cluster.environment, check=True)
    assert command.end() == 130
    assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "interrupted"}
    bites(queue(cluster) == "", "the job is gone from the queue")


def test_a_red_run_does_not_colour_a_later_one_of_the_same_folder(run: Start) -> None:
    red = run({"parity": "fail"})
    assert red.end() == 1
    again = run({"parity": "pass"})
    assert again.end() == 0, again.text
    assert len(list(again.folder.iterdir())) == 2


@pytest.mark.fault("cluster-never-starts")
@pytest.mark.parametrize(
    ("options", "reason"),
    [(("--partition", "short", "--minutes", "5"), "PartitionTimeLimit"), (("--cpus", "64"), "PartitionConfig")],
)
def test_a_task_that_can_never_start_is_named_with_its_reason_and_ends(
    run: Start, cluster: Cluster, options: tuple[str, ...], reason: str
) -> None:
    command = run({"parity": "pass"}, *options)
    command.until(lambda: f"parity: pending ({reason})" in command.text)
    bites(reason in queue(cluster), "Slurm keeps it pending")
    assert command.end(60) == 13
    assert f"it can never start: Slurm keeps it pending for {reason}" in command.text
    assert queue(cluster) == ""


@pytest.mark.fault("cluster-never-starts")
def test_a_wait_has_a_limit(run: Start, cluster: Cluster) -> None:
    holder = run({"torch_integration": "hang", "tf_integration": "hang"}, "--cpus", "4", name="holder")
    holder.busy("torch_integration")
    command = run({"parity": "pass"}, "--pending-minutes", "0.05")
    assert command.end(30) == 13
    bites("parity: pending (" in command.text, "there was no room for it")
    assert "it has not started: Slurm keeps it pending for" in command.text
    holder.process.terminate()
    assert holder.end() == 130
    assert queue(cluster) == ""


@pytest.mark.fault("cluster-refuses")
@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--partition", "nope"), 2, "error: --partition 'nope'; allowed: main, short"),
        (("--gpus", "1"), 13, "error: no node has 1 GPUs (--gpus): Invalid generic resource"),
    ],
)
def test_what_the_cluster_does_not_have_is_one_sentence(
    run: Start, options: tuple[str, ...], code: int, says: str
) -> None:
    command = run({"parity": "pass"}, *options)
    assert command.end() == code
    bites(says in command.err.read_text(), "the cluster refused")
    assert command.err.read_text().count("\n") == 1
    assert command.out.read_text() == ""


@pytest.mark.fault("cluster-silent")
def test_a_controller_that_is_down_is_one_sentence_with_13(run: Start, cluster: Cluster) -> None:
    cluster.stop_daemon("slurmctld")
    try:
        command = run({"parity": "pass"})
        assert command.end(60) == 13
        bites("Unable to contact slurm controller" in command.text, "the controller is down")
        assert command.err.read_text().startswith("error: Slurm's controller does not answer: ")
        assert command.text.count("\n") == 1
    finally:
        cluster.start_controller()


@pytest.mark.fault("cluster-silent")
def test_results_come_from_the_folder_while_the_controller_is_down(run: Start, cluster: Cluster) -> None:
    command = run({"torch_integration": "slow", "tf_integration": "hang"}, "--silence-minutes", "0.3")
    session = command.busy("tf_integration")
    command.until(lambda: "tf_integration: running" in command.text)
    cluster.stop_daemon("slurmctld")
    try:
        command.until(lambda: "torch_integration: pass" in command.text, DAEMON_S)
        bites("Slurm does not answer" in command.text, "the controller was not heard")
        assert command.end(90) == 13
        assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "infra"}
        assert "it may still run: job" in command.text
    finally:
        cluster.start_controller()
        time.sleep(1)
        subprocess.run(["scancel", "--me"], env=cluster.environment, check=False)
    command.until(lambda: is_gone(session), DAEMON_S)


@pytest.mark.fault("cluster-silent")
def test_a_node_that_falls_silent_is_red_long_before_slurm_gives_it_up(run: Start, cluster: Cluster) -> None:
    command = run({"torch_integration": "slow", "tf_integration": "hang"}, "--silence-minutes", "0.2")
    session = command.busy("tf_integration")
    pid = command.record(1)["pid"]
    os.kill(pid, signal.SIGSTOP)  # as a machine that hangs: Slurm says that it runs
    try:
        assert command.end(60) == 13
        bites("though Slurm says running" in command.text, "Slurm has not seen it")
        assert command.verdicts() == {"torch_integration": "pass", "tf_integration": "infra"}
    finally:
        command.until(lambda: is_gone(session), DAEMON_S)


@pytest.mark.fault("cluster-folder")
def test_a_folder_that_the_machine_cannot_use_is_one_sentence(run: Start, tmp_path: Path) -> None:
    (tmp_path / "arrays").write_text("in the way")
    command = run({"parity": "pass"})
    assert command.end() == 13
    bites("Not a directory" in command.text or "File exists" in command.text, "the folder cannot be made")
    assert command.text.count("\n") == 1


@pytest.mark.fault("cluster-folder")
def test_a_read_only_folder_is_one_sentence(run: Start, tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", str(folder)], check=True)
    else:
        folder.chmod(0o555)
    try:
        with pytest.raises(OSError, match=r"Read-only|denied"):
            (folder / "x").touch()
        command = run({"parity": "pass"})
        assert command.end() == 13
        bites("Read-only" in command.text or "denied" in command.text, "the folder is read-only")
        assert command.text.count("\n") == 1
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["100 %j %%a it's", 'q" $HOME', "new\nline"])
def test_any_name_of_a_folder_will_do(run: Start, name: str) -> None:
    command = run({"parity": "pass"}, name=name)
    assert command.end() == 0, command.text
    assert (command.array / "task-0.log").read_text().startswith("parity: pass on n")


def test_the_document_is_the_only_thing_on_standard_output(run: Start) -> None:
    command = run({"torch_integration": "pass", "parity": "fail"}, "--json")
    assert command.end() == 1
    document = json.loads(command.out.read_text())
    assert [(item["session"], item["verdict"]) for item in document["tasks"]] == [
        ("torch_integration", "pass"),
        ("parity", "fail"),
    ]
    assert "parity: fail" in command.err.read_text()


def test_the_script_names_no_requeue_and_a_signal_before_the_limit(run: Start, cluster: Cluster) -> None:
    command = run({"parity": "hang"}, "--minutes", "7")
    command.busy("parity")
    job = json.loads((command.array / "array.json").read_text())["job"]
    argv = ["scontrol", "show", "job", f"{job}_0"]
    shown = subprocess.run(argv, env=cluster.environment, capture_output=True, text=True, check=True).stdout
    assert "Requeue=0" in shown
    assert "TimeLimit=00:07:00" in shown
    command.process.terminate()
    assert command.end() == 130
