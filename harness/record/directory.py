"""
The folder of one run: what it keeps, its scratch, and the record by which a later run knows whether it still lives.

The record is in place before the folder has its final name, so that a folder with that name and without a record was
not made here and is never touched. Before anything of a run is removed, the record is read again through the same
handle by which it is removed: a folder that was put into a run's place meanwhile is not the run.
"""

import contextlib
import fcntl
import json
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.files import run_files, untrusted
from harness.record.log import EventLog
from harness.system import filelock, identity, rmtree
from ptycho.errors import InfrastructureError, PtychoError

MARKER = "run.json"
LOCK = "run.lock"
"""Locked by the process that runs the run, as long as it lives: the kernel releases it, whatever ends that process."""
COUNT = "count"
"""File beside the runs that holds the number of the last one."""
SCHEMA = "ptycho-harness-run/1"
DEFAULT_ROOT = Path(".harness")
_BLOCK = 1 << 16
_RECORD = 1 << 16
"""Bytes of a record that are read: what a run executes can write there."""
_BEGINNING_S = 60.0
KEPT = "scratch.kept"
"""File of a run that has ended and whose scratch somebody wants to look into: no sweep removes it."""
NASCENT = ".nascent-"
"""Begins the name of a folder that is to become a run's: `.nascent-TOKEN-PID-START-SPACE`."""


@dataclass(frozen=True, kw_only=True)
class RunRoot:
    """
    The folder of a run.

    Attributes:
        path: `<root>/runs/<utc>-<token>/`.
        token: unguessable name of the run, in the environment of each of its processes.
        owner: the process that runs it.
        number: how many runs were begun here up to this one; 0 in one of an older harness. No clock decides it.
        host: name of the machine that it runs on, `""` in one of an older harness.
        machine: that machine's id, `""` where it has none.
        space: where the owner's pid means something (`identity.pid_space`), `""` in one of an older harness.
        lock: inode of its lock, 0 in one of an older harness: what it ran may have put another file there.
    """

    path: Path
    token: str
    owner: identity.Identity
    number: int = 0
    host: str = ""
    machine: str = ""
    space: str = ""
    lock: int = 0

    @property
    def scratch(self) -> Path:
        """Everything that is removed when the run ends."""
        return self.path / "scratch"

    @property
    def keeps_scratch(self) -> bool:
        """Whether its scratch stays until its owner says otherwise (`run --keep`)."""
        return (self.path / KEPT).is_file()

    def keep_scratch(self) -> None:
        """Keep the scratch from every sweep; `clean --all` removes it with the run."""
        run_files.write_text(self.path / KEPT, "until `clean --all`, or until the run is beyond what is kept\n")

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
        """
        Whether it is still under way, as far as can be seen from here; what cannot be proven dead is alive.

        The lock decides: it is the kernel's, so containers that share the folder see it, whatever pids they have. On
        a file system that does not hand locks on to other hosts a free lock proves nothing about a run of another.
        """
        if identity.is_alive(self.owner):
            return True
        if self.token in _held:
            return False
        return self._lock_state == "held" or bool(self.elsewhere)

    @property
    def is_own(self) -> bool:
        """Whether this process runs it."""
        return self.token in _held

    @property
    def elsewhere(self) -> str:
        """The host of a run of which nobody here can tell whether it lives; `""` for any other."""
        return "" if not self.host or self._is_proven_dead or self._lock_state == "held" else self.host

    @property
    def _is_proven_dead(self) -> bool:
        """Whether its process is gone as far as pids go, or the kernel has given its lock back, or it has rebooted."""
        if self.owner.boot != identity.boot_id():
            return self.host == platform.node() and self.machine == identity.machine_id() != ""
        if self.space in ("", identity.pid_space()):
            return not identity.is_alive(self.owner)
        # Another container of this machine: its pids say nothing here, and a lock that is gone says nothing either.
        return self._lock_state == "free"

    @property
    def _lock_state(self) -> str:
        return _lock_state(self.path / LOCK, self.lock)

    @property
    def has_begun(self) -> bool:
        """Whether its log has an event: before that, nobody knows what the run was to judge."""
        try:
            with untrusted.opened(self.events) as file:
                # Until a line is whole, there is no event: a kill may have cut the first one.
                return any(b"\n" in block for block in iter(lambda: file.read(_BLOCK), b""))
        except (PtychoError, OSError):
            return False

    @property
    def is_empty(self) -> bool:
        """Whether it has no event and keeps no file either: one that ran something, and lost its log, is not empty."""
        if self.has_begun:
            return False
        is_kept = any(path.is_file() for folder in (self.logs, self.pictures) for path in folder.glob("*"))
        return not is_kept and (self.events.is_file() or not os.path.lexists(self.events))

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
            with rmtree.opened(self.path.parent) as runs, rmtree.opened(self.path.name, inside=runs) as own:
                if _token(own) != self.token:
                    return [f"{self.path}: its record is gone or another run's: not touched"]
                return rmtree.remove_entry(own if what != self.path else runs, what.name, what)
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"{what}: {error.strerror}"]


