"""
Proves that a command touched no GPU: by its processes from outside while they run, and by their own last words.

Both are needed. A look from outside sees every process, also one that clears its environment or is not a Python, but
only now and then; the report from inside (`harness/system/injected`) is exact and misses whatever is killed. A process
belongs to a command if its environment names the command's cell, or if its parent belongs to it.

Looks at a process grow rarer with its age (at 0, 0.25, 0.5 s … 5 s): a driver library, once mapped, stays.
"""

import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.isolation.sandbox import WRITES_VARIABLE, Sandbox
from harness.process.supervise import CompletedCommand
from harness.record.findings import Finding
from harness.system.injected import ptycho_harness_gpu as instrument

WALK_S = 0.25
RAREST_S = 5.0
PROVABLE = sys.platform == "linux"
"""Elsewhere there is no `/proc`, and no CUDA either on the one other system that locks are made for."""


@dataclass(frozen=True, kw_only=True)
class GpuEvidence:
    """
    Evidence about a command and the GPUs.

    Attributes:
        label: label of the command.
        gpu: whether it may use a GPU.
        provable: whether this system lets processes be looked at.
        looks: how often a process was looked at from outside.
        watched: how many processes were seen that way.
        reported: how many reported from inside when they ended.
        touched: what was found, a sentence each.
        blind: what could not be looked at, and why.
    """

    label: str
    gpu: bool
    provable: bool
    looks: int = 0
    watched: int = 0
    reported: int = 0
    touched: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()

    def as_fields(self) -> dict[str, Any]:
        """Fields of the event `device.proof`."""
        return asdict(self)


class GpuWatcher:
    """
    Looks at a command's processes while it runs.

    Args:
        cell: the command's cell.
        provable: whether this system lets processes be looked at.
        walk_s: seconds between two walks through the processes, and between the first two looks at one.
    """

    def __init__(self, cell: Sandbox, *, provable: bool = PROVABLE, walk_s: float = WALK_S) -> None:
        self._cell, self._provable, self._walk_s = cell, provable, walk_s
        self._mine: dict[int, bool] = {}
        self._due: dict[int, tuple[float, float]] = {}
        self._next = time.monotonic()
        self._found: dict[str, None] = {}
        self._blind: dict[str, None] = {}
        self._bare: set[int] = set()
        self.looks = 0

    @property
    def found(self) -> tuple[str, ...]:
        """Return what was found so far, a sentence each."""
        return tuple(self._found)

    def sample(self) -> None:
        """Look, if it is time to: called at each turn of the loop that waits for the command."""
        now = time.monotonic()
        if not self._provable or now < self._next:
            return
        self._walk(os.getpid(), now, below=False)
        self._next = now + self._walk_s

    def proof(self, label: str, *, gpu: bool) -> GpuEvidence:
        """Return what is known once the command has ended: the looks, and what its processes said of themselves."""
        reported, said, blind = last_words(self._cell.devices)
        return GpuEvidence(
            label=label,
            gpu=gpu,
            provable=self._provable,
            looks=self.looks,
            watched=sum(self._mine.values()),
            reported=reported,
            touched=tuple(dict.fromkeys((*self._found, *said))),
            blind=tuple(dict.fromkeys((*self._blind, *blind))),
        )

    def _walk(self, parent: int, now: float, *, below: bool) -> None:
        for pid in _children(parent):
            if below or not self._mine.get(pid, False):
                self._mine[pid] = below or self._names_cell(pid)
            if self._mine[pid] and now >= self._due.get(pid, (now, 0.0))[0]:
                self._look(pid, now)
            self._walk(pid, now, below=self._mine[pid])

    def _names_cell(self, pid: int) -> bool:
        try:
            return instrument.environ(pid).get(WRITES_VARIABLE) == str(self._cell.writes)
        except OSError:
            return False  # gone, or another user's: not a process that was started in the cell

    def _look(self, pid: int, now: float) -> None:
        try:
            found = instrument.touched(pid)
        except PermissionError as error:
            self._blind[f"process {pid}: {error.strerror}"] = None
            return
        if found is not None:
            self.looks += 1
            self._found |= dict.fromkeys(f"process {pid} {what}" for what in found if self._is_settled(pid, what))
        pause = min(RAREST_S, 2 * self._due.get(pid, (now, self._walk_s / 2))[1])
        self._due[pid] = now + pause, pause

    def _is_settled(self, pid: int, what: str) -> bool:
        """In the middle of its exec a process has no variables yet: that it has none counts at the second look."""
        if what != instrument.WITHOUT or pid in self._bare:
            return True
        self._bare.add(pid)
        return False


def _children(pid: int) -> list[int]:
    """Children of a process, by the kernel's own list: going through all processes of a machine costs 20 times more."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - called several times a second
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    except (FileNotFoundError, ProcessLookupError):
        return found  # it ended meanwhile: its children are ours or nobody's at the next walk
    return found


def last_words(log: Path) -> tuple[int, list[str], list[str]]:
    """
    Return what the processes of a command said of themselves.

    Returns:
        How many reported when they ended, what they had touched, and what they could not look at.
    """
    reported, found, blind = 0, list[str](), list[str]()
    text = log.read_text(encoding="utf-8", errors="surrogateescape") if log.is_file() else ""
    for line in text.splitlines():
        pid, _, rest = line.partition("\t")
        word, _, what = rest.partition("\t")
        reported += word == "end"
        if word == "touched":
            found.append(f"process {pid} {what}")
        elif word == "unreadable":
            blind.append(f"process {pid}: {what}")
    return reported, found, blind


def judge(proof: GpuEvidence, finished: CompletedCommand) -> list[Finding]:
    """
    Return what is wrong with a command of a CPU lane; nothing is said of one that may use a GPU.

    Args:
        proof: what is known of it.
        finished: how it ended: one that was killed cannot report, and must have been looked at.
    """
    if proof.gpu or not proof.provable:
        return []
    found = [
        Finding(
            id="gpu-touched",
            subject=sentence.rpartition("/")[2].removesuffix(" open").rpartition(" ")[2].partition("=")[0],
            sentence=f"device: {proof.label}: {sentence}, in a lane from which every GPU is hidden",
        )
        for sentence in proof.touched
    ]
    killed = finished.timed_out or finished.returncode < 0
    if proof.blind or not (proof.reported or (killed and proof.looks)):
        why = "; ".join(proof.blind) or f"no process reported when it ended, {proof.looks} looks from outside"
        sentence = f"device: {proof.label}: that no GPU was touched is not shown: {why}"
        found.append(Finding(id="device-unproven", subject=proof.label, sentence=sentence))
    return found
