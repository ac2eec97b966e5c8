"""The content of a page as plain frozen values: text, tables, pictures. The templates know nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

TONES = ("", "pass", "fail", "warn", "open", "muted")
"""How a cell may look. The words say the same: no figure depends on its colour alone."""


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """
    A cell of a table.

    Attributes:
        text: what it says.
        tone: one of `TONES`.
        code: whether it is a name or path of a program.
    """

    text: str
    tone: str = ""
    code: bool = False


Cells = tuple[TableCell | str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """
    A table.

    Attributes:
        caption: what it is about; screen readers say it first.
        headings: headings of the columns. The first column heads the rows.
        rows: cells.
        more: how many rows were left out.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Cells]
    more: int = 0


@dataclass(frozen=True, kw_only=True)
class Picture:
    """
    A picture with what it says in words.

    Attributes:
        uri: data URI.
        alt: what is to be seen, for who does not see it.
        caption: below it.
        large: whether it is a drawing with text of its own, and not an array of pixels.
    """

    uri: str
    alt: str
    caption: str = ""
    large: bool = False


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A colour scale: its bar and the values at its ends."""

    bar: str
    low: str
    high: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Pictures of one kind (amplitude or phase) of one fixture: a row of three for each lane, on one scale."""

    title: str
    rows: Sequence[tuple[str, Sequence[Picture]]]
    scales: Sequence[Scale]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """
    A drawing, and the table that says the same in figures.

    Attributes:
        title: above it.
        drawing: SVG.
        table: the figures.
        note: how to read it.
        keys: names of the lines or bars, each with the class of its colour.
    """

    title: str
    drawing: Markup
    table: Table
    note: str = ""
    keys: Sequence[tuple[str, str]] = ()


def toned(verdict: str) -> str:
    """The tone of a verdict or result."""
    word = verdict.lower()
    if word in ("pass", "passed", "killed", "equal"):
        return "pass"
    if word in ("unverified", "known failure", "skipped", "inconclusive", "xfailed", "not run", "not reached", "stale"):
        return "warn"
    if word == "incomplete":
        return "open"
    return "fail" if word else ""
