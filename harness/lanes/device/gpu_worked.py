"""
Proves that a GPU did the work of a training: by what the training says of it and by what its processes were seen to do.

"cuda" in a summary is a claim. Evidence is where weights and a batch lie, how much memory was in use, and how many
kernels ran; the target's file says where in the summary it is (`[summary] device`). A GPU lane without it fails:
a training that fell back to the CPU is slow and right, and nothing else would tell.

The control is made from the evidence itself: forged, entry by entry, it must no longer convince.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import untrusted
from harness.isolation.gpu_untouched import GpuEvidence
from harness.record.findings import Finding
from harness.targets.loader import Target
from ptycho.errors import PtychoError

_GPU = re.compile(r"(?:.*[/:])?(?:cuda|gpu|hip|rocm)(?::\d+)?", re.IGNORECASE)
"""`cuda`, `cuda:0`, `/job:localhost/replica:0/task:0/device:GPU:0`."""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _places(value: Any) -> str | None:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return f"is {value!r}, not the names of devices"
    other = [name for name in names if not _GPU.fullmatch(name)]
    return f"on {', '.join(other)}" if other else None


@dataclass(frozen=True, kw_only=True)
class EvidenceCheck:
    """
    One entry of the evidence.

    Attributes:
        what: it says, for people.
        wrong: why it does not convince, given its value and the whole evidence; None if it does.
        forged: values of a training elsewhere.
    """

    what: str
    wrong: Callable[[Any, Mapping[str, Any]], str | None]
    forged: tuple[Any, ...]


ENTRIES: Mapping[str, EvidenceCheck] = {
    "parameters": EvidenceCheck(
        what="devices of the weights", wrong=lambda value, _: _places(value), forged=(["cpu"], ["cuda:0", "cpu"], [])
    ),
    "batch": EvidenceCheck(what="devices of a batch", wrong=lambda value, _: _places(value), forged=(["cpu"], [])),
    "parameter_bytes": EvidenceCheck(
        what="bytes of the weights",
        wrong=lambda value, _: None if _number(value) and value > 0 else f"is {value!r}, not above 0",
        forged=(0, "many"),
    ),
    "peak_bytes": EvidenceCheck(
        what="largest memory in use on the device",
        wrong=lambda value, all_: (
            None
            if _number(value) and _number(all_.get("parameter_bytes")) and value > all_["parameter_bytes"]
            else f"is {value!r}, not above the weights' {all_.get('parameter_bytes')!r}"
        ),
        forged=(0, 1),
    ),
    "kernels": EvidenceCheck(
        what="kernels that ran on the device",
        wrong=lambda value, _: None if _number(value) and value > 0 else f"is {value!r}, not above 0",
        forged=(0, None),
    ),
}


def problems(evidence: Mapping[str, Any]) -> list[str]:
    """Return why evidence does not show that a GPU did the work; none if it does."""
    return [
        f"{key} ({entry.what}) {wrong}"
        for key, entry in ENTRIES.items()
        if (wrong := entry.wrong(evidence[key], evidence) if key in evidence else "is missing") is not None
    ]


def forgeries(evidence: Mapping[str, Any]) -> list[str]:
    """Forgeries of good evidence that convince nevertheless; there must be none."""
    lies = [(key, value) for key, entry in ENTRIES.items() for value in entry.forged]
    return [f"{key} = {value!r}" for key, value in lies if not problems({**evidence, key: value})] + [
        f"no {key}" for key in ENTRIES if not problems({name: item for name, item in evidence.items() if name != key})
    ]


def read(path: Path, dotted: str) -> Mapping[str, Any] | str:
    """The evidence in a summary, found by a key such as `engine.work`; or why there is none."""
    try:
        found: Any = json.loads(untrusted.read_bytes(path))
        for key in dotted.split("."):
            found = found[key]
    except (PtychoError, ValueError, RecursionError) as error:
        return f"{path.name} cannot be read: {error}"
    except (KeyError, TypeError, IndexError):
        return f"{path.name} has no entry {dotted!r}"
    return found if isinstance(found, dict) else f"the entry {dotted!r} of {path.name} is {found!r:.60}, not a table"


@dataclass(frozen=True, kw_only=True)
class Work:
    """
    Evidence of a training's work on a GPU.

    Attributes:
        label: label of the command.
        evidence: what it says; empty where it says nothing.
        missing: why it says nothing, or "".
        problems: why the evidence does not convince.
        convinced: forgeries of it that convince nevertheless.
    """

    label: str
    evidence: Mapping[str, Any]
    missing: str = ""
    problems: tuple[str, ...] = ()
    convinced: tuple[str, ...] = ()

    def as_fields(self) -> dict[str, Any]:
        """Fields of the event `device.work`."""
        said = [self.missing] if self.missing else []
        listed = [*said, *self.problems, *(f"forged and not noticed: {forged}" for forged in self.convinced)]
        return {"label": self.label, "evidence": dict(self.evidence), "problems": listed}

    @property
    def findings(self) -> list[Finding]:
        """Return what is wrong with it."""
        found = []
        if self.problems:
            sentence = f"device: {self.label}: in a GPU lane the work was done elsewhere: {'; '.join(self.problems)}"
            found.append(Finding(id="gpu-unused", subject=self.label.rpartition("-")[2], sentence=sentence))
        if self.missing or self.convinced:
            why = self.missing or f"forged evidence is believed, too: {', '.join(self.convinced)}"
            sentence = f"device: {self.label}: that the GPU did the work is not shown: {why}"
            found.append(Finding(id="device-unproven", subject=self.label.rpartition("-")[2], sentence=sentence))
        return found


def judge(target: Target, label: str, output: Path, proof: GpuEvidence) -> Work:
    """
    Judge the work of a training in a GPU lane.

    Args:
        target: whose summary it is.
        label: label of the command.
        output: its output folder.
        proof: what was seen of its processes: one that never mapped a driver worked on no GPU, whatever it says.
    """
    if target.summary is None or not target.device_key:
        return Work(label=label, evidence={}, missing="the target names no [summary] device; see docs/gpu-runners.md")
    found = read(output / target.summary, target.device_key)
    if isinstance(found, str):
        return Work(label=label, evidence={}, missing=found)
    wrong = problems(found)
    if proof.provable and not any(" maps " in sentence for sentence in proof.touched):
        wrong.append("no process of it loaded a driver library")
    convinced = () if wrong else tuple(forgeries(found))
    return Work(label=label, evidence=found, problems=tuple(wrong), convinced=convinced)


def judge_suite(written: Path, proof: GpuEvidence, *, promised: bool) -> Work:
    """
    Judge the work of a test suite in a GPU lane: of each training that it reports, and of its processes.

    Args:
        written: one JSON object a line, `label` and `evidence` of a training; there may be no file.
        proof: what was seen of its processes.
        promised: whether the suite reports its trainings (`[suite] device`): silence is then no evidence.
    """
    wrong, rows = [], 0
    try:
        lines = untrusted.read_text(written).splitlines() if written.exists() else []
        for line in lines:
            row = json.loads(line)
            rows += 1
            found = row["evidence"]
            said = problems(found) if isinstance(found, dict) else [f"its evidence is {found!r:.60}, not a table"]
            wrong += [f"{row['label']!s:.60}: {'; '.join(said)}"] if said else []
    except (PtychoError, ValueError, RecursionError, KeyError, TypeError) as error:
        return Work(label="suite", evidence={}, missing=f"what the suite says of its trainings cannot be read: {error}")
    if proof.provable and not any(" maps " in sentence for sentence in proof.touched):
        wrong.append("no process of it loaded a driver library")
    missing = "the suite reports no training ([suite] device promises it)" if promised and not rows else ""
    evidence = {"trainings": rows, "processes": proof.watched}
    return Work(label="suite", evidence=evidence, problems=tuple(wrong), missing=missing)
