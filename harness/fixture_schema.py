"""What the inventory of fixtures may say, as tables. Apart from `harness.inventory`, which is imported at once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from harness.toml_model import TABLE, Name, Problem, Text, Versioned, Whole, Words, entries

Kind = Literal["committed", "made", "slot", "external"]
Layout = Literal["canonical", "legacy", "cxi", "ptychodus"]
PLACEHOLDERS = ("python", "output")
"""Placeholders of `make` that are no fixtures."""

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


def _no_placeholder(name: str) -> str:
    if name in PLACEHOLDERS:
        raise ValueError("a placeholder of make")
    return name


FixtureName = Annotated[
    str,
    Strict(),
    Field(pattern="^[a-z][a-z0-9_]*$"),
    AfterValidator(_no_placeholder),
    Words(f"lower-case letters, digits and _, not {' or '.join(PLACEHOLDERS)}"),
]


def _digest(digits: int) -> Any:
    return (Strict(), Field(pattern=f"^[0-9a-f]{{{digits}}}$"), Words(f"{digits} lower-case hex digits"))


def sources(make: Iterable[str]) -> tuple[str, ...]:
    """Fixtures that a command reads."""
    found = (match for word in make for match in _PLACEHOLDER.findall(word))
    return tuple(name for name in found if name not in PLACEHOLDERS)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Fixture:
    """A scan that tests and targets name."""

    name: FixtureName
    """what tests and targets call it"""
    kind: Kind
    """in git, made by `make`, dropped in by its owner, or found on the search path"""
    path: Name
    """where it is in the checkout; below datasets/ it may also lie under a folder of the search path"""
    layout: Layout
    """of its axes and names"""
    patterns: Whole
    """M"""
    side: Whole
    """N, pixels"""
    gridsize: Whole
    """the largest gridsize that it serves"""
    owner: Name
    """whose it is"""
    licence: Name
    """under what it may be used"""
    purpose: Name
    """what it is for"""
    sha256: Annotated[str, *_digest(64)] | None = None
    """of the bytes; exactly one of this and git_blob is given"""
    git_blob: Annotated[str, *_digest(40)] | None = None
    """git's object id of the bytes"""
    make: Annotated[tuple[Text, ...], Words("a list of words")] = ()
    """command that writes it, run in the checkout; {python}, {output} and names of earlier fixtures stand for paths"""

    @property
    def digest(self) -> str:
        """The recorded digest, with its kind: `sha256:…` or `git_blob:…`."""
        return f"sha256:{self.sha256}" if self.sha256 is not None else f"git_blob:{self.git_blob}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Fixtures that making this one reads."""
        return sources(self.make)

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """Path and command that do not belong to the kind; no digest, or two."""
        kind, path, make = table.get("kind"), table.get("path"), table.get("make", [])
        home = "tests/fixtures" if kind == "committed" else "datasets"
        if isinstance(path, str) and not _is_below(PurePosixPath(path), home):
            yield Problem(path=("path",), sentence=f"path = {path!r}; allowed: a file below {home}/, without ..")
        if ("sha256" in table) == ("git_blob" in table):
            yield Problem(path=(), sentence="exactly one of sha256 and git_blob must be given")
        if "make" in table and kind in ("slot", "external"):
            yield Problem(path=("make",), sentence=f"make must not be given for kind {kind!r}")
        elif not make and kind in ("committed", "made"):
            yield Problem(path=(), sentence=f"make must be given for kind {kind!r}")
        if isinstance(make, list) and make and not any("{output}" in str(word) for word in make):
            yield Problem(path=("make",), sentence="make names no {output}")


def _is_below(path: PurePosixPath, home: str) -> bool:
    return path.is_relative_to(home) and ".." not in path.parts and str(path) != home


@dataclass(frozen=True, kw_only=True, config=TABLE)
class InventoryFile(Versioned):
    """The list of fixtures. See datasets/README.md."""

    fixture: tuple[Fixture, ...] = Field(min_length=1)
    """a scan that tests and targets name"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """What two fixtures must not share, and sources that do not come before."""
        seen: list[Mapping[str, Any]] = []
        for number, entry in entries(table, "fixture"):
            place, names = ("fixture", number), [other.get("name") for other in seen]
            for other, key in product(seen, ("name", "path", "sha256", "git_blob")):
                if key in entry and entry[key] == other.get(key):
                    sentence = f"{key} {entry[key]!r} is also that of fixture {other.get('name')!r}"
                    yield Problem(path=(*place, key), sentence=sentence)
            make = entry.get("make")
            for source in sources(map(str, make) if isinstance(make, list) else ()):
                if source not in names:
                    sentence = f"make reads {source!r}; allowed: python, output and the fixtures above it"
                    yield Problem(path=(*place, "make"), sentence=sentence, value=source)
            seen.append(entry)
