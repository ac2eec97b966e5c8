"""Interpreters by framework: the option of every command that asks both backends."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from harness.targets.devices import SIDES
from ptycho.errors import InfrastructureError, UsageError
from ptycho.fingerprint import ROOT

FRAMEWORKS = {"torch": "torch", "tf": "tensorflow"}
"""The package that a side's interpreter must have."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--python SIDE=PATH`, which may be given once for each side."""
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SIDE=PATH",
        help="Run this side, torch or tf, with this interpreter; without it with that of .nox, or else with this one.",
    )


def lane(side: str) -> Path:
    """The interpreter of the environment that nox makes for a side on the CPU."""
    return ROOT / ".nox" / f"{side}-cpu" / "bin" / "python"


def require_frameworks(
    chosen: Mapping[str, str], given: Sequence[str], devices: Mapping[str, str] = MappingProxyType({})
) -> None:
    """
    Refuse interpreters that nobody named and that lack their framework, before anything is asked: all of them at once.

    A framework is looked for, not imported, so that this takes a tenth of a second.

    Args:
        chosen: interpreter by side.
        given: values of `--python`; what is wrong with these, the side itself says.
        devices: device by side; what a GPU's environment lacks, the proof of the device says.

    Raises:
        InfrastructureError: naming each framework that is missing, and the ways to get one.
    """
    named = {text.partition("=")[0] for text in given}
    asked = [side for side in chosen if side not in named and devices.get(side, "cpu") == "cpu"]
    missing = [side for side in asked if not _has(chosen[side], FRAMEWORKS[side])]
    if missing:
        said = " and ".join(f"{FRAMEWORKS[side]} for {chosen[side]}" for side in missing)
        ways = " ".join(f"--python {side}=PATH" for side in missing)
        raise InfrastructureError(f"not installed: {said}; run this with nox (nox -s parity), or name others: {ways}")


def _has(python: str, package: str) -> bool:
    program = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([python, "-P", "-c", program], capture_output=True, check=False).returncode == 0


def pythons(given: Sequence[str]) -> dict[str, str]:
    """
    Interpreter by side.

    Raises:
        UsageError: listing what is not `SIDE=PATH`, names no side, or is not a file.
    """
    found = {side: str(lane(side)) if lane(side).is_file() else sys.executable for side in SIDES}
    problems = []
    for text in given:
        side, _, path = text.partition("=")
        if side not in SIDES or not Path(path).is_file():
            problems.append(f"--python {text!r}; allowed: SIDE=PATH with SIDE of {', '.join(SIDES)} and a file as PATH")
        found[side] = os.path.abspath(path)  # noqa: PTH100  # resolving a link would leave the environment
    if problems:
        raise UsageError("\n".join(problems))
    return found
