"""Commits of a range whose packages differ: what is worth measuring between a good commit and a bad one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from harness.isolation import revision
from ptycho import git
from ptycho.errors import InfrastructureError, UsageError


@dataclass(frozen=True, kw_only=True)
class Commit:
    """
    A commit.

    Attributes:
        name: its hash.
        subject: the first line of its message.
        content: names of its packages' trees; commits of the same content compute the same.
    """

    name: str
    subject: str
    content: str


def between(good: str, bad: str, root: Path, packages: Sequence[str]) -> list[Commit]:
    """
    The good commit, and those up to the bad one that change what is measured.

    The first parents are followed: a merge counts as one commit, whose own are a range for another search.

    Args:
        good: as the user names it.
        bad: as the user names it.
        root: the checkout.
        packages: folders that are measured.

    Raises:
        UsageError: one of them is not a commit, the good one is not an ancestor, or nothing changed between them.
        InfrastructureError: git gives no answer.
    """
    first, last = (revision.resolve(name, root) for name in (good, bad))
    try:
        base = git.ask(root, "merge-base", first, last).decode().strip()
        names = git.ask(root, "rev-list", "--first-parent", "--reverse", last, f"^{first}").decode().split()
    except git.GitError as error:
        raise InfrastructureError(f"the commits between {good} and {bad} cannot be listed: {error}") from error
    if base != first or first == last:
        raise UsageError(
            f"GOOD {good!r} ({first[:12]}) is not before BAD {bad!r} ({last[:12]}); allowed: an ancestor of it, for "
            f"example {base[:12]}"
        )
    found = [_commit(name, root, packages) for name in (first, *names)]
    changed = [one for before, one in pairwise(found) if before.content != one.content]
    if not changed:
        raise UsageError(
            f"none of the {len(names)} commits between {good!r} and {bad!r} changes {', '.join(packages)}: they "
            "compute the same; look at what else changed (locks, machine, data)"
        )
    return [found[0], *changed]


def _commit(name: str, root: Path, packages: Sequence[str]) -> Commit:
    try:
        subject = git.ask(root, "show", "--no-patch", "--format=%s", name).decode(errors="replace").strip()
        content = git.ask(root, "ls-tree", name, "--", *packages).decode(errors="replace")
    except git.GitError as error:
        raise InfrastructureError(f"commit {name[:12]} cannot be read: {error}") from error
    return Commit(name=name, subject=subject, content=content)
