"""The difference of a tensor as a picture: often its shape (a frame, a stripe, one channel) is the diagnosis."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.parity.comparison import Array
from ptycho.output import replacing

_DPI = 110


def save(path: Path, tensor: str, sides: Mapping[str, Array | None], expected: Array | None) -> Path | None:
    """
    Draw the oracle's tensor and each side's |difference| from it, at the slice where they differ most.

    Returns:
        The path; None where there is nothing to draw: no oracle, or no side of its shape.
    """
    if expected is None:
        return None
    gaps = {side: _gap(value, expected) for side, value in sides.items() if value is not None}
    drawn = {side: gap for side, gap in gaps.items() if gap is not None}
    if not drawn or expected.size == 0:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    largest = max(drawn.values(), key=lambda gap: float(np.max(gap)))
    at = tuple(int(k) for k in np.unravel_index(int(np.argmax(largest)), largest.shape))[: max(0, expected.ndim - 2)]
    figure = Figure(figsize=(3.6 * (len(drawn) + 1), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, len(drawn) + 1))
    panels = {"|oracle|": np.abs(expected)} | {f"|{side} − oracle|": gap for side, gap in drawn.items()}
    # One scale for all differences: a side without any is then dark, and not coloured by its own noise.
    widest = float(np.max(np.atleast_1d(largest[at]))) or 1.0
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        top = None if title == "|oracle|" else widest
        image = axis.imshow(
            np.atleast_2d(values[at]), cmap="magma", aspect="auto", interpolation="nearest", vmin=0, vmax=top
        )
        axis.set_title(title)
        figure.colorbar(image, ax=axis)
    figure.suptitle(f"{tensor}{list(at) if at else ''}")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", dpi=_DPI)
    return path


def _gap(actual: Array, expected: Array) -> NDArray[np.float64] | None:
    if actual.shape != expected.shape:
        return None
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(np.abs(actual - expected), posinf=0.0), dtype=np.float64)
