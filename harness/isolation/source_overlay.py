"""
A copy of the packages with some text replaced: how a fault is planted without touching the checkout.

Files are copied and not linked: the code finds its own root by resolving its path, and a link would lead it back to
the checkout.
"""

import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.isolation import source_anchor

PACKAGES = ("ptycho", "ptycho_torch", "ptycho_tf", "harness")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """
    One change of text.

    Attributes:
        file: path below the root, with slashes.
        old: text that occurs exactly once in it, or in the function.
        new: what takes its place.
        function: qualified name of the function or class in whose source `old` is looked for; "" for what lies in none,
            None for the whole file.
    """

    file: str
    old: str
    new: str
    function: str | None = None


def copy(root: Path, place: Path, names: Iterable[str] = PACKAGES) -> Path:
    """
    Copy packages, without what Python compiled.

    Args:
        root: the checkout.
        place: the copy's root; made here.
        names: files and folders to copy.

    Returns:
        `place`.
    """
    place.mkdir(parents=True)
    for name in names:
        add(root, place, name)
    return place


def add(root: Path, place: Path, name: str) -> None:
    """Copy one more file or folder of a checkout into a copy of it."""
    source, target = root / name, place / name
    if source.is_dir():
        shutil.copytree(source, target, ignore=_LEFT_OUT)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def problems(edits: Iterable[Edit], root: Path, *, compiles: bool = True) -> list[str]:
    """Return why edits cannot be applied to the files below a root, one sentence each; none if they can."""
    found: list[str] = []
    _edited(edits, root, found, compiles=compiles)
    return found


def apply(edits: Iterable[Edit], root: Path, *, compiles: bool = True) -> None:
    """
    Change the files of a copy.

    Args:
        edits: the changes.
        root: the copy.
        compiles: whether the changed files must still be of their kind; if not, none of them may be.

    Raises:
        ValueError: an edit does not fit; nothing was written.
    """
    found: list[str] = []
    texts = _edited(edits, root, found, compiles=compiles)
    if found:
        raise ValueError("; ".join(found))
    for file, text in texts.items():
        (root / file).write_text(text, encoding="utf-8")


def _edited(edits: Iterable[Edit], root: Path, found: list[str], *, compiles: bool) -> dict[str, str]:
    """Text by file after all edits, each applied to what the ones before it left; what is wrong goes to `found`."""
    texts: dict[str, str] = {}
    for edit in edits:
        path = PurePosixPath(edit.file)
        if path.is_absolute() or ".." in path.parts or not (root / path).is_file():
            found.append(f"there is no file {edit.file}")
            continue
        text = texts.get(edit.file) or (root / path).read_text(encoding="utf-8")
        if edit.old == edit.new:
            found.append(f"{edit.file}: new is old")
        elif (sentence := _misplaced(edit, text)) is not None:
            found.append(sentence)
        else:
            (at,) = source_anchor.occurrences(text, edit.old, edit.function)
            texts[edit.file] = text[:at] + edit.new + text[at + len(edit.old) :]
    for file, text in texts.items():
        sentence = _broken(file, text)
        if compiles and sentence is not None:
            found.append(f"{file}: {sentence}")
        elif not compiles and sentence is None:
            found.append(f"{file}: it compiles once it is changed, and the entry says that it does not")
    return texts


def _misplaced(edit: Edit, text: str) -> str | None:
    """Return why an edit's text is not there exactly once."""
    if edit.function is not None:
        try:
            return source_anchor.problem(text, edit.old, source_anchor.module_of(edit.file), edit.function)
        except SyntaxError as error:
            return f"{edit.file}: cannot be read for its functions: {error}; an edit before this one has broken it"
    count = len(source_anchor.occurrences(text, edit.old, None))
    return None if count == 1 else f"{edit.file}: old occurs {count} times and not once: {edit.old[:60]!r}"


def _broken(file: str, text: str) -> str | None:
    """Return why a changed file is none of its kind: a mutant that cannot be read proves nothing."""
    try:
        if file.endswith(".py"):
            compile(text, file, "exec")
        elif file.endswith(".toml"):
            tomllib.loads(text)
    except (SyntaxError, ValueError) as error:
        return f"does not compile once it is changed: {error}"
    return None
