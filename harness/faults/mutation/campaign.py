"""
Many trials, a few at a time, and their result.

A mutant whose trial says nothing because of the machine is tried again alone; if it still says nothing, the
campaign is not a pass.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.faults.mutation import trial
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.entry import GATES
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.faults.mutation.setup import MutationSetup
from harness.system.pool import several
from ptycho.verdict import Verdict

RIGHT_SIDE = 0.95
"""Part of the verdicts that name a side at all which must name the right one."""


@dataclass(frozen=True, kw_only=True)
class MutationScore:
    """
    The result of a campaign.

    Attributes:
        trials: all of them, in the order of the catalogue.
        accepted: by plain comparator, whether it accepts the clean pair; empty where that was not asked.
        seconds: wall time.
        catalogue: how many mutants there are, tried or not.
        seed: seed of the sample, None for all.
    """

    trials: Sequence[MutantTrial]
    accepted: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    catalogue: int = 0
    seed: int | None = None

    @property
    def faults(self) -> list[MutantTrial]:
        """Trials of mutants that must die, without those that keep a backend from answering."""
        return [item for item in self.trials if item.mutant.dies_at and not item.mutant.ends]

    @property
    def equivalents(self) -> list[MutantTrial]:
        """Trials of mutants that nothing can tell from the original."""
        return [item for item in self.trials if not item.mutant.dies_at]

    @property
    def killed(self) -> int:
        """Mutants that died at or before their gate."""
        return sum(item.outcome is MutantOutcome.KILLED for item in self.faults)

    @property
    def ending(self) -> list[MutantTrial]:
        """Trials of mutants that keep a backend from answering."""
        return [item for item in self.trials if item.mutant.dies_at and item.mutant.ends]

    @property
    def named(self) -> list[MutantTrial]:
        """Trials whose verdict names a side."""
        return [item for item in self.faults if item.names_guilty is not None]

    @property
    def rightly(self) -> int:
        """Verdicts that name the right side."""
        return sum(bool(item.names_guilty) for item in self.named)

    @property
    def verdict(self) -> Verdict:
        """A pass only if every mutant ended as its entry promises, and hardly a verdict named the wrong side."""
        if any(item.outcome is not MutantOutcome.ERROR and not item.is_right for item in self.trials):
            return Verdict.FAIL  # no trial that could not be made excuses one that was
        if any(item.outcome is MutantOutcome.ERROR for item in self.trials):
            return Verdict.INFRA
        promised = bool(self.trials) and all(item.is_right for item in self.trials)
        return Verdict.PASS if promised and self.rightly >= RIGHT_SIDE * len(self.named) else Verdict.FAIL

    def found_plainly(self, names: Collection[str]) -> tuple[int, int]:
        """Return how many mutants plain comparators find, any of those named, of how many they were shown."""
        shown = [item.found.allclose for item in self.faults if item.found.allclose is not None]
        return sum(any(found[name] for name in names) for found in shown), len(shown)


OnTrial = Callable[[MutantTrial], None]


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> tuple[Mutant, ...]:
    """A random choice, in the order of the catalogue; all of them if there are no more."""
    chosen = {mutant.id for mutant in random.Random(seed).sample(list(mutants), min(count, len(mutants)))}  # noqa: S311
    return tuple(mutant for mutant in mutants if mutant.id in chosen)


def run(
    mutants: Sequence[Mutant],
    stage: MutationSetup,
    *,
    jobs: int,
    on_trial: OnTrial = lambda _trial: None,
    before: Mapping[str, MutantTrial] | None = None,
) -> list[MutantTrial]:
    """
    Try mutants.

    Args:
        mutants: which.
        stage: where.
        jobs: how many at a time.
        on_trial: called with each trial as it ends, in the thread of the caller.
        before: trials of an earlier campaign by id, which are not made again.

    Returns:
        The trials, in the order of the mutants.

    Raises:
        KeyboardInterrupt: the run was asked to end; no process of a trial is left.
    """
    done = dict(before or {})
    # The high gates take longest. A hang is one only on a machine that is idle enough, and so is tried alone.
    together = [mutant for mutant in mutants if mutant.kind != "hangs" and mutant.id not in done]
    longest_first = sorted(together, key=lambda mutant: -GATES.index(mutant.gate))
    for made in several(lambda item: trial.run(item, stage), longest_first, jobs=jobs, interruption=stage.interruption):
        if made.outcome is not MutantOutcome.ERROR:
            done[made.mutant.id] = made
            on_trial(made)
    for mutant in mutants:
        if mutant.id not in done:
            done[mutant.id] = trial.run(mutant, stage)
            on_trial(done[mutant.id])
    return [done[mutant.id] for mutant in mutants]
