"""
Decides which runs are kept: the last ones, and every failed one as long as all of them together are not too large.

A run that passed is worth less than one that did not, and an old one less than a new one; so those that passed go
first, oldest first. What is judged is what its own reports say (`verdict.json`): a run whose reports are damaged is
taken for a failed one. Never removed are a living run, one with scratch (that is the sweep's), the newest, and one
that ended while a living run was already there: its log tells that run's ledger what is not its own doing.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.files import untrusted
from harness.record import directory
from harness.record.directory import RunRoot
from ptycho.errors import PtychoError

REPORT = "verdict.json"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """
    Number and size of the runs that are kept.

    Attributes:
        runs: how many of the last runs, whatever their verdict; at least 1.
        mib: size of all that is kept together, in MiB.
    """

    runs: int = 20
    mib: float = 2048.0


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """
    A run that has ended.

    Attributes:
        run: the run.
        failed: whether its reports say anything but pass.
        bytes: what it takes on the disk.
    """

    run: RunRoot
    failed: bool
    bytes: int

    def __str__(self) -> str:
        return f"{self.run.path.name} ({'not passed' if self.failed else 'passed'}, {self.bytes / 2**20:.1f} MiB)"


def failed(folder: Path) -> bool:
    """Whether a run did not pass, by its own reports; one that has neither log nor report had nothing to judge."""
    try:
        return bool(json.loads(untrusted.read_bytes(folder / REPORT))["verdict"] != "pass")
    except (PtychoError, ValueError, KeyError, TypeError, RecursionError):
        return os.path.lexists(folder / REPORT) or (folder / "events.ndjson").exists()


def size(folder: Path | str) -> int:
    """Bytes that a folder takes on the disk; links are not followed."""
    total = 0
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    total += size(entry.path)
    except OSError:
        return total  # removed meanwhile, or not readable: then it cannot be removed either
    return total


def removable(runs: Iterable[RunRoot]) -> Iterator[RunRoot]:
    """The runs that have ended, and did so before any living run began."""
    every = [(run, run.alive) for run in runs]
    since = min((_changed(run.path / directory.MARKER) for run, alive in every if alive), default=None)
    for run, alive in every:
        if not alive and (since is None or _changed(run.events) < since):
            yield run


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def weigh(runs: Iterable[RunRoot]) -> Iterator[FinishedRun]:
    """The runs that may be removed and were swept, in their order."""
    for run in removable(runs):
        if not os.path.lexists(run.scratch):
            yield FinishedRun(run=run, failed=failed(run.path), bytes=size(run.path))


def surplus(root: Path, policy: Policy) -> list[FinishedRun]:
    """
    The runs that a policy does not keep, in the order in which they go.

    First those that passed and are not among the last; then, as long as the rest is too large, the oldest that
    passed, and after all of those the oldest of the others. Living runs count among the last and are never listed.
    """
    every = list(directory.find(root))
    last = {run.path for run in every[-max(policy.runs, 1) :]}
    weighed = list(weigh(every))
    going = [item for item in weighed if not item.failed and item.run.path not in last]
    staying = [item for item in weighed if item not in going]
    candidates = sorted((item for item in staying if item.run.path != every[-1].path), key=lambda item: item.failed)
    left = sum(item.bytes for item in staying)
    for item in candidates:
        if left <= policy.mib * 2**20:
            break
        going.append(item)
        left -= item.bytes
    return going


def apply(root: Path, policy: Policy) -> tuple[list[FinishedRun], list[str]]:
    """
    Remove what a policy does not keep.

    Returns:
        What was removed, and what could not be.
    """
    removed, refused = [], list[str]()
    for item in surplus(root, policy):
        said = item.run.remove()
        refused += said
        if not said:
            removed.append(item)
    return removed, refused


def tidy(own: Path, policy: Policy | None = None) -> list[str]:
    """
    Remove, at the end of a run, what need not be kept any more.

    Args:
        own: folder of the run, which is still alive and stays.
        policy: of what is kept.

    Returns:
        What was removed and what could not be, a sentence each.
    """
    if directory.load(own) is None:
        return []  # a log that lies elsewhere: there is no workspace to keep within limits
    removed, refused = apply(own.absolute().parents[1], policy or Policy())
    return [f"removed the run {item}" for item in removed] + [f"could not remove {sentence}" for sentence in refused]
