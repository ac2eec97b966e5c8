"""
Finds what changed outside the run, and what its processes still held at their end, by name and owner.

Two kinds of places are watched.

*Private* places belong to one command: its working directory, the parent of that, its HOME and TMPDIR. Nobody else
writes there, so whatever is left is a leak of that command.

*Shared* places existed before: the checkout and its parent, the real TMPDIR and HOME, /dev/shm. They are listed
before and after (path, size, time, inode; links are not followed) and compared. Others may write to them at the same
time, so a change there is a leak of the run only if it can be attributed to the run: a child was seen to write it
(`harness/system/injected`), its name carries the run's token or the pid of one of its processes, or the place is
*strict*. Strict are the checkout, where nothing but the run is expected to write, and /dev/shm, where only natively
created memory turns up, unless a living stranger holds the path open, or another run of the workspace went on at the
same time. What that one was seen to write is its own affair. What is left over is reported as unattributed and fails
only where the caller asks for it (`--strict`).
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from harness.isolation.observed import HeldResource, ObservedWrites, claimed, neighbours
from harness.isolation.observed import observed_writes as observed_writes

IGNORED_IN_CHECKOUT = (
    ".git",  # an editor's or prompt's `git status` rewrites the index
    ".nox",  # environments
    ".venv",
    ".harness",  # the runs themselves, this one and concurrent ones
    "__pycache__",  # of the harness and nox themselves; children are forbidden to write bytecode
    ".mypy_cache",  # linters and test runners of a developer; no child runs any with its cache on
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
)
"""Names in the checkout that are not listed, each written by a known tool that is not a child of a run."""

SEGMENTS = Path("/proc/sysvipc/shm")
"""System V shared memory: a table that is listed as if it were a folder, `segment ID of process MAKER`."""

HELD = {"thread": "threads", "descriptor": "descriptors", "shared memory": "shared memory"}
"""Place of what a process held at its end, by its kind."""


@dataclass(frozen=True, kw_only=True)
class WatchedFolder:
    """
    A shared folder to watch.

    Attributes:
        name: how a message calls it.
        path: the folder.
        depth: levels listed below it; 1 lists its own entries.
        strict: whether every change is attributed to the run.
        ignored: entry names that are neither listed nor entered.
    """

    name: str
    path: Path
    depth: int
    strict: bool = False
    ignored: tuple[str, ...] = ()


TELLING_PID = 1000
"""In a container pids are small, and small numbers are in many names: only from here on a name tells whose it is."""


@dataclass(frozen=True, kw_only=True)
class PathState:
    """A listed path: what changes when somebody writes to it."""

    size: int
    mtime_ns: int
    inode: int
    directory: bool
    owner: int


@dataclass(frozen=True, kw_only=True)
class Leak:
    """
    A path that the run changed or left.

    Attributes:
        path: the path.
        place: where it is.
        what: `"new"`, `"changed"` or `"left"`.
        blame: why it is attributed to the run; `""` if it is not.
    """

    path: str
    place: str
    what: str
    blame: str = ""

    def __str__(self) -> str:
        return f"{self.what} in {self.place}: {self.path}" + (f" ({self.blame})" if self.blame else "")


Listing = Mapping[str, PathState]


def shared_places(cwd: Path, *, home: Path | None, tmp: Path) -> tuple[WatchedFolder, ...]:
    """
    The shared places of a run.

    Args:
        cwd: the harness's working directory, usually the checkout: 12 levels.
        home: the real HOME; two levels, so that `~/.cache/x` and `~/.config/x` are seen. None where there is none.
        tmp: the real TMPDIR: its own entries.
    """
    places = (
        WatchedFolder(name="working directory", path=cwd, depth=12, strict=True, ignored=IGNORED_IN_CHECKOUT),
        WatchedFolder(name="parent of the working directory", path=cwd.parent, depth=1),
        WatchedFolder(name="TMPDIR", path=tmp.resolve(), depth=1),
        *([WatchedFolder(name="HOME", path=home.resolve(), depth=2)] if home is not None else []),
        WatchedFolder(name="/dev/shm", path=Path("/dev/shm"), depth=1, strict=True),  # noqa: S108 - watched, not used
        WatchedFolder(name="System V shared memory", path=SEGMENTS, depth=1),
    )
    return tuple(place for place in places if place.path.exists())


def _walk(folder: Path, depth: int, ignored: tuple[str, ...]) -> Iterator[tuple[str, PathState]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # gone meanwhile, or not ours to read: then no child of ours could list it either
    for entry in entries:
        if entry.name in ignored:
            continue
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            directory = stat.S_ISDIR(status.st_mode)
            yield (
                entry.path,
                PathState(
                    # A folder's size and time say only that something in it changed, and that is listed itself.
                    size=0 if directory else status.st_size,
                    mtime_ns=0 if directory else status.st_mtime_ns,
                    inode=status.st_ino,
                    directory=directory,
                    owner=status.st_uid,
                ),
            )
            if directory and depth > 1:
                yield from _walk(Path(entry.path), depth - 1, ignored)


def _segments(table: Path) -> Iterator[tuple[str, PathState]]:
    for row in table.read_text().splitlines()[1:]:
        _, number, _, size, maker, _, _, owner = row.split()[:8]
        entry = PathState(size=int(size), mtime_ns=0, inode=int(number), directory=False, owner=int(owner))
        yield f"{table}/segment {number} of process {maker}", entry


def listing(places: Iterable[WatchedFolder]) -> dict[str, dict[str, PathState]]:
    """Return what is in each place now, by the place's name and the path."""
    return {
        place.name: dict(
            _segments(place.path) if place.path == SEGMENTS else _walk(place.path, place.depth, place.ignored)
        )
        for place in places
    }


