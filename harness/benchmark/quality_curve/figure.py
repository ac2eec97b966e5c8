"""The curve in one PNG: what is reached against the seconds of training, the time that counts, and the bars."""

from collections.abc import Callable
from math import nan
from pathlib import Path

from harness.benchmark.quality_curve.report import LEAST_CORRELATION, LEAST_GAIN_DB, LEAST_WAY, Point, QualityCurve
from harness.files.run_files import replacing
from ptycho.metrics.figures import new_figure


def save(path: Path, report: QualityCurve) -> Path:
    """
    Draw what may be judged, a panel for each figure, a line for each side, and the bars that hold for this scan.

    Returns:
        The path.
    """
    figure = new_figure((14.0, 3.4))
    panels: list[tuple[str, float, bool, Callable[[Point], float]]] = [
        ("phase correlation", LEAST_CORRELATION, False, lambda point: point.scores["phase_correlation"]),
        ("phase PSNR over flat (dB)", LEAST_GAIN_DB["phase_psnr"], False, lambda point: point.gain("phase_psnr")),
        ("amplitude PSNR over flat (dB)", LEAST_GAIN_DB["amplitude_psnr"], False, lambda p: p.gain("amplitude_psnr")),
        ("Fourier error: share of the improvement", LEAST_WAY, True, lambda p: nan if p.way is None else p.way),
    ]
    for axis, (title, least, measured, value) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for side in report.sides:
            points = sorted(report.of(side), key=lambda point: point.training_s)
            axis.plot([point.training_s for point in points], [value(point) for point in points], "o-", label=side)
        if measured == report.measured:
            axis.axhline(least, color="0.5", linestyle="--", linewidth=0.8)
        axis.axvline(report.within_s, color="0.5", linestyle=":", linewidth=0.8)
        axis.set_xlim(left=0)
        axis.set_xlabel("seconds of training")
        axis.set_title(title, fontsize="medium")
        axis.legend(fontsize="x-small")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})
    return path
