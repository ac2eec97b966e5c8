"""
The event log of a run: one JSON object a line, appended in one write, so that a kill at any byte costs one line.

Every report is derived from it (`harness.runs.artifacts`), so reading never gives up: damage is data, kept and named.
Parent and children append to the same file. What the events mean is in `docs/events.md` and checked by
`harness.record.schema`.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import untrusted
from harness.system.injected import ptycho_harness_jsonl
from ptycho.errors import InfrastructureError

Row = dict[str, Any]
"""One event: `event`, `utc`, `monotonic_s`, `pid`, and the fields of its own."""

_SHOWN = 80
"""Characters of a damaged line that are shown."""

MAX_LOG = 2**29
"""Bytes of a log that are read: a target's processes write to it, too."""


class EventLog:
    """
    An append-only log.

    Args:
        path: the file; created if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = ptycho_harness_jsonl.open_log(str(path))

    @property
    def open(self) -> bool:
        """Whether it can be written to."""
        return self._descriptor >= 0

    def write(self, event: str, **fields: Any) -> None:
        """
        Append one event with the time of day (UTC) and the monotonic clock, in seconds.

        Args:
            event: the event's name, `noun.verb`.
            fields: what belongs to it; values that JSON does not know are written as text.

        Raises:
            InfrastructureError: the log cannot be written: what cannot be recorded cannot be judged.
        """
        try:
            ptycho_harness_jsonl.append(self._descriptor, event, **fields)
        except OSError as error:
            raise InfrastructureError(f"the event log {self.path} cannot be written: {error}") from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, kw_only=True)
class Damage:
    """
    Bytes that are not event.

    Attributes:
        line: number of the line, from 1.
        text: its beginning.
        torn: whether it is the unfinished last line, which a kill explains; anything else is not a kill's work.
    """

    line: int
    text: str
    torn: bool

    def __str__(self) -> str:
        what = "cut short" if self.torn else "not an event"
        return f"line {self.line}: {what}: {self.text!r}"


@dataclass(frozen=True, kw_only=True)
class Log:
    """
    Content of a log.

    Attributes:
        rows: its events, oldest first.
        damage: what could not be read.
    """

    rows: tuple[Row, ...]
    damage: tuple[Damage, ...]


def content(path: Path) -> bytes:
    """
    The bytes of a log.

    Raises:
        PtychoError: it is not there, is no regular file, or holds more than `MAX_LOG`.
    """
    return untrusted.read_bytes(path, MAX_LOG)


def parse(content: bytes) -> Log:
    """
    Read a log, whatever state it is in.

    A line counts only with its line feed. Where a writer was stopped inside a line and another one went on behind it,
    the second one's event is found again and the remains of the first are damage.
    """
    lines = content.split(b"\n")
    rows: list[Row] = []
    damage: list[Damage] = []
    for number, found in enumerate(lines[:-1], start=1):
        row, rest = _salvage(found)
        if row is not None:
            rows.append(row)
        if rest or row is None:
            damage.append(Damage(line=number, text=_shown(rest), torn=False))
    if lines[-1]:
        damage.append(Damage(line=len(lines), text=_shown(lines[-1]), torn=True))
    return Log(rows=tuple(rows), damage=tuple(damage))


def _salvage(line: bytes) -> tuple[Row | None, bytes]:
    """The event at the end of a line, if there is one, and what precedes it."""
    start = 0
    while start >= 0:
        if (row := _row(line[start:])) is not None:
            return row, line[:start]
        start = line.find(b'{"event":', start + 1)
    return None, line


def _row(text: bytes) -> Row | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):  # among them UnicodeDecodeError
        return None
    return row if isinstance(row, dict) and isinstance(row.get("event"), str) else None


def _shown(line: bytes) -> str:
    return line[:_SHOWN].decode("utf-8", errors="backslashreplace")


def read(path: Path) -> Iterator[Row]:
    """
    The events of a log, oldest first. A last line that a kill cut short is left out.

    Raises:
        PtychoError: as `content`.
        ValueError: if a line before the last is damaged: that is not a kill but a second writer.
    """
    log = parse(content(path))
    for found in log.damage:
        if not found.torn:
            raise ValueError(f"{path}, {found}")
    yield from log.rows
