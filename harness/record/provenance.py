"""
Provenance of an outcome: commit, locks, data sets, device. An outcome of anything else is stale, and stale is a fail.

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
    ".py .pyi .pyw .pyc .pyx .pxd .so .pyd .pth .egg .whl .zip .c .cc .cpp .cxx .h .hpp .cu .cuh .sh "  # noqa: SIM905
    ".toml .cfg .ini .yaml .yml".split()
)
"""Endings of files that can be code, or decide what code does; archives, since Python imports from them."""

KEYS = ("root", "commit", "code_sha256", "locks", "files", "fixtures", "device")
"""What an outcome must say of itself."""

SKIPPED = frozenset(
    ".git .hg .svn .nox .tox .harness __pycache__ .mypy_cache .pytest_cache .ruff_cache .hypothesis".split()  # noqa: SIM905
)
"""Folders that hold no code of a checkout. What Python keeps in `__pycache__` is made from the source beside it."""

_UNCHECKED = b"\x01\x00\x00\x00"
"""Second word of a compiled file that Python takes without a look at its source (PEP 552)."""

_LINKED = 100_000
"""Entries of linked folders that are looked through; of more, what the code is, is not known."""

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
    Return how an outcome's origin differs from the one that is wanted.

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
    index hides a change. Environments are left out, which the locks name.

    Returns:
        None if there is no such folder, or a file cannot be read: then what the code is, is not known.
    """
    hashed = hashlib.sha256()
    try:
        for name, path in sorted(_Walk(root).code()):
            hashed.update(os.fsencode(name) + b"\0")
            with path.open("rb") as file:
                hashed.update(hashlib.file_digest(file, "sha256").digest())
    except (OSError, RecursionError):
        return None
    return hashed.hexdigest()


class _Walk:
    """
    The files below a folder that can be code, linked folders among them: Python imports from those as from any other.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real = root.resolve()
        self._linked = 0

    def code(self) -> Iterator[tuple[str, Path]]:
        """
        Name below the root, and path.

        Raises:
            OSError: a folder cannot be read, or linked folders hold too much.
        """
        yield from self._below(self._root, "", frozenset({self._real}))

    def _below(self, folder: Path, prefix: str, above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
        is_linked = not folder.resolve().is_relative_to(self._real)
        with os.scandir(folder) as entries:
            for entry in entries:
                self._linked += is_linked
                if self._linked > _LINKED:
                    raise OSError(f"more than {_LINKED} entries in linked folders")
                path, name = Path(entry.path), prefix + entry.name
                if path.is_dir():
                    real = path.resolve() if entry.is_symlink() else None
                    if real is not None and (real in above or self._is_within(real)):
                        continue  # its files have another name below the root, or it leads back to where it lies
                    if entry.name == "__pycache__":
                        yield from _unchecked(path, f"{name}/")
                    elif entry.name not in SKIPPED and not _is_environment(path):
                        yield from self._below(path, f"{name}/", above if real is None else above | {real})
                elif _is_code(path) and path.is_file():
                    yield name, path

    def _is_within(self, real: Path) -> bool:
        """Whether a linked folder is looked through under another name."""
        if not real.is_relative_to(self._real):
            return False
        inner = real.relative_to(self._real).parts
        places = [self._real.joinpath(*inner[: number + 1]) for number in range(len(inner))]
        return not any(place.name in SKIPPED or _is_environment(place) for place in places)


def _is_code(path: Path) -> bool:
    """Whether a file can be code by its name: a library has its version behind its ending, a program has none."""
    if path.suffix in CODE or ".so." in path.name:
        return True
    return not path.suffix and os.access(path, os.X_OK)


def _is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment, whose content the locks name; the file alone makes none."""
    programs = (folder / "bin" / "python", folder / "Scripts" / "python.exe")
    return (folder / "pyvenv.cfg").exists() and any(map(os.path.lexists, programs))


def _unchecked(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Compiled files that Python takes whatever their source says."""
    for path in folder.glob("*.pyc"):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(8)[4:] == _UNCHECKED:
                    yield prefix + path.name, path
