"""
The catalogue of mutants: TOML files that say what to change, at which gate that must show, and what it means.

A catalogue that no longer fits the code is worth nothing: a text that occurs twice or not at all in its function, a
change that does not compile, an id that is taken are all found before anything is run, and reported at once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.faults.mutation.entry import ENDING, LADDER, OWNERS, SELF_CHECK, CatalogueEntry, CatalogueFile
from harness.faults.mutation.user_path import hints
from harness.faults.mutation.user_path.hints import Spot
from harness.files import toml_model
from harness.isolation import source_anchor, source_overlay
from harness.isolation.source_overlay import Edit
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

FOLDER = Path(__file__).parent / "catalogue"
MORE = "more"
"""Folder in it with near relations of its mutants: not needed for the score, tried on demand."""

EDITS = "edits"
"""Folder in it with the one-line edits of a careless colleague: what is asked is where the terminal sends them."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """
    One planted fault.

    Attributes:
        id: its name.
        edits: changes of text that make it.
        guilty: the side that the verdict must name, of `GUILTY`; `core` and `harness` show as both sides.
        story: what it does to users, and how it shows.
        dies_at: gate at or before which it must be found, of `GATES`; None for an equivalent, which must survive.
        proof: why no input tells an equivalent from the original.
        gridsize: the only one at which it can show; None: both are tried.
        precision: precision of the backends while it is tried, of `PRECISIONS`.
        kind: of fault, of `KINDS`.
        compiles: whether the changed text is still of its kind; False for a syntax error.
        spot: the place to which a failure must send its reader; None where that is not asked.
        tests: test files that must find it; empty for those named like the changed files.
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
    tests: tuple[str, ...] = ()

    @property
    def ends(self) -> bool:
        """Whether it keeps the backend from answering, and is counted apart."""
        return self.kind in ENDING

    @property
    def exit_code(self) -> int:
        """Return what a run of the ladder must end with. A hang is the code's doing and has its own exit code."""
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
        try:
            source = toml_model.TomlSource(path, CatalogueFile, "catalogue")
        except UsageError as error:
            problems.append(str(error))
            continue
        for kind, number, entry in _entries(source):
            mutant, wrong = _mutant(entry, root)
            found.append(mutant)
            for sentence in wrong:
                source.add((kind, number), sentence)
        problems += [f"{path.name}, {sentence}" for sentence in source.sentences()]
    counted = Counter(mutant.id for mutant in found)
    problems += [f"id {name!r} is taken {count} times; ids are unique" for name, count in counted.items() if count > 1]
    if not found and not problems:
        problems.append(f"{folder} holds no mutant")
    if problems:
        raise UsageError(f"the catalogue {folder} does not fit:\n" + "\n".join(f"  - {item}" for item in problems))
    return tuple(found)


def _entries(source: toml_model.TomlSource[CatalogueFile]) -> Iterable[tuple[str, int, CatalogueEntry]]:
    """Entries that are right by themselves, although others of the file may not be, in the order of the file."""
    wrong = {problem.path[:2] for problem in source.problems}
    for kind in ("mutant", "equivalent"):
        for number, given in () if source.is_newer else toml_model.entries(source.document, kind):
            entry = None if (kind, number) in wrong else toml_model.valid(CatalogueEntry, given)
            if entry is not None:
                yield kind, number, entry


def _mutant(entry: CatalogueEntry, root: Path) -> tuple[Mutant, list[str]]:
    """An entry as a mutant, and why it does not fit the code; nothing if it does."""
    problems: list[str] = []
    edits = []
    for change in entry.changes:
        file, function = _place(change.within, root, problems) if change.within else (str(change.file), None)
        edits.append(Edit(file=file, old=change.old, new=change.new, function=function))
    spot = None
    if entry.where is not None:
        file, function = _place(entry.where, root, problems)
        spot = Spot(file=file, function=function.rpartition(".")[2])
        if not problems and (
            wrong := source_anchor.no_function(_text(root, file), source_anchor.module_of(file), function)
        ):
            problems.append(f"where: {wrong}")
    if not problems:
        problems += source_overlay.problems(edits, root, compiles=entry.compiles)
    if not problems and spot is None and entry.kind is not None:
        spot = hints.spot(edits[0], root)
    same = ("id", "guilty", "story", "dies_at", "gridsize", "precision", "compiles")
    said = {name: getattr(entry, name) for name in same}
    tests = entry.tests or ()
    problems += [f"tests: there is no file {name}" for name in tests if not (root / name).is_file()]
    mutant = Mutant(
        edits=tuple(edits), spot=spot, kind=entry.kind or "value", proof=entry.proof or "", tests=tests, **said
    )
    return mutant, problems


def _text(root: Path, file: str) -> str:
    return (root / file).read_text(encoding="utf-8")


def _place(text: str, root: Path, problems: list[str]) -> tuple[str, str]:
    """File and qualified function of an anchor."""
    module, _, function = text.partition(":")
    file = source_anchor.file_of(module, root)
    if file is None:
        problems.append(source_anchor.no_module(module, root))
    return file or "", function


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
