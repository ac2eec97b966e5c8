"""
The folder of one run: what it keeps, its scratch, and the record by which a later run knows whether it still lives.

The record is in place before the folder has its final name, so that a folder with that name and without a record was
not made here and is never touched.
"""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import processes
from harness.events import EventLog
from harness.removal import remove_tree

MARKER = "run.json"
SCHEMA = "ptycho-harness-run/1"
DEFAULT_ROOT = Path(".harness")


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

    def open_events(self) -> EventLog:
        """The event log, open for appending."""
        return EventLog(self.events)

    def remove_scratch(self) -> list[str]:
        """Remove the scratch; returns what could not be removed."""
        return remove_tree(self.scratch)


def create(root: Path) -> RunRoot:
    """
    Make the folder of a new run, with its record and empty scratch.

    Args:
        root: the workspace's folder for runs, usually `.harness`.
    """
    token = secrets.token_hex(6)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token}"
    runs = root.absolute() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    run = RunRoot(path=runs / name, token=token, owner=processes.identify(os.getpid()))
    nascent = runs / f".nascent-{token}"
    nascent.mkdir()
    record = {"schema": SCHEMA, "token": token, "owner": asdict(run.owner)}
    (nascent / MARKER).write_text(json.dumps(record, indent=1) + "\n")
    nascent.rename(run.path)
    for folder in (run.scratch, run.pictures, run.logs):
        folder.mkdir()
    return run


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
        for path in sorted(runs.iterdir()):
            if (run := load(path)) is not None:
                yield run
