"""Begins the log of a benchmark run: what it is about and what must report."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from harness.record import provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session
from ptycho.fingerprint import ROOT


def logged(
    kept: RunRoot,
    *,
    name: str,
    benchmarks: Sequence[str],
    sides: Sequence[str] = (),
    locks: Sequence[Path] | None = None,
    scans: Mapping[str, Path] | None = None,
    device: str = "cpu",
    left_out: Sequence[str] = (),
) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    """
    The log of a benchmark run; the block tells the verdict (`harness.runs.session.logged`).

    Args:
        kept: the run.
        name: what it is.
        benchmarks: names that must report.
        sides: lanes whose locks the outcome belongs to.
        locks: those locks themselves, where they are not those of the CPU.
        scans: files that it belongs to.
        device: the device that was asked for.
        left_out: what keeps the session from being a whole one, a sentence each.
    """
    return session.logged(
        kept,
        kind="benchmark",
        name=name,
        origin=provenance.describe(
            root=ROOT,
            locks=[ROOT / "requirements" / f"{side}-cpu.txt" for side in sides] if locks is None else locks,
            fixtures=scans or {},
            device=device,
        ),
        expected=RequiredResults(benchmarks=tuple(benchmarks), left_out=tuple(left_out)),
    )
