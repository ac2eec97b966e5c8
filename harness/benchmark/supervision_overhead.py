"""
Cost of supervision: of a finished run from its event log, or of this machine by trying it.

The cost of a lane is processor time of the supervising thread by wall time of its commands: that is what is taken from
them where every processor is busy. Each `command.end` says it, so a run is judged by its own figures. The trial starts
an empty command with and without supervision, in turns, and supervises a tree that is at work.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ptycho.verdict import Verdict

SHARE = 0.02
"""Of the time of a lane's commands: what supervising them may cost."""

START_S = 0.3
"""Seconds by which a command may begin and end later because it is supervised."""

_PAIRS = 7
_BUSY = """
import subprocess, sys, time
code = "import time\\nuntil = time.monotonic() + {seconds}\\nwhile time.monotonic() < until: sum(range(10_000))"
workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
sys.exit(max(worker.wait() for worker in workers))
"""


def main(args: argparse.Namespace) -> int:
    """
    The `benchmark overhead` command.

    Raises:
        UsageError: the folder holds no run with supervised commands.
    """
    from harness.system import tables

    figures = of_run(args.folder) if args.folder is not None else trial(args.seconds)
    verdict = judge(figures)
    if args.json:
        print(json.dumps(figures | {"verdict": verdict.label}, indent=1))
    else:
        tables.show(rows(figures), title=f"supervision: {verdict.label}")
    return int(verdict)


def of_run(folder: Path) -> dict[str, float]:
    """
    Return what supervision cost a run.

    Args:
        folder: folder of the run.

    Raises:
        UsageError: the folder holds no run with supervised commands.
    """
    from harness.record import log as event_log
    from ptycho.errors import UsageError

    log = folder / "events.ndjson"
    if not log.is_file():
        raise UsageError(f"{folder} has no events.ndjson; name a folder below .harness/runs")
    return of_events(event_log.parse(log.read_bytes()).rows, folder)


def of_events(rows: Iterable[Mapping[str, Any]], folder: Path) -> dict[str, float]:
    """The same, from the events."""
    from ptycho.errors import UsageError

    ended = [row for row in rows if row["event"] == "command.end" and "supervision_s" in row]
    if not ended:
        raise UsageError(f"no command of {folder} says what its supervision cost; name a run that ran commands")
    seconds, cost = (sum(float(row[key]) for row in ended) for key in ("seconds", "supervision_s"))
    return {"commands": len(ended), "seconds": seconds, "supervision_s": cost, "share": cost / max(seconds, 1e-9)}


def trial(seconds: float) -> dict[str, float]:
    """
    Try what supervision costs here.

    Args:
        seconds: how long the tree is at work.
    """
    import statistics
    import subprocess
    import tempfile

    from harness.process import supervise
    from harness.system import identity
    from harness.system.signals import Interruption

    token = f"overhead-{os.getpid()}"
    env = {"PATH": os.environ.get("PATH", os.defpath), identity.TOKEN_VARIABLE: token}
    with tempfile.TemporaryDirectory() as name, Interruption().installed() as interruption:
        folder = Path(name)

        def supervised(code: str) -> supervise.CompletedCommand:
            return supervise.run(
                [sys.executable, "-c", code],
                env=env,
                cwd=folder,
                log=folder / "log",
                timeout_s=60 + 10 * seconds,
                token=token,
                interruption=interruption,
            )

        plain_s, watched_s = [], []
        for _ in range(_PAIRS):
            started = time.monotonic()
            subprocess.run([sys.executable, "-c", "pass"], env=env, cwd=folder, check=True)
            plain_s.append(time.monotonic() - started)
            started = time.monotonic()
            supervised("pass")
            watched_s.append(time.monotonic() - started)
        busy = supervised(_BUSY.format(seconds=seconds))
    assert busy.usage is not None
    cost = busy.usage.supervision_s
    start_s = statistics.median(watched_s) - statistics.median(plain_s)
    return {
        "commands": 1,
        "seconds": busy.seconds,
        "supervision_s": cost,
        "share": cost / busy.seconds,
        "start_s": start_s,
    }


def judge(figures: Mapping[str, float]) -> Verdict:
    """Hold figures against the limits."""
    over = figures["share"] > SHARE or figures.get("start_s", 0.0) > START_S
    return Verdict.FAIL if over else Verdict.PASS


def rows(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """A table, headings first."""
    table = [
        ("what", "figure", "allowed"),
        ("commands", f"{figures['commands']:.0f}", ""),
        ("their time", f"{figures['seconds']:.1f} s", ""),
        ("supervising them, processor time", f"{figures['supervision_s']:.3f} s", ""),
        ("share", f"{figures['share']:.2%}", f"{SHARE:.0%}"),
    ]
    if "start_s" in figures:
        table.append(("a command begins and ends later by", f"{figures['start_s']:.3f} s", f"{START_S:g} s"))
    return table
