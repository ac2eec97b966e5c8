"""
Differences seed by seed beside the margin, and the loss curves behind them, in one PNG.

A dot far from all others is a seed to look at; a cloud beside zero is a bias; an interval that is wider than the band
is a campaign that was too small.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.files.run_files import replacing
from harness.parity.quality.report import MetricResult, QualityReport
from ptycho.metrics.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("tab:blue", "tab:orange")
_PANEL = (3.6, 3.1)


def save(path: Path, report: QualityReport) -> Path:
    """
    Draw a panel for each figure and two for the losses.

    Args:
        path: PNG to write.
        report: a judged campaign.

    Returns:
        The path.
    """
    panels = len(report.findings) + 2
    columns = -(-panels // 2)
    figure = new_figure((_PANEL[0] * columns, _PANEL[1] * 2))
    axes = list(figure.subplots(2, columns).flat)
    for axis, finding in zip(axes, report.findings, strict=False):
        _differences(axis, finding, report)
    for axis, name in zip(axes[len(report.findings) :], ("train_loss", "validation_loss"), strict=False):
        _losses(axis, name, report)
    for axis in axes[panels:]:
        axis.axis("off")
    figure.suptitle(f"trained quality over {report.n} seeds: {report.result}")
    with replacing(path) as handle:
        figure.savefig(handle, format="png")
    return path


def _differences(axis: "Axes", finding: MetricResult, report: QualityReport) -> None:
    first, second = report.runs
    a, b = finding.sides[first], finding.sides[second]
    axis.plot(report.seeds, [x - y for x, y in zip(a, b, strict=True)], "o", color="0.35", markersize=4)
    axis.axhline(0, color="0.6", linewidth=0.8)
    if finding.tested is not None:
        margin, (low, high) = finding.tested.margin.value, finding.tested.interval
        axis.axhspan(-margin, margin, color="tab:green", alpha=0.15, label="margin")
        beside = max(report.seeds) + 0.06 * max(8, max(report.seeds) - min(report.seeds))
        reach = [[finding.tested.mean - low], [high - finding.tested.mean]]
        axis.errorbar([beside], [finding.tested.mean], yerr=reach, fmt="s", color="tab:red", capsize=4, label="mean")
        axis.legend(loc="best", fontsize="x-small")
    axis.set_title(f"{finding.metric.label}: {finding.result}", fontsize="medium")
    axis.set_xlabel("seed")
    axis.locator_params(axis="x", integer=True)
    axis.set_ylabel(f"{first} − {second}, {finding.metric.unit}")


def _losses(axis: "Axes", name: str, report: QualityReport) -> None:
    for colour, (side, runs) in zip(COLOURS, report.runs.items(), strict=True):
        for number, run in enumerate(runs):
            losses = getattr(run.measured, name)
            label = side if number == 0 else None
            axis.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=0.8, alpha=0.5, label=label)
    axis.set_title(name.replace("_", " "), fontsize="medium")
    axis.set_xlabel("epoch")
    axis.locator_params(axis="x", integer=True)
    axis.set_ylabel("loss")
    if report.n:
        axis.legend(loc="best", fontsize="x-small")
