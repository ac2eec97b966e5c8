"""
The largest resident memory of a command's process tree, sampled while it runs.

The sum over processes counts shared pages once for each of them: it is what a runner must have in the worst case, and
a peak between two samples is missed. It is reported, and no gate.
"""

import os
import time

from harness import processes

EVERY_S = 0.25
"""Listing all processes takes some milliseconds: not at each turn of the supervisor's loop."""


class Peak:
    """
    The peak so far.

    Attributes:
        mib: MiB, 0 before the first sample.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._next = time.monotonic()

    def sample(self) -> None:
        """Look, if it is time to: called at each turn of the loop that waits for the command."""
        import psutil

        if time.monotonic() < self._next:
            return
        total = 0
        for process in processes.descendants(os.getpid()):
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue  # gone since it was listed: it holds no memory
        self.mib = max(self.mib, total / 2**20)
        self._next = time.monotonic() + EVERY_S
