"""
The draw of changes: a function, each as likely as any other, and then one of its changes.

The seed comes from the commit's hash, so that nobody chooses it, and a new commit asks new questions.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.faults.mutation.generated.changes import GeneratedChange, compiles, of_module
from ptycho import fingerprint
from ptycho.errors import UsageError

BACKENDS, CORE = ("ptycho_torch/", "ptycho_tf/"), "ptycho/"
JUDGES = (
    *("harness/parity/", "harness/lanes/checks/", "harness/benchmark/", "harness/process/", "harness/record/"),
    "harness/faults/mutation/",
)
"""Rooms whose code decides whether something passes."""
PLACES = (*BACKENDS, CORE, *JUDGES)

Functions = Mapping[tuple[str, str], Sequence[GeneratedChange]]
"""Changes by file and qualified function."""


def functions(root: Path, places: Sequence[str] = PLACES) -> dict[tuple[str, str], list[GeneratedChange]]:
    """
    Every function of some folders with its changes; functions in which there is nothing to change have none.

    Args:
        root: the checkout.
        places: folders, with a slash at their end.
    """
    found: dict[tuple[str, str], list[GeneratedChange]] = {}
    for place in places:
        for path in sorted((root / place).rglob("*.py")):
            file = path.relative_to(root).as_posix()
            for function, changes in of_module(file, path.read_text(encoding="utf-8")).items():
                found[file, function] = changes
    return found


def seed_of(root: Path) -> int:
    """
    The seed of a checkout: of its commit's hash.

    Raises:
        UsageError: it has no commit.
    """
    commit = fingerprint.commit(root)
    if commit is None:
        raise UsageError(f"{root} has no commit to take the seed from; give --seed N")
    return int(hashlib.sha256(commit.removesuffix("-dirty").encode()).hexdigest()[:8], 16)


def drawn(root: Path, given: Functions, count: int, seed: int) -> list[GeneratedChange]:
    """
    Draw changes: first a function, then a change in it. None is drawn twice, and none that is not Python any more.

    Args:
        root: the checkout.
        given: all functions.
        count: how many changes; fewer where there are not so many.
        seed: of the draw.
    """
    rng = random.Random(seed)  # noqa: S311  # a draw, not a secret
    left = {key: list(changes) for key, changes in sorted(given.items()) if changes}
    chosen: list[GeneratedChange] = []
    while left and len(chosen) < count:
        key = rng.choice(list(left))
        change = left[key].pop(rng.randrange(len(left[key])))
        if compiles(change.applied((root / change.file).read_text(encoding="utf-8"))):
            chosen.append(change)
        if not left[key]:
            del left[key]
    return chosen
