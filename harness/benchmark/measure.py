"""One process of a lane, timed from outside: wall, processor time, memory, phases, and what the machine did."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.benchmark.budget import BudgetAttempt
from harness.benchmark.plan import Plan
from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.process import contention, supervise
from harness.process.supervise import CompletedCommand
from harness.record import log as event_log
from harness.record.log import EventLog
from harness.system.signals import Interruption
from harness.targets import loader
from ptycho.fingerprint import ROOT

START, TEARDOWN, BETWEEN = "start", "teardown", "between"
"""Before the first phase that a process says, after the last one, and between two of them."""

PYCACHE = "pycache"


@dataclass(frozen=True, kw_only=True)
class BenchmarkTrial:
    """
    A process as it ran.

    Attributes:
        finished: how it ended.
        attempt: what the budget asks of it.
        peak_mib: largest resident memory of its tree.
        output: its output folder.
        phases: seconds by phase, in the order of first entry; all of them add up to the wall time.
    """

    finished: CompletedCommand
    attempt: BudgetAttempt
    peak_mib: float
    output: Path
    phases: Mapping[str, float]

    @property
    def well(self) -> bool:
        """Whether it ended by itself, with 0."""
        return self.finished.returncode == 0 and not self.finished.timed_out


@dataclass(kw_only=True)
class BenchmarkLane:
    """
    A lane of the session.

    Attributes:
        plan: the session.
        side: `torch` or `tf`.
        events: the run's log.
        interruption: asked while waiting.
        count: processes so far; numbers their folders.
    """

    plan: Plan
    side: str
    events: EventLog
    interruption: Interruption
    count: int = field(default=0)

    def run(
        self,
        what: str,
        arguments: Sequence[str],
        *,
        timeout_s: float,
        output: str = "",
        extra: Mapping[str, str] | None = None,
    ) -> BenchmarkTrial:
        """
        Run `python -m ptycho_SIDE.…` to its end or its limit.

        Args:
            what: label of the process.
            arguments: module and arguments; `{output}` is a folder of its own.
            timeout_s: wall-clock limit.
            output: the value of `{output}`, if it is not the folder itself but a file in it.
            extra: variables of the environment, instead of the lane's own.
        """
        self.count += 1
        label = f"{what}-{self.side}-{self.count}"
        run, scratch = Path(self.plan.run), Path(self.plan.run) / "scratch"
        cell = Sandbox(path=scratch / label).make()
        cell.output.mkdir()
        place = str(cell.output / output) if output else str(cell.output)
        argv = [self.plan.pythons[self.side], "-P", "-m", *(word.replace("{output}", place) for word in arguments)]
        log, gpu = run / "logs" / f"{label}.log", self.plan.device(self.side) == "cuda"
        self.events.write("command.start", label=label, argv=argv, timeout_s=timeout_s, gpu=gpu, log=str(log))
        before, since = contention.read(), time.monotonic()
        finished = supervise.run(
            argv,
            env=self._environment(cell, label, scratch, run, gpu) | dict(extra or {}),
            cwd=cell.cwd,
            log=log,
            timeout_s=timeout_s,
            token=f"{self.plan.token}-{label}",
            interruption=self.interruption,
        )
        cpu_s = finished.usage.cpu_s if finished.usage is not None else 0.0
        load = contention.between(before, contention.read(), cpu_s)
        self.events.write(
            "command.end",
            label=label,
            returncode=finished.returncode,
            seconds=round(finished.seconds, 3),
            timed_out=finished.timed_out,
        )
        return BenchmarkTrial(
            finished=finished,
            attempt=BudgetAttempt(
                wall_s=finished.seconds,
                cpu_s=cpu_s,
                killed=finished.timed_out,
                contended=None if load.idle is None else load.contended,
            ),
            peak_mib=finished.usage.peak_mib if finished.usage is not None else 0.0,
            output=cell.output,
            phases=phases(list(event_log.read(run / "events.ndjson")), finished.pid, since, finished.seconds),
        )

    def _environment(self, cell: Sandbox, label: str, scratch: Path, run: Path, gpu: bool) -> dict[str, str]:
        values = {"python": self.plan.pythons[self.side], "root": str(ROOT), "cache": cell.cache}
        described = loader.load(loader.built_in(self.side)).environment
        own = {name: text.format(**values) for name, text in described.items()}
        # The threads are the session's own affair: its option decides, and not what the short form needs.
        own.pop("OMP_NUM_THREADS", None)
        # Bytecode of the packages is kept in the scratch, as it would be beside them on a user's machine.
        cached = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(scratch / PYCACHE)}
        return sandbox.build(
            cell,
            token=f"{self.plan.token}:{self.plan.token}-{label}",
            scratch=scratch,
            events=run / "events.ndjson",
            import_root=ROOT,
            gpu=gpu,
            extra=own | (cached if _compiles(self.plan.pythons[self.side]) else {}),
        )


def _compiles(python: str) -> bool:
    """Whether an environment has no bytecode of its own, so that every process would compile all that it imports."""
    packages = list(Path(python).parent.parent.glob("lib/python3*/site-packages/numpy/__init__.py"))
    return not any((path.parent / "__pycache__").is_dir() for path in packages)


def phases(rows: Sequence[event_log.Row], pid: int, since: float, seconds: float) -> dict[str, float]:
    """
    Return where the time of a process went.

    Args:
        rows: the run's events.
        pid: pid of the process.
        since: monotonic time of its start.
        seconds: its wall time.

    Returns:
        Seconds by phase as the process says them, with what is before, between and after them: together `seconds`.
    """
    said = [row for row in rows if row.get("pid") == pid and row["event"] in ("phase.start", "phase.end")]
    opened, found = dict[str, float](), dict[str, float]()
    first, last = None, since
    for row in said:
        at, name = float(row["monotonic_s"]), str(row["phase"])
        if row["event"] == "phase.start":
            opened[name] = at
            first = at if first is None else first
        elif name in opened:
            found[name] = found.get(name, 0.0) + at - opened.pop(name)
        last = at
    for name, at in opened.items():
        # It was ended inside that phase.
        found[name] = found.get(name, 0.0) + since + seconds - at
        last = since + seconds
    if first is None:
        return {BETWEEN: seconds}
    start, teardown = max(0.0, first - since), max(0.0, since + seconds - last)
    between = max(0.0, seconds - start - teardown - sum(found.values()))
    return {START: start, **found, BETWEEN: between, TEARDOWN: teardown}
