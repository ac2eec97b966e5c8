"""
Figures of earlier runs: one line of JSON each, only ever appended to, one file a fingerprint.

Every line carries its fingerprint, too, and a line of another one is left out and counted: a file that was copied from
another machine, or an environment that was upgraded, is not a baseline.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.benchmark import machine
from ptycho.errors import InfrastructureError

FOLDER = "history"
SCHEMA = "ptycho-history/1"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """
    One benchmark of one run.

    Attributes:
        utc: when.
        commit: of the checkout, or None.
        benchmark: its name.
        seconds: median of its rounds.
        cpu_s: processor time, or None.
        peak_mib: memory, or None.
    """

    utc: str
    commit: str | None
    benchmark: str
    seconds: float
    cpu_s: float | None
    peak_mib: float | None


@dataclass(frozen=True, kw_only=True)
class History:
    """
    Content of a history file.

    Attributes:
        entries: of this fingerprint, oldest first.
        foreign: lines of other machines or environments, left out.
        damaged: lines that are none of ours.
    """

    entries: tuple[Entry, ...]
    foreign: int
    damaged: int

    def of(self, benchmark: str) -> list[Entry]:
        """Entries of one benchmark."""
        return [entry for entry in self.entries if entry.benchmark == benchmark]


def path_of(root: Path, described: Mapping[str, Any]) -> Path:
    """The file of a fingerprint."""
    return root / FOLDER / f"{machine.key(described)}.ndjson"


def append(root: Path, described: Mapping[str, Any], entries: Sequence[Entry]) -> Path:
    """
    Append a run's entries, in one write.

    Args:
        root: the workspace's folder for runs.
        described: the fingerprint.
        entries: one a benchmark.

    Raises:
        InfrastructureError: the file cannot be written.
    """
    path = path_of(root, described)
    lines = [json.dumps({"schema": SCHEMA, "fingerprint": dict(described), **asdict(entry)}) for entry in entries]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InfrastructureError(f"the history {path} cannot be written: {error.strerror}") from error
    return path


def read(root: Path, described: Mapping[str, Any]) -> History:
    """
    The entries of a fingerprint; none if there is no file.

    Args:
        root: the workspace's folder for runs.
        described: the fingerprint.
    """
    path, wanted = path_of(root, described), json.loads(json.dumps(described))
    entries, foreign, damaged = list[Entry](), 0, 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            row.pop("schema")
            own = row.pop("fingerprint") == wanted
            entry = Entry(**row)
        except (ValueError, TypeError, KeyError, AttributeError):
            damaged += 1
            continue
        if own:
            entries.append(entry)
        else:
            foreign += 1
    return History(entries=tuple(entries), foreign=foreign, damaged=damaged)


def now() -> str:
    """The time of day, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
