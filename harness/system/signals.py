"""
Signals as a flag that is asked at safe points, and not as an exception at any byte.

An exception out of a signal handler can land between starting a child and remembering it, or inside the clean-up that
it should have caused. Here the first SIGINT, SIGTERM or SIGQUIT sets a flag that the waiting loops ask several times a
second; they raise `KeyboardInterrupt`, everything is unwound once, and a second signal only shortens the grace that
children get. Handlers are installed even where SIGINT was inherited as ignored (a job started with `&` by a shell). A
terminal that is closed (SIGHUP) ends the run the same way, unless that signal was inherited as ignored: then it was
asked for (`nohup`).
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REASON_VARIABLE = "PTYCHO_HARNESS_STOP_REASON"
"""Names a file in which whoever sends a signal may say why, in a sentence: a scheduler's time limit, for example."""
_REASON_BYTES = 400

Handler = Callable[[int, FrameType | None], Any] | int | None


class Interruption:
    """
    State of a run that may be asked to end, and how urgently.

    Args:
        follow: process whose end also ends the run (nox, which does not always outlive its children), or None.
    """

    def __init__(self, follow: int | None = None) -> None:
        self.signals: list[int] = []
        self.follow = follow

    @property
    def hurry(self) -> bool:
        """Whether a second signal came: children are killed without grace."""
        return len(self.signals) > 1

    @property
    def reason(self) -> str | None:
        """Return why the run should end, or None."""
        if self.signals:
            return signal.Signals(self.signals[0]).name + _sender_says()
        if self.follow is not None and os.getppid() != self.follow:
            return f"parent process {self.follow} is gone"
        return None

    def check(self) -> None:
        """
        End the run here if it was asked to end.

        Raises:
            KeyboardInterrupt: with the reason.
        """
        if (reason := self.reason) is not None:
            raise KeyboardInterrupt(reason)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signals.append(number)

    @contextmanager
    def installed(self) -> Iterator["Interruption"]:
        """Take the signals that ask for an end for the time of a block; the handlers of before come back afterwards."""
        hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        # SIGQUIT (Ctrl-\) would end the process at once, and leave its children.
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, *hangup)
        before: dict[signal.Signals, Handler] = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _sender_says() -> str:
    """Return what the sender of a signal has written down, behind a colon; empty if nobody has."""
    try:
        with open(os.environ[REASON_VARIABLE], encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as cheap as can be
            said = " ".join(file.read(_REASON_BYTES).split())
    except (KeyError, OSError):
        return ""
    return f": {said}" if said else ""
