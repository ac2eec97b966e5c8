"""
One at a time: a lock on a file, for what the runs of a workspace share.

The lock is the kernel's (`flock`) and goes with the process, so that a killed holder leaves no lock behind. It is
waited for with a limit: behind a holder that hangs, a clear error is better than a second run that hangs, too.
"""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ptycho.errors import InfrastructureError

WAIT_S = 60.0
_POLL_S = 0.05


@contextmanager
def held(
    path: Path, what: str, *, timeout_s: float = WAIT_S, hurry: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """
    Hold a lock for the time of a block.

    Args:
        path: file of the lock; it is made and stays, with the pid of its last holder in it.
        what: is done under it, for the message.
        timeout_s: how long to wait for it.
        hurry: whether to stop waiting at once.

    Raises:
        InfrastructureError: it cannot be made, or somebody held it all the time.
        KeyboardInterrupt: `hurry` said so.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise InfrastructureError(
            f"the lock {str(path)!r} cannot be made: {error.strerror}; give a folder that can be written (--root)"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InfrastructureError(f"the lock {str(path)!r} is no regular file; remove it")
        _acquire(descriptor, path, what, timeout_s, hurry)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, what: str, timeout_s: float, hurry: Callable[[], bool]) -> None:
    until = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 40, 0).decode(errors="replace").strip() or "unknown"
        else:
            return
        if hurry():
            raise KeyboardInterrupt(f"while waiting to {what}")
        if time.monotonic() > until:
            raise InfrastructureError(
                f"cannot {what}: process {holder} has held {str(path)!r} for {timeout_s:g} s; "
                "wait until it has ended, or end it"
            )
        time.sleep(_POLL_S)
