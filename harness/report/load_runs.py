"""
Loads the runs that a report is about, and everything that they left: log, its verdict, and their own documents.

Without a choice of the caller it is the newest run of every lane and of every other kind of run. To find those, only
the beginnings of logs are read; a workspace may hold hundreds of runs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.files import untrusted
from harness.record import directory, state
from harness.record import log as event_log
from harness.record import verdict as log_verdict
from harness.record.directory import LOG
from harness.record.log import Row
from harness.record.outcome import Problem
from harness.record.state import RunState
from harness.record.verdict import LogVerdict
from harness.report import ladder_results
from harness.report.values import mapping, text
from ptycho.errors import PtychoError, UsageError
from ptycho.verdict import Verdict

DOCUMENTS = {
    "parity.json": "parity",
    "drift.json": "drift",
    "ways.json": "ways",
    "versions.json": "versions",
    "parity-seeds.json": "parity over seeds",
    "quality.json": "trained quality",
    "precision.json": "trained quality of bf16",
    "mutation.json": "mutation",
    "bench.json": "benchmark",
    "regression.json": "against",
    "gate.json": "gate",
    "bisect.json": "bisect",
    "kill-test.json": "kill-test",
    "scale.json": "scale",
}
"""Kind of run by the document that it leaves."""

OLD_DOCUMENTS = {"endings.json": "kill-test.json"}
"""Documents by the name that they had in the last release."""

NAMED = ("benchmark", "mutation", "kill-test")
"""Kinds of run of which there are several, each with a name of its own."""

GPU = "-gpu"

JUDGED = ("pass", "fail")
"""Verdicts of a run that has done all its work."""

_HEAD = 1 << 16
_LARGEST = 64 << 20


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """
    A run with everything that it left.

    Attributes:
        path: its folder.
        name: the lane, or the kind of a run that is not a lane.
        told: its log as data.
        judged: the verdict of its log.
        rows: the events.
        documents: what it wrote besides, by file name.
        unreadable: documents that are there and cannot be read, and why.
    """

    path: Path
    name: str
    told: RunState
    judged: LogVerdict
    rows: tuple[Row, ...]
    documents: Mapping[str, Mapping[str, Any]]
    unreadable: tuple[str, ...] = ()

    @property
    def is_lane(self) -> bool:
        """Whether it is a lane: a target's pipelines over fixtures."""
        return self.told.kind == "lane"

    def document(self, file: str) -> Mapping[str, Any]:
        """A document, empty where there is none."""
        return self.documents.get(file, {})

    @cached_property
    def climbed(self) -> Mapping[str, Any]:
        """The rungs of the ladder in the form of `parity.json`, after any ending; empty where none was climbed."""
        if "parity-seeds.json" in self.documents:
            return {}  # many ladders, of which this document says what there is to say
        return ladder_results.document(self.document("parity.json"), self.told)

    @property
    def stated(self) -> Verdict | None:
        """The verdict that its own document states, or None."""
        for document in self.documents.values():
            verdict = document.get("verdict") or mapping(document.get("result")).get("verdict")
            if (found := Verdict.parse(verdict)) is not None:
                return found
        return None

    @cached_property
    def partial(self) -> bool:
        """Whether the run did not come to its end."""
        return self.judged.partial and not (self._unlogged and self.stated is not None)

    @property
    def _unlogged(self) -> bool:
        """Whether the log has no frame: then a document is the only word of its verdict."""
        return not self.told.kind

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Return why it does not pass."""
        found = () if self._unlogged and self.stated is not None else self.judged.problems
        stated = self.stated
        # The log cannot know what a document says that was written by hand or changed.
        if stated is not None and stated is not Verdict.PASS and not found:
            found = (Problem(verdict=stated, message=f"its own document says {stated.label}"),)
        return found + tuple(Problem(verdict=Verdict.FAIL, message=sentence) for sentence in self.unreadable)

    @cached_property
    def verdict(self) -> Verdict:
        """The worst of what its log and its document say."""
        verdicts = [problem.verdict for problem in self.problems]
        if self.stated is not None:
            verdicts.append(self.stated)
        if not (self._unlogged and self.stated is not None):
            verdicts.append(self.judged.verdict)
        return log_verdict.gravest(verdicts, failed=self.judged.failed)

    def inside(self, name: str, *folders: str) -> Path | None:
        """
        A file that the run keeps, by its name alone, or None.

        What a log or document calls a path is somebody else's word: only the run's own folder is read.
        """
        for folder in folders or ("",):
            path = self.path / folder / Path(name).name
            if name and path.is_file() and path.resolve().is_relative_to(self.path.resolve()):
                return path
        return None


def load(path: Path) -> LoadedRun:
    """
    Read a run's folder.

    Raises:
        UsageError: there is no event log.
    """
    try:
        log = event_log.parse(event_log.content(path / LOG))
    except PtychoError as error:
        raise UsageError(f"{error}; give the folder of a run") from error
    documents, unreadable = _documents(path)
    told = state.tell(log)
    return LoadedRun(
        path=path,
        name=_name(path, log.rows),
        told=told,
        judged=log_verdict.judge(told),
        rows=log.rows,
        documents=documents,
        unreadable=unreadable,
    )


def _documents(path: Path) -> tuple[dict[str, Mapping[str, Any]], tuple[str, ...]]:
    found: dict[str, Mapping[str, Any]] = {}
    bad = []
    for name in (*OLD_DOCUMENTS, *DOCUMENTS):
        if (path / name).is_file():
            try:
                found[OLD_DOCUMENTS.get(name, name)] = _document(path / name)
            except (PtychoError, ValueError, RecursionError) as error:
                bad.append(f"{name} cannot be read: {error}")
    return found, tuple(bad)


def _document(path: Path) -> Mapping[str, Any]:
    value = json.loads(untrusted.read_bytes(path, _LARGEST))
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def _name(path: Path, rows: Sequence[Row]) -> str:
    """Lane, or kind of run; of a lane without a settled device the lane that was asked for."""
    left = next((kind for file, kind in DOCUMENTS.items() if (path / file).is_file()), "")
    kind = name = device = ""
    for row in rows:
        if row["event"] == "run.start":
            kind, name = text(row.get("kind")), text(row.get("name"))
            kind = state.OLD_KINDS.get(kind, kind)
            device = text(mapping(row.get("origin")).get("device"))
        if row["event"] == "run.expect" and kind == "parity" and ladder_results.seeds(row.get("rungs")) > 1:
            return DOCUMENTS["parity-seeds.json"] + _device_of(kind, name)
        if row["event"] == "device.chosen":
            return text(row.get("lane"))
    if kind == "lane":
        return f"{name}-{'gpu' if device == 'cuda' else 'cpu'}"
    if left and left not in NAMED:
        return left + _device_of(kind, name)
    found = state.OLD_KINDS.get(name, name) if kind in NAMED else kind + _device_of(kind, name)
    return found or left or (state.NAMELESS if rows else state.UNBEGUN)


def _device_of(kind: str, name: str) -> str:
    """`-gpu` for a run of which a side computed on one: it is never shown as the run without."""
    return GPU if kind and name == f"{kind}{GPU}" else ""


def newest(root: Path) -> list[LoadedRun]:
    """
    The newest run of every lane and kind below a workspace's folder.

    What runs at this moment is left out, and so is what was killed before its first event: nothing is known of it.
    """
    found: dict[str, Path] = {}
    for run in directory.find(root):
        if run.has_begun and not (run.alive and not _ended(run.events)):
            found[_name(run.path, _head(run.events))] = run.path  # oldest first: the last one stays
    return [load(path) for path in found.values()]


def name_of(path: Path) -> str:
    """The lane or kind of a run, from the beginning of its log."""
    return _name(path, _head(path / LOG))


def seconds_of_last(root: Path, name: str) -> float | None:
    """Return how long the newest whole run of a lane or kind took that was judged; None where there is none."""
    for run in reversed([*directory.find(root)]):
        if run.has_begun and _ended(run.events) and name_of(run.path) == name:
            head, tail = _head(run.events), _tail(run.events)
            first, last = (row.get("monotonic_s") for row in (head[0], tail[-1]))
            if _is_whole(head, tail[-1]) and isinstance(first, int | float) and isinstance(last, int | float):
                return float(last) - float(first)
    return None


def _is_whole(head: Sequence[Row], end: Row) -> bool:
    """Whether nothing was left out of a run, and it was not cut short."""
    left_out = [sentence for row in head if row["event"] == "run.expect" for sentence in row.get("left_out") or ()]
    return not left_out and end.get("verdict") in JUDGED


def under_way(root: Path) -> Iterator[Path]:
    """Runs below a workspace's folder that run at this moment."""
    for run in directory.find(root):
        if run.events.is_file() and run.alive and not _ended(run.events):
            yield run.path


def unbegun(root: Path) -> Iterator[Path]:
    """Dead runs below a workspace's folder that were killed before their first event."""
    for run in directory.find(root):
        if not run.alive and not run.has_begun and run.is_empty:
            yield run.path


def _head(path: Path) -> tuple[Row, ...]:
    with path.open("rb") as file:
        return event_log.parse(file.read(_HEAD)).rows


def _tail(path: Path) -> tuple[Row, ...]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _HEAD))
        return event_log.parse(file.read()).rows


def _ended(path: Path) -> bool:
    """Whether the last event is the last one that there can be."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _HEAD))
        return b'"event": "run.end"' in file.read()
