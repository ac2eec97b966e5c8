"""
Shows long work while it runs: bars on a terminal, lines elsewhere, nothing when quiet.

Each kind of work draws its own bars and words its own lines; that they begin, end and print in the same way is here.
Work of a known number of parts (`Steps`) also says how long the rest takes.
"""

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Narration(ABC):
    """
    Progress of long work, as a context manager.

    Args:
        quiet: show nothing.

    Attributes:
        bars: what is drawn on a terminal, or None.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self.bars: Progress | None = None

    @abstractmethod
    def drawn(self) -> "Progress":
        """The bars of this kind of work, not yet started. Asked only where there is a terminal."""

    def __enter__(self) -> Self:
        if not self._quiet and sys.stdout.isatty():
            self.bars = self.drawn()
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars is not None:
            self.bars.stop()

    def say(self, text: str) -> None:
        """One line, with the seconds since the beginning; above the bars where there are any."""
        if self._quiet:
            return
        line = f"{time.monotonic() - self._started:6.1f} s  {text}"
        if self.bars is not None:
            self.bars.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)


class Steps(Narration):
    """
    Progress of work that has a known number of parts: one bar on a terminal, one line for each part elsewhere.

    Args:
        what: name of the parts, such as `mutants`.
        total: how many there are.
        quiet: show nothing.
        before: how many of them an earlier command has done.
        every: how many parts share a line.

    Example:
        >>> with Steps("scans", 2, quiet=True) as steps:
        ...     steps.done("1,000 patterns")
        ...     steps.count
        1
    """

    def __init__(self, what: str, total: int, *, quiet: bool, before: int = 0, every: int = 1) -> None:
        super().__init__(quiet=quiet)
        self._what, self._total, self._before, self._every = what, total, before, every
        self.count = before
        self._first: float | None = None
        self._task: TaskID | None = None

    def drawn(self) -> "Progress":
        """One bar for all parts."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        bars = Progress(TextColumn("{task.description}"), *columns, transient=True)
        self._task = bars.add_task(self._what, total=self._total, completed=self._before)
        return bars

    def done(self, text: str, *, seconds: float | None = None, notable: bool = False) -> None:
        """
        A part ended.

        Args:
            text: which, and how it went.
            seconds: how long it took, where it did not begin when the one before it ended.
            notable: whether it takes a line on a terminal too.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = self._started if seconds is None else now - seconds
        self.count += 1
        if self.bars is not None and self._task is not None:
            self.bars.update(self._task, completed=self.count)
        if notable or (self.bars is None and (self.count % self._every == 0 or self.count == self._total)):
            self.say(f"{self.count}/{self._total}  {text}{self._left(now - self._first)}")

    def _left(self, spent: float) -> str:
        """About how long the rest takes, from what the parts took so far; empty at the end."""
        if self.count >= self._total:
            return ""
        left = spent / (self.count - self._before) * (self._total - self.count)
        return f"; about {left:.0f} s left" if left < 90 else f"; about {left / 60:.0f} min left"
