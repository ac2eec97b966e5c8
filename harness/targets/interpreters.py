"""Interpreters by framework: the option of every command that asks both backends."""

import argparse
import os
import sys
from pathlib import Path

from harness.targets.devices import SIDES
from ptycho.errors import UsageError


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--python SIDE=PATH`, which may be given once for each side."""
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SIDE=PATH",
        help="Run this side, torch or tf, with this interpreter (this one).",
    )


def pythons(given: list[str]) -> dict[str, str]:
    """
    Interpreter by side.

    Raises:
        UsageError: listing what is not `SIDE=PATH`, names no side, or is not a file.
    """
    found = dict.fromkeys(SIDES, sys.executable)
    problems = []
    for text in given:
        side, _, path = text.partition("=")
        if side not in SIDES or not Path(path).is_file():
            problems.append(f"--python {text!r}; allowed: SIDE=PATH with SIDE of {', '.join(SIDES)} and a file as PATH")
        found[side] = os.path.abspath(path)  # noqa: PTH100  # resolving a link would leave the environment
    if problems:
        raise UsageError("\n".join(problems))
    return found