def _token(folder: int) -> str | None:
    """Token in the record of an open folder, or None if it has no record of ours."""
    try:
        handle = os.open(MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(handle, encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
            record = json.loads(file.read(_RECORD))
        return str(record["token"]) if record["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
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
    host, machine = platform.node(), identity.machine_id()
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token}"
    runs = _runs(root)
    owner = identity.identify(os.getpid())
    try:
        runs.mkdir(parents=True, exist_ok=True)
        number = _next_number(root.resolve())
        about: dict[str, Any] = {"number": number, "host": host, "machine": machine, "space": identity.pid_space()}
        nascent = runs / f"{NASCENT}{token}-{owner.pid}-{owner.started}-{about['space']}"
        nascent.mkdir()
        _held[token] = _lock(nascent / LOCK)
        about["lock"] = os.fstat(_held[token]).st_ino
        run = RunRoot(path=runs / name, token=token, owner=owner, **about)
        record = {"schema": SCHEMA, "token": token, "owner": asdict(owner), **about}
        (nascent / MARKER).write_text(json.dumps(record, indent=1) + "\n")
        nascent.rename(run.path)
        for folder in (run.scratch, run.pictures, run.logs):
            folder.mkdir()
    except OSError as error:
        raise InfrastructureError(
            f"the folder for runs {str(runs)!r} cannot be used: {error.strerror}; give one that can be written (--root)"
        ) from error
    return run


_held: dict[str, int] = {}
"""Locks of the runs of this process, by token; they go with the process, unless they are released before."""


def release(run: RunRoot) -> None:
    """Give the lock of a run of this process back: for a process that goes on, and for which the run is over."""
    with contextlib.suppress(KeyError):
        os.close(_held.pop(run.token))


def _lock(path: Path) -> int:
    """A new lock, held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _lock_state(path: Path, inode: int = 0) -> str:
    """
    Whether a run's lock is `held`, `free`, `absent` or `another` file; one that cannot be asked counts as held.

    Args:
        path: the lock.
        inode: of the file that the run made, 0 if that is not known.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "held"
    try:
        if inode not in (0, os.fstat(descriptor).st_ino):
            return "another"
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return "held"
    finally:
        os.close(descriptor)
    return "free"


def _next_number(root: Path) -> int:
    """One more than that of any run so far; whoever counts at the same time waits."""
    with filelock.held(root / f"{COUNT}.lock", "number a run"):
        try:
            last = int(untrusted.read_text(root / COUNT, _RECORD))
        except (PtychoError, OSError, ValueError):
            last = 0
        number = 1 + max(last, *(run.number for run in find(root)), 0)
        run_files.write_text(root / COUNT, f"{number}\n")
    return number


def _runs(root: Path) -> Path:
    """Return where runs lie, without links and `..`, because children report such paths and they are compared."""
    return root.resolve() / "runs"


def abandoned(root: Path) -> list[Path]:
    """Folders that were to become a run's, and whose maker is gone: it was killed between two calls."""
    found = []
    runs = _runs(root)
    for path in sorted(runs.glob(f"{NASCENT}*")) if runs.is_dir() else []:
        _, pid, started, space = (*path.name.removeprefix(NASCENT).split("-", 3), "", "", "")[:4]
        lock = _lock_state(path / LOCK)
        gone = not pid.isdecimal() or identity.start_time(int(pid)) != started
        seen = space in ("", identity.pid_space())
        if lock == "free" or (lock == "absent" and gone and (seen or _is_old(path))):
            found.append(path)
    return found


def enclosing(path: Path) -> RunRoot | None:
    """The run that a path lies in, or None."""
    return next((run for parent in path.resolve().parents if (run := load(parent)) is not None), None)


def load(path: Path) -> RunRoot | None:
    """The run of a folder, or None if the folder has no record of ours."""
    try:
        record = json.loads(untrusted.read_bytes(path / MARKER, _RECORD))
        if path.is_symlink() or record["schema"] != SCHEMA:
            return None
        numbers = {name: int(record.get(name, 0)) for name in ("number", "lock")}
        words = {name: str(record.get(name, "")) for name in ("host", "machine", "space")}
        owner = identity.Identity(**record["owner"])
        return RunRoot(path=path, token=str(record["token"]), owner=owner, **numbers, **words)  # type: ignore[arg-type]
    except (PtychoError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def find(root: Path) -> Iterator[RunRoot]:
    """Every run below a workspace's folder, oldest first: by their numbers, which no clock decides, then by name."""
    runs = _runs(root)
    if runs.is_dir():
        paths = (path for path in runs.iterdir() if not path.name.startswith(NASCENT))
        yield from sorted(
            (run for path in paths if (run := load(path)) is not None), key=lambda run: (run.number, run.path.name)
        )


def without_record(root: Path) -> list[Path]:
    """
    Folders with the name and the parts of a run's, whose record is gone: something removed it.

    Nothing says whose they are, so they are swept up only on request.
    """
    runs = _runs(root)
    found = []
    for path in sorted(runs.iterdir()) if runs.is_dir() else []:
        is_named = _NAME.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()
        has_parts = (path / "logs").is_dir() or (path / "scratch").is_dir()
        if is_named and has_parts and load(path) is None and _lock_state(path / LOCK) != "held":
            found.append(path)
    return found


_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")


def _is_old(path: Path) -> bool:
    """Whether a folder is older than it takes to begin a run: its maker may be one that cannot be seen from here."""
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > _BEGINNING_S
    return False


LOG = "events.ndjson"
