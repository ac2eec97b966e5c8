"""
Reasons why a backend did not answer a rung, and whose doing that is: its code's, or the machine's.

An adapter whose code raises, hangs, aborts or ends itself has given a wrong answer: that is a failure of its side at
that rung, with the line where it was. What no code explains (killed from outside, no memory, no disk, a package that
is not installed) says nothing about the backend.
"""

import errno
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.parity.compare.location import Location
from harness.process import result
from harness.process.limits import TIME
from harness.process.supervise import CompletedCommand
from ptycho.packages import DISTRIBUTIONS
from ptycho.verdict import Verdict


class FailureKind(StrEnum):
    """Kind of a missing answer."""

    RAISED = "raised"
    DIED = "died"
    HUNG = "hung"
    KILLED = "killed"
    MEMORY = "memory"
    MACHINE = "machine"
    NOT_ASKED = "not asked"


CODE_SIGNALS = tuple(
    signal.Signals[name] for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")
)
"""Signals that a process brings upon itself; any other one was sent to it."""

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_MEMORY = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")
NO_MEMORY_TEXT = "can't allocate memory"
ADAPTER_FILES = ("probe.py", "adapter.py")
"""Files of a backend that only pass on what others compute."""

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)(?:,? in ([^\s,()]+))?')

_CHATTER = re.compile(r"[IW]\d{4} |\d{4}-\d\d-\d\d .*: [IW] |WARNING: All log messages")
"""Beginnings of lines that TensorFlow logs whatever happens."""


@dataclass(frozen=True, kw_only=True)
class AnswerFailure:
    """
    Reason why a rung has no whole answer.

    Attributes:
        kind: how it came to be missing.
        sentence: what happened, to follow the side's name.
        verdict: `FAIL` where the backend's code explains it; else what it says about the machine.
        location: line of the checkout where it happened, or None.
        call: the last thing that the backend was asked, or None.
        after: the last quantity that it answered, as `RUNG/NAME`, or None.
        answered: whether the rung was answered all the same, on a second try.
    """

    kind: FailureKind
    sentence: str
    verdict: Verdict = Verdict.FAIL
    location: Location | None = None
    call: str | None = None
    after: str | None = None
    answered: bool = False


def of_error(record: Mapping[str, Any], root: Path, packages: Sequence[str]) -> AnswerFailure:
    """
    An error that the adapter wrote down.

    Args:
        record: as `ptycho.parity.serve.describe` makes it; from a foreign adapter it may hold anything.
        root: the checkout that the adapter ran from.
        packages: its packages, the backend's own last.
    """
    name, message = str(record.get("type", "an error")), str(record.get("message", "")).strip()
    recorded = record.get("frames")
    frames = [
        Location(
            file=str(frame.get("file")),
            line=frame["line"] if isinstance(frame.get("line"), int) else None,
            function=_function(frame.get("function")),
            text=str(frame.get("text") or ""),
        )
        for frame in (recorded if isinstance(recorded, list) else ())
        if isinstance(frame, Mapping)
    ]
    where = _innermost([*frames, *frames_in(message, root)], packages)
    brief = message.splitlines()[0] if message else ""
    call, after = record.get("call"), record.get("after")
    failure = AnswerFailure(
        kind=FailureKind.RAISED,
        sentence=f"raised {name}: {brief}" if brief else f"raised {name}",
        location=where,
        call=call if isinstance(call, str) else None,
        after=after if isinstance(after, str) else None,
    )
    # Only a whole package can be missing from an environment; of one that is there, a name was misspelt.
    module = str(record.get("module") or "")
    if module in DISTRIBUTIONS and not (root / module).exists():
        sentence = f"cannot start: the package {module} is not installed in its environment"
        return AnswerFailure(kind=FailureKind.MACHINE, sentence=sentence, verdict=Verdict.INFRA)
    if name in NO_MEMORY or NO_MEMORY_TEXT in message:
        return AnswerFailure(kind=FailureKind.MEMORY, sentence=failure.sentence, verdict=Verdict.OOM, location=where)
    if record.get("errno") in FULL or record.get("verdict") == Verdict.INFRA:
        return AnswerFailure(kind=FailureKind.MACHINE, sentence=failure.sentence, verdict=Verdict.INFRA, location=where)
    return failure


