"""
Wall time by phase, on the monotonic clock: what a budget is held against and a summary reports.

Each phase is also said aloud (`sys.audit`), for whoever listens: a training that is killed has then named its phase.
"""

import sys
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
        sys.audit("ptycho.phase.start", {"phase": name})
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started
            sys.audit("ptycho.phase.end", {"phase": name})
