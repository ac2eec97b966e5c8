"""
The result of each mutant, written down as it ends, so that a campaign that was killed continues where it stopped.

A line belongs to a mutant and to the code that it was tried on. Where either has changed since, it is tried again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import GateAnswer, MutantOutcome, MutantTrial
from harness.isolation.source_overlay import PACKAGES

FILE = "trials.ndjson"
_APART = ("harness/faults/mutation/",)
"""Code that tries mutants and is not what they are planted in; the catalogue lies there, too."""


def of_code(root: Path) -> str:
    """Digest of the code of a checkout, without what Python compiled."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and not name.startswith(_APART):
                digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def of_mutant(mutant: Mutant) -> str:
    """Digest of everything that an entry says, apart from its story."""
    said = asdict(mutant) | {"story": "", "proof": ""}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def append(folder: Path, made: MutantTrial, code: str) -> None:
    """Write down one trial; an undecided one is not, and so is tried again."""
    if made.outcome is MutantOutcome.ERROR:
        return
    found = asdict(made.found) | {"allclose": None if made.found.allclose is None else dict(made.found.allclose)}
    row = {
        "id": made.mutant.id,
        "mutant": of_mutant(made.mutant),
        "code": code,
        "outcome": str(made.outcome),
        "seconds": round(made.seconds, 1),
        "found": found,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    # A line that was cut off stays a line of its own.
    torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + json.dumps(row, ensure_ascii=False) + "\n")


def read(folder: Path, mutants: Sequence[Mutant], code: str) -> tuple[dict[str, MutantTrial], int]:
    """
    Trials that were written down.

    Args:
        folder: where; nothing there is nothing written down.
        mutants: that are to be tried.
        code: digest of the code that they are planted in.

    Returns:
        Trial by id, and how many lines of these mutants are of other code or another entry.
    """
    known = {mutant.id: mutant for mutant in mutants}
    trials: dict[str, MutantTrial] = {}
    stale = set()
    for row in _rows(folder / FILE):
        mutant = known.get(row.get("id", ""))
        if mutant is None:
            continue
        if (row.get("code"), row.get("mutant")) != (code, of_mutant(mutant)):
            stale.add(mutant.id)
            continue
        trials[mutant.id] = MutantTrial(
            mutant=mutant, found=_found(row["found"]), outcome=MutantOutcome(row["outcome"]), seconds=row["seconds"]
        )
    return trials, len(stale - trials.keys())


def _rows(path: Path) -> list[dict[str, Any]]:
    """Whole lines; the last one may have been cut off when its campaign was killed."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def _found(said: Mapping[str, Any]) -> GateAnswer:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return GateAnswer(**values)
