"""
Runs inside every Python child: says what it still holds when it comes to its end.

Only the process itself can say so exactly: a moment later the kernel has closed its descriptors, and from outside a
thread has no name. Reported are

- threads that are not daemons and still alive a moment after the main thread ended: the process cannot end before them;
- descriptors of files outside the run's folder that are still there, whichever way they were opened; and of any file
  that is open very often at once, which is how descriptors run out;
- shared memory that the process has mapped or made (POSIX segments and named semaphores in /dev/shm, System V
  segments) and that still has its name.

What was there when the process began is not its own, and files of the system, of devices and of the interpreter are
nobody's. A process that ends without clearing up (`os._exit`, a signal) says nothing; its files are seen from outside.
It must not import anything else of the project: the child's interpreter knows nothing of the harness.
"""

import atexit
import os
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

GRACE_S = 1.0
"""Threads that end on their own within this time of the main thread are not leak."""

PILE = 16
"""Descriptors of one file at once that are too many wherever it lies."""

MOST = 20
"""Things of a kind that are reported."""

SHARED_MEMORY = "/dev/shm/"  # noqa: S108 - looked at, not used
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/usr/", "/etc/", "/lib", "/run/")
_TO_BE_DESTROYED = 0o1000


class ExitAudit:
    """
    State of a process at its beginning, to be compared with its end.

    Args:
        folder: folder of the run; files below it are the run's own.
        say: reports one thing: its kind, its name and whose it is.
    """

    def __init__(self, folder: str, say: Callable[[str, str, str], None]) -> None:
        self._say = say
        installed = {sys.prefix, sys.base_prefix, sys.exec_prefix, *filter(_holds_packages, sys.path)}
        # The kernel names what a descriptor is of without links, so everything is compared without them.
        self._nobodys = (*_SYSTEM, *(os.path.realpath(place).rstrip("/") + "/" for place in installed))
        self._own = os.path.realpath(folder).rstrip("/") + "/"
        self.begin()

    def begin(self) -> None:
        """Note what is there already; in a forked child, what it inherited."""
        self._pid = os.getpid()
        self._open = {number: path for number, path, _ in _descriptors()}
        self._named = set(_names(SHARED_MEMORY))

    def threads(self) -> None:
        """Report threads that keep the process alive. Called when the main thread has ended, before they are joined."""
        until = time.monotonic() + GRACE_S
        while (alive := list(_lasting_threads())) and time.monotonic() < until:
            time.sleep(0.02)
        frames = sys._current_frames()
        for thread in alive[:MOST]:
            frame = frames.get(thread.ident or 0)
            place = f"at {frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "not yet running"
            self._say("thread", thread.name, place)

    def rest(self) -> None:
        """Report descriptors and shared memory. Called last, when whatever clears up at the end has done so."""
        found = [item for item in _descriptors() if self._open.get(item[0]) != item[1]]
        many = Counter(path for _, path, _ in found)
        told: dict[str, str] = {}
        for _, path, writing in found:
            ours = path.startswith(self._own)
            if not path.startswith(self._nobodys) and (not ours or many[path] >= PILE) and _is_file(path):
                how = "open for writing" if writing else "open for reading"
                told[path] = how + (f", {many[path]} times" if many[path] > 1 else "")
        for path, how in list(told.items())[:MOST]:
            self._say("descriptor", path, how)
        for name, how in list(self._memory())[:MOST]:
            self._say("shared memory", name, how)

    def _memory(self) -> Iterator[tuple[str, str]]:
        used = (_mapped() | {_inode(path) for _, path, _ in _descriptors() if path.startswith(SHARED_MEMORY)}) - {-1}
        for name in sorted(set(_names(SHARED_MEMORY)) - self._named):
            if _inode(SHARED_MEMORY + name) in used:
                yield SHARED_MEMORY + name, "a named semaphore" if name.startswith("sem.") else "a POSIX segment"
        for row in _lines("/proc/sysvipc/shm")[1:]:
            key, number, mode, size, maker = row.split()[:5]
            if int(maker) == self._pid and not int(mode, 8) & _TO_BE_DESTROYED:
                yield f"System V segment {number}", f"key {key}, {size} bytes"


def _holds_packages(folder: str) -> bool:
    """Whether a folder of the path holds installed packages, wherever the environment found it (a `.pth` file)."""
    return os.path.basename(folder.rstrip("/")) in ("site-packages", "dist-packages")  # noqa: PTH119


def _lasting_threads() -> Iterator[threading.Thread]:
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread() and thread is not threading.current_thread():
            yield thread


def _descriptors() -> Iterator[tuple[int, str, bool]]:
    """Number and path of every descriptor that has a path, and whether it is open for writing. Linux only."""
    for name in _names("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - also while the interpreter shuts down
            flags = next(line for line in _lines(f"/proc/self/fdinfo/{name}") if line.startswith("flags:"))
        except (OSError, StopIteration):
            continue  # of the listing itself, or closed meanwhile
        if path.startswith("/"):
            yield int(name), path, bool(int(flags.split()[1], 8) & os.O_ACCMODE)


def _mapped() -> set[int]:
    """
    Inodes of the shared memory that is mapped.

    Not paths: a named semaphore is made under another name, linked to its own, and mapped under the first, deleted one.
    """
    rows = (line.split(None, 5) for line in _lines("/proc/self/maps") if SHARED_MEMORY in line)
    return {int(row[4]) for row in rows if len(row) > 5}


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116
    except OSError:
        return -1


def _is_file(path: str) -> bool:
    """Whether something that can be left behind still has that name: a file, a folder or a named pipe."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISFIFO(mode)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read().split("\n")[:-1]
    except OSError:
        return []


def watch(folder: str, cell: str, tell: Callable[[str, dict[str, Any]], None]) -> None:
    """
    Look at what the process holds when it ends.

    Args:
        folder: folder of the run.
        cell: name of the command's cell, by which the harness knows whose process it is.
        tell: appends an event to the log, given its name and its fields.
    """

    def say(kind: str, name: str, owner: str) -> None:
        tell("process.held", {"kind": kind, "name": name, "owner": owner, "cell": cell})

    made = ExitAudit(folder, say)
    # Registered before anything of the program's own, therefore called after it. Python joins threads before it calls
    # what `atexit` knows, so that a thread that never ends would never be reported; this is called before.
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(made.threads)
    atexit.register(made.rest)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.begin)
