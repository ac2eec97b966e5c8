"""
What an outcome belongs to: commit, locks, data sets, device. An outcome of anything else is stale, and stale is a fail.

The description holds what is needed to make it again, so that a later command can ask whether it is still true
without knowing the target that the run was for.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ptycho import fingerprint

Origin = dict[str, Any]
"""`root`, `commit`, `changes_sha256`, `locks` (path to sha256), `fixtures` (name to path and sha256), `device`."""

_DIRTY = "-dirty"


def describe(*, root: Path, locks: Iterable[Path], fixtures: Mapping[str, Path], device: str) -> Origin:
    """
    Describe what a run is about to judge.

    Args:
        root: the target's checkout.
        locks: files of pinned versions that its environment may be made from.
        fixtures: name and file of each fixture.
        device: the device that was asked for.
    """
    commit = fingerprint.commit(root)
    return {
        "root": str(root),
        "commit": commit,
        "changes_sha256": _changes(root) if commit is not None and commit.endswith(_DIRTY) else None,
        "locks": {str(path): digest(path) for path in sorted(locks)},
        "fixtures": {name: {"path": str(path), "sha256": digest(path)} for name, path in fixtures.items()},
        "device": device,
    }


def again(found: Origin) -> Origin:
    """The same description, made now: of the same checkout, locks and files."""
    return describe(
        root=Path(found["root"]),
        locks=[Path(path) for path in found["locks"]],
        fixtures={name: Path(entry["path"]) for name, entry in found["fixtures"].items()},
        device=found["device"],
    )


def stale(found: Origin, wanted: Origin) -> list[str]:
    """
    How an outcome's origin differs from the one that is wanted.

    Returns:
        One sentence a difference; none if the outcome is of this very state.
    """
    sentences = [
        f"{words}: the outcome is of {found.get(key)}, wanted is {wanted.get(key)}"
        for key, words in (("commit", "commit"), ("changes_sha256", "uncommitted changes"), ("device", "device"))
        if found.get(key) != wanted.get(key)
    ]
    for path in sorted({*found.get("locks", {}), *wanted.get("locks", {})}):
        was, now = found.get("locks", {}).get(path), wanted.get("locks", {}).get(path)
        if was != now:
            sentences.append(f"lock {path}: the outcome is of sha256 {_short(was)}, wanted is {_short(now)}")
    for name in sorted({*found.get("fixtures", {}), *wanted.get("fixtures", {})}):
        was, now = (side.get("fixtures", {}).get(name, {}).get("sha256") for side in (found, wanted))
        if was != now:
            sentences.append(f"data set {name}: the outcome is of sha256 {_short(was)}, wanted is {_short(now)}")
    return sentences


def digest(path: Path) -> str | None:
    """Sha256 of a file's bytes, or None if there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short(value: str | None) -> str:
    return "no file" if value is None else f"{value[:16]}…"


def _changes(root: Path) -> str | None:
    """Sha256 of what the checkout changes against its commit in files that git knows, or None if git does not say."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "diff", "--binary", "--no-ext-diff", "HEAD"],
            capture_output=True,
            check=True,
            timeout=fingerprint.GIT_SECONDS,
            stdin=subprocess.DEVNULL,
            # Without the variable, git refreshes the index: a description must not write.
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return hashlib.sha256(done.stdout).hexdigest()
