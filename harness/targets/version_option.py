"""Versions of the frameworks by side: the option of the command that compares them."""

import argparse
import re
from collections.abc import Sequence

from harness.targets.devices import SIDES
from ptycho.errors import UsageError

OPTION = "--versions"
LOCKED, NEWEST = "locked", "newest"
"""In the place of a version: the lock's, and the newest that the installer finds."""

_VERSION = re.compile(r"(?P<release>\d+\.\d+(?:\.\d+)?)(?P<rest>(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?)")
_ALLOWED = f"SIDE=V,V with SIDE of {', '.join(SIDES)}, each once, and as V 2.14.1, {LOCKED} or {NEWEST}"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--versions SIDE=VERSION,…`, which may be given once for each side."""
    text = "Compare these versions of a framework, torch or tf, with the locked one instead (docs/drift.md)."
    parser.add_argument(OPTION, action="append", default=[], metavar="SIDE=V,V", help=text)


def requested(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """
    Versions by side, in the order of the command line; one of two numbers gets its third (`2.13` is `2.13.0`).

    Args:
        given: values of the option.

    Raises:
        UsageError: listing what names no side or one twice, and versions that are missing, malformed or said twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    problems = []
    for text in given:
        side, equals, listed = text.partition("=")
        words = [word.strip() for word in listed.split(",")] if listed.strip() else []
        versions = [_whole(word) for word in words]
        if not equals or side not in SIDES:
            problems.append(f"{OPTION} {text!r}: {side!r} is no side")
        elif side in found:
            problems.append(f"{OPTION} {text!r}: {side} is given twice; write its versions with commas")
        elif not versions:
            problems.append(f"{OPTION} {text!r}: no version")
        problems += [
            f"{OPTION} {text!r}: {word!r} is no version"
            for word, known in zip(words, versions, strict=True)
            if not known
        ]
        twice = dict.fromkeys(known for known in versions if known and versions.count(known) > 1)
        problems += [f"{OPTION} {text!r}: {known} is given twice" for known in twice]
        found.setdefault(side, tuple(versions))
    if problems:
        raise UsageError("\n".join([*problems, f"allowed: {_ALLOWED}"]))
    return found


def _whole(word: str) -> str:
    """A version with three numbers, or "" for what is no version; a local label (`+cpu`) is the installer's choice."""
    if word in (LOCKED, NEWEST):
        return word
    if (match := _VERSION.fullmatch(word)) is None:
        return ""
    release = match["release"]
    return (release if release.count(".") == 2 else f"{release}.0") + match["rest"]
