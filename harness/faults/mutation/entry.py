"""Tables of a file of the catalogue: mutants, equivalents, and the changes of text that make them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from harness.files.toml_model import TABLE, FileProblem, Name, OneOf, Text, VersionedFile, Words, entries
from harness.isolation import source_anchor
from harness.parity.compare.rungs import RUNGS

LADDER = tuple(rung.name for rung in RUNGS)
SELF_CHECK, LANE, TESTS = "R10", "lane", "tests"
GATES = (*LADDER, SELF_CHECK, LANE, TESTS)
GUILTY = ("torch", "tf", "core", "harness")
OWNERS = {"ptycho_torch": "torch", "ptycho_tf": "tf", "ptycho": "core", "harness": "harness"}
GRIDSIZES, PRECISIONS = (1, 2), ("f64", "f32", "bf16")
KINDS = ("value", "shape", "type", "nan", "raises", "hangs", "killed")
ENDING = ("raises", "hangs", "killed")
"""Kinds of faults that keep a backend from answering, and are counted apart."""

_OWNED = f"^({'|'.join(OWNERS)})"
_PLACES = rf"{_OWNED}(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$"
_ID = "^[a-z0-9]+(-[a-z0-9]+)*$"
Id = Annotated[str, Strict(), Field(pattern=_ID), Words("words of a-z and 0-9 with - between them")]
Anchor = Annotated[str, Strict(), Field(pattern=_PLACES), Words(f"{source_anchor.WORDS}, in {', '.join(OWNERS)}")]
TestFile = Annotated[str, Strict(), Field(pattern=r"^tests/.*test_\w+\.py$"), Words("a test file, tests/…/test_….py")]
DataFile = Annotated[str, Strict(), Field(pattern=f"{_OWNED}/.*$"), Words(f"a path in {', '.join(OWNERS)}")]


@dataclass(frozen=True, kw_only=True, config=TABLE)
class CatalogueEdit:
    """One change of text."""

    within: Anchor | None = Field(default=None, validation_alias="in")
    """the function in whose source old occurs exactly once"""
    file: DataFile | None = None
    """a file that is not Python, in which old occurs exactly once"""
    old: Text
    """the text as it is"""
    new: Text
    """the text that takes its place"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """No place, or two, or a place of the wrong sort."""
        file = table.get("file")
        if ("in" in table) == ("file" in table):
            yield FileProblem(path=(), sentence='a change needs one of in and file; write in = "MODULE:FUNCTION"')
        if isinstance(file, str) and file.endswith(".py"):
            sentence = f'file = {file!r} is Python; write in = "{source_anchor.module_of(file)}:FUNCTION"'
            yield FileProblem(path=("file",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class CatalogueEntry:
    """A planted fault: one change of text, or several."""

    id: Id
    """its name"""
    within: Anchor | None = Field(default=None, validation_alias="in")
    """the function in whose source old occurs exactly once"""
    file: DataFile | None = None
    """a file that is not Python, in which old occurs exactly once"""
    old: Text | None = None
    """the text as it is"""
    new: Text | None = None
    """the text that takes its place"""
    edits: Annotated[tuple[CatalogueEdit, ...], Field(min_length=1)] | None = None
    """a fault that needs several changes; in the place of in, old and new"""
    guilty: Annotated[str, OneOf(GUILTY)]
    """whose code is changed, and which side a verdict must name"""
    story: Name
    """what it does to users, and how it shows"""
    dies_at: Annotated[str, OneOf(GATES)] | None = None
    """of a mutant: the gate at or before which it must be found"""
    proof: Name | None = None
    """of an equivalent: why no input tells it from the original"""
    gridsize: Annotated[int, OneOf(GRIDSIZES)] | None = None
    """the only one at which it can show"""
    precision: Annotated[str, OneOf(PRECISIONS)] = "f64"
    """of the backends while it is tried"""
    tests: Annotated[tuple[TestFile, ...], Field(min_length=1)] | None = None
    """the test files that must find it, at the gates R10 and tests; by default those named like the changed files"""
    kind: Annotated[str, OneOf(KINDS)] | None = None
    """of fault; whoever gives one is also asked for the place"""
    where: Anchor | None = None
    """where a failure must send its reader; by default to the first change"""
    compiles: Annotated[bool, Strict(), Words("true or false")] = True
    """false: the change is a syntax error"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """A change by itself beside a list of changes, or neither."""
        own = [key for key in ("in", "file", "old", "new") if key in table]
        if "edits" not in table:
            yield from CatalogueEdit.contradictions(table)
            lacking = [key for key in ("old", "new") if key not in table]
            yield from (FileProblem(path=(), sentence=f"{key} is missing; write a text") for key in lacking)
        elif own:
            yield FileProblem(path=(own[0],), sentence=f"edits beside {', '.join(own)}; give one or the other")

    @property
    def changes(self) -> tuple[CatalogueEdit, ...]:
        """Its changes of text, one after the other."""
        place = {"in": self.within} if self.within else {"file": self.file}
        return self.edits or (CatalogueEdit(**place, old=self.old or "", new=self.new or ""),)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class CatalogueFile(VersionedFile):
    """A file of the mutation catalogue. See docs/mutation.md."""

    mutant: tuple[CatalogueEntry, ...] = ()
    """faults that must be found"""
    equivalent: tuple[CatalogueEntry, ...] = ()
    """changes that no input tells from the original, and that must not be found"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """A mutant that is killed nowhere, an equivalent that is killed somewhere."""
        for kind, needed, other in (("mutant", "dies_at", "proof"), ("equivalent", "proof", "dies_at")):
            for number, entry in entries(table, kind):
                if needed not in entry:
                    yield FileProblem(path=(kind, number), sentence=f"{needed} is missing; needed for every {kind}")
                if other in entry:
                    yield FileProblem(path=(kind, number, other), sentence=f"{other} belongs to no {kind}; take it out")
