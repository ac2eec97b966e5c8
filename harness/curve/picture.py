"""The curve in one PNG: what is reached against the seconds of training, and the time that counts."""

from pathlib import Path

from harness.curve.report import LEAST_CORRELATION, LEAST_GAIN_DB, Report
from ptycho.output import replacing
from ptycho.pictures import new_figure


def save(path: Path, report: Report) -> Path:
    """
    Draw phase correlation and both gains over a flat object, a line for each side, and the bar across each.

    Returns:
        The path.
    """
    figure = new_figure((11.0, 3.4))
    axes = figure.subplots(1, 3)
    bars = {"phase_correlation": LEAST_CORRELATION, **LEAST_GAIN_DB}
    titles = ("phase correlation", "phase PSNR over flat (dB)", "amplitude PSNR over flat (dB)")
    for axis, (name, least), title in zip(axes, bars.items(), titles, strict=True):
        for side in report.sides:
            points = sorted(report.of(side), key=lambda point: point.training_s)
            values = [point.gain(name) if name in LEAST_GAIN_DB else point.scores[name] for point in points]
            axis.plot([point.training_s for point in points], values, "o-", label=side)
        axis.axhline(least, color="0.5", linestyle="--", linewidth=0.8)
        axis.axvline(report.within_s, color="0.5", linestyle=":", linewidth=0.8)
        axis.set_xlim(left=0)
        axis.set_xlabel("seconds of training")
        axis.set_title(title, fontsize="medium")
        axis.legend(fontsize="x-small")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})
    return path
