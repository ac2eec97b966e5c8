"""
Sweeping up after runs that could not do it themselves (SIGKILL, a lost machine).

A run is dead when the very process in its record is gone: pid, start time and boot are compared. A living run is never
touched. Processes of a dead run are found by its token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import processes, runroot
from harness.removal import remove_tree

GRACE_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Remains:
    """
    What a dead run left.

    Attributes:
        run: the run.
        processes: its processes that still live.
        scratch: whether its scratch is still there.
    """

    run: runroot.RunRoot
    processes: tuple[str, ...]
    scratch: bool


def survey(root: Path) -> list[Remains]:
    """Dead runs that left scratch or processes, oldest first."""
    found = []
    for run in runroot.find(root):
        if not run.alive:
            alive = tuple(processes.describe(process) for process in processes.with_token(run.token))
            if alive or run.scratch.exists() or run.scratch.is_symlink():
                found.append(Remains(run=run, processes=alive, scratch=run.scratch.exists()))
    return found


def sweep(root: Path, *, hurry: Callable[[], bool] = lambda: False) -> tuple[list[Remains], list[str]]:
    """
    End the processes and remove the scratch of every dead run.

    Returns:
        What was swept, and what could not be removed.
    """
    swept = survey(root)
    refused: list[str] = []
    for remains in swept:
        token = remains.run.token
        processes.end(lambda token=token: processes.with_token(token), grace_s=GRACE_S, hurry=hurry)  # type: ignore[misc]
        refused += remains.run.remove_scratch()
    return swept, refused


def main(root: Path, *, check: bool, dry_run: bool, everything: bool) -> int:
    """
    The `clean` command.

    Args:
        root: the workspace's folder for runs.
        check: change nothing; fail if there is something to sweep.
        dry_run: change nothing; say what would be done.
        everything: also remove what finished runs keep (logs, pictures, outcomes).

    Returns:
        The exit code.
    """
    from ptycho.verdict import Verdict

    found = survey(root)
    for remains in found:
        print(f"{remains.run.path}: dead run with scratch: {remains.scratch}, processes: {len(remains.processes)}")
        for process in remains.processes:
            print(f"  process {process}")
    finished = [run for run in runroot.find(root) if everything and not run.alive]
    for run in finished:
        print(f"{run.path}: finished run")
    if check:
        return int(Verdict.FAIL if found else Verdict.PASS)
    if dry_run:
        return int(Verdict.PASS)
    _, refused = sweep(root)
    for run in finished:
        refused += remove_tree(run.path)
    for sentence in refused:
        print(f"left in place: {sentence}")
    print(f"swept {len(found)} dead runs" + (f", removed {len(finished)} finished ones" if everything else ""))
    return int(Verdict.FAIL if refused else Verdict.PASS)
