"""
The ladder on a user's path: the whole of it, run from a changed copy by the same command line of the session `parity`.

What a user has afterwards is read and nothing else: the exit code, what was on the terminal, `parity.json`, the
run's verdict and event log, and the page that `harness report` makes of it.
"""

import html
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.faults.mutation import run_in_copy
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.isolation.sandbox import Sandbox
from harness.process import supervise
from harness.record import log as event_log
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict

OPTIONS: tuple[str, ...] = ("--steps", "8", "--canaries", "0", "--no-drawn")
"""Of the ladder: all rungs, both gridsizes, all precisions; a trajectory that is short and yet reads every batch. No
drawn problems: what one finds depends on the draw, and a trial must not."""

LIMIT_S = 900.0
"""Of one ladder. A whole one takes half a minute on two idle cores, a hang 60 s a rung, twice a side at most."""

BESIDE = ("requirements", "datasets", "tests/fixtures")
"""What the command reads of a checkout besides its packages."""


@dataclass(frozen=True, kw_only=True)
class LadderRun:
    """
    Everything that a user has after a run of the ladder.

    Attributes:
        exit_code: exit code of the command.
        terminal: its output.
        parity: `parity.json`, None where there is none.
        verdict: the run's `verdict.json`, None where there is none.
        events: the lines of the event log.
        page: text of the report's page, without tags; empty where there is none.
        page_exit_code: of `harness report`.
    """

    exit_code: int
    terminal: str
    parity: Mapping[str, Any] | None
    verdict: Mapping[str, Any] | None
    events: Sequence[Mapping[str, Any]]
    page: str
    page_exit_code: int


def command(python: str, pythons: Mapping[str, str], root: Path) -> list[str]:
    """The command line of the session `parity`, as the noxfile writes it."""
    asked = [f"--python={side}={path}" for side, path in pythons.items()]
    return [python, "-m", "harness", "parity", *asked, "--follow", str(os.getpid()), *OPTIONS, "--root", str(root)]


def walk(root: Path, label: str, stage: MutationSetup) -> LadderRun:
    """
    Run the ladder from a copy, and the report of it.

    Args:
        root: the copy; what the command reads besides packages is added to it.
        label: name of the commands, unique in the campaign; begins the names of their folders and logs.
        stage: the campaign.

    Raises:
        KeyboardInterrupt: the campaign was asked to end.
    """
    for name in BESIDE:
        if (stage.checkout / name).exists() and not (root / name).exists():
            source_overlay.add(stage.checkout, root, name)
    cell = Sandbox(path=stage.kept.scratch / f"{label}.walk").make()
    argv = command(sys.executable, stage.pythons, cell.output)
    ended = run_in_copy.run(argv, root, cell, label, stage, cwd=root, limit_s=LIMIT_S)
    runs = sorted((cell.output / "runs").glob("[!.]*"))
    page, reported = "", None
    if runs:
        file = cell.path / "page.html"
        argv = [sys.executable, "-m", "harness", "report", str(runs[-1]), "--out", str(file)]
        reported = run_in_copy.run(argv, root, _beside(cell), f"{label}.report", stage, cwd=root)
        page = _text(file)
    return LadderRun(
        exit_code=_exit_code(ended),
        terminal=ended.log.read_text(encoding="utf-8", errors="replace"),
        parity=_json(runs[-1] / "parity.json") if runs else None,
        verdict=_json(runs[-1] / "verdict.json") if runs else None,
        events=list(event_log.read(runs[-1] / "events.ndjson")) if runs else [],
        page=page,
        page_exit_code=-1 if reported is None else _exit_code(reported),
    )


def stands(stage: MutationSetup) -> None:
    """
    Make sure that the ladder passes on the user's path as long as nothing is planted.

    Raises:
        InfrastructureError: it does not: whatever a mutant did would prove nothing.
    """
    names = sorted(path.name for path in stage.tree.iterdir())
    root = source_overlay.copy(stage.tree, stage.kept.scratch / "clean.code", names)
    walked = walk(root, "clean.first", stage)
    if walked.exit_code != Verdict.PASS or walked.page_exit_code != Verdict.PASS:
        raise InfrastructureError(
            f"the ladder does not pass without a mutant: it ends with {walked.exit_code}, its report with "
            f"{walked.page_exit_code}; run `harness parity` first: {run_in_copy.last_line(walked.terminal)}"
        )


def _beside(cell: Sandbox) -> Sandbox:
    return Sandbox(path=cell.path / "report").make()


def _exit_code(ended: supervise.CompletedCommand) -> int:
    return int(Verdict.TIMEOUT) if ended.timed_out else ended.returncode


def _json(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _text(page: Path) -> str:
    try:
        text = page.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return html.unescape(re.sub(r"<[^>]*>", "\n", text))
