"""Reports a run of the ladder as `parity.json` (its schema is in docs/parity.md) and as a table."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.files.run_files import write_text
from harness.parity.compare.comparison import Judgement, Result
from harness.parity.compare.rungs import PRECISIONS, RUNGS, UNMEASURED, UnmeasuredRung
from harness.parity.judge.ladder import JudgedRung, first_failure, verdict
from harness.parity.output import diagnosis
from harness.parity.output.evidence import Evidence, SelfValidation
from harness.system import tables
from ptycho.verdict import Verdict

SCHEMA = "ptycho-parity/2"


@dataclass(frozen=True, kw_only=True)
class LadderReport:
    """
    A run of the ladder.

    Attributes:
        climbed: every rung at every gridsize in every precision.
        refused: why answers do not count, by side and question.
        evidence: evidence of the first failure.
        parties: what each answer says of itself, by gridsize and side.
        proof: that a fault would have been seen.
        unanswered: rungs that a party's adapter does not answer.
        foreign: sides that are another checkout, of whose files nothing is known here.
        seed: seed of the problem.
        seconds: wall time.
        devices: what each side computed on, in words; empty where all were on the CPU.
        notes: what must be said of the limits.
        unasked: sides that were not asked, and about which nothing is known.
        problems: drawn problems, in words.
    """

    climbed: Sequence[JudgedRung]
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    parties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    proof: SelfValidation = field(default_factory=SelfValidation)
    unanswered: Sequence[str] = ()
    foreign: Sequence[str] = ()
    seed: int
    seconds: float
    devices: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    unasked: Sequence[str] = ()
    problems: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict:
        """
        Pass or fail of everything that was climbed; a planted fault that was not seen fails the run, too.

        Inconclusive where everything that was asked passes, and a party's adapter leaves rungs out.
        """
        if self.proof.complaints:
            return Verdict.FAIL
        found = verdict(self.climbed, self.refused)
        return Verdict.INCONCLUSIVE if found is Verdict.PASS and self.unanswered else found

    @property
    def unverified(self) -> list[UnmeasuredRung]:
        """Rungs about which this run says nothing."""
        what = {rung.name: rung.what for rung in RUNGS}
        reason = "a target's adapter does not answer it"
        return [
            *(UnmeasuredRung(name=name, what=what[name], reason=reason) for name in self.unanswered),
            *(
                UnmeasuredRung(name=f"all of {side}", what="the other side", reason="not asked")
                for side in self.unasked
            ),
            *UNMEASURED,
        ]

    @property
    def precisions(self) -> list[str]:
        """Those that were climbed, the gate first."""
        return [name for name in PRECISIONS if any(item.precision == name for item in self.climbed)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite figure is text, which JSON has no number for."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "exit_code": int(self.verdict),
            "precisions": self.precisions,
            "seed": self.seed,
            "problems": list(self.problems),
            "seconds": round(self.seconds, 1),
            "refused": {key: list(value) for key, value in self.refused.items()},
            "first_failure": self._first_failure(),
            "rungs": [_row(item) for item in self.climbed],
            "unverified": [asdict(item) for item in self.unverified],
            "proof": asdict(self.proof),
            "parties": self.parties,
            "devices": dict(self.devices),
            "notes": list(self.notes),
        }

    def write(self, path: Path) -> Path:
        """Write `parity.json`."""
        write_text(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return path

    def _first_failure(self) -> dict[str, Any] | None:
        failed = first_failure(self.climbed)
        if failed is None:
            return None
        chosen = diagnosis.decisive(failed)
        found = diagnosis.diagnose(failed, self.climbed, self.foreign, self.unanswered)
        return {
            "rung": failed.rung.name,
            "gridsize": failed.gridsize,
            "precision": failed.precision,
            "problem": failed.problem,
            "guilty": list(failed.guilty),
            "suspect": failed.suspect,
            "catches": failed.rung.catches,
            **(judgement(chosen) if chosen else {"reasons": ["nothing was compared"]}),
            **asdict(self.evidence),
            **diagnosis.as_dict(found),
        }


def finite_or_text(value: float | None) -> float | str | None:
    """A figure as JSON can have it: NaN and infinities become text."""
    return value if value is None or math.isfinite(value) else str(value)


def judgement(item: Judgement) -> dict[str, Any]:
    """A comparison as plain values, for JSON."""
    return {
        "tensor": item.tensor,
        "result": str(item.result),
        "reasons": list(item.reasons),
        "distances": {side: finite_or_text(figure) for side, figure in item.figures.items()},
        "noise_units": {side: finite_or_text(figure) for side, figure in item.noise_units.items()},
        "floor": item.floor,
        "shared": item.shared,
        "tolerance": item.tolerance,
        "minimum_tolerance": item.minimum_tolerance,
        "worst_elements": [asdict(element) for element in item.worst],
        "differing": item.differing,
        "location": asdict(item.location) if item.location else None,
        "cause": item.cause.label if item.cause is not None else None,
    }


def _row(item: JudgedRung) -> dict[str, Any]:
    return {
        "rung": item.rung.name,
        "gridsize": item.gridsize,
        "precision": item.precision,
        "problem": item.problem,
        "result": str(item.result),
        "compared": len(item.judgements),
        "not_gated": item.not_gated,
        "worst": finite_or_text(item.figure),
        "noise_units": finite_or_text(max(item.worst.noise_units.values(), default=None) if item.worst else None),
        "tensor": item.worst.tensor if item.worst else None,
        "tolerance": item.worst.tolerance if item.worst else None,
        "minimum_tolerance": item.worst.minimum_tolerance if item.worst else None,
        "guilty": list(item.guilty),
        "failures": [judgement(one) for one in item.judgements if one.result is not Result.PASS],
    }


HEADINGS = ("rung", "g", "in", "what", "compared", "D", "noise units", "allowed", "passes at", "at", "result")


def rows(report: LadderReport) -> list[tuple[str, ...]]:
    """The table without its headings."""
    table: list[tuple[str, ...]] = []
    for item in report.climbed:
        what = item.rung.what.partition(":")[0].partition(",")[0]
        about = f"{what}: {item.problem}" if item.problem else what
        where = (item.rung.name, str(item.gridsize), item.precision, about)
        count = str(len(item.judgements)) + (f" ({item.not_gated} not gated)" if item.not_gated else "")
        table.append((*where, count, *_cells(item), str(item.result)))
    blank = ("0", "–", "–", "–", "–")
    table += [
        (item.name, "–", "–", item.what, *blank, item.reason, str(Result.UNVERIFIED)) for item in report.unverified
    ]
    return table


def _cells(item: JudgedRung) -> tuple[str, str, str, str, str]:
    """D, noise units, what is allowed, what would pass, and where, of the comparison that decides a rung."""
    worst = item.worst
    if worst is None or not worst.figures:
        failed = worst is not None and worst.result is Result.FAIL
        return "–", "–", "equal", "–", worst.tensor if worst is not None and failed else ""
    largest = max(worst.figures.values())
    units = max(worst.noise_units.values(), default=None)
    least = worst.minimum_tolerance
    return (
        f"{largest:.1e}",
        "–" if units is None else f"{units:.3g}",
        "–" if worst.tolerance is None else f"{worst.tolerance:.0e}",
        "never" if least is None else f"{least:.1e}",
        worst.tensor if largest or worst.result is not Result.PASS else "",
    )


STYLES = {"pass": "green", "fail": "red", "unverified": "yellow", "known failure": "yellow"}


def show(report: LadderReport) -> None:
    """Print the table, with rich on a terminal, and the diagnosis."""
    table = rows(report)
    tables.show((HEADINGS, *table), styles=[STYLES[row[-1]] for row in table])
    for party, reasons in report.refused.items():
        for reason in reasons:
            print(f"refused: {party}: {reason}")
    _diagnose(report)


def _diagnose(report: LadderReport) -> None:
    failed = first_failure(report.climbed)
    if failed is not None:
        found = diagnosis.diagnose(failed, report.climbed, report.foreign, report.unanswered)
        print("\n" + "\n".join(diagnosis.lines(failed, found, report.evidence)))
    for problem in report.problems:
        print(f"drawn problem: {problem}")
    for sentence in (*(f"{side}: {words}" for side, words in report.devices.items()), *report.notes):
        print(sentence)
    for sentence in report.proof.sentences():
        print(sentence)
    word = report.verdict.label
    *some, last = report.precisions or ["no precision"]
    precisions = f"{', '.join(some)} and {last}" if some else last
    print(f"parity in {precisions}: {word} (exit {int(report.verdict)}) in {report.seconds:.0f} s", flush=True)
