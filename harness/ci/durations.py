"""Durations of test files, out of JUnit files: the weights by which shards are planned."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from ptycho.errors import UsageError
from ptycho.files import write_text


def of_junit(paths: Iterable[Path], root: Path) -> dict[str, float]:
    """
    Seconds by test file, relative to the checkout; the tests of a class count for its file.

    Args:
        paths: JUnit files, of pytest.
        root: the checkout, by whose files a test's dotted name is distinguished from its class.

    Raises:
        UsageError: a file cannot be read, or names no test file of the checkout.
    """
    found: dict[str, float] = {}
    for path in paths:
        try:
            cases = list(ET.parse(path).iter("testcase"))  # noqa: S314 - written by pytest
        except (OSError, ET.ParseError) as error:
            raise UsageError(f"{path} is not a JUnit file: {error}") from error
        for case in cases:
            if file := _file(case.get("classname", ""), root):
                found[file] = found.get(file, 0.0) + float(case.get("time", "0"))
    if not found:
        raise UsageError("no test of this checkout is in these files; give what `pytest --junitxml` wrote")
    return {name: round(seconds, 2) for name, seconds in sorted(found.items())}


def _file(classname: str, root: Path) -> str:
    parts = [part for part in classname.split(".") if part]
    for end in range(len(parts), 0, -1):
        path = Path(*parts[:end]).with_suffix(".py")
        if (root / path).is_file():
            return path.as_posix()
    return ""


def write(durations: dict[str, float], path: Path) -> None:
    """Replace the record."""
    write_text(path, json.dumps(durations, indent=1, sort_keys=True) + "\n")
