"""
The command lines that README and docs show, each with the page and line where it is.

Commands begin with `$` in a block of the language `console`; a backslash continues one on the next line. Commands in
code marks count as well: those that begin with `python -m` or `nox` and hold no `…`.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"`([^`]+)`")
_ASSIGNMENT = re.compile(r"\w+=.*")


class Example(NamedTuple):
    """
    A command of a page: where it is, its text, its words without variables and comments, and if a sentence has it.
    """

    page: str
    line: int
    text: str
    words: tuple[str, ...]
    inline: bool


def of_page(page: Path, name: str) -> Iterator[Example]:
    """The commands that a page shows."""
    content = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(content):
        line = content.count("\n", 0, block.start()) + 2
        text = block[1].replace("\\\n", "  ")
        for offset, shown in enumerate(text.splitlines()):
            if shown.startswith("$ "):
                yield from commands(name, line + offset, shown[2:], inline=False)
    plain = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), content)
    for mark in _MARK.finditer(plain):
        text = " ".join(mark[1].split())
        if re.match(r"(python -m|nox -)", text) and "…" not in text:
            yield from commands(name, plain.count("\n", 0, mark.start()) + 1, text, inline=True)


def commands(name: str, line: int, text: str, *, inline: bool) -> Iterator[Example]:
    """The commands of a line that may join several by `&&`."""
    for part in text.split(" && "):
        words = shlex.split(part, comments=True)
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words and words[-1] == "&":
            words.pop()
        if words:
            yield Example(name, line, " ".join(part.partition("  #")[0].split()), tuple(words), inline)
