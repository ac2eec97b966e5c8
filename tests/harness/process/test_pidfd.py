"""A wait ends with the process and not with the next question; where the platform cannot do that, it still ends."""

import os
import subprocess
import sys
import time

import pytest

from harness.process import pidfd
from harness.process.pidfd import Waiter
from harness.system import identity


def _ended(waiter: Waiter) -> bool:
    waiter.turn()
    return waiter.ended


def test_it_ends_with_the_process_which_is_not_waited_for_yet() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        waiter = Waiter(process)
        assert not _ended(waiter)
        process.communicate(b"\n")
        process.returncode = None
        assert _ended(waiter)
        waiter.close()
        waiter.close()
        process.returncode = 0


def test_without_a_descriptor_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError("no such call")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        waiter = Waiter(process)
        assert not _ended(waiter)
        assert process.stdin is not None
        process.stdin.close()
        assert any(_ended(waiter) for _ in range(500))
        assert identity.start_time(process.pid) is None
        waiter.close()


def test_a_turn_that_was_too_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        waiter = Waiter(process)
        clock = iter([100.0, 107.0])
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        assert waiter.turn() == pytest.approx(7 - pidfd.TURN_S)
        monkeypatch.undo()
        waiter.close()
        process.communicate(b"\n")
