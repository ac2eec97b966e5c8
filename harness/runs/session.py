"""
Begins and ends the log of any run: what it is about and what must report, then what is missing, then the reports.

Both ends are in one place so that no kind of run (lane, parity, campaign) has a way to pass without them: a run's
verdict is what its own log implies.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from harness.files import run_files
from harness.record import verdict as log_verdict
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.outcome import Problem
from harness.record.provenance import Origin
from harness.record.required import RequiredResults
from harness.record.schema import SCHEMA
from harness.runs import artifacts, remember, retention, summary
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.verdict import Verdict

Report = Callable[[Verdict, str], None]
"""Takes a reason not to pass, and writes it into the log as long as that is open."""


def begin(events: EventLog, *, kind: str, name: str, token: str, origin: Origin, expected: RequiredResults) -> None:
    """
    Write the first two events of a log.

    Args:
        events: the log.
        kind: of run: `lane`, `parity` …
        name: of what is judged; a lane's target.
        token: token of the run.
        origin: what the outcome belongs to.
        expected: what must report.
    """
    where = os.getcwd()  # noqa: PTH109
    events.write("run.start", schema=SCHEMA, kind=kind, name=name, token=token, cwd=where, origin=origin)
    events.write("run.expect", **expected.as_fields())


class SessionResult:
    """
    Collects the verdict of a run and the problems beyond its log. A run that sets no verdict fails.

    Args:
        events: the log.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.verdict = Verdict.FAIL

    def __call__(self, verdict: Verdict, complaints: Sequence[str] = ()) -> None:
        """Tell it; the last word counts."""
        for sentence in complaints:
            self._events.write("problem", verdict=verdict.label, message=sentence)
        self.verdict = verdict


@contextmanager
def logged(
    kept: RunRoot, *, kind: str, origin: Origin, expected: RequiredResults, name: str = ""
) -> Iterator[tuple[EventLog, SessionResult]]:
    """
    A run's log from its first to its last event, however the block ends, and no scratch after it.

    Args:
        kept: the run's folder.
        kind: of run.
        origin: what the outcome belongs to.
        expected: what must report.
        name: of what is judged; the kind if it is left out.

    Raises:
        PtychoError: as the block does, with the reason in the log; or because the block sets a better verdict than
            its own log implies; its verdict is then that of the log.
    """
    events = kept.open_events()
    begin(events, kind=kind, name=name or kind, token=kept.token, origin=origin, expected=expected)
    ended, amounts_to = SessionResult(events), Verdict.FAIL
    raised: PtychoError | None = None
    try:
        yield events, ended
    except KeyboardInterrupt as stop:
        ended(Verdict.INTERRUPTED, [f"interrupted: {stop}"])
        raise
    except PtychoError as error:
        ended(error.verdict, [str(error)])
        raised = error
        raise
    finally:
        for left in kept.remove_scratch():
            events.write("problem", verdict=Verdict.INFRA.label, message=f"not removed: {left}")
        amounts_to = end(events, ended.verdict)
        if raised is not None:
            # The exit code is the verdict of the log: a rung that had failed is not excused by what died after it.
            raised.verdict = amounts_to
            print(summary.how_to_see(kept.path), file=sys.stderr, flush=True)
    if amounts_to is not ended.verdict:
        computed, implied = ended.verdict.label, amounts_to.label
        sentence = f"the command computed {computed!r} but its event log implies {implied!r}"
        refusal = PtychoError(f"{sentence}: {kept.path / 'verdict.json'}")
        refusal.verdict = amounts_to
        raise refusal


def end(events: EventLog, verdict: Verdict, report: Report | None = None) -> Verdict:
    """
    Write what the log lacks as problems, then the verdict; close the log and make the reports beside it.

    Args:
        events: the log.
        verdict: what the run would say of itself.
        report: receives every problem that is found here, and after the log is closed a last one: that the reports
            could not be written, or contradict the verdict. Without it, problems only go into the log.

    Returns:
        The verdict of its log: the same, a worse one, or a fail where a rung had failed before the run was stopped.
    """
    tell = report or (lambda grave, message: events.write("problem", verdict=grave.label, message=message))
    failed = False
    try:
        added, judged = log_verdict.closing(events.path, verdict)
        verdict, failed = judged.verdict, judged.failed
    except PtychoError as error:
        # What was reported is in the file that this process has open, which nobody can find any more.
        added = [Problem(verdict=Verdict.INFRA, message=f"something has taken the event log's place: {error}")]
        verdict = Verdict.worst([verdict, Verdict.INFRA])
    for found in added:
        tell(found.verdict, found.message)
    for sentence in run_files.strange(events.path.parent):
        tell(Verdict.FAIL, sentence)
        verdict = Verdict.worst([verdict, Verdict.FAIL])
    for sentence in remember.remember(events.path.parent):
        events.write("note", message=sentence)
    for sentence in retention.tidy(events.path.parent):
        events.write("note", message=sentence)
    events.write("run.end", verdict=verdict.label)
    events.close()
    try:
        amounts_to = artifacts.write(events.path.parent).verdict
        message = f"the event log implies {amounts_to.label}: see verdict.json"
    except (InfrastructureError, UsageError) as error:
        # The log has everything: they can be made again where there is space.
        amounts_to, message = Verdict.INFRA, f"the reports could not be written: {error}"
    if amounts_to is not verdict and report is not None:
        report(amounts_to, message)
    return log_verdict.gravest([verdict, amounts_to], failed=failed)
