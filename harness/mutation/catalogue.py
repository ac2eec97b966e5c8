"""
The catalogue of mutants: TOML files that say what to change, at which gate that must show, and what it stands for.

A catalogue that no longer fits the code is worth nothing: a text that occurs twice or not at all, a change that does
not compile, an id that is taken are all found before anything is run, and reported at once.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.mutation import hints, overlay
from harness.mutation.hints import Spot
from harness.mutation.overlay import Edit
from harness.parity.rungs import RUNGS
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

FOLDER = Path(__file__).parent / "catalogue"
MORE = "more"
"""Folder in it with near relations of its mutants: not needed for the score, tried on demand."""

EDITS = "edits"
"""Folder in it with the one-line edits of a careless colleague: what is asked is where the terminal sends them."""

LADDER = tuple(rung.name for rung in RUNGS)
SELF_CHECK, LANE = "R10", "lane"
GATES = (*LADDER, SELF_CHECK, LANE)
GUILTY = ("torch", "tf", "core", "harness")
OWNERS = {"ptycho_torch": "torch", "ptycho_tf": "tf", "ptycho": "core", "harness": "harness"}
GRIDSIZES, PRECISIONS = (1, 2), ("f64", "f32")
KINDS = ("value", "shape", "type", "nan", "raises", "hangs", "killed")
ENDING = ("raises", "hangs", "killed")
"""Kinds of faults that keep a backend from answering, and are counted apart."""

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TEXTS = ("id", "file", "old", "new", "guilty", "story", "dies_at", "proof", "precision", "kind", "where")
_KEYS: Mapping[str, type] = {**dict.fromkeys(_TEXTS, str), "gridsize": int, "edits": list, "compiles": bool}
_WHERE = re.compile(r"[\w/]+\.py(:\w+)?")
_REQUIRED = {"mutant": ("id", "dies_at", "guilty", "story"), "equivalent": ("id", "guilty", "story", "proof")}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """
    One planted fault.

    Attributes:
        id: its name.
        edits: changes of text that make it.
        guilty: whom the verdict must name, of `GUILTY`; `core` and `harness` show as both sides.
        story: what it does to users, and how it shows.
        dies_at: gate at or before which it must be found, of `GATES`; None for an equivalent, which must live.
        proof: why no input tells an equivalent from the original.
        gridsize: the only one at which it can show; None: both are tried.
        precision: of the backends while it is tried, of `PRECISIONS`.
        kind: of fault, of `KINDS`.
        compiles: whether the changed text is still of its kind; False for a syntax error.
        spot: the place to which a failure must send its reader; None where that is not asked.
    """

    id: str
    edits: tuple[Edit, ...]
    guilty: str
    story: str
    dies_at: str | None = None
    proof: str = ""
    gridsize: int | None = None
    precision: str = "f64"
    kind: str = "value"
    compiles: bool = True
    spot: Spot | None = None

    @property
    def ends(self) -> bool:
        """Whether it keeps the backend from answering, and is counted apart."""
        return self.kind in ENDING

    @property
    def exit_code(self) -> int:
        """What a run of the ladder must end with. A hang is the code's doing, and yet has an exit code of its own."""
        return int(Verdict.TIMEOUT if self.kind == "hangs" else Verdict.FAIL)

    @property
    def owners(self) -> frozenset[str]:
        """Whose code it changes."""
        return frozenset(OWNERS[edit.file.partition("/")[0]] for edit in self.edits)

    @property
    def gate(self) -> str:
        """The gate that it is led to; for an equivalent the highest one that could tell."""
        return self.dies_at or (SELF_CHECK if self.owners == {"harness"} else LADDER[-1])

    @property
    def accused(self) -> tuple[str, ...]:
        """Sides that a verdict must name: what both share shows in both."""
        return (self.guilty,) if self.guilty in ("torch", "tf") else ("tf", "torch")


def load(folder: Path = FOLDER, root: Path = ROOT) -> tuple[Mutant, ...]:
    """
    Every mutant of a folder of TOML files, in the order of files and entries.

    Args:
        folder: the catalogue.
        root: the checkout that it changes.

    Raises:
        UsageError: listing everything that is wrong with it.
    """
    problems: list[str] = []
    found: list[Mutant] = []
    for path in sorted(folder.glob("*.toml")):
        for kind, entry in _entries(path, problems):
            where = f"{path.name}, {entry.get('id', 'an entry without id')!r}"
            wrong = _entry_problems(kind, entry)
            if not wrong:
                mutant = _mutant(entry)
                wrong = overlay.problems(mutant.edits, root, compiles=mutant.compiles)
                found.append(mutant if wrong else _placed(mutant, entry, root))
            problems += [f"{where}: {sentence}" for sentence in wrong]
    counted = Counter(mutant.id for mutant in found)
    problems += [f"id {name!r} is taken {count} times; ids are unique" for name, count in counted.items() if count > 1]
    if not found and not problems:
        problems.append(f"{folder} holds no mutant")
    if problems:
        raise UsageError(f"the catalogue {folder} does not fit:\n" + "\n".join(f"  - {item}" for item in problems))
    return tuple(found)


