"""
Runs this project's tests with pytest: `python -m harness ci test`, which is what the sessions of nox call.

Each test is in one tier. Fast ones take less than a second; those marked `slow` take longer; those marked `deep` train,
kill or build environments; those marked `integration` are run by the lanes, in isolation and with a manifest. All but
the last two kinds run without an option, a worker for each processor.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.ci import changed_tests, shards

TIERS = {
    "fast": "not slow and not deep and not integration",
    "whole": "not deep and not integration",
    "deep": "deep",
}
"""pytest's expression by tier."""

NOTHING_COLLECTED = 5
"""pytest's exit code where no test was left to run."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """
    Selection of tests that is to run.

    Attributes:
        folders: of tests.
        tier: of `TIERS`.
        base: commit whose difference to the files chooses the tests, or None for all.
        workers: processes; 1 runs the tests in this one.
        shard: `K/N`, or empty.
        within_s: run only as many files as take so long by their recorded times, or None for all.
        turn: where among the files to begin: a number that counts up, such as that of the day.
        words: what else pytest is given.
    """

    folders: tuple[str, ...]
    tier: str = "whole"
    base: str | None = None
    workers: int = 1
    shard: str = ""
    within_s: float | None = None
    turn: int = 0
    words: tuple[str, ...] = ()


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def arguments(root: Path, choice: Choice) -> list[str] | None:
    """
    Return the arguments of pytest; None if no test is left.

    Args:
        root: the checkout.
        choice: what is to run.

    Raises:
        InfrastructureError: git does not say what has changed.
    """
    chosen = [word for word in choice.words if (root / word.partition("::")[0]).exists()]
    where = [] if chosen else list(choice.folders)
    if choice.base is not None:
        changed = changed_tests.changed_files(root, choice.base)
        where = changed_tests.select(root, changed, chosen or choice.folders)
        print(f"{len(changed)} files differ from {choice.base}; they touch {len(where)} test files", flush=True)
        if not where:
            return None
    if choice.within_s is not None:
        where = in_turn(root, where or chosen, choice)
        print(f"{len(where)} test files have their turn {choice.turn}: {', '.join(where)}", flush=True)
        if not where:
            return None
    return [
        *("-p", "no:cacheprovider", "-m", TIERS[choice.tier]),
        *(("-p", "harness.ci.shard_plugin", f"--shard={choice.shard}") if choice.shard else ()),
        # Tests are stolen one by one from whoever has most left: files differ a hundredfold in what they take.
        *(("-n", str(choice.workers), "--dist=worksteal") if choice.workers > 1 else ()),
        *(word for word in choice.words if choice.base is None or word not in chosen),
        *where,
    ]


def in_turn(root: Path, folders: Sequence[str], choice: Choice) -> list[str]:
    """
    Return the files of a tier whose turn it is: as many as fit into the time, but at least one.

    Args:
        root: the checkout.
        folders: of tests.
        choice: what is to run; a file belongs to its tier if it has a test with the tier's mark.
    """
    paths = sorted({path for folder in folders for path in (root / folder).rglob("test_*.py")})
    names = [str(path.relative_to(root)) for path in paths if f"mark.{choice.tier}" in path.read_text(encoding="utf-8")]
    seconds = shards.weighed(names, shards.load(root / shards.DURATIONS))
    limit = (choice.within_s or 0.0) * choice.workers
    # Turns of one length each, cut once: whoever counts up comes to every file.
    turns: list[list[str]] = []
    for name in names:
        if not turns or sum(seconds[other] for other in turns[-1]) + seconds[name] > limit:
            turns.append([])
        turns[-1].append(name)
    return turns[choice.turn % len(turns)] if turns else []


def run(root: Path, choice: Choice) -> int:
    """Run the tests in this interpreter; returns pytest's exit code, 0 if a change touches none."""
    argv = arguments(root, choice)
    if argv is None:
        return 0
    import pytest

    code = int(pytest.main(argv))
    return 0 if code == NOTHING_COLLECTED and choice.base is not None else code
