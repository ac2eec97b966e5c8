"""Many kills, a few at a time, and their result."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.faults.kill import trial
from harness.faults.kill.plan import PlannedKill
from harness.faults.kill.setup import KillSetup
from harness.faults.kill.trial import KillTrial
from harness.system.pool import several
from ptycho.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class KillScore:
    """
    The result of a campaign.

    Attributes:
        trials: all of them, by number.
        planned: how many there should be.
        seed: of what was drawn.
        seconds: wall time.
        strays: processes that nobody's trial accounts for and that outlived all of them.
    """

    trials: Sequence[KillTrial]
    planned: int
    seed: int
    seconds: float = 0.0
    strays: tuple[str, ...] = ()

    @property
    def failed(self) -> list[KillTrial]:
        """Trials in which something does not hold."""
        return [item for item in self.trials if item.failures]

    @property
    def by_check(self) -> Counter[str]:
        """In how many trials each check failed."""
        return Counter(check for item in self.trials for check in {failure.check for failure in item.failures})

    @property
    def verdict(self) -> Verdict:
        """A pass only if every planned kill was made and everything held after each."""
        whole = len(self.trials) == self.planned > 0
        return Verdict.PASS if whole and not self.failed and not self.strays else Verdict.FAIL


OnTrial = Callable[[KillTrial], None]


def run(
    planned: Sequence[PlannedKill], stage: KillSetup, *, jobs: int, on_trial: OnTrial = lambda _trial: None
) -> list[KillTrial]:
    """
    Try kills.

    Args:
        planned: which.
        stage: where.
        jobs: how many at a time.
        on_trial: called with each trial as it ends, in the thread of the caller.

    Returns:
        The trials by number.

    Raises:
        KeyboardInterrupt: the campaign was asked to end; no process of a trial is left.
    """
    done = []
    # The frameworks take longest.
    longest_first = sorted(planned, key=lambda item: not item.job.real)
    for made in several(lambda item: trial.run(item, stage), longest_first, jobs=jobs, interruption=stage.interruption):
        done.append(made)
        on_trial(made)
    return sorted(done, key=lambda made: made.planned.number)
