"""
Marks failures where a reviewer reads the change: one workflow command for each failed case of a JUnit file.

GitHub shows ten errors of a step and drops the rest without a word, so that the tenth here says how many there are.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ptycho.errors import UsageError

MOST = 10
"""Errors of a step that GitHub shows."""

_LONGEST = 4_000
_PLACE = re.compile(r"^(?P<file>[\w./-]+\.py):(?P<line>\d+):", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """
    A failure, and its place where that is known.

    Attributes:
        title: name of the case.
        message: why it failed.
        file: relative to the checkout, or `""`.
        line: in that file, or 0.
    """

    title: str
    message: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"file={_property(self.file)},line={self.line}," if self.file else ""
        return f"::error {place}title={_property(self.title)}::{_data(self.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def read(path: Path, root: Path) -> list[Annotation]:
    """
    The failures of a JUnit file.

    Args:
        path: the file.
        root: the checkout: a place in a file outside it, or in none that exists, is left out.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        cases = list(ET.parse(path).iter("testcase"))  # noqa: S314 - written by our own run or by pytest
    except (OSError, ET.ParseError) as error:
        raise UsageError(f"{path} is not a JUnit file: {error}") from error
    found = []
    for case in cases:
        for fault in (*case.findall("failure"), *case.findall("error")):
            text = fault.text or fault.get("message") or ""
            file, line = _place(text, root)
            title = " ".join(part for part in (case.get("classname"), case.get("name")) if part)
            found.append(Annotation(title=title, message=_short(text), file=file, line=line))
    return found


def _place(text: str, root: Path) -> tuple[str, int]:
    """The last line of a traceback that lies in the checkout: where the assertion is."""
    for match in reversed(list(_PLACE.finditer(text))):
        path = root / match["file"]
        if path.is_file() and path.resolve().is_relative_to(root.resolve()):
            return path.resolve().relative_to(root.resolve()).as_posix(), int(match["line"])
    return "", 0


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"[…]\n{text[-_LONGEST:]}"


def lines(found: Sequence[Annotation]) -> list[str]:
    """At most `MOST` workflow commands; those with a place come first, and the last one counts what is left out."""
    ordered = sorted(found, key=lambda item: not item.file)
    if len(ordered) <= MOST:
        return [str(item) for item in ordered]
    more = len(ordered) - (MOST - 1)
    rest = Annotation(title=f"{more} failures more", message="The report and the JUnit files list every one.")
    return [str(item) for item in (*ordered[: MOST - 1], rest)]


def of_runs(root: Path, given: Iterable[Path]) -> list[Path]:
    """JUnit files: those that are named, else those of the runs below a workspace's folder and beside them."""
    named = list(given)
    return named or sorted([*root.glob("runs/*/junit.xml"), *root.glob("*.xml")])
