"""
What an outcome belongs to: commit, locks, data sets, device. An outcome of anything else is stale, and stale is a fail.

The description holds what is needed to make it again, so that a later command can ask whether it is still true
without knowing the target that the run was for.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ptycho import fingerprint, git

Origin = dict[str, Any]
"""
`root`, `commit`, `changes_sha256`, `code_sha256`, `locks` and `files` (path to sha256), `fixtures` (name to path and
sha256), `device`.
"""

CODE = frozenset(
    ".py .pyi .pyx .pxd .so .pyd .c .cc .cpp .cxx .h .hpp .cu .cuh .sh .toml .cfg .ini .yaml .yml".split()  # noqa: SIM905
)
"""Endings of files that can be code, or decide what code does."""

KEYS = ("root", "commit", "code_sha256", "locks", "files", "fixtures", "device")
"""What an outcome must say of itself."""

SKIPPED = ("__pycache__", "node_modules")
_DIRTY = "-dirty"


def describe(
    *, root: Path, locks: Iterable[Path], fixtures: Mapping[str, Path], device: str, files: Iterable[Path] = ()
) -> Origin:
    """
    Describe what a run is about to judge.

    Args:
        root: the target's checkout.
        locks: files of pinned versions that its environment may be made from.
        fixtures: name and file of each fixture.
        device: the device that was asked for.
        files: that decide what is run and judged, wherever they lie: the target file, its lists.
    """
    commit = fingerprint.commit(root)
    return {
        "root": str(root),
        "commit": commit,
        "changes_sha256": _changes(root) if commit is not None and commit.endswith(_DIRTY) else None,
        "code_sha256": code_digest(root),
        "locks": {str(path): digest(path) for path in sorted(locks)},
        "files": {str(path): digest(path) for path in sorted(files)},
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
        files=[Path(path) for path in found["files"]],
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
    if not sentences and found.get("code_sha256") != wanted.get("code_sha256"):
        was, now = (_short(side.get("code_sha256"), "code that is not known") for side in (found, wanted))
        sentences.append(f"code below {found.get('root')}: the outcome is of sha256 {was}, wanted is {now}")
    for kind, word in (("locks", "lock"), ("files", "file")):
        for path in sorted({*found.get(kind, {}), *wanted.get(kind, {})}):
            was, now = (side.get(kind, {}).get(path) for side in (found, wanted))
            if was != now:
                sentences.append(f"{word} {path}: the outcome is of sha256 {_short(was)}, wanted is {_short(now)}")
    for name in sorted({*found.get("fixtures", {}), *wanted.get("fixtures", {})}):
        was, now = (side.get("fixtures", {}).get(name, {}).get("sha256") for side in (found, wanted))
        if was != now:
            sentences.append(f"data set {name}: the outcome is of sha256 {_short(was)}, wanted is {_short(now)}")
    return sentences


def unknown(found: Origin) -> list[str]:
    """Return why it is not known what an outcome belongs to; empty where it is."""
    if found.get("code_sha256") is not None:
        return []
    return [f"what code the outcome is of is not known: the files below {found.get('root')} could not all be read"]


def digest(path: Path) -> str | None:
    """Sha256 of a file's bytes, or None if there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short(value: str | None, absent: str = "missing") -> str:
    return absent if value is None else f"{value[:16]}…"


def _changes(root: Path) -> str | None:
    """Sha256 of what the checkout changes against its commit in files that git knows, or None if git does not say."""
    try:
        changed = git.ask(root, "diff", "--binary", "--no-ext-diff", "HEAD")
    except git.GitError:
        return None
    return hashlib.sha256(changed).hexdigest()


def code_digest(root: Path) -> str | None:
    """
    Sha256 of the code below a folder: names and contents of its source, library and configuration files.

    It says what the code is where git does not: outside a repository, in a subfolder of one, or where an entry of the
    index hides a change.

    Returns:
        None if there is no such folder, or a file cannot be read: then what the code is, is not known.
    """
    hashed = hashlib.sha256()
    try:
        for path in sorted(_code(root)):
            content = path.read_bytes()
            hashed.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode(errors="surrogateescape"))
            hashed.update(content)
    except OSError:
        return None
    return hashed.hexdigest()


def _code(folder: Path) -> Iterator[Path]:
    """
    Files of a folder that can be code. Hidden folders, caches and environments are left out; links to folders, too.

    Raises:
        OSError: a folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in SKIPPED and not (path / "pyvenv.cfg").exists():
                    yield from _code(path)
            elif path.suffix in CODE and path.is_file():
                yield path
