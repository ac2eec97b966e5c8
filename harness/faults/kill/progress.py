"""What a campaign of kills shows while it works: a bar on a terminal, a line a kill elsewhere, nothing when quiet."""

from typing import TYPE_CHECKING

from harness.faults.kill.trial import Trial
from harness.system.progress import Narration

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress(Narration):
    """
    Progress of a campaign, as a context manager.

    Args:
        total: how many kills.
        quiet: show nothing.
    """

    def __init__(self, total: int, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._total, self._done = total, 0
        self._task: TaskID | None = None

    def drawn(self) -> "Bars":
        """One bar for all kills."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        bars = Progress(TextColumn("kills"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), transient=True)
        self._task = bars.add_task("kills", total=self._total)
        return bars

    def tried(self, made: Trial) -> None:
        """A trial ended. On a terminal only one that failed takes a line."""
        self._done += 1
        if self.bars is not None and self._task is not None:
            self.bars.update(self._task, completed=self._done)
        if self.bars is None or made.failures:
            planned = made.planned
            how = "; ".join(map(str, made.failures)) or "all holds"
            about = f"{planned.victim} of {planned.job.name}, {made.phase or 'never hit'}"
            self.say(f"{self._done}/{self._total}  kill {planned.number}: {about}: {how}, {made.seconds:.0f} s")
