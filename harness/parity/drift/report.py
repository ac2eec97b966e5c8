"""Reports a comparison with a commit as `drift.json` (its schema is in docs/drift.md), as events and as a table."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.files.run_files import write_text
from harness.parity.compare.rungs import PRECISIONS, RUNGS
from harness.parity.drift.words import WORST_FIRST, Drift, Word
from harness.parity.output.report import finite_or_text, judgement
from harness.record import rung_results
from harness.runs import summary
from harness.system import tables
from ptycho.verdict import Verdict

FILE = "drift.json"
SCHEMA = "ptycho-parity-drift/1"
HEADINGS = ("rung", "g", "in", "backend", "compared", "differ", "apart by", "word", "at")
STYLES = {
    **dict.fromkeys((Word.REGRESSION, Word.OUTSIDE, Word.CHANGED), "red"),
    **dict.fromkeys((Word.NOT_ANSWERED, Word.UNVERIFIED), "yellow"),
    **dict.fromkeys((Word.FIXED, Word.ROUNDING, Word.IDENTICAL), "green"),
}


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """
    A comparison with a commit.

    Attributes:
        base: the commit.
        rows: every rung of every backend at every gridsize in every precision.
        oracle_changes: files of the oracle that differ between the commit and the working tree.
        parties: what each answer says of itself, by question and name.
        complaints: planted differences that were not seen, one sentence each.
        versions: what was installed, where versions of the frameworks are compared.
        seed: seed of the problem.
        seconds: wall time.
    """

    base: str
    rows: Sequence[Drift]
    oracle_changes: Sequence[str] = ()
    parties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    complaints: Sequence[str] = ()
    versions: Sequence[Mapping[str, Any]] = ()
    seed: int
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """
        `PASS` only if rungs were compared and each is identical, differs by rounding or was fixed.

        A fail is a fail whatever could not be answered beside it.
        """
        found = {row.verdict for row in self.rows}
        if Verdict.FAIL in found or self.complaints or not self.rows:
            return Verdict.FAIL
        return Verdict.worst(found)

    @property
    def counts(self) -> dict[str, int]:
        """Count the rows of each word, the worst first."""
        found = Counter(row.word for row in self.rows)
        return {str(word): found[word] for word in WORST_FIRST if found[word]}

    @property
    def first(self) -> Drift | None:
        """The lowest rung that decides: of those with the worst verdict, fails before what was not answered."""
        fails = [row for row in self.rows if row.verdict is Verdict.FAIL]
        others = [row for row in self.rows if row.verdict is not Verdict.PASS]
        return next(iter(in_order(fails) or in_order(others)), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite figure is text."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "exit_code": int(self.verdict),
            "base": self.base,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "words": self.counts,
            "table": matrix(self.rows),
            "first": None if self.first is None else _row(self.first),
            "rows": [_row(row) for row in self.rows],
            "oracle_changes": list(self.oracle_changes),
            "complaints": list(self.complaints),
            "versions": list(self.versions),
            "parties": self.parties,
        }

    def write(self, path: Path) -> Path:
        """Write `drift.json`."""
        write_text(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return path


def in_order(rows: Sequence[Drift]) -> list[Drift]:
    """From the lowest rung up, float64 before float32, small gridsizes first, as the ladder has them."""
    order = [rung.name for rung in RUNGS]
    return sorted(
        rows,
        key=lambda row: (
            order.index(row.climbed.rung.name),
            PRECISIONS.index(row.climbed.precision),
            row.climbed.gridsize,
            row.who,
        ),
    )


def fields(row: Drift) -> dict[str, Any]:
    """Fields of a row's event `rung.end`."""
    found = row.finding
    said: dict[str, Any] = {"rung": row.label, "result": str(row.result), "drift": str(row.word)}
    units = finite_or_text(row.units)
    if isinstance(units, float):
        said |= {"units": units, "unit": row.unit}
    said |= {key: value for key, value in (("tensor", found.tensor), ("reason", found.reason)) if value}
    said |= {"guilty": [found.attributed]} if found.attributed and row.verdict is Verdict.FAIL else {}
    cause = row.verdict
    return said | ({"cause": cause.label} if cause not in (Verdict.PASS, Verdict.FAIL) else {})


