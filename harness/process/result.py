"""The result of a command: its verdict, and why it did not pass, as a sentence, an error or a finding."""

import shlex
from functools import partial

from harness.process.supervise import CompletedCommand
from harness.record.findings import Finding
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict


def verdict_of(finished: CompletedCommand) -> Verdict:
    """
    Verdict of a command: of the closed set where it ended with such a code on purpose.

    A command that ends with the code of a usage error was driven wrongly by its target file: that is a failure here.
    """
    if finished.stop is not None:
        return finished.stop.verdict
    if finished.timed_out:
        return Verdict.TIMEOUT
    if finished.returncode in (Verdict.BUDGET, Verdict.OOM, Verdict.INFRA, Verdict.INCONCLUSIVE):
        return Verdict(finished.returncode)
    return Verdict.PASS if finished.returncode == 0 else Verdict.FAIL


def complaint(label: str, finished: CompletedCommand, limit_s: float) -> str:
    """Return why a command did not pass, with the end of its output and, where it hung, of its stacks."""
    if finished.stop is not None:
        how = finished.stop.sentence
    elif finished.timed_out:
        how = f"killed after {limit_s:g} s"
    elif finished.returncode < 0:
        how = f"ended by signal {-finished.returncode}"
    else:
        how = f"ended with exit code {finished.returncode}"
    where = "".join(f"\n{line}" for line in finished.frames())
    stacks = f"\nit was there (all threads: {finished.stacks}):{where}" if where else ""
    return f"{label} {how}; output in {finished.log}:\n{finished.tail()}{stacks}"


def error_of(label: str, finished: CompletedCommand, limit_s: float) -> PtychoError:
    """
    The error that ends a run whose command did not pass, with that command's verdict.

    A training that raises is a failure of its code, and only what the machine did to it is the machine's fault.
    """
    error = PtychoError(complaint(label, finished, limit_s))
    error.verdict = verdict_of(finished)
    return error


def stopped(subject: str, label: str, finished: CompletedCommand, limit_s: float) -> Finding | None:
    """A command that a limit or the kernel ended, as a finding; None if it ended by itself or by a stranger's hand."""
    finding = partial(
        Finding, subject=subject, sentence=complaint(label, finished, limit_s), command=shlex.join(finished.argv)
    )
    if (stop := finished.stop) is not None:
        return finding(id=stop.kind, figures=stop.figures, verdict=stop.verdict)
    return finding(id="time-limit", figures={"limit_s": limit_s}) if finished.timed_out else None
