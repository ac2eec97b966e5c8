"""
`python -m harness benchmark scale`: each scan goes through a process that reads it and, if asked, one that trains.

A scan exists only while it is measured: the largest is as large as all others together, and the disk is the runner's.
With masks, the scans of one size are read in turns, so that all of them see the same machine.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark.scaling import figure
from harness.benchmark.scaling.report import ScalingReport, SizeRow, label, processor_time
from harness.isolation import command
from harness.isolation.sandbox import Sandbox
from harness.process import supervise
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session
from harness.system import identity, tables
from harness.system.progress import Steps
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT
from ptycho.training import history
from ptycho.verdict import Verdict

TIMEOUT_S = 1800.0
BATCH = 16
SMALL_BYTES, REPEATS = 2**29, 3
"""A reading of fewer bytes takes a moment, of which the machine's noise is a large part: the best of three counts.
With masks it is the same at any size: their cost is a few per cent."""

REPORT, CURVE = "scale.json", "scale.png"


@dataclass(frozen=True, kw_only=True)
class ScalingOptions:
    """
    Options of the command.

    Attributes:
        patterns: sizes M, ascending.
        sides: N.
        gridsizes: g.
        masks: which bad pixels a scan has, of `MASKS`.
        pythons: interpreters of the backends that also train.
        steps: of each training.
        max_bytes: of the frames of a scan; larger ones are left out.
        root: the workspace's folder for runs.
        json: print the report as JSON, and nothing else.
    """

    patterns: tuple[int, ...]
    sides: tuple[int, ...]
    gridsizes: tuple[int, ...]
    masks: tuple[str, ...]
    pythons: Mapping[str, str]
    steps: int
    max_bytes: int
    root: Path
    json: bool = False

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """N and M of the scans that are made."""
        return [(n, m) for n in self.sides for m in self.patterns if m * n * n * 4 <= self.max_bytes]

    @property
    def left_out(self) -> dict[str, str]:
        """Labels of the sizes that are not made, and why."""
        return {
            label(
                m, n, g, mask
            ): f"{m * n * n * 4 / 1e9:.1f} GB of frames; allowed: {self.max_bytes / 1e9:g} (--max-gb)"
            for n in self.sides
            for m in self.patterns
            for g in self.gridsizes
            for mask in self.masks
            if (n, m) not in self.sizes
        }


def run(options: ScalingOptions, interruption: Interruption) -> tuple[ScalingReport, Path]:
    """
    Measure every size.

    Returns:
        The report, and the folder of the run.

    Raises:
        InfrastructureError: a process did not end well.
        KeyboardInterrupt: the run was asked to end.
    """
    kept = directory.create(options.root)
    rows: list[SizeRow] = []
    report = ScalingReport(rows=rows, left_out=options.left_out)
    steps = Steps("scans", len(options.sizes), quiet=options.json)
    with _logged(options, kept) as (events, ended), steps:
        for side, patterns in options.sizes:
            rows += _measured(options, side, patterns, kept, events, interruption)
            steps.done(f"{patterns} patterns of {side}×{side}")
        for row in rows:
            wrong = report.complaints(row)
            for sentence in wrong:
                events.write("problem", verdict=Verdict.FAIL.label, message=sentence)
            judged = Verdict.FAIL if wrong else Verdict.PASS
            events.write("benchmark.end", benchmark=row.label, verdict=judged.label, peak_mb=row.peak_mb)
        report.write(kept.path / REPORT)
        figure.save(kept.pictures / CURVE, report)
        ended(report.verdict)
    return report, kept.path


def _logged(options: ScalingOptions, kept: RunRoot) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    """The run's log. What must report is every size."""
    return session.logged(
        kept,
        kind="scale",
        origin=provenance.describe(root=ROOT, locks=[], fixtures={}, device="cpu"),
        expected=RequiredResults(
            benchmarks=tuple(
                label(m, n, g, mask) for n, m in options.sizes for g in options.gridsizes for mask in options.masks
            )
        ),
    )


