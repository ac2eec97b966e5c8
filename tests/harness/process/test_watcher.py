"""Whatever a command does, its end has one verdict, with figures, and nobody of it is left."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.process import contention, memory, tree, watcher
from harness.process.contention import Load
from harness.process.limits import MEMORY, TIME, Limits
from harness.process.supervise import CompletedCommand
from harness.system import identity
from ptycho.verdict import Verdict
from tests.support import supervised
from tests.support.injected import bites

SAYS = "import sys, time; say = lambda event, phase: sys.audit(f'ptycho.phase.{event}', {'phase': phase})\n"


def _ending(finished: CompletedCommand) -> tuple[str, Verdict]:
    assert finished.stop is not None, finished.tail()
    assert supervised.survivors() == []
    return finished.stop.kind, finished.stop.verdict


def _sentence(finished: CompletedCommand) -> str:
    return "" if finished.stop is None else finished.stop.sentence


@pytest.mark.slow
def test_a_phase_has_a_limit_of_its_own(tmp_path: Path) -> None:
    code = SAYS + "say('start', 'data'); say('end', 'data'); say('start', 'build'); time.sleep(60)"
    limits = Limits(phase_s={"start": 30, "data": 0.1, "build": 1})
    finished = supervised.run(tmp_path, code, limits=limits)
    assert (TIME, Verdict.TIMEOUT) == _ending(finished)
    assert _sentence(finished).startswith("killed after 1 s in phase 'build', its limit; it hung: ")
    assert finished.stop is not None
    assert finished.stop.figures["phase"] == "build"


@pytest.mark.slow
def test_the_time_before_the_first_phase_has_a_limit_too(tmp_path: Path) -> None:
    finished = supervised.run(tmp_path, "import time; time.sleep(60)", limits=Limits(phase_s={"start": 1}))
    assert (TIME, Verdict.TIMEOUT) == _ending(finished)
    assert "killed after 1 s in phase 'start', its limit" in _sentence(finished)


@pytest.mark.slow
def test_a_phase_that_is_left_and_one_without_a_limit_are_free(tmp_path: Path) -> None:
    code = (
        SAYS + "say('start', 'data'); say('end', 'data'); say('start', 'train'); time.sleep(1.5); say('end', 'train')"
    )
    finished = supervised.run(tmp_path, code, limits=Limits(phase_s={"data": 0.7}))
    assert (finished.returncode, finished.stop) == (0, None)


@pytest.mark.deep
def test_the_whole_limit_names_the_phase_and_says_that_it_was_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = Load(idle=0.5, others=0.0, steal=0.0, pressure=0.0)
    monkeypatch.setattr(contention, "between", lambda *_: idle)
    finished = supervised.run(tmp_path, SAYS + "say('start', 'train')\nwhile True: pass", timeout_s=2)
    assert (TIME, Verdict.TIMEOUT) == _ending(finished)
    assert _sentence(finished).startswith("killed after 2 s, in phase 'train' for the last ")
    assert "; it was at work to the end, with " in _sentence(finished)


@pytest.mark.fault("memory")
def test_too_much_memory_is_oom_with_the_figure(tmp_path: Path) -> None:
    code = "import time; x = bytearray(300 * 2**20); print('full'); time.sleep(60)"
    finished = supervised.run(tmp_path, code, limits=Limits(memory_mib=200))
    assert (MEMORY, Verdict.OOM) == _ending(finished)
    assert not finished.timed_out
    assert "allowed: 200 MiB" in _sentence(finished)
    assert finished.stop is not None
    # It may have been seen while it was still growing.
    bites(200 < finished.stop.figures["used_mib"] < 400, "the command had more than its limit")


def test_the_memory_of_all_processes_counts_together(tmp_path: Path) -> None:
    code = (
        "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n"
        "        x = bytearray(os.urandom(2**20) * 80); time.sleep(60)\ntime.sleep(60)"
    )
    finished = supervised.run(tmp_path, code, limits=Limits(memory_mib=200))
    assert (MEMORY, Verdict.OOM) == _ending(finished)
    assert "of 4 processes)" in _sentence(finished)


@pytest.mark.deep
def test_memory_that_is_shared_counts_once(tmp_path: Path) -> None:
    # Four processes with one block of 100 MiB: RSS says 400 and more, of which there are 100.
    code = (
        "import gc, os, time\nx = b'x' * (100 * 2**20)\nfor _ in range(3):\n    if os.fork() == 0:\n"
        "        time.sleep(1.5); os._exit(0)\ntime.sleep(2)"
    )
    finished = supervised.run(tmp_path, code, limits=Limits(memory_mib=250))
    assert (finished.returncode, finished.stop) == (0, None)
    assert finished.usage is not None
    assert finished.usage.peak_mib > 400


def test_a_kill_by_the_kernel_is_told_from_a_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    stranger = supervised.run(tmp_path, code)
    assert (stranger.returncode, stranger.stop) == (-9, None)
    counter = iter([3, 4])
    monkeypatch.setattr(memory, "kernel_kills", lambda: next(counter))
    monkeypatch.setattr(memory, "kernel_victims", lambda: None)
    kernel = supervised.run(tmp_path, code)
    assert (MEMORY, Verdict.OOM) == _ending(kernel)
    assert _sentence(kernel).startswith("was killed by the kernel because memory ran out; it was last seen with ")


def test_a_kill_of_somebody_else_by_the_kernel_is_not_laid_to_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = iter([3, 4])
    monkeypatch.setattr(memory, "kernel_kills", lambda: next(counter))
    monkeypatch.setattr(memory, "kernel_victims", lambda: frozenset({1}))
    finished = supervised.run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert (finished.returncode, finished.stop) == (-9, None)


@pytest.fixture
def small_group() -> Iterator[Path | None]:
    """A control group with 64 MiB, whose processes the kernel kills above that; None where none can be made."""
    name, limit = f"ptycho-test-{os.getpid()}", str(64 * 2**20)
    made = None
    for top, file in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        with contextlib.suppress(OSError):
            if (top / "cgroup.procs").exists():
                (top / name).mkdir()
                made = top / name
                (made / file).write_text(limit)
                break
    yield made
    if made is not None:
        made.rmdir()


@pytest.mark.fault("memory")
def test_a_real_kill_by_the_kernel_is_oom(
    tmp_path: Path, small_group: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "x = bytearray(500 * 2**20)"
    if small_group is None:
        print("NO CONTROL GROUP ON THIS MACHINE: the kernel's counter is patched", file=sys.__stderr__)
        counter = iter([0, 1])
        monkeypatch.setattr(memory, "kernel_kills", lambda: next(counter))
        monkeypatch.setattr(memory, "kernel_victims", lambda: None)
        code = "import os; os.kill(os.getpid(), 9)"
    else:
        code = f"open({str(small_group / 'cgroup.procs')!r}, 'w').write('0')\n{code}"
    finished = supervised.run(tmp_path, code)
    bites(finished.returncode == -9, "the process was killed, and not by the harness")
    assert (MEMORY, Verdict.OOM) == _ending(finished)
    assert "was killed by the kernel because memory ran out" in _sentence(finished)


def _meanwhile(act: Callable[[int], None]) -> threading.Thread:
    """Do something to the first process of the command once it is up."""

    def wait() -> None:
        for _ in range(500):
            if found := identity.with_token(supervised.TOKEN):
                act(min(process.pid for process in found))
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.deep
@pytest.mark.fault("clock")
def test_a_tree_that_somebody_stopped_is_inconclusive(tmp_path: Path) -> None:
    stopping = _meanwhile(lambda pid: os.kill(pid, signal.SIGSTOP))
    finished = supervised.run(tmp_path, "while True: pass", timeout_s=3)
    stopping.join()
    assert (TIME, Verdict.INCONCLUSIVE) == _ending(finished)
    assert "; it was suspended for " in _sentence(finished)
    assert finished.usage is not None
    bites(finished.usage.paused_s > 1, "it was stopped")
    assert finished.seconds < 10


SLEEPS_WITH_ITS_CHILD = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from tests.support import supervised
finished = supervised.run(Path({folder!r}), "print('up')\\nwhile True: pass", timeout_s=4)
print(finished.stop.verdict.name, finished.stop.sentence)
"""


