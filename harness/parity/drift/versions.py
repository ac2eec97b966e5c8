"""
Finds what a commit can be asked: the rungs and parts of a request that it knows, and whether its oracle was another.

An older commit refuses a request that holds something that it does not know. So its request leaves that out, and what
is missing in its answer is then listed as not answered, rung by rung.
"""

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

import numpy as np

from harness.parity.exchange.plan import Question
from ptycho import git
from ptycho.errors import InfrastructureError
from ptycho.parity.request import Request, read_arrays, write_arrays

OLD, NEW = "old", "new"
"""The commit's code, and the working tree's."""

REQUEST = "ptycho/parity/request.py"
ORACLE = ("harness/parity/compare", "harness/parity/judge", "harness/parity/reference", "ptycho/physics")
"""Folders whose text decides what the oracle answers and how closely it must be met."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """
    Parts of a request that a state of the code knows.

    Attributes:
        quantities: rungs.
        fields: parts of a request.
    """

    quantities: tuple[str, ...]
    fields: frozenset[str]


def vocabulary(tree: Path, commit: str) -> Vocabulary:
    """
    Read what a commit knows from its text; nothing of it is run.

    Args:
        tree: its packages.
        commit: its name, for messages.

    Raises:
        InfrastructureError: it has no adapter that could be asked.
    """
    path = tree / REQUEST
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InfrastructureError(
            f"commit {commit[:12]} cannot be asked: {REQUEST} cannot be read ({why}); compare with a later commit"
        ) from error
    names: tuple[str, ...] = ()
    known: set[str] = set()
    for node in body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "QUANTITIES" for t in node.targets):
            names = tuple(ast.literal_eval(node.value))
        elif isinstance(node, ast.ClassDef) and node.name == "Request":
            known = {a.target.id for a in node.body if isinstance(a, ast.AnnAssign) and isinstance(a.target, ast.Name)}
    required = {item.name for item in fields(Request) if item.default is MISSING and item.default_factory is MISSING}
    lacking = required - known
    if not names or lacking:
        what = f"requests there have no {', '.join(sorted(lacking))}" if names else f"{REQUEST} lists no QUANTITIES"
        raise InfrastructureError(f"commit {commit[:12]} cannot be asked: {what}; compare with a later commit")
    return Vocabulary(quantities=names, fields=frozenset(known))


def requests(questions: Sequence[Question], known: Vocabulary, folder: Path, commit: str) -> list[Path]:
    """
    The files that a commit is given: the questions' own where it knows everything in them.

    Args:
        questions: what the working tree is asked.
        known: what the commit knows.
        folder: for files that had to be cut.
        commit: its name, for messages.

    Raises:
        InfrastructureError: there is a question of which it knows no rung at all.
    """
    return [_request(question, known, folder, commit) for question in questions]


def _request(question: Question, known: Vocabulary, folder: Path, commit: str) -> Path:
    request = question.request
    wanted = tuple(name for name in request.quantities if name in known.quantities)
    strange = {item.name for item in fields(Request)} - known.fields
    if not wanted:
        listed = ", ".join(request.quantities)
        raise InfrastructureError(f"commit {commit[:12]} knows none of {listed}; compare with a later commit")
    if wanted == request.quantities and not strange:
        return question.path
    path = folder / f"{question.path.stem}-{OLD}.npz"
    replace(request, quantities=wanted).save(path)
    if strange:
        arrays = read_arrays(path)
        spec = json.loads(str(arrays["spec"]))
        arrays["spec"] = np.array(json.dumps({name: value for name, value in spec.items() if name not in strange}))
        write_arrays(path, arrays)
    return path


def oracle_changes(commit: str, root: Path) -> tuple[str, ...]:
    """
    Files of the oracle that differ between a commit and the working tree.

    Where there are some, the oracle of today may judge the old code by what was agreed later.

    Args:
        commit: the base.
        root: the checkout.

    Raises:
        InfrastructureError: git does not say.
    """
    try:
        listed = git.ask(root, "ls-tree", "-r", "-z", commit, "--", *ORACLE).decode(errors="surrogateescape")
    except git.GitError as error:
        raise InfrastructureError(f"the oracle of commit {commit[:12]} cannot be looked up: {error}") from error
    old: dict[str, str] = {}
    for line in filter(None, listed.split("\0")):
        about, _, name = line.partition("\t")
        old[name] = about.split()[-1]
    new = _blobs(root, len(next(iter(old.values()), "")))
    both = {name for name in {*old, *new} if name.endswith((".py", ".json"))}
    return tuple(sorted(name for name in both if old.get(name) != new.get(name)))


def _blobs(root: Path, digits: int) -> Mapping[str, str]:
    """Names of git's own for the files of the oracle in the working tree: a hash of the length and the content."""
    name_of = "sha256" if digits == 64 else "sha1"
    found = {}
    for folder in ORACLE:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                blob = hashlib.new(name_of, b"blob %d\0" % len(content) + content, usedforsecurity=False)
                found[path.relative_to(root).as_posix()] = blob.hexdigest()
    return found
