"""
Runs inside every Python child: notes which paths outside its scratch it opens for writing, makes, renames or links.

The ledger sees that a path in a shared place changed, but not who changed it; on a machine with other users it would
blame the run for their files. This names the culprit exactly for everything that goes through Python. It must stand
alone: the child's interpreter knows nothing of the harness. The log is opened once, before the hook is there.
"""

import os
import sys
from typing import Any

_TARGET = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "sqlite3.connect": 0, "os.truncate": 0}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _install(log: str, scratch: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    inside = scratch.rstrip("/") + "/"

    def observe(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING:
                return
        elif event in _TARGET:
            path = arguments[_TARGET[event]]
        else:
            return
        if isinstance(path, str | bytes):
            # abspath and not pathlib: this runs at every event, also while the interpreter shuts down.
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
            if not name.startswith((inside, "/proc/", "/dev/null", "/dev/pts/", "/dev/tty", "/dev/nvidia")):
                os.write(descriptor, f"{os.getpid()}\t{name}\n".encode(errors="surrogateescape"))

    sys.addaudithook(observe)


if "PTYCHO_HARNESS_WRITES" in os.environ:
    _install(os.environ["PTYCHO_HARNESS_WRITES"], os.environ["PTYCHO_HARNESS_SCRATCH"])
