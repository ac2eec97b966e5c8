"""
The event log of a run: one JSON object a line, appended in one write, so that a kill at any byte costs one line.

Reports are derived from it. Parent and children may append to the same file: a line that is written at once to a file
opened for appending is not torn by another writer.
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class EventLog:
    """
    An append-only log.

    Args:
        path: the file; created if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, event: str, **fields: Any) -> None:
        """
        Append one event with the time of day (UTC) and the monotonic clock, in seconds.

        Args:
            event: the event's name, `noun.verb`.
            fields: what belongs to it; values that JSON does not know are written as text.
        """
        row = {
            "event": event,
            "utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "monotonic_s": round(time.monotonic(), 3),
            "pid": os.getpid(),
            **fields,
        }
        os.write(self._descriptor, (json.dumps(row, default=str, ensure_ascii=False) + "\n").encode())

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read(path: Path) -> Iterator[dict[str, Any]]:
    """
    The events of a log, oldest first. A last line that a kill cut short is left out.

    Raises:
        ValueError: if a line before the last is damaged: that is no kill but a second writer.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(f"{path}, line {number}: not an event: {line[:80]!r}") from error
        yield row