def matching(mutants: Iterable[Mutant], patterns: Sequence[str]) -> tuple[Mutant, ...]:
    """
    Mutants whose id fits any pattern; all of them if there is none.

    Raises:
        UsageError: a pattern that fits nothing.
    """
    listed = tuple(mutants)
    idle = [text for text in patterns if not any(fnmatchcase(mutant.id, text) for mutant in listed)]
    if idle:
        raise UsageError(f"--id {', '.join(map(repr, idle))} fits no mutant of {len(listed)}; `--list` shows the ids")
    return tuple(m for m in listed if not patterns or any(fnmatchcase(m.id, text) for text in patterns))


def _entries(path: Path, problems: list[str]) -> Iterable[tuple[str, dict[str, Any]]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} is no TOML: {error}")
        return
    for kind, entries in tables.items():
        if kind not in _REQUIRED or not isinstance(entries, list):
            problems.append(f"{path.name}: {kind!r}; allowed: [[{']], [['.join(_REQUIRED)}]]")
            continue
        for entry in entries:
            yield kind, entry


def _entry_problems(kind: str, entry: Mapping[str, Any]) -> list[str]:
    """What is wrong with an entry by itself, before any file is opened."""
    found = [f"key {key!r}; allowed: {', '.join(_KEYS)}" for key in entry if key not in _KEYS]
    found += [
        f"{key} is {value!r}; it must be {_KEYS[key].__name__}"
        for key, value in entry.items()
        if key in _KEYS and type(value) is not _KEYS[key]
    ]
    found += [f"{key} is missing" for key in _REQUIRED[kind] if not entry.get(key)]
    if kind == "equivalent" and "dies_at" in entry:
        found.append("an equivalent dies nowhere; remove dies_at")
    if not _ID.fullmatch(str(entry.get("id", ""))):
        found.append("an id consists of words of a-z and 0-9 with - between them")
    if "where" in entry and not _WHERE.fullmatch(str(entry["where"])):
        found.append(f"where is {entry['where']!r}; allowed: FILE.py or FILE.py:FUNCTION")
    closed = {"dies_at": GATES, "guilty": GUILTY, "gridsize": GRIDSIZES, "precision": PRECISIONS, "kind": KINDS}
    found += [
        f"{key} is {entry[key]!r}; allowed: {', '.join(map(str, allowed))}"
        for key, allowed in closed.items()
        if key in entry and entry[key] not in allowed
    ]
    return found + _edit_problems(entry)


def _edit_problems(entry: Mapping[str, Any]) -> list[str]:
    edits = entry.get("edits", [entry])
    if not isinstance(edits, list) or not edits:
        return ["edits is empty; give file, old and new"]
    if "edits" in entry and any(key in entry for key in ("file", "old", "new")):
        return ["give either edits or file, old and new"]
    found = []
    for edit in edits:
        given = edit if isinstance(edit, Mapping) else {}
        found += [f"{key} of an edit is no text" for key in ("file", "old", "new") if type(given.get(key)) is not str]
        owner = str(given.get("file", "")).partition("/")[0]
        if owner not in OWNERS:
            found.append(f"file {given.get('file')!r} is in none of {', '.join(OWNERS)}")
    return found


def _mutant(entry: Mapping[str, Any]) -> Mutant:
    edits = tuple(Edit(**{key: edit[key] for key in ("file", "old", "new")}) for edit in entry.get("edits", [entry]))
    rest = {key: value for key, value in entry.items() if key not in ("file", "old", "new", "edits", "where")}
    return Mutant(edits=edits, **rest)


def _placed(mutant: Mutant, entry: Mapping[str, Any], root: Path) -> Mutant:
    """With the place to look at: what the entry says, else where its first edit stands; only kinds are asked for it."""
    if "where" in entry:
        return replace(mutant, spot=Spot.read(entry["where"]))
    return replace(mutant, spot=hints.spot(mutant.edits[0], root)) if "kind" in entry else mutant
