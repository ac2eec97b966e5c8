"""Commands that run from a changed copy, and whether a bad end is the copy's doing or the machine's."""

from collections.abc import Sequence
from pathlib import Path

from harness.faults.mutation.setup import MutationSetup
from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.process import supervise
from ptycho.verdict import Verdict

LIMIT_S = 300.0
"""Of one command; a clean one takes two to thirty seconds on an idle machine."""

MACHINE = (Verdict.OOM, Verdict.TIMEOUT, Verdict.INTERRUPTED, Verdict.INCONCLUSIVE)
"""Exit codes that say something about the machine and nothing about a mutant."""


def run(
    argv: Sequence[str],
    root: Path,
    cell: Sandbox,
    label: str,
    stage: MutationSetup,
    *,
    cwd: Path | None = None,
    limit_s: float = LIMIT_S,
) -> supervise.CompletedCommand:
    """
    Run a command.

    Args:
        argv: argument vector.
        root: the copy that its packages are imported from.
        cell: its folders.
        label: its name; names its log.
        stage: the run.
        cwd: working directory; a folder of the cell if None.
        limit_s: its time limit.
    """
    token = f"{stage.kept.token}-{label}"
    env = sandbox.build(
        cell,
        token=f"{stage.kept.token}:{token}",
        scratch=stage.kept.scratch,
        events=stage.kept.events,
        import_root=root,
        gpu=False,
        extra={"OPENBLAS_NUM_THREADS": "1"},
    )
    return supervise.run(
        argv,
        env=env,
        cwd=cwd or cell.cwd,
        log=stage.kept.logs / f"{label}.log",
        timeout_s=limit_s,
        token=token,
        interruption=stage.interruption,
    )


def machine_error(text: str, returncode: int) -> str:
    """
    Return why a process's bad end says nothing about a mutant; empty if it does.

    The same request went well in the clean copy. What differs is the text that was changed, unless the machine ended
    the process, or had no room for it.
    """
    if returncode < 0 or returncode in MACHINE or "MemoryError" in text or "No space left" in text:
        return f"ended with {returncode}: {text[-600:]}"
    return ""


def last_line(text: str) -> str:
    """The last line that says anything."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
