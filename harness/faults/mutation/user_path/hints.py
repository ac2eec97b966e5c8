"""Follows the hints of a failure's text on the terminal, and counts the steps from them to the edited line."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.isolation import source_anchor
from harness.isolation.source_overlay import Edit

FEW = 2
"""Steps from red to the edited line that count as found."""

_LINE = re.compile(r"\s*(look at|or): ([\w./-]+\.\w+)(?::\d+)?(?:, ([\w.<>]+))?")
"""A place on the terminal: `look at: FILE[:LINE][, FUNCTION()][: TEXT]`; further ones follow at once, behind `or:`."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """
    A place in the code.

    Attributes:
        file: relative to the checkout.
        function: innermost one that holds it; empty at the top of a file, or where none is named.
    """

    file: str
    function: str = ""

    def __str__(self) -> str:
        return f"{self.file}, {self.function}()" if self.function else self.file

    @classmethod
    def read(cls, text: str) -> "Spot":
        """`FILE` or `FILE:FUNCTION`, as the catalogue writes it."""
        file, _, function = text.partition(":")
        return cls(file=file, function=function)


def named(terminal: str) -> list[Spot]:
    """The places to look at, the likeliest first."""
    found: list[Spot] = []
    follows = False
    for line in terminal.splitlines():
        match = _LINE.match(line)
        follows = match is not None and (match[1] == "look at" or follows)
        if match is not None and follows:
            # The class is left out: what an edit is in is known by its innermost name.
            found.append(Spot(file=match[2], function=(match[3] or "").rpartition(".")[2]))
    return found


def steps(hints: Sequence[Spot], edited: Spot) -> int | None:
    """
    Return how many steps from a failure's text to the edited line; None for more than two.

    One where the first hint is the edited function of the edited file, or the file where the edit is in none. Two
    where one of the first two hints is the file: then its functions are to be read.
    """
    if hints and hints[0].file == edited.file and edited.function in ("", hints[0].function):
        return 1
    return FEW if any(hint.file == edited.file for hint in hints[:FEW]) else None


def spot(edit: Edit, root: Path) -> Spot:
    """Return where an edit's first change of a letter is, in the file as it is before."""
    text = (root / edit.file).read_text(encoding="utf-8")
    if not edit.file.endswith(".py"):
        return Spot(file=edit.file)
    same = sum(1 for length in range(1, len(edit.old) + 1) if edit.old[:length] == edit.new[:length])
    (at,) = source_anchor.occurrences(text, edit.old, edit.function)
    changed = min(at + same, len(text) - 1)
    line = text.count("\n", 0, changed) + 1
    holding = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    innermost = max(holding, key=lambda node: node.lineno, default=None)
    return Spot(file=edit.file, function="" if innermost is None else innermost.name)