@pytest.mark.deep
@pytest.mark.fault("clock")
def test_a_suspended_supervisor_is_inconclusive_about_its_command(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    code = SLEEPS_WITH_ITS_CHILD.format(paths=[str(root)], folder=str(tmp_path))
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", supervised.VARIABLE: supervised.TOKEN}
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as supervisor:
        log = tmp_path / "log.txt"
        for _ in range(500):
            if log.exists() and log.read_text() == "up\n":
                break
            time.sleep(0.02)
        both = [supervisor.pid, *(process.pid for process in identity.with_token(supervised.TOKEN))]
        assert len(both) == 2
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in both:
                os.kill(pid, number)
            if number == signal.SIGSTOP:
                time.sleep(5)
                states = [tree.listing()[pid].state for pid in both]
                bites(states == ["T", "T"], "both are stopped")
        said, _ = supervisor.communicate(timeout=30)
    assert said.startswith("INCONCLUSIVE killed after 4 s; it was suspended for ")
    assert supervised.survivors() == []


@pytest.mark.slow
@pytest.mark.fault("clock")
def test_a_jump_of_the_clock_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, jump = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: plain() + jump[0])
    before = plain()
    back = _meanwhile(lambda _: jump.__setitem__(0, -86_400.0))
    finished = supervised.run(tmp_path, "import time; time.sleep(1.2)", timeout_s=30)
    back.join()
    assert (finished.returncode, finished.stop) == (0, None)
    assert 1 < finished.seconds < 25
    # What the command writes after the jump is dated by the new count, and must not look older than its start.
    bites(time.time() < before - 86_000, "the clock was set back by a day")
    assert finished.started < before - 86_000


