"""A hanging process says where, whatever it holds; one that did not ask for the signal never gets it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.isolation.sandbox import OBSERVER
from harness.process import stacks
from harness.process.limits import TIME
from ptycho.verdict import Verdict
from tests.support import supervised
from tests.support.injected import bites

HANG = """
import ctypes
def lock_twice(library):
    mutex = ctypes.create_string_buffer(128)
    print(library.pthread_mutex_lock(mutex), flush=True)
    library.pthread_mutex_lock(mutex)
lock_twice(ctypes.{kind}(None))
"""


@pytest.mark.deep
@pytest.mark.fault("hang")
@pytest.mark.parametrize("kind", ["CDLL", "PyDLL"])
def test_a_hang_is_named_by_its_function_with_and_without_the_interpreter_lock(tmp_path: Path, kind: str) -> None:
    finished = supervised.run(tmp_path, HANG.format(kind=kind), timeout_s=2)
    bites(finished.tail() == "0", "it had the mutex, and wanted it again")
    assert finished.stop is not None
    assert (finished.stop.kind, finished.stop.verdict) == (TIME, Verdict.TIMEOUT)
    assert "; it hung: no processor time, output or event for the last " in finished.stop.sentence
    (frames,) = finished.frames()
    assert ' in lock_twice; called at File "<string>", line 7 in <module>' in frames
    assert finished.stacks == tmp_path / "log.stacks.txt"
    assert supervised.survivors() == []


@pytest.mark.deep
def test_every_process_of_the_tree_is_asked(tmp_path: Path) -> None:
    inner = "import time\ndef wait_here(): time.sleep(60)\nwait_here()"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}])"
    finished = supervised.run(tmp_path, code, timeout_s=2)
    assert len(finished.frames()) == 2
    assert " in wait_here" in finished.frames()[1]


@pytest.mark.slow
def test_a_program_that_does_not_wait_for_the_signal_is_ended_by_sigterm(tmp_path: Path) -> None:
    # It replaces a process that was registered: a record of pids would send the signal, and the signal would end it.
    finished = supervised.run(tmp_path, "import os; os.execvp('sleep', ['sleep', '60'])", timeout_s=1.5)
    assert (finished.returncode, finished.timed_out, finished.stacks) == (-signal.SIGTERM, True, None)
    assert [path.name for path in tmp_path.glob("*.stacks.txt")] == []


@pytest.mark.deep
def test_a_handler_of_the_program_itself_is_left_alone(tmp_path: Path) -> None:
    code = (
        f"import signal, time\nsignal.signal({int(stacks.SIGNAL)}, lambda *_: print('mine', flush=True))\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    finished = supervised.run(tmp_path, code, timeout_s=1.5)
    assert (finished.returncode, finished.stacks, finished.frames()) == (-signal.SIGTERM, None, [])
    assert finished.tail() == "up\nmine"


def test_a_command_that_ends_by_itself_leaves_no_dump(tmp_path: Path) -> None:
    finished = supervised.run(tmp_path, "print('done')")
    assert (finished.returncode, finished.stacks, list(tmp_path.glob("*.stacks.txt"))) == (0, None, [])


def test_registered_is_asked_of_the_kernel(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.touch()
    assert not stacks.registered(os.getpid(), dump)
    assert not stacks.registered(999_999_999, dump)
    env = {"PYTHONPATH": str(OBSERVER), stacks.VARIABLE: str(dump)}
    argv = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert stacks.registered(process.pid, dump)
        assert not stacks.registered(process.pid, tmp_path / "another")
        assert stacks.take([process.pid, os.getpid()], dump) == 1
        process.communicate(b"\n")
    assert process.returncode == 0


def test_frames_of_a_dump_without_any_are_said() -> None:
    assert stacks.innermost("=== process 1 (x)\n") == ["process 1 (x): no Python frame"]
    assert stacks.innermost("") == []
