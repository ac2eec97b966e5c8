"""Limits of memory come from the machine and its control group; what a process really holds, from the kernel."""

import os
from pathlib import Path

import pytest

from harness.process import memory


def test_a_limit_of_ones_own_comes_before_the_machines() -> None:
    assert memory.limit_mib(100) == 100
    assert memory.limit_mib(None) == memory.SHARE * memory.machine_mib()
    assert 100 < memory.machine_mib() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_control_group_may_have_less_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "slice" / "job"
    group.mkdir(parents=True)
    monkeypatch.setattr(memory, "_own_groups", lambda: [group, group.parent])
    (group / "memory.max").write_text("max\n")
    assert memory.machine_mib() > 64
    (group.parent / "memory.max").write_text(f"{64 * 2**20}\n")
    assert memory.machine_mib() == 64
    (group / "memory.limit_in_bytes").write_text(f"{32 * 2**20}\n")
    assert memory.machine_mib() == 32


def test_proportional_memory_is_that_of_the_living() -> None:
    own = memory.proportional_mib([os.getpid(), 999_999_999])
    assert own is not None
    assert 5 < own < 2000


def test_kills_of_the_kernel_are_counted_where_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tmp_path / "vmstat"
    counter.write_text("nr_free_pages 1\noom_kill 7\nother 2\n")
    monkeypatch.setattr(memory, "_VMSTAT", counter)
    assert memory.kernel_kills() == 7
    counter.unlink()
    assert memory.kernel_kills() is None


def test_the_kernel_s_log_names_its_victims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace, log = tmp_path / "pid", tmp_path / "kmsg"
    namespace.symlink_to("pid:[4026531836]")
    os.mkfifo(log)
    monkeypatch.setattr(memory, "_NAMESPACE", namespace)
    monkeypatch.setattr(memory, "_LOG", log)
    # A writer that stays: at its end, a pipe like the log has nothing to read yet.
    writer = os.open(log, os.O_RDWR)
    try:
        os.write(writer, b"6,1,2,-;Memory cgroup out of memory: Killed process 4711 (python) total-vm:1kB\n")
        assert frozenset({4711}) == memory.kernel_victims()
    finally:
        os.close(writer)
    namespace.unlink()
    namespace.symlink_to("pid:[1]")
    assert memory.kernel_victims() is None
    monkeypatch.setattr(memory, "_NAMESPACE", tmp_path / "absent")
    assert memory.kernel_victims() is None
