"""
`python -m harness benchmark quality-curve`: trainings of more and more epochs, one process at a time on all cores.

One at a time, because seconds are half of what is shown; the sides take turns, so that a machine that slows down meets
both.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark.quality_curve import figure as quality_curve_figure
from harness.benchmark.quality_curve.report import TRAINING, Point, QualityCurve
from harness.files.run_files import write_text
from harness.isolation import command
from harness.isolation.sandbox import Sandbox
from harness.lanes.checks import score
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session
from harness.system import identity, tables
from harness.system.progress import Steps
from harness.system.signals import Interruption
from ptycho.data import contract
from ptycho.fingerprint import ROOT
from ptycho.metrics.fourier_error import object_fourier_error

TIMEOUT_S = 1800.0
REPORT, CURVE = "quality-curve.json", "quality-curve.png"
KEYS = {"object": "object", "overlap": "overlap", "crop": "crop"}


@dataclass(frozen=True, kw_only=True)
class QualityCurveOptions:
    """
    Options of the command.

    Attributes:
        pythons: interpreter by side.
        scan: file to train on and to reconstruct; it must hold its object.
        epochs: number of epochs of the trainings, ascending.
        batch_size: groups per step.
        learning_rate: the full one.
        warmup_steps: steps until the full learning rate.
        intensity_scale_trainable: whether trainings learn their intensity scale, too.
        seed: of every training.
        within_s: seconds of training that count.
        root: the workspace's folder for runs.
        measured: whether the scan's object is a reconstruction, and not the truth.
        json: print the report as JSON, and nothing else.
    """

    pythons: Mapping[str, str]
    scan: Path
    epochs: tuple[int, ...]
    batch_size: int
    learning_rate: float
    warmup_steps: int
    seed: int
    within_s: float
    root: Path
    intensity_scale_trainable: bool = False
    measured: bool = False
    json: bool = False


def run(options: QualityCurveOptions, interruption: Interruption) -> tuple[QualityCurve, Path]:
    """
    Make every point, then judge.

    Returns:
        The report, and the folder of the run.

    Raises:
        InfrastructureError: a process did not end well.
        PtychoError: the scan has no object, or a reconstruction cannot be scored.
        KeyboardInterrupt: the run was asked to end.
    """
    kept = directory.create(options.root)
    points: list[Point] = []
    report = QualityCurve(
        points=points, sides=tuple(options.pythons), within_s=options.within_s, measured=options.measured
    )
    steps = Steps("trainings", len(options.epochs) * len(options.pythons), quiet=options.json)
    with _logged(options, kept) as (events, ended), steps:
        for epochs in options.epochs:
            for side in options.pythons:
                points.append(_point(options, side, epochs, kept, events, interruption))
                steps.done(f"{side}, {epochs} epochs")
                events.write("benchmark.end", benchmark=_label(side, epochs), verdict="pass")
                write_text(kept.path / REPORT, json.dumps(report.as_dict(), indent=1) + "\n")
        quality_curve_figure.save(kept.pictures / CURVE, report)
        ended(report.verdict, list(report.complaints()))
    return report, kept.path


def _label(side: str, epochs: int) -> str:
    return f"quality-curve.{side}.{epochs}"


def _logged(
    options: QualityCurveOptions, kept: RunRoot
) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    """The run's log. What must report is every point."""
    expected = tuple(_label(side, epochs) for epochs in options.epochs for side in options.pythons)
    return session.logged(
        kept,
        kind="quality-curve",
        origin=provenance.describe(root=ROOT, locks=[], fixtures={options.scan.stem: options.scan}, device="cpu"),
        expected=RequiredResults(benchmarks=expected),
    )


def _point(
    options: QualityCurveOptions, side: str, epochs: int, kept: RunRoot, events: EventLog, interruption: Interruption
) -> Point:
    """Train, reconstruct, score."""
    name = f"{side}-{epochs}"
    cell = Sandbox(path=kept.scratch / name).make()
    common = ["--batch_size", str(options.batch_size), "--device", "cpu", "--quiet"]
    train = ["train", "--train_data_file", str(options.scan), "--output_dir", "model", "--nepochs", str(epochs)]
    train += ["--schedule", "cosine", "--learning_rate", str(options.learning_rate)]
    train += ["--warmup_steps", str(options.warmup_steps), "--seed", str(options.seed)]
    train += ["--intensity_scale_trainable"] if options.intensity_scale_trainable else []
    infer = ["inference", "--model_path", "model", "--test_data", str(options.scan), "--output_dir", "object"]
    infer += ["--device", "cpu", "--quiet"]
    ended = {}
    for step, (module, *words) in {"train": [*train, *common, "--disable_mlflow"], "infer": infer}.items():
        argv = [options.pythons[side], "-m", f"ptycho_{side}.{module}", *words]
        ended[step] = command.run(
            argv,
            label=f"{name}-{step}",
            cell=cell,
            kept=kept,
            events=events,
            interruption=interruption,
            timeout_s=TIMEOUT_S,
        )
    summary: dict[str, Any] = json.loads((cell.cwd / "model" / "summary.json").read_text(encoding="utf-8"))
    judged = score.judge(
        cell.cwd / "object" / "reconstruction.npz", KEYS, options.scan, kept.pictures / f"{name}.png", name=name
    )
    made = judged.reconstruction
    figures = ("phase_correlation", "phase_psnr", "amplitude_psnr")
    return Point(
        side=side,
        epochs=epochs,
        training_s=sum(summary["seconds"].get(phase, 0.0) for phase in TRAINING),
        process_s=ended["train"].seconds,
        scores={figure: float(judged.scores[figure]) for figure in figures},
        flat={figure: float(judged.flat[figure]) for figure in figures},
        way=None if made is None else object_fourier_error(made, contract.load(options.scan)).way,
    )


def main(options: QualityCurveOptions, *, follow: int | None) -> int:
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
    for sentence in report.complaints():
        print(f"fail: {sentence}")
    print(f"quality-curve: {verdict.label} (exit {int(verdict)}); {folder / REPORT}, {folder / 'pictures' / CURVE}")
    return int(verdict)
