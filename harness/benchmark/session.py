"""What the log of a benchmark run is about and what must report."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from harness import origin, run_log
from harness.events import EventLog
from harness.expectations import Expected
from harness.runroot import RunRoot
from ptycho.fingerprint import ROOT


def logged(
    kept: RunRoot,
    *,
    name: str,
    benchmarks: Sequence[str],
    sides: Sequence[str] = (),
    scans: Mapping[str, Path] | None = None,
    device: str = "cpu",
) -> AbstractContextManager[tuple[EventLog, run_log.Ended]]:
    """
    The log of a benchmark run; the block tells the verdict (`harness.run_log.logged`).

    Args:
        kept: the run.
        name: what it is.
        benchmarks: names that must report.
        sides: lanes whose locks the outcome belongs to.
        scans: files that it belongs to.
        device: the device that was asked for.
    """
    return run_log.logged(
        kept,
        kind="benchmark",
        name=name,
        origin=origin.describe(
            root=ROOT,
            locks=[ROOT / "requirements" / f"{side}-cpu.txt" for side in sides],
            fixtures=scans or {},
            device=device,
        ),
        expected=Expected(benchmarks=tuple(benchmarks)),
    )
