"""The scaling curves in one PNG: what a pattern costs and what the process holds, against the size of the scan."""

from collections import defaultdict
from pathlib import Path

from harness.benchmark.scaling.masks import NONE
from harness.benchmark.scaling.report import ScalingReport, SizeRow
from harness.files.run_files import replacing
from ptycho.metrics.figures import new_figure


def save(path: Path, report: ScalingReport) -> Path:
    """
    Draw a line for each side and gridsize, flat where all is well.

    Returns:
        The path.
    """
    figure = new_figure((9.0, 3.6))
    lines: dict[str, list[SizeRow]] = defaultdict(list)
    for row in report.rows:
        mask = "" if row.mask == NONE else f", mask: {row.mask}"
        lines[f"N = {row.reading['side']}, gridsize {row.reading['gridsize']}{mask}"].append(row)
    cost, memory = figure.subplots(1, 2)
    for name, rows in lines.items():
        sizes = [int(row.reading["patterns"]) for row in rows]
        cost.plot(sizes, [row.microseconds for row in rows], "o-", label=name)
        memory.plot(sizes, [row.peak_mb for row in rows], "o-", label=name)
        for side in sorted({side for row in rows for side in row.steps}):
            trained = [(m, row.steps[side]["peak_mb"]) for m, row in zip(sizes, rows, strict=True) if side in row.steps]
            memory.plot(*zip(*trained, strict=True), "s--", label=f"{name}, training with {side}")
    for axis, title in ((cost, "µs a pattern, file to last batch"), (memory, "MB resident at most")):
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("patterns in the scan")
        axis.set_title(title, fontsize="medium")
        if lines:
            axis.legend(fontsize="x-small")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})
    return path
