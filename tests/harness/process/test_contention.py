"""Figures of the machine come from its counters, and a counter that is not there proves nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.process import contention
from harness.process.contention import Load, ProcessorCounters


def test_shares_add_up() -> None:
    before = ProcessorCounters(at=10.0, total_s=100.0, idle_s=50.0, steal_s=1.0, pressure_s=3.0)
    after = ProcessorCounters(at=20.0, total_s=120.0, idle_s=51.0, steal_s=3.0, pressure_s=8.0)
    load = contention.between(before, after, 2.0)
    assert load == Load(idle=0.05, others=0.75, steal=0.1, pressure=0.5)
    assert load.contended


@pytest.mark.parametrize(
    ("load", "contended"),
    [
        (Load(idle=0.1, others=0.25, steal=0.0, pressure=None), True),
        (Load(idle=0.0, others=0.0, steal=0.3, pressure=None), True),
        (Load(idle=0.2, others=0.5, steal=0.0, pressure=0.9), False),
        (Load(idle=0.0, others=0.1, steal=0.1, pressure=0.9), False),
        (Load(idle=None, others=None, steal=None, pressure=1.0), False),
    ],
)
def test_a_machine_is_contended_if_others_use_it_and_nothing_is_idle(load: Load, contended: bool) -> None:
    assert load.contended is contended


def test_counters_of_this_machine_rise() -> None:
    before = contention.read()
    sum(range(3_000_000))
    after = contention.read()
    assert after.at > before.at
    assert after.total_s >= before.total_s > before.idle_s >= 0


def test_without_counters_there_are_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention, "_STAT", tmp_path / "absent")
    monkeypatch.setattr(contention, "_PRESSURE", tmp_path / "absent")
    nothing = contention.between(contention.read(), contention.read(), 1.0)
    assert nothing == Load(idle=None, others=None, steal=None, pressure=None)


@pytest.mark.slow
def test_demand_tells_one_that_wants_to_run_from_one_that_waits() -> None:
    for code, wants in (
        ("print('up', flush=True)\nwhile True: pass", True),
        ("print('up', flush=True); input()", False),
    ):
        argv = [sys.executable, "-c", code]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            wanted = contention.demand([process.pid], during_s=0.3)
            process.kill()
        assert wanted is not None
        assert (wanted >= contention.DEMAND) is wants
    assert contention.demand([999_999_999], during_s=0.01) is None
    assert contention.demand([os.getpid()], during_s=0.01) is not None


def test_a_name_that_looks_like_a_state_is_none() -> None:
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b'x) R (', 0, 0, 0); print('up', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wanted = contention.demand([process.pid], during_s=0.2)
        process.kill()
    assert wanted is not None
    assert wanted < contention.DEMAND
