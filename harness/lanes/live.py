"""
Shows a run on a terminal while it runs: one line below the others, drawn from the run's own event log.

The log is the only thing that it asks, so it shows what children say of themselves (phases, epochs, tests) and needs no
hook in what it watches. Elsewhere than on a terminal it draws nothing, and the plain lines of the run are all there is.
While a test suite writes its own output it steps aside: a drawing that is refreshed would erase the suite's dots.
"""

import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.files import untrusted
from harness.record import log as event_log
from harness.record.log import Row
from ptycho.errors import PtychoError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

PER_SECOND = 4.0
"""How often it is drawn."""

ECHOED = "suite"
"""The command whose output is on the screen already."""


@dataclass(kw_only=True)
class LaneProgress:
    """
    Progress of a run, by its log.

    Attributes:
        lane: framework and device, once they are settled.
        began: monotonic time of the first event, or None.
        label: the command under way, or "".
        since: monotonic time of its beginning.
        limit_s: its time limit in seconds, or None.
        phase: what its training does, or "".
        epoch: the last epoch that ended, or 0.
        done: commands that ended.
        ended: whether the run did.
    """

    lane: str = ""
    began: float | None = None
    label: str = ""
    since: float = 0.0
    limit_s: float | None = None
    phase: str = ""
    epoch: int = 0
    done: int = 0
    ended: bool = False

    def take(self, row: Row) -> None:
        """Take the next event."""
        name, now = row["event"], _number(row.get("monotonic_s")) or 0.0
        self.began = now if self.began is None else self.began
        if name == "device.chosen":
            self.lane = str(row.get("lane", ""))
        elif name == "command.start":
            self.label, self.since, self.phase, self.epoch = str(row.get("label", "")), now, "", 0
            self.limit_s = _number(row.get("timeout_s"))
        elif name == "command.end":
            self.label, self.phase, self.done = "", "", self.done + 1
        elif name == "phase.start":
            self.phase = str(row.get("phase", ""))
        elif name == "epoch.end":
            self.epoch = int(_number(row.get("epoch")) or 0)
        elif name == "run.end":
            self.ended = True

    def line(self, now: float) -> str:
        """
        The run in a line.

        Args:
            now: monotonic time.
        """
        if self.began is None or self.ended or self.label == ECHOED:
            return ""
        what = [self.lane or "starting"]
        if self.label:
            limit = "" if self.limit_s is None else f" of at most {self.limit_s:.0f} s"
            what.append(f"{self.label}: {now - self.since:.0f} s{limit}")
            what += [self.phase] if self.phase else []
            what += [f"epoch {self.epoch} done"] if self.epoch else []
        else:
            what.append("judging")
        ended = "1 command ended" if self.done == 1 else f"{self.done} commands ended"
        return " · ".join([*what, ended, f"{now - self.began:.0f} s in all"])


class LiveView:
    """
    Follows a log while a block runs.

    Args:
        log: the run's event log; it may not be there yet.
        quiet: draw nothing.
        console: where to; by default standard output, if that is a terminal.

    Example:
        >>> with LiveView(Path("events.ndjson"), quiet=True) as view:
        ...     view.drawn
        False
    """

    def __init__(self, log: Path, *, quiet: bool = False, console: "Console | None" = None) -> None:
        self._log, self._console = log, console
        self._draws = not quiet and (console is not None or sys.stdout.isatty())
        self._read, self._rest = 0, b""
        self._live: Live | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="live view", daemon=True)
        self.progress = LaneProgress()

    @property
    def drawn(self) -> bool:
        """Whether there is something to see."""
        return self._live is not None

    def __enter__(self) -> Self:
        if self._draws:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._draws:
            self._thread.join()
            self._show("")

    def line(self) -> str:
        """Read what is new in the log; the run in a line."""
        for row in self._new():
            self.progress.take(row)
        return self.progress.line(time.monotonic())

    def _follow(self) -> None:
        while not self._over.wait(1 / PER_SECOND):
            self._show(self.line())

    def _show(self, line: str) -> None:
        """Draw the line; without one, take the drawing away and leave the screen to others."""
        if not line:
            if self._live is not None:
                self._live.stop()
                self._live = None
            return
        from rich.live import Live
        from rich.text import Text

        text = Text(line, style="dim", overflow="ellipsis", no_wrap=True)
        if self._live is None:
            self._live = Live(text, console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(text, refresh=True)

    def _new(self) -> tuple[Row, ...]:
        """Events since the last call; half a line waits for its other half."""
        try:
            with untrusted.opened(self._log) as file:
                file.seek(self._read)
                content = file.read(event_log.MAX_LOG)
        except (OSError, PtychoError):
            return ()
        self._read += len(content)
        whole, feed, self._rest = (self._rest + content).rpartition(b"\n")
        return event_log.parse(whole + feed).rows


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