def of_end(
    ended: CompletedCommand, limit_s: float, root: Path, packages: Sequence[str], *, began: bool = False
) -> AnswerFailure:
    """
    The bad end of an adapter's process.

    Args:
        ended: the process.
        limit_s: its time limit.
        root: the checkout that it ran from.
        packages: its packages, the backend's own last.
        began: whether it had begun an answer. From then on the exit code is the backend's own choice, whatever it is.
    """
    output = ended.tail(200)
    if ended.stop is not None and ended.stop.kind != TIME:
        return AnswerFailure(kind=FailureKind.MEMORY, sentence=ended.stop.sentence, verdict=ended.stop.verdict)
    if ended.stop is not None or ended.timed_out:
        stacks = ended.stacks.read_text(errors="replace") if ended.stacks is not None else ""
        # Dumps begin with the innermost frame, tracebacks end with it.
        where = _innermost(frames_in(stacks, root)[::-1], packages)
        verdict = result.verdict_of(ended)
        sentence = ended.stop.sentence if ended.stop is not None else f"hung: killed after {limit_s:g} s"
        return AnswerFailure(kind=FailureKind.HUNG, sentence=sentence, verdict=verdict, location=where)
    if ended.returncode < 0:
        number = -ended.returncode
        name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        if number in CODE_SIGNALS:
            where = _innermost(frames_in(output.rpartition("Fatal Python error")[2], root)[::-1], packages)
            return AnswerFailure(kind=FailureKind.DIED, sentence=f"crashed with {name}", location=where)
        return AnswerFailure(
            kind=FailureKind.KILLED, sentence=f"was killed from outside by {name}", verdict=Verdict.INFRA
        )
    return _of_exit(ended, output, root, packages, began=began)


def _of_exit(
    ended: CompletedCommand, output: str, root: Path, packages: Sequence[str], *, began: bool
) -> AnswerFailure:
    """A process that ended by itself with an exit code that is not success."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not _CHATTER.match(line)]
    last = lines[-1] if lines else "it printed nothing"
    if ended.returncode == 0:
        return AnswerFailure(kind=FailureKind.DIED, sentence="ended with exit code 0 before it had answered")
    if "Traceback (most recent call last)" not in output:
        chosen = began and not any(os.strerror(number) in last for number in FULL)
        verdict = Verdict.FAIL if chosen else result.verdict_of(ended)
        kind = FailureKind.MACHINE if verdict is not Verdict.FAIL else FailureKind.DIED
        return AnswerFailure(kind=kind, sentence=f"ended with exit code {ended.returncode}: {last}", verdict=verdict)
    name, _, message = last.partition(": ")
    missing = re.search(r"No module named '([^']+)'", last)
    record = {
        "type": name,
        "message": message,
        "module": missing[1] if missing is not None else None,
        "errno": next((number for number in FULL if os.strerror(number) in last), None),
    }
    failure = of_error(record, root, packages)
    if failure.kind is not FailureKind.RAISED:
        return failure
    where = _innermost(frames_in(output.rpartition("Traceback (most recent call last)")[2], root), packages)
    return AnswerFailure(kind=FailureKind.RAISED, sentence=f"cannot start: {last}", location=where)


def frames_in(text: str, root: Path) -> list[Location]:
    """Lines of the checkout that a text names the way Python's tracebacks do, in their order."""
    found = []
    for match in _FRAME.finditer(text):
        path = Path(match[1])
        if path.is_relative_to(root):
            file, line = path.relative_to(root).as_posix(), int(match[2])
            found.append(Location(file=file, line=line, function=_function(match[3]), text=_line(path, line)))
    return found


def last_line(record: Path, root: Path) -> Location | None:
    """The line of the backend that a traced process ran last; None if it recorded none."""
    try:
        frames = frames_in(record.read_text(errors="replace"), root)
    except OSError:
        return None
    return frames[-1] if frames else None


def _function(name: object) -> str:
    """A function's name; the top of a file has none."""
    return "" if name in (None, "<module>") else str(name)


def _line(path: Path, number: int) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[number - 1].strip()
    except (OSError, IndexError):
        return ""


def _innermost(frames: Sequence[Location], packages: Sequence[str]) -> Location | None:
    """The innermost line of the backend's own code; where there is none, of its adapter or of what both share."""
    own = [frame for frame in frames if packages and frame.file.startswith(f"{packages[-1]}/")]
    code = [frame for frame in own if frame.file.rpartition("/")[2] not in ADAPTER_FILES]
    for chosen in (code, own, frames):
        if chosen:
            return chosen[-1]
    return None
