"""
Figures of earlier runs: one line of JSON each, only ever appended to, one file a fingerprint.

Every line carries its fingerprint, too, and a line of another one is left out and counted: a file that was copied from
another machine, or an environment that was upgraded, is not a baseline. A line that cannot be used is named by file,
number and reason. It stays where it is, and takes none of its neighbours along.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.files import untrusted
from harness.record import machine
from ptycho.errors import InfrastructureError, PtychoError

FOLDER = "history"
SCHEMA = "ptycho-history/2"
OLD = "ptycho-history/1"
"""Lines of benchmarks alone, with their figures beside the name."""

MEASURES: Mapping[str, tuple[str, ...]] = {
    "benchmark": ("seconds", "cpu_s", "peak_mib", "cost"),
    "ladder": ("noise_units",),
    "lane": ("phase_correlation", "fourier_error"),
}
"""Figures by the kind of what was measured."""

LARGEST_FILE = 64 << 20
LARGEST_LINE = 1 << 16
_LONGEST = 200
"""Characters of a text."""
_COMMIT = re.compile(r"[0-9a-f]{4,64}(-dirty)?")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]{1,200}")


@dataclass(frozen=True, kw_only=True)
class MeasuredFigures:
    """
    Figures of one thing that one run measured.

    Attributes:
        utc: when.
        commit: of the checkout, or None; `-dirty` after it where files differed.
        kind: of `MEASURES`.
        subject: name of the benchmark, the rung with its conditions, or the lane with its fixture.
        values: figure by name; what was not measured is left out.
        method: how it was measured, text by part: where one differs, figures before and after are of two things.
        versions: of the frameworks, by name.
    """

    utc: str
    commit: str | None
    kind: str
    subject: str
    values: Mapping[str, float]
    method: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """An entry with the fingerprint that it belongs to."""

    fingerprint: Mapping[str, Any]
    entry: MeasuredFigures


@dataclass(frozen=True, kw_only=True)
class History:
    """
    Content of history files.

    Attributes:
        records: in the order of their files and lines.
        refused: a sentence for each line or file that cannot be used.
        foreign: lines of other machines or environments, left out.
    """

    records: tuple[Record, ...]
    refused: tuple[str, ...] = ()
    foreign: int = 0

    @property
    def entries(self) -> tuple[MeasuredFigures, ...]:
        """The entries alone."""
        return tuple(record.entry for record in self.records)

    def of(self, benchmark: str) -> list[MeasuredFigures]:
        """Entries of one benchmark."""
        return [one for one in self.entries if (one.kind, one.subject) == ("benchmark", benchmark)]


def path_of(root: Path, described: Mapping[str, Any]) -> Path:
    """The file of a fingerprint."""
    return root / FOLDER / f"{machine.key(described)}.ndjson"


def line_of(described: Mapping[str, Any], entry: MeasuredFigures) -> str:
    """An entry as it is written, without the end of the line."""
    values = {name: value for name, value in entry.values.items() if math.isfinite(value)}
    row = {
        "schema": SCHEMA,
        "fingerprint": dict(described),
        **{name: getattr(entry, name) for name in ("utc", "commit", "kind", "subject")},
        "values": values,
        "method": dict(entry.method),
        "versions": dict(entry.versions),
    }
    return json.dumps(row, allow_nan=False)


def append(root: Path, described: Mapping[str, Any], entries: Sequence[MeasuredFigures]) -> Path:
    """
    Append a run's entries, in one write.

    Args:
        root: the workspace's folder for runs.
        described: the fingerprint.
        entries: one for each thing that was measured.

    Raises:
        InfrastructureError: the file cannot be written, or is something else than a file.
    """
    path = path_of(root, described)
    text = "".join(f"{line_of(described, entry)}\n" for entry in entries).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            # A line that a kill or a full disk has cut must not take the first of these along.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = b"\n" + text if torn else text
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InfrastructureError(f"the history {path} cannot be written: {error.strerror}") from error
    if written < len(data):
        raise InfrastructureError(f"the history {path} took {written} of {len(data)} bytes; free space on its disk")
    return path


def read(root: Path, described: Mapping[str, Any]) -> History:
    """
    The entries of a fingerprint; none if there is no file.

    Args:
        root: the workspace's folder for runs.
        described: the fingerprint.
    """
    path, wanted = path_of(root, described), json.loads(json.dumps(described))
    found = _read([path] if os.path.lexists(path) else [])
    own = tuple(record for record in found.records if record.fingerprint == wanted)
    return History(records=own, refused=found.refused, foreign=len(found.records) - len(own))


def read_all(root: Path) -> History:
    """The entries of every fingerprint of a workspace."""
    return _read(sorted((root / FOLDER).glob("*.ndjson")))


def _read(paths: Sequence[Path]) -> History:
    records, refused = list[Record](), list[str]()
    for path in paths:
        try:
            content = untrusted.read_bytes(path, LARGEST_FILE)
        except PtychoError as error:
            refused.append(str(error))
            continue
        for number, line in enumerate(content.split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                records.append(parse(line))
            except (ValueError, RecursionError) as error:
                why = untrusted.plain(str(error)) or type(error).__name__
                refused.append(f"{path.name} line {number}: {why[:_LONGEST]}")
    return History(records=tuple(records), refused=tuple(refused))


def parse(line: bytes) -> Record:
    """
    One line.

    Raises:
        ValueError: it is not one of ours, with the reason.
        RecursionError: it is nested deeper than JSON is read.
    """
    if len(line) > LARGEST_LINE:
        raise ValueError(f"it has {len(line)} bytes; allowed: {LARGEST_LINE}")
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"it is {type(row).__name__}, not an object")
    schema = row.pop("schema", None)
    if schema not in (SCHEMA, OLD):
        raise ValueError(f"its schema is {str(schema)[:40]!r}; allowed: {SCHEMA}, {OLD}")
    fingerprint = row.pop("fingerprint", None)
    if not isinstance(fingerprint, dict) or not fingerprint:
        raise ValueError("it has no fingerprint")
    if schema == OLD:
        row = {
            "kind": "benchmark",
            "subject": row.pop("benchmark", None),
            "values": {name: row.pop(name, None) for name in ("seconds", "cpu_s", "peak_mib")},
            **row,
        }
    return Record(fingerprint=fingerprint, entry=_entry(row))


def _entry(row: dict[str, Any]) -> MeasuredFigures:
    fields = ("utc", "commit", "kind", "subject", "values", "method", "versions")
    if unknown := sorted(set(row).difference(fields)):
        raise ValueError(f"unknown key {unknown[0]!r}; allowed: {', '.join(fields)}")
    kind, commit, utc = row.get("kind"), row.get("commit"), row.get("utc")
    if not isinstance(kind, str) or kind not in MEASURES:
        raise ValueError(f"its kind is {str(kind)[:40]!r}; allowed: {', '.join(MEASURES)}")
    if commit is not None and not (isinstance(commit, str) and _COMMIT.fullmatch(commit)):
        raise ValueError(f"its commit is {str(commit)[:40]!r}; allowed: a hash, or null")
    if not isinstance(utc, str) or datetime.fromisoformat(utc).tzinfo is None:
        raise ValueError(f"its time is {str(utc)[:40]!r}; allowed: a date and time with its zone")
    return MeasuredFigures(
        utc=utc,
        commit=commit,
        kind=kind,
        subject=_plain(row.get("subject"), "subject"),
        values=dict(_values(row.get("values"), MEASURES[kind])),
        method=dict(_texts(row.get("method", {}), "method")),
        versions=dict(_texts(row.get("versions", {}), "versions")),
    )


def _values(given: Any, allowed: Sequence[str]) -> Iterator[tuple[str, float]]:
    if not isinstance(given, dict):
        raise ValueError(f"its values are {type(given).__name__}, not an object")
    for name, value in given.items():
        if name not in allowed:
            raise ValueError(f"unknown figure {str(name)[:40]!r}; allowed: {', '.join(allowed)}")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise ValueError(f"{name} is {str(value)[:40]}; allowed: a finite number")
        yield name, float(value)


def _texts(given: Any, name: str) -> Iterator[tuple[str, str]]:
    if not isinstance(given, dict):
        raise ValueError(f"its {name} is {type(given).__name__}, not an object of texts")
    for key, value in given.items():
        yield _plain(key, name), _plain(value, name)


def _plain(given: Any, name: str) -> str:
    if not isinstance(given, str) or not _PLAIN.fullmatch(given):
        raise ValueError(
            f"its {name} holds {str(given)[:40]!r}; allowed: text of one line, up to {_LONGEST} characters"
        )
    return given


def now() -> str:
    """The time of day, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
