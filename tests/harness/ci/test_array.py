"""The wait for an array ends for each task, whatever a scheduler says and whatever lies in the folder."""

import json
import os
import sys
from pathlib import Path

import pytest

from harness.ci import array, array_task, schedulers
from harness.ci.array import Array, ArrayOptions, Ending, Task
from harness.ci.schedulers import LocalScheduler, NoAnswerError, ResourceRequest, State
from harness.system.signals import Interruption
from ptycho.verdict import Verdict

ROOT = Path(__file__).resolve().parents[3]


class Said:
    """A scheduler that says what the test sets."""

    name = "said"

    def __init__(self, *states: State | None) -> None:
        self.coming, self.killed = list(states), 0

    def submit(self, _request: ResourceRequest) -> str:
        """Nothing runs."""
        return "7"

    def states(self, _job: str, /) -> dict[int, State]:
        """The next state of the only task; the last one stays. None: no answer."""
        state = self.coming.pop(0) if len(self.coming) > 1 else self.coming[0]
        if state is None:
            raise NoAnswerError("Unable to contact slurm controller")
        return {0: state}

    def terminate(self, _job: str, /) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing runs."""

    def kill(self, _job: str, /, _index: int | None = None) -> None:
        """Count it."""
        self.killed += 1


RUNNING, FAILED = State(name="RUNNING", host="n1"), State(name="FAILED", reason="JobLaunchFailure", host="n1")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array, "_POLL_S", 0.01)
    monkeypatch.setattr(array, "_SETTLE_S", 0.05)
    monkeypatch.setattr(array, "_NEVER_S", 0.05)


def waited(folder: Path, scheduler: Said, lines: list[str] | None = None, **options: float) -> Ending:
    """How the only task of an array ended."""
    task = Task(name="parity", argv=("true",), cwd=ROOT, root=folder / "parity")
    made = Array(
        folder=folder,
        tasks=[task],
        options=ArrayOptions(folder=folder, **options),  # type: ignore[arg-type]
        scheduler=scheduler,
        say=(lines if lines is not None else []).append,
        checkout=ROOT,
    )
    made.submit()
    made.wait(Interruption())
    return made.endings[0]


def record(folder: Path, **fields: object) -> None:
    """The record of the task."""
    array_task.write(array_task.record_path(folder, 0), {"host": "n1", "seconds": 1.5, "beat": 1, **fields})


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"returncode": 0, "stop": ""}, Verdict.PASS),
        ({"returncode": 1, "stop": ""}, Verdict.FAIL),
        ({"returncode": 2, "stop": ""}, Verdict.USAGE),
        ({"returncode": 13, "stop": ""}, Verdict.INFRA),
        ({"returncode": -9, "stop": ""}, Verdict.FAIL),
        ({"returncode": 130, "stop": "limit"}, Verdict.TIMEOUT),
        ({"returncode": 130, "stop": "cancelled"}, Verdict.INTERRUPTED),
        ({"returncode": 0, "stop": "signal"}, Verdict.INTERRUPTED),
        ({"returncode": [], "stop": "", "seconds": {}, "host": ["\x1b[2J"]}, Verdict.FAIL),
    ],
)
def test_a_record_says_how_a_task_ended(fields: dict[str, object], verdict: Verdict, tmp_path: Path) -> None:
    record(tmp_path, ended=True, **fields)
    found = waited(tmp_path, Said(RUNNING))
    assert found.verdict is verdict
    assert (found.why == "") == (verdict is Verdict.PASS)
    assert "\x1b" not in found.host


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("FAILED", Verdict.INFRA),
        ("NODE_FAIL", Verdict.INFRA),
        ("BOOT_FAIL", Verdict.INFRA),
        ("FORGOTTEN", Verdict.INFRA),
        ("OUT_OF_MEMORY", Verdict.OOM),
        ("TIMEOUT", Verdict.TIMEOUT),
        ("CANCELLED", Verdict.INTERRUPTED),
        ("PREEMPTED", Verdict.INTERRUPTED),
    ],
)
def test_a_task_without_a_record_of_its_end_is_what_the_scheduler_says(
    state: str, verdict: Verdict, tmp_path: Path
) -> None:
    record(tmp_path)
    assert waited(tmp_path, Said(RUNNING, State(name=state))).verdict is verdict


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "nested", "list"])
def test_whatever_lies_in_the_place_of_a_record_hangs_nothing(kind: str, tmp_path: Path) -> None:
    path = array_task.record_path(tmp_path, 0)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("[" * 100_000 if kind == "nested" else "[1, 2]")
    found = waited(tmp_path, Said(RUNNING, FAILED))
    assert (found.verdict, found.host) == (Verdict.INFRA, "n1")
    assert found.why.startswith("lost before it began: failed on n1 (JobLaunchFailure)")


def test_a_scheduler_that_is_silent_for_a_while_is_waited_for_and_one_that_stays_so_is_not(tmp_path: Path) -> None:
    lines: list[str] = []
    assert waited(tmp_path, Said(RUNNING, None, None, FAILED), lines).verdict is Verdict.INFRA
    assert [line for line in lines if line.startswith("Slurm ")] == [
        "Slurm does not answer (Unable to contact slurm controller); results are still taken from the folder",
        "Slurm answers again",
    ]
    found = waited(tmp_path, Said(RUNNING, None), silence_minutes=0.002)
    assert "it may still run: job 7" in found.why


@pytest.mark.parametrize(
    ("state", "options", "says"),
    [
        (State(name="PENDING", reason="PartitionTimeLimit"), {}, "it can never start: Slurm keeps it pending for Par"),
        (State(name="PENDING", reason="Resources"), {"pending_minutes": 0.002}, "it has not started: Slurm keeps it"),
        (RUNNING, {"silence_minutes": 0.002}, "lost: n1 has given no sign of life for 0 s, though Slurm says running"),
    ],
)
def test_a_wait_that_leads_nowhere_ends_and_the_task_is_cancelled(
    state: State, options: dict[str, float], says: str, tmp_path: Path
) -> None:
    scheduler = Said(state)
    found = waited(tmp_path, scheduler, None, **options)
    assert found.verdict is Verdict.INFRA
    assert found.why.startswith(says)
    assert scheduler.killed == 1


@pytest.mark.parametrize("name", ["a b", "100 %j %a", "it's", '"q" $HOME `id`', "new\nline", "-n", "é"])
def test_any_name_of_a_folder_will_do(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    argv = (sys.executable, "-c", "import sys; print(sys.argv[1])", name)
    made = Array(
        folder=folder,
        tasks=[Task(name="echo", argv=argv, cwd=folder, root=folder / "echo")],
        options=ArrayOptions(folder=folder, local=True),
        scheduler=LocalScheduler(jobs=1),
        say=lambda _line: None,
        checkout=ROOT,
    )
    made.submit()
    made.wait(Interruption())
    assert made.endings[0].verdict is Verdict.PASS, made.endings[0].tail()
    assert schedulers.output(folder, 0).read_text() == f"{name}\n"
    assert json.loads((folder / "task-0.json").read_text())["returncode"] == 0
