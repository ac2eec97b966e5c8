"""
Stacks of a command that hangs: of its Python processes, taken from outside just before they are ended.

Each Python child registers `faulthandler` for a signal (`harness/system/injected/sitecustomize.py`). Its handler is C
code that needs no interpreter lock, so it answers, too, where a native call holds that lock for ever and no Python code
will run again. The signal's default action ends a process; it is sent only to one that catches it and holds the dump
file open, and both are asked of the kernel and not of a record: a program that replaced itself (`exec`) is a stranger.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.system import identity

VARIABLE = "PTYCHO_HARNESS_STACKS"
"""Names the dump file to a child."""

SIGNAL = signal.SIGRTMAX - 3 if sys.platform == "linux" else signal.SIGUSR2
"""Nobody uses it by habit, where there is a choice; the observer knows it by the same rule."""

ANSWER_S = 1.0
_ALL_S = 5.0
_PROCESSES, _FRAMES = 4, 3


def path_for(log: Path) -> Path:
    """The dump file of a command with that log."""
    return log.with_name(f"{log.stem}.stacks.txt")


def registered(pid: int, dump: Path) -> bool:
    """Whether a process waits for the signal: it catches it, and has the dump file open."""
    folder = Path(f"/proc/{pid}")
    try:
        caught = re.search(r"^SigCgt:\s+([0-9a-f]+)$", folder.joinpath("status").read_text(), re.MULTILINE)
        if caught is None or not int(caught[1], 16) >> (SIGNAL - 1) & 1:
            return False
        return any(_is(link, dump) for link in folder.joinpath("fd").iterdir())
    except OSError:
        return False  # it ended, or is not ours; without /proc nobody is known to wait


def _is(link: Path, dump: Path) -> bool:
    try:
        return link.samefile(dump)
    except OSError:
        return False  # a descriptor of something without a name, or closed since it was listed


def take(pids: Iterable[int], dump: Path) -> int:
    """
    Ask processes for their stacks, one after another so that two answers do not mix, and wait for each a moment.

    Args:
        pids: processes that are about to be ended, the command's first one first.
        dump: the file that they registered.

    Returns:
        How many answered.
    """
    answered, until = 0, time.monotonic() + _ALL_S
    for pid in pids:
        process = identity.handle(pid)
        if process is None or time.monotonic() > until or not registered(pid, dump):
            continue
        silent = dump.stat().st_size
        with dump.open("ab") as file:
            file.write(f"=== process {identity.describe(process)}\n".encode(errors="replace"))
        before = dump.stat().st_size
        os.kill(pid, SIGNAL)
        if _wait(dump, before):
            answered += 1
        else:
            os.truncate(dump, silent)  # the program has put a handler of its own in the place of ours
    return answered


def _wait(dump: Path, size: int) -> bool:
    """Wait until the file has grown and then stayed as it is for a moment. Returns whether it has grown."""
    started = changed = time.monotonic()
    before = last = size
    while time.monotonic() - started < ANSWER_S and (last == before or time.monotonic() - changed < 0.05):
        time.sleep(0.01)
        if (now := dump.stat().st_size) != last:
            last, changed = now, time.monotonic()
    return last > before


def innermost(text: str) -> list[str]:
    """The innermost frames of each process of a dump, of the thread that took the signal: the main one, as a rule."""
    shown = []
    for block in text.split("=== process ")[1:]:
        name, _, rest = block.partition("\n")
        threads = re.split(r"^(?=Thread |Current thread )", rest, flags=re.MULTILINE)
        current: Sequence[str] = [part for part in threads if part.startswith("Current thread")] or threads[-1:]
        frames = [line.strip() for line in current[0].splitlines() if line.startswith("  File ")]
        shown.append(f"process {name}: {'; called at '.join(frames[:_FRAMES]) or 'no Python frame'}")
    return shown[:_PROCESSES]
