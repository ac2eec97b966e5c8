"""Wall time by phase, on the monotonic clock: what a budget is held against and a summary reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Clock:
    """
    Seconds by phase. A phase that is entered again adds up.

    Attributes:
        seconds: phase name to seconds, in the order of first entry.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the block's time to a phase, also when it raises."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started
