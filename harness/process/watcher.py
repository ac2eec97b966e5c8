"""
Everything that is watched while a command runs, asked together.

Looking at the processes costs a few milliseconds on a machine with hundreds of them, so looks are spaced by what they
cost: at most four a second, and never more than half a percent of a processor. At a command's beginning they are
closer: no pause is longer than the command has lived, so that a short one, too, is seen in the second half of its
life.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.process import contention, memory
from harness.process.disk import Disk
from harness.process.heartbeat import SILENT_S, Heartbeat
from harness.process.limits import MEMORY, TIME, Limits, Stop
from harness.process.phases import Phases, Stay
from harness.process.tree import Tree, TreeSample
from ptycho.verdict import Verdict

FIRST_S = 0.02
EVERY_S = 0.25
SPACING = 200
"""A look is followed by a pause of that many times what it cost."""

STARVED = 0.5
"""Of a time limit: a command that used more processor time than this was slow by itself, whatever others did."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """
    Resources that a command used, and the machine's state meanwhile.

    Attributes:
        cpu_s: processor time of all its processes, in seconds.
        wall_per_cpu: wall time by processor time, or None where it used none.
        peak_mib: largest resident memory of all its processes together, in MiB; between two looks more is possible.
        paused_s: seconds in which it could not run, because it or everything was stopped.
        others: share of all processors that other processes used, or None.
        steal: share that the host took from this virtual machine, or None.
        pressure: share of the time in which something waited for a processor, or None.
        supervision_s: processor time of supervising it, in seconds.
    """

    cpu_s: float
    wall_per_cpu: float | None
    peak_mib: float
    paused_s: float
    others: float | None
    steal: float | None
    pressure: float | None
    supervision_s: float = 0.0

    def rounded(self) -> Mapping[str, float | None]:
        """Figures for a log."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: None if value is None else round(value, 3) for name, value in values.items()}


