"""The log of a benchmark run from its first to its last event, however the run ends, and no scratch after it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import origin, run_log
from harness.events import EventLog
from harness.expectations import Expected
from harness.outcome import GRAVITY
from harness.runroot import RunRoot
from ptycho.errors import PtychoError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict


@contextmanager
def logged(
    kept: RunRoot,
    *,
    name: str,
    benchmarks: Sequence[str],
    sides: Sequence[str] = (),
    scans: Mapping[str, Path] | None = None,
    device: str = "cpu",
) -> Iterator[tuple[EventLog, Callable[[Verdict], None]]]:
    """
    Open the log of a run; the block tells the verdict.

    Args:
        kept: the run.
        name: what it is.
        benchmarks: names that must report.
        sides: lanes whose locks the outcome belongs to.
        scans: files that it belongs to.
        device: the device that was asked for.

    Raises:
        PtychoError: as the block does, with the reason in the log; or the log does not pass although the block says so.
    """
    events = kept.open_events()
    run_log.begin(
        events,
        kind="benchmark",
        name=name,
        token=kept.token,
        origin=origin.describe(
            root=ROOT,
            locks=[ROOT / "requirements" / f"{side}-cpu.txt" for side in sides],
            fixtures=scans or {},
            device=device,
        ),
        expected=Expected(benchmarks=tuple(benchmarks)),
    )
    reached = Verdict.FAIL

    def ended(verdict: Verdict) -> None:
        nonlocal reached
        reached = verdict

    def blamed(error: BaseException, verdict: Verdict) -> None:
        events.write("problem", verdict=verdict.name.lower(), message=str(error) or type(error).__name__)
        ended(verdict)

    try:
        yield events, ended
    except KeyboardInterrupt as stop:
        blamed(stop, Verdict.INTERRUPTED)
        raise
    except PtychoError as error:
        blamed(error, error.verdict)
        raise
    finally:
        amounts_to = run_log.end(events, reached)
        kept.remove_scratch()
    if reached is Verdict.PASS and amounts_to is not Verdict.PASS:
        raise PtychoError(
            f"the figures pass, but the log amounts to {amounts_to.name.lower()}: {kept.path}/verdict.json"
        )


def gravest(verdicts: Sequence[Verdict]) -> Verdict:
    """The gravest; `FAIL` where there is none: silence is no pass."""
    return min(verdicts, key=GRAVITY.index, default=Verdict.FAIL)
