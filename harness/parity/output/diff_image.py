"""
The difference of a tensor as a picture: often its shape (a frame, a stripe, one channel) is the diagnosis.

Differences keep their sign: zero is white, both signs have their colour, and all sides share one scale. Of complex
tensors real and imaginary part are drawn, since a phase has no meaning where the modulus is zero.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files.run_files import replacing
from harness.parity.compare.axes import axes
from harness.parity.compare.comparison import Array
from harness.parity.compare.elements import FEW, gap
from harness.parity.compare.number_format import readable

_DPI = 110
_SIGNED = "RdBu_r"
_BROKEN = "#222222"
"""Of pixels that have no number."""

Real = NDArray[np.float64]


def save(path: Path, tensor: str, sides: Mapping[str, Array | None], expected: Array | None) -> Path | None:
    """
    Draw the oracle's tensor and each side's difference from it, at the slice where they differ most.

    Images are drawn with a scale that shows signs, long vectors as stems.

    Returns:
        The path; None where there is nothing to draw: no oracle, no side of its shape, or so few elements that a table
        says more.
    """
    if expected is None or expected.size <= FEW:
        return None
    drawn = {side: value for side, value in sides.items() if value is not None and value.shape == expected.shape}
    if not drawn:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    at = _slice(drawn, expected)
    truth = expected[at]
    parts = ("real", "imaginary") if np.iscomplexobj(expected) else ("",)
    figure = Figure(figsize=(3.7 * (len(drawn) + 1), 3.3 * len(parts) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    cells = figure.subplots(len(parts), len(drawn) + 1, squeeze=False)
    names = axes(tensor, expected.ndim)
    # One scale for all differences: a side without any is then white, and not coloured by its own noise.
    widest = max(float(np.max(_finite(value[at] - truth))) for value in drawn.values()) or 1.0
    for row, part in zip(cells, parts, strict=True):
        _draw(figure, row[0], _part(truth, part), names, f"oracle{_of(part)}", None)
        for axis, (side, value) in zip(row[1:], drawn.items(), strict=True):
            with np.errstate(invalid="ignore"):
                difference = _part(value[at] - truth, part)
            _draw(figure, axis, difference, names, f"{side} − oracle{_of(part)}", widest)
    where = ", ".join(f"{name} {k}" for name, k in zip(names, at, strict=False))
    figure.suptitle(f"{tensor}{f' at {where}' if where else ''}; largest difference {readable(widest)}")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", dpi=_DPI)
    return path


def _slice(drawn: Mapping[str, Array], expected: Array) -> tuple[int, ...]:
    """Indices of all but the last two axes, where a side differs most."""
    gaps = max((gap(value, expected) for value in drawn.values()), key=lambda gaps: float(np.max(gaps)))
    found = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
    return tuple(int(k) for k in found[: max(0, expected.ndim - 2)])


def _draw(figure: Any, axis: Any, values: Real, names: tuple[str, ...], title: str, limit: float | None) -> None:
    axis.set_title(title, fontsize=10)
    largest = limit if limit is not None else float(np.max(_finite(values))) or 1.0
    if values.ndim == 1:
        axis.axhline(0.0, color="#888888", linewidth=0.8)
        axis.stem(np.arange(values.size), values, markerfmt=".", basefmt=" ")
        axis.set_xlabel(names[-1])
        if limit is not None:
            axis.set_ylim(-1.1 * largest, 1.1 * largest)
        return
    import matplotlib

    signed = limit is not None or bool(np.any(values < 0))
    colours = matplotlib.colormaps[_SIGNED if signed else "viridis"].with_extremes(bad=_BROKEN)
    image = axis.imshow(
        np.ma.masked_invalid(values),
        cmap=colours,
        aspect="auto",
        interpolation="nearest",
        vmin=-largest if signed else 0,
        vmax=largest,
    )
    axis.set_xlabel(names[-1])
    axis.set_ylabel(names[-2])
    figure.colorbar(image, ax=axis, format="%.2g")


def _part(values: Array, part: str) -> Real:
    chosen = values.real if part == "real" else values.imag if part == "imaginary" else values
    return np.asarray(chosen, dtype=np.float64)


def _of(part: str) -> str:
    return f", {part} part" if part else ""


def _finite(values: Array) -> Real:
    """Larger of the moduli of real and imaginary part; 0 where there is no number."""
    parts = np.stack([values.real, values.imag]) if np.iscomplexobj(values) else values
    return np.asarray(np.nan_to_num(np.abs(parts.astype(np.float64)), nan=0.0, posinf=0.0, neginf=0.0))
