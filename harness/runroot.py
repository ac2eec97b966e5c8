"""
The folder of one run: what it keeps, its scratch, and the record by which a later run knows whether it still lives.

The record is in place before the folder has its final name, so that a folder with that name and without a record was
not made here and is never touched. Before anything of a run is removed, the record is read once more through the very
handle by which it is removed: a folder that was put into a run's place meanwhile is not the run.
"""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import processes, removal
from harness.events import EventLog
from ptycho.errors import InfrastructureError

MARKER = "run.json"
SCHEMA = "ptycho-harness-run/1"
DEFAULT_ROOT = Path(".harness")
_BLOCK = 1 << 16
NASCENT = ".nascent-"
"""Begins the name of a folder that is to become a run's: `.nascent-TOKEN-PID-START`."""


@dataclass(frozen=True, kw_only=True)
class RunRoot:
    """
    The folder of a run.

    Attributes:
        path: `<root>/runs/<utc>-<token>/`.
        token: unguessable name of the run, in the environment of each of its processes.
        owner: the process that runs it.
    """

    path: Path
    token: str
    owner: processes.Identity

    @property
    def scratch(self) -> Path:
        """Everything that is removed when the run ends."""
        return self.path / "scratch"

    @property
    def pictures(self) -> Path:
        """Pictures that the run keeps."""
        return self.path / "pictures"

    @property
    def logs(self) -> Path:
        """Output of the commands, kept."""
        return self.path / "logs"

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / "events.ndjson"

    @property
    def alive(self) -> bool:
        """Whether the process that runs it still exists."""
        return processes.is_alive(self.owner)

    @property
    def has_begun(self) -> bool:
        """Whether its log has an event: before that, nobody knows what the run was to judge."""
        try:
            with self.events.open("rb") as file:
                # Until a line is whole, there is no event: a kill may have cut the first one.
                return any(b"\n" in block for block in iter(lambda: file.read(_BLOCK), b""))
        except OSError:
            return False

    @property
    def is_empty(self) -> bool:
        """Whether it has no event and keeps nothing either: a log without one, or no log and no file that it wrote."""
        if self.has_begun:
            return False
        return self.events.exists() or not any(
            path.is_file() for folder in (self.logs, self.pictures) for path in folder.glob("*")
        )

    def open_events(self) -> EventLog:
        """The event log, open for appending."""
        return EventLog(self.events)

    def remove_scratch(self) -> list[str]:
        """Remove the scratch; returns what could not be removed."""
        return self._remove(self.scratch)

    def remove(self) -> list[str]:
        """Remove the whole folder of a run that has ended; returns what could not be removed."""
        return self._remove(self.path)

    def _remove(self, what: Path) -> list[str]:
        try:
            with removal.opened(self.path.parent) as runs, removal.opened(self.path.name, inside=runs) as own:
                if _token(own) != self.token:
                    return [f"{self.path}: its record is gone or another run's: not touched"]
                return removal.remove_entry(own if what != self.path else runs, what.name, what)
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"{what}: {error.strerror}"]


def _token(folder: int) -> str | None:
    """Token in the record of an open folder, or None if it has no record of ours."""
    try:
        handle = os.open(MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(handle, encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
            record = json.load(file)
        return str(record["token"]) if record["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def create(root: Path) -> RunRoot:
    """
    Make the folder of a new run, with its record and empty scratch.

    Args:
        root: the workspace's folder for runs, usually `.harness`.

    Raises:
        InfrastructureError: it cannot be made there.
    """
    token = secrets.token_hex(6)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token}"
    runs = root.absolute() / "runs"
    run = RunRoot(path=runs / name, token=token, owner=processes.identify(os.getpid()))
    record = {"schema": SCHEMA, "token": token, "owner": asdict(run.owner)}
    try:
        runs.mkdir(parents=True, exist_ok=True)
        nascent = runs / f"{NASCENT}{token}-{run.owner.pid}-{run.owner.started}"
        nascent.mkdir()
        (nascent / MARKER).write_text(json.dumps(record, indent=1) + "\n")
        nascent.rename(run.path)
        for folder in (run.scratch, run.pictures, run.logs):
            folder.mkdir()
    except OSError as error:
        raise InfrastructureError(
            f"the folder for runs {str(runs)!r} cannot be used: {error.strerror}; give one that can be written (--root)"
        ) from error
    return run


def abandoned(root: Path) -> list[Path]:
    """Folders that were to become a run's, and whose maker is gone: it was killed between two calls."""
    found = []
    runs = root.absolute() / "runs"
    for path in sorted(runs.glob(f"{NASCENT}*")) if runs.is_dir() else []:
        _, pid, started = (*path.name.removeprefix(NASCENT).split("-", 2), "", "")[:3]
        if not pid.isdecimal() or processes.start_time(int(pid)) != started:
            found.append(path)
    return found


def enclosing(path: Path) -> RunRoot | None:
    """The run that a path lies in, or None."""
    return next((run for parent in path.absolute().parents if (run := load(parent)) is not None), None)


def load(path: Path) -> RunRoot | None:
    """The run of a folder, or None if the folder has no record of ours."""
    try:
        record = json.loads((path / MARKER).read_text())
        if path.is_symlink() or record["schema"] != SCHEMA:
            return None
        return RunRoot(path=path, token=str(record["token"]), owner=processes.Identity(**record["owner"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(root: Path) -> Iterator[RunRoot]:
    """Every run below a workspace's folder, oldest first."""
    runs = root.absolute() / "runs"
    if runs.is_dir():
        for path in sorted(path for path in runs.iterdir() if not path.name.startswith(NASCENT)):
            if (run := load(path)) is not None:
                yield run
