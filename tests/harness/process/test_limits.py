"""Each limit of a running command, one unit below and one above: which side the limit itself belongs to."""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.process import contention, disk, memory, watcher
from harness.process.contention import Load
from harness.process.disk import Disk
from harness.process.heartbeat import BUSY, GAP_S, SILENT_S, Heartbeat
from harness.process.limits import Limits
from harness.process.phases import Stay
from harness.process.tree import TreeSample
from harness.process.watcher import CommandWatcher
from ptycho.verdict import Verdict

NOW = 1000.0
LIMIT_S = 64.0


def around(limit: float) -> tuple[float, float, float]:
    """The number below a limit, the limit, the number above."""
    return math.nextafter(limit, -math.inf), limit, math.nextafter(limit, math.inf)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandWatcher:
    """A watch of this process, on a clock that says `NOW`."""
    monkeypatch.setattr(time, "monotonic", lambda: NOW)
    monkeypatch.setattr(CommandWatcher, "look", lambda _: None)
    log = tmp_path / "log.txt"
    log.touch()
    limits = Limits(phase_s={"train": LIMIT_S}, memory_mib=256.0)
    return CommandWatcher(
        os.getpid(), started=NOW - 1.0, timeout_s=LIMIT_S, limits=limits, log=log, events=None, disk=Disk([])
    )


@pytest.mark.parametrize(("idle", "contended"), [*zip(around(contention.IDLE), (True, True, False), strict=True)])
def test_a_machine_of_exactly_that_much_idle_time_is_contended(idle: float, contended: bool) -> None:
    assert Load(idle=idle, others=0.5, steal=0.0, pressure=None).contended is contended


@pytest.mark.parametrize("share", ["others", "steal"])
@pytest.mark.parametrize(("at", "contended"), [(0, False), (1, True), (2, True)])
def test_a_machine_of_which_others_use_exactly_that_much_is_contended(share: str, at: int, contended: bool) -> None:
    taken = {"others": 0.0, "steal": 0.0, share: around(contention.OTHERS)[at]}
    assert Load(idle=0.0, pressure=None, **taken).contended is contended


@pytest.mark.parametrize(("used", "stopped"), [*zip(around(256.0), (False, False, True), strict=True)])
@pytest.mark.parametrize("counted", [True, False], ids=["proportional", "resident"])
def test_memory_of_exactly_the_limit_is_allowed(
    watch: CommandWatcher, monkeypatch: pytest.MonkeyPatch, used: float, stopped: bool, counted: bool
) -> None:
    sample = SimpleNamespace(rss_mib=1e6 if counted else used, alive=(SimpleNamespace(pid=1),), cpu_s=0.0)
    monkeypatch.setattr(watch, "_sample", sample)
    monkeypatch.setattr(memory, "proportional_mib", lambda _: used if counted else None)
    stop = watch._over_memory()
    assert (stop is not None) is stopped
    assert stop is None or stop.verdict is Verdict.OOM


@pytest.mark.parametrize(("since", "stopped"), [*zip(around(NOW - LIMIT_S), (True, False, False), strict=True)])
def test_a_phase_of_exactly_its_limit_may_go_on(
    watch: CommandWatcher, monkeypatch: pytest.MonkeyPatch, since: float, stopped: bool
) -> None:
    monkeypatch.setattr(watch, "_stays", [Stay(phase="train", since=since, cpu_s=0.0)])
    assert (watch._over_phase(NOW) is not None) is stopped


@pytest.mark.parametrize(("started", "stopped"), [*zip(around(NOW - LIMIT_S), (True, False, False), strict=True)])
def test_a_command_of_exactly_its_time_limit_may_go_on(
    watch: CommandWatcher, monkeypatch: pytest.MonkeyPatch, started: float, stopped: bool
) -> None:
    monkeypatch.setattr(watch, "_started", started)
    assert (watch.turn() is not None) is stopped