class CommandWatcher:
    """
    Watches one command.

    Args:
        root: pid of its first process.
        started: monotonic time of its start, in seconds.
        timeout_s: wall-clock limit.
        limits: further limits.
        log: its output.
        events: the run's event log, or None.
        disk: file systems that it writes to.
    """

    def __init__(
        self, root: int, *, started: float, timeout_s: float, limits: Limits, log: Path, events: Path | None, disk: Disk
    ) -> None:
        self.tree = Tree(root)
        self.peak_mib = 0.0
        self._started, self._timeout_s, self._limits, self._log, self._disk = started, timeout_s, limits, log, disk
        self._memory_mib = memory.limit_mib(limits.memory_mib)
        self._heartbeat = Heartbeat(started)
        self._phases = Phases(events, started)
        self._before = contention.read()
        self._kills = memory.kernel_kills()
        self._said = 0
        self._next = started
        self._sample = TreeSample(members=(), cpu_s=0.0)
        self._stays: list[Stay] = []

    def overslept(self, seconds: float) -> None:
        """Note by how much a turn of the loop was too long."""
        self._heartbeat.overslept(seconds)

    def turn(self) -> Stop | None:
        """
        Look, if it is time to.

        Returns:
            Why the command is to be ended, or None.

        Raises:
            InfrastructureError: the disk is almost full.
        """
        now = time.monotonic()
        over = now - self._started > self._timeout_s
        if over or now >= self._next:
            before = time.thread_time()
            self.look()
            if (sentence := self._disk.complaint()) is not None:
                from ptycho.errors import InfrastructureError

                raise InfrastructureError(sentence)
            stop = self._over_memory() or (self._over_time(now) if over else self._over_phase(now))
            pause = max(EVERY_S, SPACING * (time.thread_time() - before))
            self._next = now + min(pause, max(FIRST_S, now - self._started))
            return stop
        return None

    def look(self) -> None:
        """Look at the processes now; the last look is at one that has ended and not been waited for."""
        now, self._sample = time.monotonic(), self.tree.look()
        events = self._phases.read(now, self.tree.seen, self._sample.cpu_s)
        self._stays = self._phases.open({member.pid for member in self._sample.alive})
        said, self._said = self._said, self._log.stat().st_size
        self._heartbeat.sampled(now, self._sample, heard=bool(events) or said != self._said)
        self.peak_mib = max(self.peak_mib, self._sample.rss_mib)

    def usage(self) -> Usage:
        """Return what the command has used up to the last look."""
        reading, cpu_s = contention.read(), self._sample.cpu_s
        load = contention.between(self._before, reading, cpu_s)
        return Usage(
            cpu_s=cpu_s,
            wall_per_cpu=(reading.at - self._started) / cpu_s if cpu_s else None,
            peak_mib=self.peak_mib,
            paused_s=self._heartbeat.paused_s,
            others=load.others,
            steal=load.steal,
            pressure=load.pressure,
        )

    def killed_by_kernel(self, returncode: int) -> Stop | None:
        """Whether a command that was killed fell to a lack of memory, and not to a stranger."""
        kills = memory.kernel_kills()
        if returncode not in (-9, 128 + 9) or kills is None or self._kills is None or kills <= self._kills:
            return None
        victims = memory.kernel_victims()
        if victims is not None and not victims & {self.tree.root, *self.tree.seen}:
            return None  # the kernel killed somebody else's process meanwhile
        figures = {"peak_mib": round(self.peak_mib, 1), "kernel_kills": kills - self._kills}
        sentence = (
            f"was killed by the kernel because memory ran out; it was last seen with {self.peak_mib:.0f} MiB, "
            f"this machine may use {memory.machine_mib():.0f} MiB"
        )
        return Stop(kind=MEMORY, verdict=Verdict.OOM, sentence=sentence, figures=figures)

    def _over_memory(self) -> Stop | None:
        if self._sample.rss_mib <= self._memory_mib:
            return None
        proportional = memory.proportional_mib(member.pid for member in self._sample.alive)
        used, kind = (self._sample.rss_mib, "RSS") if proportional is None else (proportional, "PSS")
        if used <= self._memory_mib:
            return None
        count = len(self._sample.alive)
        sentence = (
            f"killed with {used:.0f} MiB of memory ({kind} of {count} process{'es' if count > 1 else ''}); "
            f"allowed: {self._memory_mib:.0f} MiB (memory_mib, or {memory.SHARE:.0%} of the machine's)"
        )
        figures = {"used_mib": round(used, 1), "limit_mib": round(self._memory_mib, 1)}
        return Stop(kind=MEMORY, verdict=Verdict.OOM, sentence=sentence, figures=figures)

    def _over_phase(self, now: float) -> Stop | None:
        for stay in self._stays:
            limit_s = self._limits.phase_s.get(stay.phase)
            if limit_s is not None and now - stay.since > limit_s:
                stop = self._timeout(f"killed after {limit_s:g} s in phase {stay.phase!r}, its limit", limit_s, stay)
                return replace(stop, figures={**stop.figures, "phase": stay.phase})
        return None

    def _over_time(self, now: float) -> Stop:
        whole = Stay(phase="", since=self._started, cpu_s=0.0)
        said = [stay for stay in self._stays if stay.since > self._started]
        where = f", in phase {said[-1].phase!r} for the last {now - said[-1].since:.1f} s" if said else ""
        return self._timeout(f"killed after {self._timeout_s:g} s{where}", self._timeout_s, whole)

    def _timeout(self, sentence: str, limit_s: float, stay: Stay) -> Stop:
        now = time.monotonic()
        used_s, paused_s, silent_s = self._sample.cpu_s - stay.cpu_s, self._heartbeat.paused_s, self._silent_s(now)
        figures = {"limit_s": limit_s, "cpu_s": round(used_s, 2), "silent_s": round(silent_s, 1)}
        verdict, usage = Verdict.TIMEOUT, self.usage()
        if paused_s and now - stay.since - paused_s <= limit_s:
            verdict = Verdict.INCONCLUSIVE
            why = f"it was suspended for {paused_s:.1f} s of them, so that the limit says nothing"
            figures["paused_s"] = round(paused_s, 1)
        elif self._starved(used_s, limit_s):
            verdict = Verdict.INCONCLUSIVE
            others = (usage.others or 0.0) + (usage.steal or 0.0)
            why = f"it had {used_s:.1f} s of processor time, others took {others:.0%} of the machine: too busy to judge"
            figures["others"] = round(others, 2)
        elif silent_s >= min(SILENT_S, limit_s / 2):
            why = f"it hung: no processor time, output or event for the last {silent_s:.1f} s"
        else:
            why = f"it was at work to the end, with {used_s:.1f} s of processor time"
        return Stop(kind=TIME, verdict=verdict, sentence=f"{sentence}; {why}", figures=figures)

    def _silent_s(self, now: float) -> float:
        return self._heartbeat.silent_s(now)

    def _starved(self, used_s: float, limit_s: float) -> bool:
        """Whether it wanted to run, on a machine that others kept busy, and had little."""
        load = contention.between(self._before, contention.read(), self._sample.cpu_s)
        if not load.contended or used_s >= STARVED * limit_s:
            return False
        wanted = contention.demand(member.pid for member in self._sample.alive)
        return wanted is not None and wanted >= contention.DEMAND
