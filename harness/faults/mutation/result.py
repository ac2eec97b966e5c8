"""The result of a mutant: what its gate said, and whether that is what its entry promises."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.entry import LADDER
from ptycho.parity.request import QUANTITIES


class MutantOutcome(StrEnum):
    """The result of a mutant."""

    KILLED = "killed"
    LATE = "late"
    CONTRADICTED = "contradicted"
    SURVIVED = "survived"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class GateAnswer:
    """
    Answer of a gate to a changed copy.

    Attributes:
        at: rung or gate that failed; None if everything passes.
        how: `rung`, `refused`, `crash`, `lane`, `self-check` or `tests`.
        gridsize: at which it failed, where there is one.
        guilty: sides that the verdict named; empty where it names none.
        detail: the first thing that was wrong, in a sentence.
        error: why nothing can be said; the trial counts for nothing then.
        allclose: by comparator, whether plain closeness of the outputs finds the mutant; None where it was not asked.
        exit_code: exit code of the ladder on the user's path; None where that was not taken.
        disagreements: what a user reads that is wrong, or contradicts another place, one sentence each.
        hints: the places to look at, as the terminal names them.
        steps: from the failure's text to the edited line; None for too many, or where it was not asked.
    """

    at: str | None = None
    how: str = ""
    gridsize: int | None = None
    guilty: tuple[str, ...] = ()
    detail: str = ""
    error: str = ""
    allclose: Mapping[str, bool] | None = None
    exit_code: int | None = None
    disagreements: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class MutantTrial:
    """
    One mutant's trial.

    Attributes:
        mutant: which.
        found: what its gate said.
        outcome: killed, dead too late, found but reported in contradictory or wrong words, alive, or undecided.
        seconds: wall time.
    """

    mutant: Mutant
    found: GateAnswer
    outcome: MutantOutcome
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it ended as the catalogue promises."""
        return self.outcome is (MutantOutcome.KILLED if self.mutant.dies_at else MutantOutcome.SURVIVED)

    @property
    def names_guilty(self) -> bool | None:
        """Whether the verdict named the right side; None where it names none."""
        if self.outcome not in (MutantOutcome.KILLED, MutantOutcome.CONTRADICTED) or not self.found.guilty:
            return None
        return self.found.guilty == self.mutant.accused

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        mutant, found = self.mutant, self.found
        return {
            "id": mutant.id,
            "files": sorted({edit.file for edit in mutant.edits}),
            "guilty": mutant.guilty,
            "dies_at": mutant.dies_at,
            "outcome": str(self.outcome),
            "at": found.at,
            "how": found.how,
            "gridsize": found.gridsize,
            "named": list(found.guilty),
            "names_guilty": self.names_guilty,
            "detail": found.detail,
            "error": found.error,
            "allclose": None if found.allclose is None else dict(found.allclose),
            "kind": mutant.kind,
            "exit_code": found.exit_code,
            "disagreements": list(found.disagreements),
            "where": None if mutant.spot is None else str(mutant.spot),
            "hints": list(found.hints),
            "steps": found.steps,
            "seconds": round(self.seconds, 1),
            "story": mutant.story,
            "proof": mutant.proof,
        }


@dataclass(frozen=True, kw_only=True)
class PlantedMutant:
    """
    A changed copy, ready to be tried.

    Attributes:
        mutant: what was changed.
        root: the copy.
        label: name of the trial, unique in its run.
        quantities: rungs to ask for.
        compared: whether to compare plainly, too.
    """

    mutant: Mutant
    root: Path
    label: str
    quantities: tuple[str, ...] = QUANTITIES
    compared: bool = True


def judged(mutant: Mutant, found: GateAnswer) -> MutantOutcome:
    """Compare what a gate said with what a mutant's entry promises."""
    if found.error:
        return MutantOutcome.ERROR
    if found.at is None:
        return MutantOutcome.CONTRADICTED if found.disagreements else MutantOutcome.SURVIVED
    if not _in_time(mutant, found):
        return MutantOutcome.LATE
    return MutantOutcome.CONTRADICTED if found.disagreements and mutant.dies_at is not None else MutantOutcome.KILLED


def _in_time(mutant: Mutant, found: GateAnswer) -> bool:
    """Whether what failed is at or below the declared rung; where no rung is declared, anything does."""
    if mutant.dies_at not in LADDER or found.how in ("refused", "crash"):
        return True
    return found.at in LADDER and LADDER.index(found.at) <= LADDER.index(mutant.dies_at)
