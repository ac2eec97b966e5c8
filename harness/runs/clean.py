"""
Sweeping up after runs that could not do it themselves (SIGKILL, a lost machine), and bounding what runs keep.

A run is dead when the process in its record is gone: pid, start time and boot are compared. A living run is never
touched. Processes of a dead run are found by its token, by its control groups, and by what `harness.system.orphans`
sees. What it found out is not lost: its reports are made from its log, and say that they are partial. Two sweeps of a
workspace wait for each other; what one of them removed, the other does not look for.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.process import control_group
from harness.record import directory
from harness.runs import retention
from harness.runs.retention import Policy
from harness.system import filelock, identity, orphans
from harness.system.rmtree import remove_tree
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    import psutil

GRACE_S = 3.0
LOCK = "clean.lock"
ENVIRONMENTS = "environments"
"""Where targets' own environments lie in a workspace's folder (`harness.targets.environment`)."""


@dataclass(frozen=True, kw_only=True)
class Remains:
    """
    Remains of a dead run.

    Attributes:
        run: the run.
        processes: its processes that still live.
        scratch: whether its scratch is still there.
        fleeting: whether it has processes that live too short to be listed.
        groups: how many control groups of its commands are there.
        unreported: whether it has a log, and no reports were made from it.
        empty: whether it was killed before its first event and keeps nothing.
    """

    run: directory.RunRoot
    processes: tuple[str, ...] = ()
    fleeting: bool = False
    groups: int = 0
    scratch: bool = False
    unreported: bool = False
    empty: bool = False

    def __str__(self) -> str:
        left = (
            "scratch" * self.scratch,
            f"{len(self.processes)} processes" * bool(self.processes),
            "processes that each start the next and end at once" * self.fleeting,
            f"{self.groups} control groups" * bool(self.groups),
            "a log without reports" * self.unreported,
        )
        listed = ", ".join(filter(None, left))
        if self.empty:
            return f"{self.run.path}: a run that was killed before its first event{listed and f', left {listed}'}"
        return f"{self.run.path}: dead run, left {listed}"


def survey(root: Path, *, thorough: bool = False) -> list[Remains]:
    """
    Dead runs that left scratch, processes, a log without reports, or nothing at all, oldest first.

    Args:
        root: the workspace's folder for runs.
        thorough: also look for processes that live too short to be listed where no dead run has left scratch.
    """
    found = []
    dead = [run for run in directory.find(root) if not run.alive]
    runs = orphans.Runs(folders={run.token: run.path for run in dead})
    alive, groups = (_living(runs), control_group.names()) if dead else ({}, ())
    thorough = thorough or any(os.path.lexists(run.scratch) for run in dead)
    fleeting = set(orphans.fleeting(runs).values()) if thorough else set()
    for run in dead:
        remains = Remains(
            run=run,
            processes=alive.get(run.token, ()),
            fleeting=run.token in fleeting,
            groups=sum(control_group.is_of(name, run.token) for name in groups),
            scratch=os.path.lexists(run.scratch) and not run.keeps_scratch,
            unreported=run.has_begun and not (run.path / retention.REPORT).exists(),
            empty=run.is_empty,
        )
        left = remains.processes or remains.fleeting or remains.groups
        if left or remains.scratch or remains.unreported or remains.empty:
            found.append(remains)
    return found


def _living(runs: orphans.Runs) -> dict[str, tuple[str, ...]]:
    """Living processes of dead runs, described, by the run's token."""
    found: dict[str, tuple[str, ...]] = {}
    if sys.platform == "linux":
        for pid, token in orphans.listed(runs).items():
            if (process := identity.handle(pid)) is not None:
                found[token] = (*found.get(token, ()), identity.describe(process))
    else:
        for token in runs.folders:
            found[token] = tuple(map(identity.describe, identity.with_token(token)))
    return found


def _of_run(run: directory.RunRoot) -> "list[psutil.Process]":
    """Living processes of a dead run."""
    found = {process.pid: process for process in identity.with_token(run.token)}
    for pid in orphans.listed(orphans.Runs(folders={run.token: run.path})):
        if pid not in found and (process := identity.handle(pid)) is not None:
            found[pid] = process
    return list(found.values())


def sweep(
    root: Path,
    *,
    hurry: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] | None = None,
    thorough: bool = False,
) -> tuple[list[Remains], list[str]]:
    """
    End the processes, make the reports and remove the scratch of every dead run.

    Args:
        root: the workspace's folder for runs.
        hurry: whether to wait for nothing any more.
        say: receives which reports were made; without it, they are named on standard error.
        thorough: as in `survey`.

    Returns:
        What was swept, and what could not be done.

    Raises:
        InfrastructureError: another sweep does not come to its end.
        KeyboardInterrupt: `hurry` said so while another sweep was at work.
    """
    if not survey(root, thorough=thorough) and not directory.abandoned(root):
        return [], []
    with filelock.held(root.absolute() / LOCK, "sweep up after dead runs", hurry=hurry):
        swept = survey(root, thorough=thorough)
        refused: list[str] = []
        for remains in swept:
            run = remains.run
            identity.end(partial(_of_run, run), grace_s=GRACE_S, hurry=hurry)
            for group in control_group.find(run.token) if remains.groups else ():
                refused += group.end()
            if remains.fleeting:
                orphans.end_fleeting(orphans.Runs(folders={run.token: run.path}), hurry)
            if remains.unreported:
                _report(remains.run, say or _say_aside, refused)
            # Nothing is known of an empty run and nothing can be reported: it goes as a whole.
            if remains.empty:
                refused += remains.run.remove()
            elif remains.scratch:
                refused += remains.run.remove_scratch()
        for path in directory.abandoned(root):
            refused += remove_tree(path)
    return swept, refused


