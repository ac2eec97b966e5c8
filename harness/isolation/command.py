"""
A process of ours in a cell of its own, from its first to its last event; one that does not end well ends the run.

Lanes drive targets, whose failures are findings; what measures (scale, curves) drives our own commands, and for it a
process that fails is not a measurement at all.
"""

from collections.abc import Sequence
from typing import Any

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.process import result, supervise
from harness.process.supervise import CompletedCommand
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict


def run(
    argv: Sequence[str],
    *,
    label: str,
    cell: Sandbox,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    timeout_s: float,
) -> supervise.CompletedCommand:
    """
    Run a command to its end.

    Args:
        argv: argument vector.
        label: its name in the log and of its output.
        cell: its folders.
        kept: the run.
        events: the run's log.
        interruption: asked while it runs.
        timeout_s: its limit.

    Raises:
        PtychoError: it did not end well; with its verdict, and a message that ends with its last lines.
        KeyboardInterrupt: the run was asked to end.
    """
    token = f"{kept.token}-{label}"
    env = sandbox.build(
        cell,
        token=f"{kept.token}:{token}",
        scratch=kept.scratch,
        events=kept.events,
        import_root=ROOT,
        gpu=False,
        extra={},
    )
    log = kept.logs / f"{label}.log"
    events.write("command.start", label=label, argv=list(argv), timeout_s=timeout_s, gpu=False, log=str(log))
    ended = supervise.run(
        argv, env=env, cwd=cell.cwd, log=log, timeout_s=timeout_s, token=token, interruption=interruption
    )
    command_end(events, label, ended)
    if result.verdict_of(ended) is not Verdict.PASS:
        raise result.error_of(label, ended, timeout_s)
    return ended


def command_end(events: EventLog, label: str, finished: CompletedCommand) -> dict[str, Any]:
    """
    Write how a command ended, what it used and, where it was killed at a time limit, where it was then.

    Args:
        events: the log.
        label: label of the command.
        finished: how it ended.

    Returns:
        The figures, for the outcome.
    """
    figures: dict[str, Any] = {
        "returncode": finished.returncode,
        "seconds": round(finished.seconds, 3),
        "timed_out": finished.timed_out,
        **(finished.usage.rounded() if finished.usage is not None else {}),
    }
    if finished.stop is not None:
        figures |= {"stopped": finished.stop.kind, "verdict": finished.stop.verdict.label}
    if finished.stacks is not None:
        events.write("stacks", label=label, path=str(finished.stacks), frames=finished.frames())
    events.write("command.end", label=label, **figures)
    return figures
