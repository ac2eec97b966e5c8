"""Identities survive pid reuse; descendants are found by parentage and by token; strangers are left alone."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from harness.system import identity as process_identity

OUTER, TOKEN = secrets.token_hex(6), secrets.token_hex(6)  # of these tests only: by a token, processes are ended


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, process_identity.TOKEN_VARIABLE: f"{OUTER}:{TOKEN}"}
    argv = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_living_process_is_alive_and_a_stranger_under_its_pid_is_not(sleeper: subprocess.Popen[bytes]) -> None:
    identity = process_identity.identify(sleeper.pid)
    assert process_identity.is_alive(identity)
    assert not process_identity.is_alive(replace(identity, started="1"))
    assert not process_identity.is_alive(replace(identity, boot="another boot"))
    sleeper.kill()
    sleeper.wait()
    assert not process_identity.is_alive(identity)


def test_a_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    identity = process_identity.identify(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not process_identity.is_alive(identity)


def test_nobody_has_pid_minus_one() -> None:
    with pytest.raises(ProcessLookupError, match="no process 999999999"):
        process_identity.identify(999_999_999)


def test_a_token_is_found_in_a_chain_and_only_whole(sleeper: subprocess.Popen[bytes]) -> None:
    assert [process.pid for process in process_identity.with_token(TOKEN)] == [sleeper.pid]
    assert [process.pid for process in process_identity.with_token(OUTER)] == [sleeper.pid]
    assert process_identity.with_token(TOKEN[:-1]) == []


def test_ending_kills_what_ignores_sigterm() -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.monotonic()
        process_identity.end(
            lambda: [psutil.Process(process.pid)] if process.poll() is None else [], grace_s=0.3, hurry=lambda: False
        )
        assert process.wait() == -9
    assert 0.3 <= time.monotonic() - started < 5


def test_a_hurry_cuts_the_grace_short(sleeper: subprocess.Popen[bytes]) -> None:
    started = time.monotonic()
    process_identity.end(lambda: process_identity.with_token(TOKEN), grace_s=60, hurry=lambda: True)
    assert sleeper.wait() in (-15, -9)
    assert time.monotonic() - started < 5


def test_a_process_is_described_by_pid_and_command(sleeper: subprocess.Popen[bytes]) -> None:
    assert process_identity.describe(psutil.Process(sleeper.pid)).startswith(f"{sleeper.pid} ({sys.executable}")
    assert process_identity.descendants(999_999_999) == []
    assert process_identity.handle(999_999_999) is None
