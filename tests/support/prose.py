"""
The text of this repository that a person reads: pages, comments, docstrings, help texts and messages.

A string without a blank is a name or a key, not prose, and is left out; so are code blocks of pages and text in code
marks.
"""

import argparse
import ast
import io
import re
import subprocess
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGES = (".md", ".html", ".txt")
"""Files that are prose from the first line to the last."""

SETTINGS = (".toml", ".yml")
"""Files with prose in their comments and strings."""

_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_NAME = re.compile(r"^ +\w+(?=:)|\b\w+(?= = )", re.MULTILINE)
_TOML_STRING = re.compile(r'"""(?:.|\n)*?"""|"(?:[^"\\\n]|\\.)*"|#.*')


class Passage(NamedTuple):
    """A piece of text, where it begins, and the text itself."""

    file: str
    line: int
    text: str


def tracked(root: Path) -> list[Path]:
    """Files that belong to the repository, also those not yet committed."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(argv, cwd=root, text=True).splitlines()
    return [root / name for name in names if (root / name).is_file()]


def passages(file: Path, name: str) -> Iterator[Passage]:
    """
    Text of a file, without code.

    Args:
        file: the file.
        name: its name, as a finding should show it.
    """
    if file.suffix not in (".py", *PAGES, *SETTINGS):
        return
    content = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        yield from of_python(content, name)
    elif file.suffix in PAGES:
        yield from of_page(content, name)
    else:
        for match in _TOML_STRING.finditer(content):
            if " " in match[0]:
                yield Passage(name, content.count("\n", 0, match.start()) + 1, without_code(match[0]))


def of_page(content: str, name: str) -> Iterator[Passage]:
    """Paragraphs of a page."""
    line = 1
    for paragraph in without_code(_TEMPLATE.sub("…", content)).split("\n\n"):
        yield Passage(name, line, paragraph)
        line += paragraph.count("\n") + 2


def of_python(content: str, name: str) -> Iterator[Passage]:
    """Docstrings, other strings with a blank in them, and comments."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.JoinedStr):
            inside.update(map(id, node.values))
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield from _sentence(name, node.lineno, "".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield from _sentence(name, node.lineno, node.value)
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(name, token.start[0], without_code(token.string))


def _sentence(name: str, line: int, text: str) -> Iterator[Passage]:
    if " " in text and not _is_program(text):
        # The name before an attribute's text, or before a value, is code.
        yield Passage(name, line, without_code(_NAME.sub("…", text)))


def _is_program(text: str) -> bool:
    """Whether a string is Python, as the tests write it into files."""
    if "\n" not in text.strip():
        return False
    try:
        ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError):
        return False
    return True


def without_code(text: str, *, fences_only: bool = False) -> str:
    """
    Text whose code blocks and code marks are blank; the lines stay where they are.

    Args:
        text: the text.
        fences_only: whether code marks stay.
    """
    text = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return text if fences_only else _CODE.sub("…", text)


def is_fragment(text: str | None) -> bool:
    """Whether a help text is not a sentence: a capital, three words, a full stop, and no word that needs the option."""
    words = (text or "").split()
    fragment = len(words) < 3 or words[0] in ("Of", "Whether", "With", "The", "From", "To")
    return fragment or not words[0][0].isupper() or not words[-1].endswith((".", ".)"))


def fragments(parser: argparse.ArgumentParser) -> list[str]:
    """Help texts of a command's options and commands that are not sentences."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [f"{item.dest}: {item.help}" for item in action._choices_actions if is_fragment(item.help)]
        elif (
            not isinstance(action, argparse._HelpAction)
            and action.help != argparse.SUPPRESS
            and is_fragment(action.help)
        ):
            found.append(f"{action.dest}: {action.help}")
    return found