def changes(before: Listing, after: Listing) -> Iterator[tuple[str, str]]:
    """Paths that are new or changed, with which of the two; what is below a new folder is not repeated."""
    new: set[str] = set()
    for path in sorted(after):
        if path not in before:
            new.add(path)
            if str(Path(path).parent) not in new:
                yield path, "new"
        elif before[path] != after[path]:
            yield path, "changed"


def _held_by_stranger(path: str) -> bool:
    """Whether a living process has the path open or mapped. Children of the run are gone when this is asked."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.name != str(os.getpid()):
                if any(str(link.readlink()) == path for link in process.joinpath("fd").iterdir()):
                    return True
                if path in process.joinpath("maps").read_text():
                    return True
    return False


def attribute(
    place: WatchedFolder,
    path: str,
    what: str,
    *,
    token: str,
    writes: Mapping[str, int],
    pids: Iterable[int],
    alone: bool = True,
) -> Leak:
    """
    Say whether a change is the run's, and why.

    Args:
        place: where the change is.
        path: what changed.
        what: `"new"` or `"changed"`.
        token: the run's token.
        writes: of `observed_writes`.
        pids: pids of the run's processes.
        alone: whether no other run went on meanwhile; if one did, no place is strict.
    """
    below = next((written for written in writes if written == path or written.startswith(path + os.sep)), None)
    # A segment's own number is not a pid.
    numbers = {int(number) for number in re.findall(r"\d+", Path(path).name.rpartition("process ")[2])}
    blame = ""
    if below is not None:
        blame = f"written by process {writes[below]} of the run"
    elif token in path:
        blame = "named after the run"
    elif what == "new" and (own := {pid for pid in numbers & set(pids) if pid >= TELLING_PID}):
        blame = f"named after process {min(own)} of the run"
    elif place.strict and alone and not _held_by_stranger(path):
        blame = "nobody else is expected to write here"
    return Leak(path=path, place=place.name, what=what, blame=blame)


def compare(
    places: Iterable[WatchedFolder],
    before: Mapping[str, Listing],
    after: Mapping[str, Listing],
    *,
    token: str,
    writes: Mapping[str, int],
    pids: Iterable[int],
    foreign: Iterable[str] = (),
) -> list[Leak]:
    """
    Every change between two listings, each with its attribution, and everything that a process held at its end.

    What another run of the workspace was seen to write meanwhile is left out: that run answers for it.

    Args:
        places: the places listed.
        before: their listing before the run.
        after: and after it.
        token: the run's token.
        writes: of `observed_writes`.
        pids: pids of the run's processes.
        foreign: patterns of paths that the caller knows to be written by others meanwhile.
    """
    patterns, known, seen = tuple(foreign), tuple(pids), set[str]()
    others = neighbours(writes.run) if isinstance(writes, ObservedWrites) and writes.run is not None else []
    theirs = claimed(others)
    leaks = []
    for place in places:
        for path, what in changes(before[place.name], after[place.name]):
            if path not in seen and not any(fnmatch(path, pattern) for pattern in patterns):
                seen.add(path)
                found = attribute(place, path, what, token=token, writes=writes, pids=known, alone=not others)
                if found.blame or not _is_claimed(path, theirs):
                    leaks.append(found)
    return leaks + [_of_held(item) for item in _still_held(writes, known)]


def _is_claimed(path: str, theirs: Iterable[str]) -> bool:
    """Whether a path, something in it or something that it is in was written by another run."""
    return any(path == other or other.startswith(path + os.sep) or path.startswith(other + os.sep) for other in theirs)


def _still_held(writes: Mapping[str, int], pids: Iterable[int]) -> Iterator[HeldResource]:
    """Yield what counts: shared memory that a helper process had is its command's, unless that gave it back later."""
    for item in writes.held if isinstance(writes, ObservedWrites) else ():
        passing = item.kind == "shared memory" and item.pid not in set(pids)
        if not passing or os.path.lexists(item.name):
            yield item


def _of_held(item: HeldResource) -> Leak:
    return Leak(path=item.name, place=HELD.get(item.kind, item.kind), what="left", blame=str(item))


def left_behind(place: str, folder: Path, *, expected: Iterable[str] = ()) -> list[Leak]:
    """
    Return what a command left in a private folder that should be empty.

    Args:
        place: how a message calls the folder.
        folder: the folder; absent counts as empty.
        expected: entry names that belong there.
    """
    if not folder.is_dir():
        return []
    names = sorted({entry.name for entry in folder.iterdir()} - set(expected))
    return [Leak(path=str(folder / name), place=place, what="left", blame="the command's own folder") for name in names]
