"""
Signs of life: was the command suspended, did the supervisor itself sleep, and when did something last happen?

A time limit is about a command that could run. Time in which it was stopped, or in which the supervisor did not run
either (SIGSTOP of the whole tree, a virtual machine that was paused), is counted here and says nothing about it. Only
monotonic clocks are read: setting the clock of the machine changes nothing.
"""

from harness.process.tree import TreeSample

GAP_S = 2.0
"""A turn of the supervisor's loop that is longer by this is not a matter of a busy machine."""

BUSY = 0.02
"""Share of one processor above which a command counts as doing something; waiting threads wake up now and then."""

SILENT_S = 10.0
"""Seconds without any sign of life after which a command is said to hang."""


class Heartbeat:
    """
    Pulse of a command.

    Args:
        now: monotonic time of its start, in seconds.

    Attributes:
        paused_s: seconds in which it could not run, because somebody had stopped it or everything.
        active_at: when it last used the processor, wrote output or said something.
    """

    def __init__(self, now: float) -> None:
        self.paused_s = 0.0
        self.active_at = now
        self._looked = now
        self._cpu_s = 0.0
        self._gap_s = 0.0
        self._stopped = False

    def overslept(self, seconds: float) -> None:
        """Note by how much a turn of the loop was too long."""
        if seconds > GAP_S:
            self._gap_s += seconds

    def sampled(self, now: float, sample: TreeSample, *, heard: bool) -> None:
        """
        Note a look at the processes.

        Args:
            now: monotonic time in seconds.
            sample: the look.
            heard: whether there was an event or output since the last one.
        """
        step, used = now - self._looked, sample.cpu_s - self._cpu_s
        lost = step if self._stopped and sample.stopped else min(self._gap_s, step)
        # What ran on while the supervisor did not was not suspended.
        self.paused_s += max(0.0, lost - used) if lost else 0.0
        if heard or used > BUSY * step:
            self.active_at = now
        self._looked, self._cpu_s, self._gap_s, self._stopped = now, sample.cpu_s, 0.0, sample.stopped

    def silent_s(self, now: float) -> float:
        """Seconds since the last sign of life."""
        return now - self.active_at
