"""What a file of the catalogue may say, as tables: a mutant, an equivalent, and the changes of text that make them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from harness.mutation import anchor
from harness.parity.rungs import RUNGS
from harness.toml_model import TABLE, Name, OneOf, Problem, Text, Versioned, Words

LADDER = tuple(rung.name for rung in RUNGS)
SELF_CHECK, LANE = "R10", "lane"
GATES = (*LADDER, SELF_CHECK, LANE)
GUILTY = ("torch", "tf", "core", "harness")
OWNERS = {"ptycho_torch": "torch", "ptycho_tf": "tf", "ptycho": "core", "harness": "harness"}
GRIDSIZES, PRECISIONS = (1, 2), ("f64", "f32")
KINDS = ("value", "shape", "type", "nan", "raises", "hangs", "killed")
ENDING = ("raises", "hangs", "killed")
"""Kinds of faults that keep a backend from answering, and are counted apart."""

_OWNED = f"^({'|'.join(OWNERS)})"
Id = Annotated[
    str, Strict(), Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$"), Words("words of a-z and 0-9 with - between them")
]
Anchor = Annotated[
    str,
    Strict(),
    Field(pattern=rf"{_OWNED}(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$"),
    Words(f"{anchor.WORDS}, in {', '.join(OWNERS)}"),
]
DataFile = Annotated[str, Strict(), Field(pattern=rf"{_OWNED}/.*$"), Words(f"a path in {', '.join(OWNERS)}")]


def _change_problems(table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a change of text as a whole: where it is, and that both texts are there."""
    there = [key for key in ("in", "file") if key in table]
    if len(there) != 1:
        yield Problem(path=(), sentence='a change needs one of in and file; write in = "MODULE:FUNCTION"')
    file = table.get("file")
    if isinstance(file, str) and file.endswith(".py"):
        sentence = f'file = {file!r} is Python; write in = "{anchor.module_of(file)}:FUNCTION"'
        yield Problem(path=("file",), sentence=sentence)
    yield from (
        Problem(path=(), sentence=f"{key} is missing; write the text {said}")
        for key, said in (("old", "as it is"), ("new", "that takes its place"))
        if key not in table
    )


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Change:
    """One change of text."""

    within: Anchor | None = Field(
        default=None, validation_alias="in", description="the function in whose source old occurs exactly once"
    )
    file: DataFile | None = Field(default=None, description="a file that is not Python, in which old occurs once")
    old: Text = Field(description="the text as it is")
    new: Text = Field(description="the text that takes its place")

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """No place, or two."""
        yield from _change_problems({"old": "", "new": "", **table})


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Entry:
    """What a mutant and an equivalent have in common."""

    id: Id = Field(description="its name")
    within: Anchor | None = Field(
        default=None, validation_alias="in", description="the function in whose source old occurs exactly once"
    )
    file: DataFile | None = Field(default=None, description="a file that is not Python, in which old occurs once")
    old: Text | None = Field(default=None, description="the text as it is")
    new: Text | None = Field(default=None, description="the text that takes its place")
    edits: Annotated[tuple[Change, ...], Field(min_length=1)] | None = Field(
        default=None, description="a fault that needs several changes; takes the place of in, old and new"
    )
    guilty: Annotated[str, OneOf(GUILTY)] = Field(description="whose code is changed, and whom a verdict must name")
    story: Name = Field(description="what it does to users, and how it shows")
    gridsize: Annotated[int, OneOf(GRIDSIZES)] | None = Field(
        default=None, description="the only one at which it can show"
    )
    precision: Annotated[str, OneOf(PRECISIONS)] = Field(default="f64", description="of the backends while it is tried")
    kind: Annotated[str, OneOf(KINDS)] | None = Field(
        default=None, description="of fault; whoever gives one is also asked for the place"
    )
    where: Anchor | None = Field(
        default=None,
        description="where a failure must send its reader; by default to the first change",
    )
    compiles: Annotated[bool, Strict(), Words("true or false")] = Field(
        default=True, description="false: the change is a syntax error"
    )

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """A change by itself beside a list of changes."""
        if "edits" not in table:
            yield from _change_problems(table)
        elif both := [key for key in ("in", "file", "old", "new") if key in table]:
            yield Problem(path=(both[0],), sentence=f"edits beside {', '.join(both)}; give one or the other")

    @property
    def changes(self) -> tuple[Change, ...]:
        """Its changes of text, one after the other."""
        if self.edits is not None:
            return self.edits
        own = {"in": self.within} if self.within else {"file": self.file}
        return (Change(**own, old=self.old or "", new=self.new or ""),)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class MutantEntry(Entry):
    """A planted fault, which must be found."""

    dies_at: Annotated[str, OneOf(GATES)] = Field(description="the gate at or before which it must be found")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class EquivalentEntry(Entry):
    """A change that no input tells from the original: it must not be found."""

    proof: Name = Field(description="why no input tells it from the original")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class CatalogueFile(Versioned):
    """A file of the mutation catalogue. See docs/mutation.md."""

    mutant: tuple[MutantEntry, ...] = Field(default=(), description="faults that must be found")
    equivalent: tuple[EquivalentEntry, ...] = Field(default=(), description="changes that must not be found")
