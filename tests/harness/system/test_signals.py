"""Signals become a flag, whatever was inherited; the first one drains a run, a second one kills what will not end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.process import supervise
from harness.record import directory
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_is_noted_and_raised_only_where_asked(number: signal.Signals) -> None:
    with Interruption().installed() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)
        assert interruption.reason == number.name
        assert not interruption.hurry
        with pytest.raises(KeyboardInterrupt, match=number.name):
            interruption.check()
        os.kill(os.getpid(), number)
        assert interruption.hurry


def test_an_ignored_sigint_is_taken_and_ignored_again_afterwards() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption().installed() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.reason == "SIGINT"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_end_of_the_followed_parent_is_a_reason() -> None:
    assert Interruption(follow=os.getppid()).reason is None
    assert Interruption(follow=1 << 30).reason == f"parent process {1 << 30} is gone"


def test_a_closed_terminal_ends_the_run_unless_that_was_to_be_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with Interruption().installed() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interruption.reason == "SIGHUP"
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with Interruption().installed() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interruption.reason is None
    finally:
        signal.signal(signal.SIGHUP, before)


STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
    signal.signal(number, lambda *_: print("no", flush=True))
print("hanging", flush=True)
until = time.monotonic() + 120
while time.monotonic() < until:
    time.sleep(0.1)
"""


@pytest.fixture
def stubborn(workspace: Any) -> Iterator[tuple[subprocess.Popen[bytes], directory.RunRoot]]:
    """A harness in a group of its own, started with SIGINT ignored, and its run, whose training will not be asked."""
    target = fake_target.write(workspace.path / "target", suite=None, timeout_s=120)
    (target.parent / "train.py").write_text(STUBBORN)
    harness = [sys.executable, "-m", "harness", "run", "--target", str(target), "--fixture", str(workspace.scan)]
    argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *harness]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(workspace.home), "PYTHONUNBUFFERED": "1"}
    env |= {"TMPDIR": str(workspace.tmp), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(argv, env=env, cwd=workspace.cwd, stdout=subprocess.PIPE, start_new_session=True) as process:
        for _ in range(1200):
            found = [run for run in directory.find(workspace.root) if _said(run) == "hanging\n"]
            if found:
                yield process, found[0]
                break
            time.sleep(0.05)
        else:
            process.kill()
        bites(found, "a harness runs a training that hangs")
        identity.end(lambda: identity.with_token(found[0].token), grace_s=0, hurry=lambda: True)


def _said(run: directory.RunRoot) -> str:
    log = run.logs / "scan-train.log"
    return log.read_text() if log.exists() else ""


@pytest.mark.fault("signals")
@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_one_signal_asks_and_then_kills_and_a_second_one_kills_at_once(
    stubborn: tuple[subprocess.Popen[bytes], directory.RunRoot], number: signal.Signals, group: bool
) -> None:
    process, run = stubborn
    send = os.killpg if group else os.kill
    send(process.pid, number)
    for _ in range(400):
        if "no" in _said(run):
            break
        time.sleep(0.02)
    bites("no" in _said(run), "the training was asked to end and will not")
    assert process.poll() is None  # it drains: the training has its time of grace
    second = time.monotonic()
    send(process.pid, number)
    said, _ = process.communicate(timeout=60)
    assert time.monotonic() - second < supervise.GRACE_S
    assert process.returncode == Verdict.INTERRUPTED
    assert f"interrupted: {number.name}" in said.decode()
    assert identity.with_token(run.token) == []
    assert not run.scratch.exists()
    assert json.loads((run.path / "outcome.json").read_text())["verdict"] == "interrupted"


@pytest.mark.deep
@pytest.mark.fault("signals")
def test_one_signal_alone_is_enough_even_for_a_training_that_will_not_end(
    stubborn: tuple[subprocess.Popen[bytes], directory.RunRoot],
) -> None:
    process, run = stubborn
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    bites("no" in _said(run), "the training was asked to end and did not")
    assert process.returncode == Verdict.INTERRUPTED
    assert identity.with_token(run.token) == []
    assert not run.scratch.exists()