def _report(run: directory.RunRoot, say: Callable[[str], None], refused: list[str]) -> None:
    """The verdict of the dead run's log. Nobody writes to it any more: its processes are gone."""
    from harness.runs import artifacts

    try:
        judged = artifacts.write(run.path)
    except PtychoError as error:
        refused.append(f"{run.path}: no reports: {error}")
    else:
        partial = "partial " if judged.partial else ""
        say(f"{run.path}: {partial}reports made from its log: {judged.verdict.label}; see summary.txt there")


class _Speaker:
    """Says what there is and what is done, line by line, or keeps it for one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._said: dict[str, list[str]] = {}

    def __call__(self, kind: str, subject: object, words: str = "{}") -> None:
        """Tell of one thing; a name that is not UTF-8 is shown in escapes."""
        text = str(subject).encode("utf-8", errors="backslashreplace").decode()
        self._said.setdefault(kind, []).append(text)
        if not self._as_json:
            print(words.format(text))

    def end(self, verdict: Verdict, sentence: str = "") -> int:
        """Say the last sentence or print the document; returns the exit code."""
        if self._as_json:
            print(json.dumps({"verdict": verdict.label, "exit_code": int(verdict), **self._said}, indent=1))
        elif sentence:
            print(sentence)
        return int(verdict)


def main(
    root: Path, *, check: bool, dry_run: bool, everything: bool, policy: Policy | None = None, as_json: bool = False
) -> int:
    """
    The `clean` command.

    Args:
        root: the workspace's folder for runs.
        check: change nothing; fail if there is something to sweep.
        dry_run: change nothing; say what would be done.
        everything: also remove what finished runs keep (logs, pictures, outcomes), and the targets' environments.
        policy: which of the finished runs to keep.
        as_json: print one JSON document, and only that.

    Returns:
        The exit code.
    """
    say = _Speaker(as_json=as_json)
    found, abandoned, nameless = survey(root, thorough=True), directory.abandoned(root), directory.without_record(root)
    for run in directory.find(root):
        if run.elsewhere:
            sentence = f"a run of the host {run.elsewhere}, and whether it is alive cannot be seen from here"
            say("elsewhere", f"{run.path}: {sentence}: not touched; run `clean` there")
        elif run.alive and not run.is_own:
            say("alive", run.path, "{}: under way; not touched")
    for remains in found:
        say("dead", remains)
        for process in remains.processes:
            say("processes", process, "  process {}")
    for path in abandoned:
        say("abandoned", path, "{}: a run that never began")
    for path in nameless:
        say("without_record", path, "{}: looks like a run, and its record is gone; `clean --all` removes it")
    if check or dry_run:
        _announce(root, say, everything=everything, policy=policy or Policy())
        return say.end(Verdict.FAIL if check and (found or abandoned or nameless) else Verdict.PASS)
    swept, refused = sweep(root, say=lambda text: say("reports", text), thorough=True)
    if everything:
        removed = _remove_everything(root, refused)
        for path in nameless:
            said = remove_tree(path)
            refused += said
            removed += [] if said else [f"folder {path.name}"]
    else:
        gone, left = retention.apply(root, policy or Policy())
        removed, refused = [f"run {item}" for item in gone], refused + left
    for name in removed:
        say("removed", name, "removed {}")
    for sentence in refused:
        say("left_in_place", sentence, "left in place: {}")
    count = f"swept {len(swept)} dead runs, removed {len(removed)} runs and environments"
    return say.end(Verdict.FAIL if refused else Verdict.PASS, count)


def _announce(root: Path, say: _Speaker, *, everything: bool, policy: Policy) -> None:
    """Say what finished runs and environments would be removed."""
    if everything:
        for run in retention.removable(directory.find(root)):
            say("removable", run.path, "{}: finished run")
        for path in _environments(root):
            say("removable", path, "{}: environment of a target")
    else:
        for item in retention.surplus(root, policy):
            say("removable", f"{item.run.path}: beyond what is kept: {item}")


def _environments(root: Path) -> list[Path]:
    folder = root.absolute() / ENVIRONMENTS
    return sorted(path for path in folder.iterdir() if path.suffix != ".lock") if folder.is_dir() else []


def _remove_everything(root: Path, refused: list[str]) -> list[str]:
    """Remove every run that has ended and, where no run is alive that may use one, the environments of targets."""
    removed = []
    for run in retention.removable(directory.find(root)):
        said = run.remove()
        refused += said
        removed += [] if said else [f"run {run.path.name}"]
    used = any(run.alive for run in directory.find(root))
    for path in _environments(root):
        if used:
            refused.append(f"{path}: a living run may use it")
        elif not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)  # the log of an installation
        else:
            try:
                # The maker of an environment holds this lock. The file stays: others may be waiting for it.
                with filelock.held(path.with_name(f"{path.name}.lock"), f"remove {path.name}", timeout_s=0):
                    said = remove_tree(path)
            except PtychoError as error:
                said = [f"{path}: {error}"]
            refused += said
            removed += [] if said else [f"environment {path.name}"]
    return removed


def _say_aside(text: str) -> None:
    """Print a line where it disturbs no `--json`; standard error shows any name."""
    print(text, file=sys.stderr)
