"""
The gate measures itself: how often it cries wolf, and how often it sees what is there.

Every trial is a whole comparison of the gate's own kind, with the blocks, looks and confirmation of a real one; only
the work is a kernel instead of a backend, so that hundreds of trials take minutes. In an A/A trial both sides are the
same; in the others the head's processes do more work, or hold more memory, by an exact share. Trials of all levels
take turns, so that all of them meet the same machine.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark import gate, null_block
from harness.benchmark.gate import CHANNELS, ProcessCost, Result, Side
from harness.isolation import sandbox
from harness.process import contention
from harness.system.signals import Interruption
from harness.system.tables import Table
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

LEVELS = (0.0, 0.05, 0.10, 0.20)
SLICES = 120
BLOCK_TIMEOUT_S = 120.0
MOST_FALSE, LEAST_CAUGHT = 0.01, 0.95
"""The bars: of A/A trials, and of those at `CAUGHT_AT`."""

CAUGHT_AT = 0.10

Counts = Mapping[Result, int]
RunBlock = Callable[[float], ProcessCost]
"""Runs one block in a fresh process with a share of further work and memory planted."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """
    The result of the trials of one channel at one planted share.

    Attributes:
        channel: `cpu` or `memory`.
        planted: share of further work or memory; 0 for A/A.
        regressions: trials that ended with a regression.
        inconclusive: trials without a verdict.
        trials: all of them.
        spread: standard deviation of the first stages' means, as a share.
    """

    channel: str
    planted: float
    regressions: int
    inconclusive: int
    trials: int
    spread: float

    @property
    def judged(self) -> int:
        """Trials with a verdict."""
        return self.trials - self.inconclusive

    @property
    def complaint(self) -> str | None:
        """Return how it misses its bar, or None."""
        share = self.regressions / self.judged if self.judged else 0.0
        if self.planted == 0 and share > MOST_FALSE:
            return f"{self.channel}: {self.regressions} false alarms in {self.judged} A/A trials"
        if self.planted == CAUGHT_AT and self.judged and share < LEAST_CAUGHT:
            return f"{self.channel}: {self.regressions} of {self.judged} trials at {self.planted:+.0%} were caught"
        return None


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """
    The gate's figures.

    Attributes:
        levels: one for each channel and planted share.
        seconds: wall time.
        blocks: processes that ran.
        others: share of the machine that other processes used, or None.
        pressure: share of the time in which something waited for a processor, or None.
    """

    levels: tuple[Level, ...]
    seconds: float
    blocks: int
    others: float | None
    pressure: float | None

    @property
    def complaints(self) -> list[str]:
        """Return what misses its bar."""
        return [said for level in self.levels if (said := level.complaint) is not None]

    @property
    def undecided(self) -> list[str]:
        """Levels with a bar whose trials are mostly without a verdict: they neither hold it nor miss it."""
        barred = [level for level in self.levels if level.planted in (0.0, CAUGHT_AT)]
        return [f"{one.channel} at {one.planted:+.0%}" for one in barred if one.judged * 2 < one.trials]

    @property
    def verdict(self) -> Verdict:
        """Wrong is a fail; without enough verdicts, on a machine that is too busy, inconclusive."""
        if self.complaints:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self.undecided else Verdict.PASS

    def table(self) -> Table:
        """Rows of text, headings first."""
        rows = [["channel", "planted", "trials", "regression", "no regression", "inconclusive", "spread of the mean"]]
        for level in self.levels:
            quiet = level.judged - level.regressions
            planted = "A/A" if level.planted == 0 else f"{level.planted:+.0%}"
            counts = (level.trials, level.regressions, quiet, level.inconclusive)
            rows.append([level.channel, planted, *map(str, counts), f"{100 * level.spread:.2f} %"])
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        from dataclasses import asdict

        return {**asdict(self), "verdict": self.verdict.label, "complaints": self.complaints}


def process_block(folder: Path) -> RunBlock:
    """
    A runner of blocks: `python -m harness.benchmark.null_block` in an environment of its own.

    Args:
        folder: working directory of the processes.
    """
    base = sandbox.inherited(os.environ, gpu=False) | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    argv = [sys.executable, "-P", "-m", "harness.benchmark.null_block", str(SLICES)]

    def run(share: float) -> ProcessCost:
        planted = {null_block.PLANT: f"cpu={share},memory={share}"} if share else {}
        try:
            done = subprocess.run(
                argv,
                env=base | planted,
                cwd=folder,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=BLOCK_TIMEOUT_S,
                check=True,
            )
            found = json.loads(done.stdout)
            return ProcessCost(cpu=gate.estimate(found["rows"]), memory=float(found["peak_mib"]))
        except (subprocess.SubprocessError, OSError, ValueError, KeyError) as error:
            said = getattr(error, "stderr", None) or b""
            raise InfrastructureError(f"a block of the self-test failed: {error}\n{said.decode()[-600:]}") from error

    return run


def measure(
    trials: Mapping[float, int],
    run_block: RunBlock,
    interruption: Interruption,
    on_trial: Callable[[float, Sequence[gate.Ruling]], None],
) -> SelfTest:
    """
    Run the trials.

    Args:
        trials: planted share to how many.
        run_block: runs one block.
        interruption: asked between blocks.
        on_trial: called with each trial.

    Raises:
        InfrastructureError: a block failed.
        KeyboardInterrupt: the run was asked to end.
    """
    started, before, blocks = time.monotonic(), contention.read(), 0
    rulings: dict[float, list[Sequence[gate.Ruling]]] = {share: [] for share in trials}

    def one(share: float) -> ProcessCost:
        nonlocal blocks
        interruption.check()
        blocks += 1
        return run_block(share)

    for number in range(max(trials.values())):
        for share, wanted in trials.items():
            # Spread evenly, so that a level with few trials is not all at the beginning.
            if number * wanted // max(trials.values()) == (number + 1) * wanted // max(trials.values()):
                continue

            def block(side: Side, share: float = share) -> ProcessCost:
                return one(share if side == "head" else 0.0)

            rulings[share].append(gate.judge(block))
            on_trial(share, rulings[share][-1])
    load = contention.between(before, contention.read(), 0.0)
    return SelfTest(
        levels=tuple(_level(name, share, found) for name in CHANNELS for share, found in rulings.items()),
        seconds=time.monotonic() - started,
        blocks=blocks,
        others=load.others,
        pressure=load.pressure,
    )


def _level(channel: str, share: float, found: Sequence[Sequence[gate.Ruling]]) -> Level:
    import statistics

    mine = [ruling for trial in found for ruling in trial if ruling.channel == channel]
    counts = Counter(ruling.result for ruling in mine)
    means = [ruling.first.mean for ruling in mine]
    return Level(
        channel=channel,
        planted=share,
        regressions=counts["regression"],
        inconclusive=counts["inconclusive"],
        trials=len(mine),
        spread=statistics.stdev(means) if len(means) > 1 else 0.0,
    )
