"""
Waiting for the end of a process without asking again and again whether it has come.

Linux has a descriptor that becomes readable at that moment; elsewhere a short sleep serves. A turn is never longer
than a tenth of a second: signals are flags (`harness.system.signals`), and a sleeping loop does not see a flag.
"""

import os
import select
import subprocess
import time

TURN_S = 0.1
SHORT_TURN_S = 0.02


class Waiter:
    """
    Waits for one process.

    Args:
        process: a child of this one.

    Attributes:
        ended: whether it has ended. Where the platform can tell so, it has not been waited for yet.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.ended = False
        self._process = process
        try:
            self._descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # another platform; an old kernel; a sandbox that forbids it
            self._descriptor = -1
        self._poll = select.poll()
        if self._descriptor >= 0:
            self._poll.register(self._descriptor, select.POLLIN)

    def turn(self) -> float:
        """
        Wait for one turn, or until the process ends.

        Returns:
            By how many seconds the turn was longer than it should have been: this process was stopped, or starved.
        """
        turn_s, started = (TURN_S if self._descriptor >= 0 else SHORT_TURN_S), time.monotonic()
        if self._descriptor >= 0:
            self.ended = bool(self._poll.poll(turn_s * 1000))
        else:
            time.sleep(turn_s)
            self.ended = self._process.poll() is not None
        return max(0.0, time.monotonic() - started - turn_s)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