@pytest.mark.parametrize(("limit_s", "least"), [(1000.0, SILENT_S), (8.0, 4.0)])
@pytest.mark.parametrize(("at", "hung"), [(0, False), (1, True), (2, True)])
def test_a_command_hangs_from_exactly_that_much_silence(
    watch: CommandWatcher, monkeypatch: pytest.MonkeyPatch, limit_s: float, least: float, at: int, hung: bool
) -> None:
    monkeypatch.setattr(watch, "_silent_s", lambda _: around(least)[at])
    stop = watch._timeout("killed", limit_s, Stay(phase="", since=0.0, cpu_s=0.0))
    assert ("it hung" in stop.sentence) is hung


@pytest.mark.parametrize(
    ("used_s", "starved"), [*zip(around(watcher.STARVED * LIMIT_S), (True, False, False), strict=True)]
)
def test_a_command_that_had_exactly_its_share_was_not_starved(
    watch: CommandWatcher, monkeypatch: pytest.MonkeyPatch, used_s: float, starved: bool
) -> None:
    busy = Load(idle=0.0, others=0.9, steal=0.0, pressure=None)
    monkeypatch.setattr(contention, "between", lambda *_: busy)
    monkeypatch.setattr(contention, "demand", lambda _: contention.DEMAND)
    assert watch._starved(used_s, LIMIT_S) is starved


@pytest.mark.parametrize(("wanted", "starved"), [*zip(around(contention.DEMAND), (False, True, True), strict=True)])
def test_a_command_that_wants_exactly_that_much_is_not_hanging(
    watch: CommandWatcher, monkeypatch: pytest.MonkeyPatch, wanted: float, starved: bool
) -> None:
    busy = Load(idle=0.0, others=0.9, steal=0.0, pressure=None)
    monkeypatch.setattr(contention, "between", lambda *_: busy)
    monkeypatch.setattr(contention, "demand", lambda _: wanted)
    assert watch._starved(0.0, LIMIT_S) is starved


@pytest.mark.parametrize(("gap_s", "paused_s"), [*zip(around(GAP_S), (0.0, 0.0, around(GAP_S)[2]), strict=True)])
def test_a_turn_that_is_exactly_that_much_too_long_is_not_a_pause(gap_s: float, paused_s: float) -> None:
    pulse = Heartbeat(0.0)
    pulse.overslept(gap_s)
    pulse.sampled(10.0, TreeSample(members=(), cpu_s=0.0), heard=False)
    assert pulse.paused_s == paused_s


@pytest.mark.parametrize(("cpu_s", "alive"), [*zip(around(BUSY * 8.0), (False, False, True), strict=True)])
def test_processor_time_of_exactly_the_share_is_not_a_sign_of_life(cpu_s: float, alive: bool) -> None:
    pulse = Heartbeat(0.0)
    pulse.sampled(8.0, TreeSample(members=(), cpu_s=cpu_s), heard=False)
    assert (pulse.active_at == 8.0) is alive


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A file system of 2000 GiB in blocks of 1 MiB, with what a test changes."""
    whole = {"f_frsize": 2**20, "f_blocks": 2_000_000, "f_bavail": 1_000_000, "f_files": 10**6, "f_favail": 10**6}

    def patch(**figures: int) -> None:
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**whole | figures))

    return patch


@pytest.mark.parametrize(("more", "complains"), [(-1, True), (0, False), (1, False)])
@pytest.mark.parametrize(
    ("field", "limit"), [("f_bavail", disk.FLOOR_MIB), ("f_favail", disk.FLOOR_INODES)], ids=["space", "inodes"]
)
def test_room_of_exactly_the_floor_is_enough(
    tmp_path: Path, status: Callable[..., None], field: str, limit: int, more: int, complains: bool
) -> None:
    status(**{field: limit + more})
    assert (Disk([tmp_path]).complaint() is not None) is complains


@pytest.mark.parametrize(("free", "complains"), [(49, True), (50, False), (51, False)])
def test_room_of_exactly_the_share_of_a_small_file_system_is_enough(
    tmp_path: Path, status: Callable[..., None], free: int, complains: bool
) -> None:
    assert disk.SHARE * 1000 == 50
    status(f_blocks=1000, f_bavail=free)
    assert (Disk([tmp_path]).complaint() is not None) is complains
