"""
One line of the event log, for the harness and for its children alike: the format is in one place.

It must not import anything else of the project: a child's interpreter may know nothing of the harness, only this folder
on its path. A line is handed to the kernel in one write to a file opened for appending, so that writers do not tear
each other's lines, and it is there when the call returns: a kill of the writer costs nothing that it has already said.
"""

import json
import math
import os
import time
from datetime import UTC, datetime
from typing import Any


def line(event: str, fields: dict[str, Any]) -> bytes:
    """
    One event as a line of JSON, with the time of day (UTC), the monotonic clock in seconds and the writer's pid.

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
    try:
        text = json.dumps(row, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(row), default=str, ensure_ascii=False)
    # Half a surrogate pair, from a file name that is not UTF-8, becomes the escape that JSON has for it.
    return (text + "\n").encode("utf-8", errors="backslashreplace")


def _finite(value: Any) -> Any:
    """NaN and infinities as text: JSON has no word for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def open_log(path: str) -> int:
    """A descriptor that appends to the log."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def append(descriptor: int, event: str, **fields: Any) -> None:
    """
    Append one event.

    Raises:
        OSError: it could not be written, or only in part (a full disk); readers name what is left of such a line.
    """
    whole = line(event, fields)
    if (written := os.write(descriptor, whole)) != len(whole):
        raise OSError(f"{written} of the {len(whole)} bytes of event {event!r} could be written: is the disk full?")
