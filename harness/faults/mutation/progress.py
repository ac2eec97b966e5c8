"""What a campaign shows while it works: a bar, and a line for a mutant."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import Trial
from harness.system.progress import Narration

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress(Narration):
    """
    Progress of a campaign.

    Args:
        mutants: what is tried.
        quiet: show nothing.
        before: how many of them an earlier campaign has tried.
    """

    def __init__(self, mutants: Sequence[Mutant], *, quiet: bool, before: int = 0) -> None:
        super().__init__(quiet=quiet)
        self._total = len(mutants)
        self._before = self._done = before
        self._first: float | None = None
        self._task: TaskID | None = None

    def drawn(self) -> "Bars":
        """One bar for the campaign."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        bars = Bars(TextColumn("mutants"), *columns, transient=True)
        self._task = bars.add_task("mutants", total=self._total)
        return bars

    def tried(self, made: Trial) -> None:
        """A trial ended. On a terminal only one that did not end as promised takes a line."""
        self._done += 1
        if self.bars is not None and self._task is not None:
            self.bars.update(self._task, completed=self._done)
        if self.bars is None or not made.is_right or made.names_guilty is False:
            where = f" at {made.found.at}" if made.found.at else ""
            how = f" ({made.found.how})" if made.found.how not in ("", "rung") else ""
            line = f"{self._done}/{self._total}  {made.mutant.id}: {made.outcome}{where}{how}, {made.seconds:.0f} s"
            self.say(line + self._left(made.seconds))

    def _left(self, seconds: float) -> str:
        """About how long the rest takes, from what the trials of this campaign took so far; empty at the end."""
        now = time.monotonic()
        # Before the first trial ended, the clean pair was at work.
        self._first = now - seconds if self._first is None else self._first
        left = (now - self._first) / max(1, self._done - self._before) * (self._total - self._done)
        return f"; about {left / 60:.0f} min left" if self._done < self._total else ""
