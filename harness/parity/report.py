"""What the ladder found, as `parity.json` (its schema is in docs/parity.md) and as a table."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.parity.comparison import Judgement, Result
from harness.parity.ladder import Climbed, first_failure, verdict
from harness.parity.rungs import UNMEASURED
from ptycho.output import write_text
from ptycho.verdict import Verdict

SCHEMA = "ptycho-parity/1"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    What is kept of the first failure.

    Attributes:
        replay: file of the comparison, or None where values are plain and are in the report itself.
        picture: of the difference, or None.
        command: what judges the comparison again, or None.
    """

    replay: str | None = None
    picture: str | None = None
    command: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """
    A run of the ladder.

    Attributes:
        climbed: every rung at every gridsize.
        refused: why answers do not count, by `SIDE, gridsize G`.
        evidence: of the first failure.
        parties: what each answer says of itself, by gridsize and side.
        seed: of the problem.
        seconds: wall time.
    """

    climbed: Sequence[Climbed]
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    evidence: Evidence = Evidence()
    parties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """Pass or fail of the float64 gate."""
        return verdict(self.climbed, self.refused)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite figure is text, which JSON has no number for."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.name.lower(),
            "exit_code": int(self.verdict),
            "precision": "f64",
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "refused": {key: list(value) for key, value in self.refused.items()},
            "first_failure": self._first_failure(),
            "rungs": [_row(item) for item in self.climbed],
            "unverified": [asdict(item) for item in UNMEASURED],
            "parties": self.parties,
        }

    def write(self, path: Path) -> Path:
        """Write `parity.json`."""
        write_text(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return path

    def _first_failure(self) -> dict[str, Any] | None:
        failed = first_failure(self.climbed)
        if failed is None:
            return None
        return {
            "rung": failed.rung.name,
            "gridsize": failed.gridsize,
            "guilty": list(failed.guilty),
            "catches": failed.rung.catches,
            **(_judgement(failed.worst) if failed.worst else {"reasons": ["nothing was compared"]}),
            **asdict(self.evidence),
        }


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _judgement(item: Judgement) -> dict[str, Any]:
    return {
        "tensor": item.tensor,
        "result": str(item.result),
        "reasons": list(item.reasons),
        "distances": {side: _number(figure) for side, figure in item.figures.items()},
        "tolerance": item.tolerance,
        "minimum_tolerance": item.minimum_tolerance,
        "worst_elements": [asdict(element) for element in item.worst],
    }


def _row(item: Climbed) -> dict[str, Any]:
    return {
        "rung": item.rung.name,
        "gridsize": item.gridsize,
        "result": str(item.result),
        "compared": len(item.judgements),
        "worst": _number(item.figure),
        "tensor": item.worst.tensor if item.worst else None,
        "tolerance": item.rung.tolerance,
        "guilty": list(item.guilty),
        "failures": [_judgement(one) for one in item.judgements if one.result is not Result.PASS],
    }


HEADINGS = ("rung", "g", "what", "compared", "worst D", "allowed", "at", "result")


def rows(report: Report) -> list[tuple[str, ...]]:
    """The table without its headings."""
    table: list[tuple[str, ...]] = []
    for item in report.climbed:
        figure = "–" if item.figure is None else f"{item.figure:.1e}"
        allowed = "equal" if item.rung.tolerance is None else f"{item.rung.tolerance:.0e}"
        at = item.worst.tensor if item.worst and (item.figure or item.result is Result.FAIL) else ""
        what = item.rung.what.partition(":")[0].partition(",")[0]
        table.append(
            (item.rung.name, str(item.gridsize), what, str(len(item.judgements)), figure, allowed, at, str(item.result))
        )
    table += [(item.name, "–", item.what, "0", "–", "–", item.reason, str(Result.UNVERIFIED)) for item in UNMEASURED]
    return table


def show(report: Report) -> None:
    """Print the table, with rich on a terminal, and the diagnosis."""
    table = rows(report)
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        colours = {"pass": "green", "fail": "red", "unverified": "yellow", "known failure": "yellow"}
        drawn = Table(*HEADINGS)
        for row in table:
            drawn.add_row(*row[:-1], f"[{colours[row[-1]]}]{row[-1]}[/]")
        Console().print(drawn)
    else:
        widths = [max(len(cell) for cell in column) for column in zip(HEADINGS, *table, strict=True)]
        for row in (HEADINGS, *table):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for party, reasons in report.refused.items():
        for reason in reasons:
            print(f"refused: {party}: {reason}")
    _diagnose(report)


def _diagnose(report: Report) -> None:
    failed = first_failure(report.climbed)
    if failed is not None:
        guilty = " and ".join(failed.guilty) or "nobody in particular"
        print(f"\nfirst failing rung: {failed.rung.name} at gridsize {failed.gridsize}; guilty: {guilty}")
        print(f"points at: {failed.rung.catches}")
        if failed.worst is not None:
            for reason in failed.worst.reasons:
                print(f"  {failed.worst.tensor}: {reason}")
            for element in failed.worst.worst:
                values = ", ".join(f"{name} {value}" for name, value in element.values.items())
                print(f"  at {list(element.index)}: {values}")
            if failed.worst.minimum_tolerance is not None:
                print(f"  minimum tolerance that would pass: {failed.worst.minimum_tolerance:.2e}")
        for label in ("picture", "replay", "command"):
            if (value := getattr(report.evidence, label)) is not None:
                print(f"  {label}: {value}")
    word = report.verdict.name.lower()
    print(f"parity in float64: {word} (exit {int(report.verdict)}) in {report.seconds:.0f} s", flush=True)
