"""
Runs this project's tests with pytest: `python -m harness ci test`, which is what the sessions of nox call.

Each test is in one tier. Fast ones take less than a second; those marked `slow` take longer; those marked `deep` train,
kill or build environments; those marked `integration` are run by the lanes, in isolation and with a manifest. All but
the last two kinds run without an option, a worker for each processor.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from harness.ci import changed_tests

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
    What is to run.

    Attributes:
        folders: of tests.
        tier: of `TIERS`.
        base: commit whose difference to the files chooses the tests, or None for all.
        workers: processes; 1 runs the tests in this one.
        shard: `K/N`, or empty.
        words: what else pytest is given.
    """

    folders: tuple[str, ...]
    tier: str = "whole"
    base: str | None = None
    workers: int = 1
    shard: str = ""
    words: tuple[str, ...] = ()


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def arguments(root: Path, choice: Choice) -> list[str] | None:
    """
    What pytest is given; None if no test is left.

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
    return [
        *("-p", "no:cacheprovider", "-m", TIERS[choice.tier]),
        *(("-p", "harness.ci.shard_plugin", f"--shard={choice.shard}") if choice.shard else ()),
        # Tests are stolen one by one from whoever has most left: files differ a hundredfold in what they take.
        *(("-n", str(choice.workers), "--dist=worksteal") if choice.workers > 1 else ()),
        *(word for word in choice.words if choice.base is None or word not in chosen),
        *where,
    ]


def run(root: Path, choice: Choice) -> int:
    """Run the tests in this interpreter; returns pytest's exit code, 0 if a change touches none."""
    argv = arguments(root, choice)
    if argv is None:
        return 0
    import pytest

    code = int(pytest.main(argv))
    return 0 if code == NOTHING_COLLECTED and choice.base is not None else code