def _measured(
    options: ScalingOptions, side: int, patterns: int, kept: RunRoot, events: EventLog, interruption: Interruption
) -> Iterator[SizeRow]:
    """A row for each gridsize and mask of one size; the scans are removed afterwards."""
    from harness.benchmark.scaling import scan

    paths = {mask: kept.scratch / f"scan-{mask}.npz" for mask in options.masks}
    try:
        for mask, path in paths.items():
            scan.write(path, patterns=patterns, side=side, mask=mask)
        for gridsize in options.gridsizes:
            small = patterns * side * side * 4 < SMALL_BYTES
            readings: dict[str, list[dict[str, Any]]] = {mask: [] for mask in paths}
            for turn in range(REPEATS if small or len(paths) > 1 else 1):
                for mask, path in paths.items():
                    name = f"reader-{patterns}-{side}-{gridsize}-{mask}-{turn}"
                    readings[mask].append(_read(path, side, gridsize, name, kept, events, interruption))
            for mask, path in paths.items():
                steps = {
                    backend: _trained(
                        backend, python, path, side, gridsize, mask, patterns, options, kept, events, interruption
                    )
                    for backend, python in options.pythons.items()
                }
                yield SizeRow(reading=min(readings[mask], key=processor_time), mask=mask, steps=steps)
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def _read(
    path: Path,
    side: int,
    gridsize: int,
    name: str,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> dict[str, Any]:
    """Return what the reader says of a scan; its store goes at once."""
    cell = Sandbox(path=kept.scratch / name).make()
    argv = [sys.executable, "-m", "harness.benchmark.scaling.reader", str(path), str(cell.cwd)]
    argv += ["--gridsize", str(gridsize), "--side", str(side), "--batch-size", str(BATCH)]
    ended = _child(argv, name, cell, kept, events, interruption)
    reading: dict[str, Any] = json.loads(ended.log.read_text().splitlines()[-1])
    (cell.cwd / "store" / "diffraction.npy").unlink()
    return reading


def _trained(
    backend: str,
    python: str,
    path: Path,
    side: int,
    gridsize: int,
    mask: str,
    patterns: int,
    options: ScalingOptions,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> dict[str, float]:
    """Two epochs of a few steps out of the whole scan: the second is free of compilation."""
    name = f"{backend}-{patterns}-{side}-{gridsize}-{mask}"
    cell = Sandbox(path=kept.scratch / name).make()
    argv = [python, "-m", f"ptycho_{backend}.train", "--train_data_file", str(path), "--output_dir", "out"]
    argv += ["--gridsize", str(gridsize), "--n_images", str(min(patterns, BATCH * (options.steps + 1)))]
    argv += ["--batch_size", str(BATCH), "--nepochs", "2", "--device", "cpu", "--disable_mlflow", "--quiet"]
    ended = _child(argv, name, cell, kept, events, interruption)
    last = history.read(cell.cwd / "out" / history.FILE_NAME)[-1]
    peak = 0.0 if ended.usage is None else ended.usage.peak_mib
    return {"seconds_per_pattern": 1 / last.patterns_per_second, "peak_mb": peak * 2**20 / 1e6}


def _child(
    argv: list[str], name: str, cell: Sandbox, kept: RunRoot, events: EventLog, interruption: Interruption
) -> supervise.CompletedCommand:
    return command.run(
        argv, label=name, cell=cell, kept=kept, events=events, interruption=interruption, timeout_s=TIMEOUT_S
    )


def main(options: ScalingOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        report, folder = run(options, interruption)
    verdict = report.verdict
    if options.json:
        print(json.dumps(report.as_dict(), indent=1, ensure_ascii=False))
        return int(verdict)
    tables.show(report.table())
    for size, why in report.left_out.items():
        print(f"left out: {size}: {why}")
    for row in report.rows:
        for sentence in report.complaints(row):
            print(f"fail: {sentence}")
    print(f"scale: {verdict.label} (exit {int(verdict)}); {folder / REPORT}, {folder / 'pictures' / CURVE}")
    return int(verdict)
