"""
A target's list of known failures: what its maintainers accept, by name and with a reason.

An entry that passes is an error: the list can only shrink. An entry whose check was not made proves nothing and is
said as a note.

    [[known]]
    id = "unseeded"            # of docs/findings.md
    subject = "small"          # optional; without it, the id for any subject
    reason = "no seed option before version 3; see the project's tracker"
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic.dataclasses import dataclass

from harness.files import toml_model
from harness.files.toml_model import TABLE, FileProblem, Name, OneOf, Text, VersionedFile, entries
from harness.record.findings import KINDS, Finding, Findings


@dataclass(frozen=True, kw_only=True, config=TABLE)
class KnownFailure:
    """One entry."""

    id: Annotated[str, OneOf(KINDS)]
    """of the finding"""
    subject: Text = ""
    """of the finding; without it, any"""
    reason: Name
    """why it is accepted"""

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is this one."""
        return self.id == finding.id and self.subject in ("", finding.subject)

    def __str__(self) -> str:
        return self.id + (f" of {self.subject}" if self.subject else "")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class KnownFailures(VersionedFile):
    """A target's list of known failures. See docs/findings.md."""

    known: tuple[KnownFailure, ...] = ()
    """a finding that is accepted"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """Entries that are there twice."""
        named: Counter[str] = Counter()
        for number, entry in entries(table, "known"):
            name = f"{entry.get('id')}" + (f" of {entry['subject']}" if entry.get("subject") else "")
            named[name] += 1
            if named[name] > 1 and isinstance(entry.get("id"), str):
                yield FileProblem(path=("known", number), sentence=f"it is entry {named[name]} for {name}; keep one")


def load(path: Path | None) -> tuple[KnownFailure, ...]:
    """
    Read a list.

    Args:
        path: the TOML file, or None for an empty list.

    Raises:
        UsageError: listing everything that is wrong with it.
    """
    return () if path is None else toml_model.load(path, KnownFailures, "known failures").known


def reason_for(known: Sequence[KnownFailure], finding: Finding) -> str:
    """Return why a finding is accepted; `""` if it is not."""
    return next((entry.reason for entry in known if entry.covers(finding)), "")


def settle(known: Sequence[KnownFailure], findings: Findings) -> tuple[list[str], list[str]]:
    """
    The result of the entries once everything was checked.

    Returns:
        sentences about those that pass now, which are errors, and about those whose check was not made, which are
        notes.
    """
    silent = [entry for entry in known if not any(entry.covers(finding) for finding in findings)]
    checked = [findings.was_checked(entry.id, entry.subject) for entry in silent]
    passing = [
        f"known failure {entry} passes now; take the entry out (its reason was: {entry.reason})"
        for entry, made in zip(silent, checked, strict=True)
        if made
    ]
    unjudged = [
        f"known failure {entry} was not judged: its check was not made in this run"
        for entry, made in zip(silent, checked, strict=True)
        if not made
    ]
    return passing, unjudged
