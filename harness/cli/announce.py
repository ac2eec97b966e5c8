"""
Says what a long command does and how long that takes, on standard error once it has worked for a second.

A command that is refused at once says only why.
The time is that of the last run of the same kind in the same folder, which knows this machine; without one it is a
typical time on two cores.
"""

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

DELAY_S = 1.0
"""Seconds that a command may work without a word."""

WORK = {
    "run": ("", "train, reconstruct and score each fixture, then run the pipeline's tests", "about 1 min"),
    "parity run": ("parity", "ask both backends and the oracle, then compare rung by rung", "about 2 min"),
    "parity survey": ("parity over seeds", "climb the ladder once for each seed", "about 20 s a seed"),
    "parity quality": ("trained quality", "train both backends once for each seed", "about 24 s a seed"),
    "parity calibrate": ("", "perturb the oracle some thousand times", "more than 10 min"),
    "benchmark run": ("benchmark", "time epochs, inference and steps of each backend", "more than 10 min"),
    "benchmark compare": ("against", "time steps of both trees in turns", "some minutes a backend"),
    "benchmark self-test": ("gate", "compare trees that are known to be equal or slower", "about 18 min"),
    "benchmark scale": ("scale", "generate scans of each size and read them", "some minutes"),
    "benchmark quality-curve": ("quality-curve", "train once for each number of epochs", "some minutes"),
    "mutation": (
        "mutation",
        "plant each fault in a copy of the code and run the ladder there",
        "about 2 hours in full",
    ),
    "kill-test": ("kill-test", "start runs, kill them, and check what is left", "some seconds a kill"),
    "attach models": ("", "record both models, pair their layers, compare", "about 1 min"),
    "target check": ("", "make the target's environment and ask its commands for help", "minutes the first time"),
    "ci install": ("", "install the packages of a lock", "minutes the first time"),
    "fixtures make": ("", "simulate or convert each fixture that is not there", "seconds each"),
}
"""Kind of run, what it does, and how long that typically takes, by command."""

FORMS = {
    ("benchmark run", "short"): ("benchmark-short", "train each backend for one epoch of 1087 patterns", "about 1 min"),
    ("parity run", "against"): ("", "ask both backends as they are and as they were, then compare", "about 2 min"),
    ("parity run", "versions"): ("", "ask a backend with each version of its framework", "some minutes a version"),
    ("parity run", "ways"): ("", "ask each backend in several ways of running", "2 min, with a compiler half an hour"),
}
"""The same of a command with an option that makes another one of it."""


def sentence(words: Sequence[str], args: argparse.Namespace) -> str:
    """
    Return what a command is about to do; empty for one that is quick, or that prints one document only.

    Args:
        words: the command line, in today's words.
        args: the same, parsed.
    """
    if any(getattr(args, name, False) for name in ("json", "quiet", "list")):
        return ""
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in WORK), "")
    if not name:
        return ""
    form = next((form for form in FORMS if form[0] == name and getattr(args, form[1], None)), None)
    kind, work, typical = WORK[name] if form is None else FORMS[form]
    if name == "run" and getattr(args, "lane", None):
        kind = f"{args.lane}-{'gpu' if args.device == 'cuda' else 'cpu'}"
    spent = _last(getattr(args, "root", None), kind) if kind else None
    took = f"{typical}" if spent is None else f"the last whole run here took {spent:.0f} s"
    return f"{name}: {work} ({took})"


@contextmanager
def announced(words: Sequence[str], args: argparse.Namespace) -> Iterator[None]:
    """Print the sentence, if there is one and the block takes longer than `DELAY_S`."""

    def say() -> None:
        if text := sentence(words, args):
            print(text, file=sys.stderr, flush=True)

    timer = threading.Timer(DELAY_S, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _last(root: Path | None, kind: str) -> float | None:
    """Seconds of the newest whole run of a kind; None without one."""
    if root is None or not (root / "runs").is_dir():
        return None
    from harness.report import load_runs
    from ptycho.errors import PtychoError

    try:
        return load_runs.seconds_of_last(root, kind)
    except (OSError, PtychoError):
        return None
