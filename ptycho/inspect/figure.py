"""
One picture of a file: object with the scan on it, probe, mean diffraction, one frame.

Matplotlib is imported inside the function and drawn by Agg: no display is needed, and no command line pays for it
that draws nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import Dataset
from ptycho.errors import UsageError
from ptycho.files import replacing
from ptycho.inspect.inspection import Inspection
from ptycho.metrics import scan_coverage
from ptycho.metrics.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ptycho.data.formats.preview import Preview

_DPI = 150


def save(inspection: Inspection, path: Path) -> None:
    """
    Write the picture as PNG.

    Args:
        inspection: of a file whose arrays could be read.
        path: the PNG file.

    Raises:
        UsageError: there are no arrays to draw.
        InfrastructureError: the folder is missing or not writable.
    """
    dataset, shown = inspection.attempt.dataset, inspection.attempt.preview
    if dataset is not None:
        figure = draw(dataset)
    elif shown is not None and not shown.is_empty:
        figure = draw_parts(shown)
    else:
        raise UsageError(f"{inspection.attempt.members.path}: no picture, since the arrays could not be read")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", dpi=_DPI)


def draw(dataset: Dataset) -> "Figure":
    """A figure of six panels; without an object, of four."""
    columns = 3 if dataset.obj is not None else 2
    figure = new_figure((4.6 * columns, 8.2))
    axes = figure.subplots(2, columns)
    source = dataset.source
    figure.suptitle(
        f"{source.path.name}   M = {dataset.n_patterns}, N = {dataset.side}, {source.layout} layout", fontsize=12
    )
    if dataset.obj is not None:
        _object(axes[0, 0], axes[1, 0], dataset, dataset.obj)
    _probe(axes[0, -2], axes[1, -2], dataset.probe)
    middle = _frame_nearest_centre(dataset)
    mean = dataset.diffraction.mean(axis=0, dtype=np.float64)
    _diffraction(axes[0, -1], mean, "mean diffraction amplitude, log scale")
    _diffraction(axes[1, -1], dataset.diffraction[middle], f"frame {middle}, nearest the scan's centre, log scale")
    return figure


def draw_parts(shown: "Preview") -> "Figure":
    """A figure of whatever a file has that is not a scan: one panel for each part."""
    parts: list[Any] = []
    if shown.obj is not None:
        parts += [
            ("object amplitude", np.abs(shown.obj), "gray"),
            ("object phase (rad)", np.angle(shown.obj), "viridis"),
        ]
    if shown.probe is not None:
        parts += [("probe amplitude", np.sqrt((np.abs(shown.probe) ** 2).sum(axis=0)), "magma")]
    panels = len(parts) + (shown.x is not None) + 2 * (shown.mean is not None)
    figure = new_figure((4.6 * panels, 4.4))
    axes = list(np.atleast_1d(figure.subplots(1, panels)))
    figure.suptitle(shown.title, fontsize=12)
    for title, values, colours in parts:
        _image(axes.pop(0), values, title, colours, vmin=values.min(), vmax=max(values.max(), values.min() + 1e-12))
    if shown.x is not None and shown.y is not None:
        place = axes.pop(0)
        place.plot(shown.x, shown.y, ".-", color="tab:orange", markersize=3, linewidth=0.4)
        place.set(title="positions (object pixels)", aspect="equal", xlabel="x", ylabel="y")
        place.invert_yaxis()
    if shown.mean is not None and shown.frame is not None:
        _diffraction(axes.pop(0), shown.mean, "mean diffraction amplitude, log scale")
        _diffraction(axes.pop(0), shown.frame, "first frame, log scale")
    return figure


def _object(top: "Axes", bottom: "Axes", dataset: Dataset, obj: NDArray[np.complex64]) -> None:
    amplitude, phase = np.abs(obj), np.angle(obj)
    seen = _scanned(dataset, obj.shape)
    for axes, values, title, colours in (
        (top, amplitude, "object amplitude, scan positions, reach of their windows", "gray"),
        (bottom, phase, "object phase (rad)", "viridis"),
    ):
        low, high = np.nanpercentile(values[seen] if seen.any() else values, (0.5, 99.5))
        _image(axes, values, title, colours, vmin=low, vmax=high)
    top.plot(dataset.xcoords, dataset.ycoords, ".", color="tab:orange", markersize=1.5, alpha=0.6)
    reached = scan_coverage.coverage(dataset)
    for axes in (top, bottom):
        if reached is not None and 0 < (reached > 0).mean() < 1:
            axes.contour(reached > 0, levels=[0.5], colors="tab:orange", linewidths=1)
        axes.set_xlim(-0.5, obj.shape[1] - 0.5)
        axes.set_ylim(obj.shape[0] - 0.5, -0.5)
        axes.set_xlabel("x (object pixels)")
        axes.set_ylabel("y (object pixels)")


def _probe(top: "Axes", bottom: "Axes", probe: NDArray[np.complex64]) -> None:
    magnitude = np.sqrt(np.sum(np.abs(probe) ** 2, axis=0))
    modes = "" if len(probe) == 1 else f", {len(probe)} modes"
    _image(top, magnitude, f"probe amplitude{modes}", "magma", vmin=0, vmax=magnitude.max() or 1)
    # Where there is no light the phase is noise: fade it out.
    brightness = np.sqrt(magnitude / (magnitude.max() or 1))
    _image(
        bottom,
        np.angle(probe[0]),
        "probe phase (rad), faded by amplitude",
        "twilight",
        vmin=-np.pi,
        vmax=np.pi,
        alpha=brightness,
    )
    bottom.set_facecolor("black")
    side = probe.shape[-1]
    quarter = [side / 4 - 0.5, 3 * side / 4 - 0.5]
    corners_x, corners_y = [quarter[i] for i in (0, 1, 1, 0, 0)], [quarter[i] for i in (0, 0, 1, 1, 0)]
    top.plot(corners_x, corners_y, ":", color="white", linewidth=1, label="central N/2")
    top.legend(loc="upper right", fontsize=8, framealpha=0.5)


def _diffraction(axes: "Axes", amplitude: NDArray[Any], title: str) -> None:
    """Zeros, which have no logarithm, take the colour of the smallest amplitude."""
    from matplotlib.colors import LogNorm

    positive = amplitude[amplitude > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (0.1, 1.0)
    low = max(low, high * 1e-4)
    _image(axes, np.maximum(amplitude, low), title, "inferno", norm=LogNorm(low, max(high, low * 1.01)))


def _image(axes: "Axes", values: NDArray[Any], title: str, colours: str, **options: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    image = axes.imshow(values, cmap=colours, interpolation="nearest", **options)
    axes.set_title(title, fontsize=10)
    norm = options.get("norm") or Normalize(options["vmin"], options["vmax"])
    figure = axes.get_figure()
    if figure is None:
        raise RuntimeError("an image is drawn on axes that belong to no figure")
    # A mappable of its own: the bar of an image with per-pixel transparency would be transparent too.
    figure.colorbar(ScalarMappable(norm, image.get_cmap()), ax=axes, fraction=0.046, pad=0.02)


def _scanned(dataset: Dataset, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The rectangle of the scan positions, where the object is known best."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    inside_y = (rows >= dataset.ycoords.min()) & (rows <= dataset.ycoords.max())
    return np.asarray(inside_y & (columns >= dataset.xcoords.min()) & (columns <= dataset.xcoords.max()))


def _frame_nearest_centre(dataset: Dataset) -> int:
    distance = np.hypot(dataset.xcoords - dataset.xcoords.mean(), dataset.ycoords - dataset.ycoords.mean())
    return int(np.argmin(distance))
