"""
What long work shows while it runs: bars on a terminal, lines elsewhere, nothing when quiet.

Each kind of work draws its own bars and words its own lines; that they begin, end and print in the same way is here.
"""

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress


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