def _row(row: Drift) -> dict[str, Any]:
    return {
        "rung": row.climbed.rung.name,
        "gridsize": row.climbed.gridsize,
        "precision": row.climbed.precision,
        "backend": row.side,
        "way": row.way or None,
        "version": row.version or None,
        "word": str(row.word),
        "result": str(row.result),
        "tensor": row.finding.tensor or None,
        "reason": row.finding.reason or None,
        "attributed_to": row.finding.attributed or None,
        "compared": row.compared,
        "differing": list(row.differing),
        "units": finite_or_text(row.units),
        "unit": row.unit or None,
        "largest_at": row.largest or None,
        "both_outside_alike": row.alike,
        "failures": [judgement(one) for one in row.climbed.judgements if one.result not in ("pass", "not gated")],
    }


def matrix(rows: Sequence[Drift]) -> list[tuple[str, ...]]:
    """Word by rung and precision, and by who was compared; headings first."""
    return rung_results.drift_table(rung_results.of_event(fields(row)) for row in rows)


def short(base: str) -> str:
    """A base for people: of a commit the first digits, of a way of running all of it."""
    return base if " " in base else base[:12]


def table(rows: Sequence[Drift]) -> list[tuple[str, ...]]:
    """The rows as text, without headings."""
    return [
        (
            row.climbed.rung.name,
            str(row.climbed.gridsize),
            row.climbed.precision,
            row.who,
            str(row.compared),
            str(len(row.differing)),
            rung_results.apart(row.units, row.unit),
            str(row.word),
            row.finding.tensor,
        )
        for row in rows
    ]


def sentence(row: Drift) -> str:
    """A row in a sentence: the word, rung, first tensor, backend, and to which state it is due."""
    item = row.climbed
    rung, _, name = row.finding.tensor.partition("/")
    at = f", {name}" if name and rung == item.rung.name else ""
    where = f"{item.rung.name}{at}, {row.who} at gridsize {item.gridsize} in {item.precision}"
    due = f"; attributed to: {row.finding.attributed}" if row.finding.attributed else ""
    return f"{row.word} at {where}{due}: {row.finding.reason or 'nothing differs'}"


def sentences(report: DriftReport) -> list[str]:
    """Return what a reader should know besides the table."""
    found = [str(one["sentence"]).partition("\n")[0] for one in report.versions]
    found += [] if report.first is None else [sentence(report.first)]
    found += [f"the comparison checked itself: {line}" for line in report.complaints]
    if report.oracle_changes:
        listed = ", ".join(report.oracle_changes[:3])
        more = f" and {len(report.oracle_changes) - 3} more" if len(report.oracle_changes) > 3 else ""
        found.append(f"the oracle itself differs from the commit's, so that nothing counts as fixed: {listed}{more}")
    if alike := [row for row in report.rows if row.alike]:
        found.append(f"outside the oracle's limit with the same bits in both: {len(alike)} row(s), the first: ")
        found[-1] += f"{alike[0].climbed.rung.name}, {alike[0].side}; `parity run` says why"
    return found


def conclude(report: DriftReport, path: Path, *, as_json: bool) -> int:
    """Print a report that was written to a file, or the file itself as JSON; returns the exit code."""
    if as_json:
        print(path.read_text(encoding="utf-8"), end="", flush=True)
    else:
        show(report)
        print(f"report: {path}", flush=True)
        print(summary.how_to_see(path.parent), flush=True)
    return int(report.verdict)


def show(report: DriftReport) -> None:
    """Print the tables and what they say; where versions are compared, row by row only what is not identical."""
    if report.versions:
        tables.show(matrix(report.rows))
        absent = {(one["side"], one["version"]) for one in report.versions if one["installed"] is None}
        others = [row for row in report.rows if row.word is not Word.IDENTICAL]
        report_rows = [row for row in others if (row.side, row.version) not in absent]
    else:
        report_rows = list(report.rows)
    if report_rows:
        tables.show((HEADINGS, *table(report_rows)), styles=[STYLES[row.word] for row in report_rows])
    for line in sentences(report):
        print(line)
    counted = ", ".join(f"{count} {word}" for word, count in report.counts.items()) or "nothing was compared"
    code = f"{report.verdict.label} (exit {int(report.verdict)})"
    print(f"against {short(report.base)}: {counted}: {code} in {report.seconds:.0f} s", flush=True)
