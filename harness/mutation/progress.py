"""What a campaign shows while it works: a bar on a terminal, a line a mutant elsewhere, nothing when quiet."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.mutation.catalogue import Mutant
from harness.mutation.trial import Trial

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress:
    """
    Progress of a campaign, as a context manager.

    Args:
        mutants: what is tried.
        quiet: show nothing.
    """

    def __init__(self, mutants: Sequence[Mutant], *, quiet: bool) -> None:
        self._total = len(mutants)
        self._quiet = quiet
        self._done = 0
        self._started = time.monotonic()
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
            self._bars = Bars(TextColumn("mutants"), *columns, transient=True)
            self._task = self._bars.add_task("mutants", total=self._total)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def tried(self, made: Trial) -> None:
        """A trial ended. On a terminal only one that did not end as promised takes a line."""
        self._done += 1
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._done)
        if self._bars is None or not made.is_right or made.names_guilty is False:
            where = f" at {made.found.at}" if made.found.at else ""
            how = f" ({made.found.how})" if made.found.how not in ("", "rung") else ""
            self.say(f"{self._done}/{self._total}  {made.mutant.id}: {made.outcome}{where}{how}, {made.seconds:.0f} s")

    def say(self, text: str) -> None:
        """One line, with the seconds since the beginning."""
        if self._quiet:
            return
        line = f"{time.monotonic() - self._started:6.1f} s  {text}"
        if self._bars is not None:
            self._bars.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)
