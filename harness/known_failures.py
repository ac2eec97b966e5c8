"""
A target's list of known failures: what its maintainers live with, by name and with a reason.

An entry that passes is an error: the list can only shrink. An entry whose check was not made proves nothing and is
said as a note.

    [[known]]
    id = "unseeded"            # of docs/findings.md
    subject = "small"          # optional; without it, the id for any subject
    reason = "no seed option before version 3; see the project's tracker"
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.findings import KINDS, Finding, Findings
from ptycho.errors import UsageError

_KEYS = ("id", "subject", "reason")


@dataclass(frozen=True, kw_only=True)
class Known:
    """
    One entry.

    Attributes:
        id: of the finding.
        subject: of the finding; `""` for any.
        reason: why it is lived with.
    """

    id: str
    subject: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is this one."""
        return self.id == finding.id and self.subject in ("", finding.subject)

    def __str__(self) -> str:
        return self.id + (f" of {self.subject}" if self.subject else "")


def load(path: Path | None) -> tuple[Known, ...]:
    """
    Read a list.

    Args:
        path: the TOML file, or None for an empty list.

    Raises:
        UsageError: listing everything that is wrong with it.
    """
    if path is None:
        return ()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"known failures {path}: {error.strerror}; write the file, or take it out") from error
    except ValueError as error:
        raise UsageError(f"known failures {path} is not TOML: {error}") from error
    problems = [f"unknown table {name!r}; allowed: [[known]]" for name in document if name != "known"]
    entries = document.get("known", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append("known must be [[known]] tables")
        entries = []
    for number, entry in enumerate(entries, start=1):
        problems += [f"entry {number}: {problem}" for problem in _problems(entry)]
    found = [Known(**({"subject": ""} | entry)) for entry in entries] if not problems else []
    named = [str(entry) for entry in found]
    problems += [
        f"{name} is there {named.count(name)} times; keep one" for name in sorted({*named}) if named.count(name) > 1
    ]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise UsageError(f"known failures {path} cannot be used:\n{listed}")
    return tuple(found)


def _problems(entry: dict[str, Any]) -> list[str]:
    problems = [f"unknown key {key!r}; allowed: {', '.join(_KEYS)}" for key in entry if key not in _KEYS]
    for key in _KEYS:
        value = entry.get(key, "" if key == "subject" else None)
        if not isinstance(value, str) or (key != "subject" and not value.strip()):
            problems.append(f"{key} = {value!r}; allowed: text, not empty")
    if isinstance(entry.get("id"), str) and entry["id"] not in KINDS:
        problems.append(f"id = {entry['id']!r} is no finding; allowed: {', '.join(KINDS)}")
    return problems


def reason_for(known: Sequence[Known], finding: Finding) -> str:
    """Why a finding is lived with; `""` if it is not."""
    return next((entry.reason for entry in known if entry.covers(finding)), "")


def settle(known: Sequence[Known], findings: Findings) -> tuple[list[str], list[str]]:
    """
    What has become of the entries once everything was checked.

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
