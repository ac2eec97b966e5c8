"""
Judges the readings of all sizes: does memory stay, does the cost of a pattern stay.

Each size is held against the smallest of the same side, gridsize and mask, and a scan with a mask against the same one
without. Limits are those of `docs/scale.md`. How fast an
epoch is read beside a plain reading is reported and not judged: it is a property of the disk and its cache.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.benchmark.scaling import masks
from harness.files.run_files import write_text
from harness.system.tables import Table
from ptycho import fingerprint
from ptycho.verdict import Verdict

SCHEMA = "ptycho-harness-scale/3"

MAX_GROWTH_MB = 300.0
MAX_COST_RATIO = 1.5
"""Of the processor time a pattern from file to last batch; a tree search or a cache costs a little more when larger."""

PHASES = ("load", "prepare", "store", "order", "epoch")


@dataclass(frozen=True, kw_only=True)
class SizeRow:
    """
    One size.

    Attributes:
        reading: what `harness.benchmark.scaling.reader` printed.
        mask: which bad pixels the scan has: one of `MASKS`.
        steps: by backend, `seconds_per_pattern` of training and `peak_mb` of the process.
    """

    reading: Mapping[str, Any]
    mask: str = masks.NONE
    steps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name of the size, as the log has it."""
        return label(self.reading["patterns"], self.reading["side"], self.reading["gridsize"], self.mask)

    @property
    def microseconds(self) -> float:
        """Processor time a pattern from file to last batch."""
        return 1e6 * processor_time(self.reading) / int(self.reading["patterns"])

    @property
    def peak_mb(self) -> float:
        """Resident memory at its largest, own and mapped together."""
        return float(self.reading["peak"]["both"]) * 2**20 / 1e6

    @property
    def epoch_gb_s(self) -> float:
        """Rate at which batches come out of the store, out of the page cache."""
        return float(self.reading["bytes_read"] / self.reading["seconds"]["epoch"] / 1e9)

    @property
    def of_plain(self) -> float:
        """That rate by the rate of a plain sequential reading of as many bytes in the same process."""
        return float(self.reading["seconds"]["plain"] / self.reading["seconds"]["epoch"])

    @property
    def of_cold(self) -> float | None:
        """The same from the disk itself, medians by the clock on the wall; None where it was not read."""
        cold = self.reading["cold"]
        return statistics.median(cold["plain"]) / statistics.median(cold["epoch"]) if cold else None


@dataclass(frozen=True, kw_only=True)
class ScalingReport:
    """
    All sizes.

    Attributes:
        rows: smallest first.
        left_out: sizes that were not made, and why.
    """

    rows: Sequence[SizeRow]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def smallest(self, row: SizeRow) -> SizeRow:
        """The row that another is held against."""
        alike = [other for other in self._alike(row, "side", "gridsize") if other.mask == row.mask]
        return min(alike, key=lambda other: int(other.reading["patterns"]))

    def unmasked(self, row: SizeRow) -> SizeRow | None:
        """The same scan without its mask; None where the row has none, or was measured alone."""
        if row.mask == masks.NONE:
            return None
        alike = self._alike(row, "side", "gridsize", "patterns")
        return next((other for other in alike if other.mask == masks.NONE), None)

    def _alike(self, row: SizeRow, *keys: str) -> list[SizeRow]:
        return [other for other in self.rows if all(other.reading[key] == row.reading[key] for key in keys)]

    def complaints(self, row: SizeRow) -> list[str]:
        """Return what is wrong with one size."""
        base, found = self.smallest(row), []
        growth, ratio = row.peak_mb - base.peak_mb, row.microseconds / base.microseconds
        if growth > MAX_GROWTH_MB:
            found.append(f"{row.label}: {growth:.0f} MB more than {base.label}; allowed: {MAX_GROWTH_MB:.0f} MB")
        if ratio > MAX_COST_RATIO:
            found.append(
                f"{row.label}: a pattern costs {ratio:.2f} × that of {base.label}; allowed: {MAX_COST_RATIO:g}"
            )
        plain = self.unmasked(row)
        if plain is None and row.mask != masks.NONE:
            found.append(f"{row.label}: the same scan without a mask was not measured, so that the cost is not known")
        if plain is not None and (ratio := row.microseconds / plain.microseconds) > masks.MAX_COST_RATIO[row.mask]:
            allowed = masks.MAX_COST_RATIO[row.mask]
            found.append(f"{row.label}: a pattern costs {ratio:.2f} × that without a mask; allowed: {allowed:g}")
        for side, trained in row.steps.items():
            if side in base.steps and (more := trained["peak_mb"] - base.steps[side]["peak_mb"]) > MAX_GROWTH_MB:
                found.append(
                    f"{row.label}: training with {side} takes {more:.0f} MB more than {base.label}; "
                    f"allowed: {MAX_GROWTH_MB:.0f} MB"
                )
        return found

    @property
    def verdict(self) -> Verdict:
        """Pass only if there is something and nothing is wrong with it."""
        return Verdict.FAIL if not self.rows or any(map(self.complaints, self.rows)) else Verdict.PASS

    def table(self) -> Table:
        """Headings and a row a size."""
        sides = sorted({side for row in self.rows for side in row.steps})
        headings = [
            "M",
            "N",
            "gridsize",
            "mask",
            "peak MB",
            "growth MB",
            "µs a pattern",
            "of unmasked",
            "epoch GB/s",
            "of plain",
            "from disk",
        ]
        rows = [headings + [f"{side} ms a pattern, MB" for side in sides]]
        for row in self.rows:
            cells = [f"{row.reading['patterns']:,}", str(row.reading["side"]), str(row.reading["gridsize"])]
            plain = self.unmasked(row)
            cells += [row.mask, f"{row.peak_mb:.0f}", f"{row.peak_mb - self.smallest(row).peak_mb:+.0f}"]
            cells += [f"{row.microseconds:.0f}"]
            cells += ["" if plain is None else f"{row.microseconds / plain.microseconds:.2f}"]
            cells += [f"{row.epoch_gb_s:.1f}", f"{row.of_plain:.0%}"]
            cells.append("" if row.of_cold is None else f"{row.of_cold:.0%}")
            for side in sides:
                trained = row.steps.get(side)
                cells.append(f"{1e3 * trained['seconds_per_pattern']:.1f}, {trained['peak_mb']:.0f}" if trained else "")
            rows.append(cells)
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Return what `scale.json` holds."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "limits": {"growth_mb": MAX_GROWTH_MB, "cost_ratio": MAX_COST_RATIO, "mask_ratio": masks.MAX_COST_RATIO},
            "complaints": [sentence for row in self.rows for sentence in self.complaints(row)],
            "rows": [
                asdict(row)
                | {"microseconds": row.microseconds, "peak_mb": row.peak_mb, "epoch_gb_s": row.epoch_gb_s}
                | {"of_plain": row.of_plain, "of_cold": row.of_cold}
                for row in self.rows
            ],
            "left_out": dict(self.left_out),
            "fingerprint": fingerprint.collect(),
        }

    def write(self, path: Path) -> Path:
        """Write `scale.json`."""
        write_text(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n")
        return path


def processor_time(reading: Mapping[str, Any]) -> float:
    """Seconds from file to last batch."""
    return sum(float(reading["seconds"][name]) for name in PHASES)


def label(patterns: int, side: int, gridsize: int, mask: str = masks.NONE) -> str:
    """Name of a size."""
    return f"M={patterns} N={side} g={gridsize}" + ("" if mask == masks.NONE else f" mask={mask}")
