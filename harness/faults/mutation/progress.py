"""Shows a campaign while it works: a bar, and a line for a mutant."""

from collections.abc import Sequence

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import MutantTrial
from harness.system.progress import Steps


class MutationProgress(Steps):
    """
    Progress of a campaign.

    Args:
        mutants: what is tried.
        quiet: show nothing.
        before: how many of them an earlier campaign has tried.
    """

    def __init__(self, mutants: Sequence[Mutant], *, quiet: bool, before: int = 0) -> None:
        super().__init__("mutants", len(mutants), quiet=quiet, before=before)

    def tried(self, made: MutantTrial) -> None:
        """A trial ended. On a terminal only one that did not end as promised takes a line."""
        where = f" at {made.found.at}" if made.found.at else ""
        how = f" ({made.found.how})" if made.found.how not in ("", "rung") else ""
        text = f"{made.mutant.id}: {made.outcome}{where}{how}, {made.seconds:.0f} s"
        # Before the first trial ended, the clean pair was at work.
        self.done(text, seconds=made.seconds, notable=not made.is_right or made.names_guilty is False)