@pytest.mark.deep
def test_a_starved_command_is_inconclusive_and_a_hanging_one_is_not(tmp_path: Path) -> None:
    hog = [sys.executable, "-c", "while True: pass"]
    # Sessions of their own: a scheduler that groups by session gives each as much as the command's, whatever is nice.
    hogs = [subprocess.Popen(hog, start_new_session=True) for _ in range(8 * (os.cpu_count() or 1))]
    try:
        starved = supervised.run(tmp_path, "import os; os.nice(19)\nwhile True: pass", timeout_s=4)
        hanging = supervised.run(tmp_path, "import time; time.sleep(60)", timeout_s=4)
    finally:
        for process in hogs:
            process.kill()
            process.wait()
    assert (TIME, Verdict.INCONCLUSIVE) == _ending(starved)
    assert "; it had " in _sentence(starved)
    assert _sentence(starved).endswith(" of the machine: too busy to judge")
    assert (TIME, Verdict.TIMEOUT) == _ending(hanging)
    assert starved.usage is not None
    assert starved.usage.others is not None
    assert starved.usage.others > contention.OTHERS


@pytest.mark.slow
def test_a_command_that_had_its_time_is_over_the_limit_on_a_busy_machine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Load(idle=0.0, others=0.9, steal=0.0, pressure=0.9)
    monkeypatch.setattr(contention, "between", lambda *_: busy)
    monkeypatch.setattr(watcher, "STARVED", 0.0)
    finished = supervised.run(tmp_path, "while True: pass", timeout_s=1)
    assert (TIME, Verdict.TIMEOUT) == _ending(finished)


@pytest.mark.slow
def test_what_a_command_used_is_known_at_its_end(tmp_path: Path) -> None:
    held = f"held = b'x' * 2**25\n{supervised.BUSY}\ntime.sleep(1)"
    usage = supervised.run(tmp_path, f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {held!r}])").usage
    assert usage is not None
    assert usage.cpu_s > 0.9 * supervised.BUSY_S
    assert usage.peak_mib > 32
    assert usage.paused_s == 0
    figures = usage.rounded()
    assert figures["others"] is not None
    assert sorted(figures) == [
        *("cpu_s", "others", "paused_s", "peak_mib", "pressure", "steal", "supervision_s", "wall_per_cpu")
    ]


@pytest.mark.deep
def test_looks_are_spaced_by_time_and_by_what_they_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, costs, looks = tree.Tree.look, 0.0, []

    def counted(self: tree.Tree) -> tree.TreeSample:
        looks.append(time.monotonic())
        until = time.thread_time() + costs
        while time.thread_time() < until:
            pass
        return plain(self)

    monkeypatch.setattr(tree.Tree, "look", counted)
    supervised.run(tmp_path, "import time; time.sleep(1.5)")
    within = looks[-1] - looks[0]
    # Five at most until pauses have grown to their full length, and the last one.
    assert 3 <= len(looks) <= 7 + within / watcher.EVERY_S
    looks.clear()
    costs = 0.02
    supervised.run(tmp_path, "import time; time.sleep(3)")
    # Each comes when the command has lived twice as long as at the one before.
    assert 3 <= len(looks) <= 12
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) > 2 * watcher.EVERY_S


def test_every_figure_is_documented() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "supervision.md").read_text()
    assert [name for name in watcher.Usage.__dataclass_fields__ if f"`{name}`" not in text] == []
