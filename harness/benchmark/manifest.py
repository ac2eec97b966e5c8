"""Tables of the manifest of benchmarks; `harness.benchmark.plan` says what it is for."""

import string
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from harness.files.toml_model import TABLE, Name, Words, fault

PLACEHOLDERS = ("side", "scan", "last")
"""Placeholders in the name of a benchmark for a lane, a scan, and the last scan."""


def _known_placeholders(text: str) -> str:
    names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    if wrong := [name for name in names if name not in PLACEHOLDERS]:
        allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise fault(f"unknown placeholder {{{wrong[0]}}} in {text!r}; allowed: {allowed}", text)
    return text


Names = Annotated[tuple[Name, ...], Field(min_length=1), Words("a list of at least one text")]
Benchmarks = Annotated[
    tuple[Annotated[Name, AfterValidator(_known_placeholders)], ...],
    Field(min_length=1),
    Words("a list of at least one text"),
]


@dataclass(frozen=True, kw_only=True, config=TABLE)
class SessionManifest:
    """One form of the session."""

    scans: Names
    """scans of a session that names none"""
    benchmarks: Benchmarks
    """benchmarks that must report"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class BenchmarkManifest:
    """Benchmarks that must report."""

    full: SessionManifest
    """the whole session"""
    short: SessionManifest
    """its short form"""
