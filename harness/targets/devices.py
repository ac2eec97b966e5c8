"""
On which device each side computes, and which lock that needs: the option of every command that asks both backends.

A session asks this module for its environments before any package is installed, so it uses the standard library alone.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from ptycho.errors import UsageError, exit_on_error

SIDES = ("torch", "tf")
CHOICES = ("auto", "cpu", "cuda")
OPTION = "--device"
_ALLOWED = f"DEVICE or SIDE=DEVICE of {', '.join(CHOICES)} and {', '.join(SIDES)}"
DRIVER = Path("/dev/nvidiactl")
"""Without a driver `auto` is not worth the gigabytes of a GPU build; where there is one, a command probes it."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--device [SIDE=]DEVICE`, which may be given once for both sides and once for each."""
    parser.add_argument(
        OPTION,
        action="append",
        default=[],
        metavar="[SIDE=]DEVICE",
        type=_word,
        help="Compute on cpu, cuda or auto, or one side (torch=cuda); cuda must work, or the run ends with 13 (cpu).",
    )
    parser.set_defaults(check=check)


def _word(text: str) -> str:
    side, equals, device = text.rpartition("=")
    if device not in CHOICES or (equals and side not in SIDES):
        raise argparse.ArgumentTypeError(f"invalid choice: {text!r}; allowed: {_ALLOWED}")
    return text


def check(args: argparse.Namespace) -> int:
    """Refuse what a run would refuse, before an environment is built for it."""
    requested(args.device)
    return 0


def requested(given: Sequence[str], sides: Sequence[str] = SIDES) -> dict[str, str]:
    """
    Device by side; `SIDE=DEVICE` comes before a device for all.

    Args:
        given: values of the option.
        sides: those that compute.

    Raises:
        UsageError: listing what is not a device, names no side, or is said twice.
    """
    of_all: dict[str, str] = {}
    problems = []
    for text in given:
        side, equals, device = text.rpartition("=")
        if device not in CHOICES or (equals and side not in SIDES) or side in of_all:
            problems.append(f"{OPTION} {text!r}; allowed: {_ALLOWED}, each once")
        of_all[side] = device
    if problems:
        raise UsageError("\n".join(problems))
    return {side: of_all.get(side, of_all.get("", "cpu")) for side in sides}


def asked(devices: Mapping[str, str]) -> str:
    """The devices in one word where they are one, else side by side: as a run's origin has it."""
    different = dict.fromkeys(devices.values())
    return next(iter(different), "cpu") if len(different) < 2 else " ".join(f"{s}={d}" for s, d in devices.items())


def locks(words: Sequence[str], sides: Sequence[str], driver: Path = DRIVER) -> list[str]:
    """
    Names of the locks that some sides need, as `torch-gpu`.

    Args:
        words: of a command line; what follows `--` is another program's.
        sides: in the order of the locks.
        driver: exists where the machine has a driver.

    Raises:
        UsageError: from `requested`.
    """
    own = [*words, "--"][: [*words, "--"].index("--")]
    pairs = ((*word.partition("=")[::2], following) for word, following in pairwise([*own, ""]))
    devices = requested([value or following for name, value, following in pairs if name == OPTION], sides)
    gpu = {"cuda": True, "auto": driver.exists(), "cpu": False}
    return [f"{side}-{'gpu' if gpu[device] else 'cpu'}" for side, device in devices.items()]


def main(words: Sequence[str]) -> int:
    """Print the locks that sides (the words before the first `--`) need for the options behind it."""
    split = list(words).index("--")
    print(" ".join(locks(words[split + 1 :], words[:split])))
    return 0


if __name__ == "__main__":
    with exit_on_error():
        sys.exit(main(sys.argv[1:]))
