"""
Pictures of reconstructions and of loss curves, drawn without `pyplot`.

`pyplot` keeps global state and may open a display; figures with an Agg canvas of their own do neither. Matplotlib is
imported late, and its configuration folder lies in TMPDIR unless the user has chosen one: otherwise the first picture
would leave a font cache in HOME. Files appear whole or not at all.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho.errors import UsageError
from ptycho.files import replacing
from ptycho.metrics.metrics import Scores, TruthComparison, compare, flat_row
from ptycho.physics.stitching import Reconstruction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {"amplitude": ("gray", "amplitude"), "phase": ("viridis", "phase / rad")}
"""Colour map and label of each kind of image."""

_DIFFERENCE = "RdBu_r"
_GREY = "#555555"
_DPI = 110


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """
    One row of a comparison.

    Attributes:
        name: what is shown, such as the backend and the data set.
        reconstruction: the stitched object.
        truth: `(H, W)` complex true object.
    """

    name: str
    reconstruction: Reconstruction
    truth: NDArray[Any]


def save_image(path: Path, array: NDArray[Any], *, kind: str, label: str | None = None) -> None:
    """
    Save one image with a colour bar.

    Args:
        path: PNG file to write.
        array: `(h, w)` complex, of which the kind is taken, or real, which is drawn as it is. NaN stays blank.
        kind: `"amplitude"` or `"phase"` (radians).
        label: title above the image.

    Raises:
        UsageError: an unknown kind, or an array that is not an image.
        InfrastructureError: the file cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(f"kind = {kind!r}; allowed: {', '.join(KINDS)}")
    if array.ndim != 2 or not array.size:
        raise UsageError(f"the image is {array.shape}; allowed: two axes (h, w), not empty")
    if np.iscomplexobj(array):
        array = np.abs(array) if kind == "amplitude" else np.angle(array)
    colours, unit = KINDS[kind]
    height, width = array.shape
    wide = min(9.0, max(3.0, 4.6 * width / height))
    figure = new_figure((wide + 1.4, 5.2), layout="compressed")
    axes = figure.add_subplot()
    low, high = _span(array)
    shown = axes.imshow(array, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_xlabel("x / px")
    axes.set_ylabel("y / px")
    if label:
        axes.set_title(label, fontsize=11)
    figure.colorbar(shown, ax=axes, label=unit, fraction=0.046, pad=0.03)
    _write(figure, path)


def save_reconstruction(folder: Path, reconstruction: Reconstruction, *, label: str | None = None) -> tuple[Path, Path]:
    """
    Save `reconstructed_amplitude.png` and `reconstructed_phase.png`; pixels that no patch covers stay blank.

    The phase is turned to its mean, so that a weak phase does not meet the branch cut.

    Args:
        folder: existing folder to write to.
        reconstruction: the stitched object.
        label: title, to which the kind is added.

    Returns:
        the two paths, amplitude first.
    """
    covered = reconstruction.overlap > 0
    turned = reconstruction.obj * np.exp(-1j * np.angle(reconstruction.obj.sum()))
    images = {"amplitude": np.abs(turned), "phase": np.angle(turned)}
    paths = []
    for kind, image in images.items():
        paths.append(folder / f"reconstructed_{kind}.png")
        title = f"{label}: {kind}" if label else f"reconstructed {kind}"
        save_image(paths[-1], np.where(covered, image, np.nan), kind=kind, label=title)
    return paths[0], paths[1]


def save_comparison(path: Path, rows: Sequence[FigureRow]) -> tuple[Scores, ...]:
    """
    Save reconstructions beside their truths: amplitude, truth, difference, and the same for the phase.

    Reconstruction and truth share one colour scale, that of the truth; the difference has a scale of the same width
    about 0, so that a colour step means the same everywhere in a row. Scores are below each row, beside those of
    the flat object.

    Args:
        path: PNG file to write.
        rows: what to show, one row each.

    Returns:
        the scores of each row.

    Raises:
        UsageError: no rows, or a row that cannot be scored.
        InfrastructureError: the file cannot be written.
    """
    if not rows:
        raise UsageError("a comparison needs at least one row")
    figure = new_figure((15.6, 3.4 * len(rows)))
    scores = []
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for row, part in zip(rows, parts, strict=True):
        result = compare(row.reconstruction, row.truth)
        flat = flat_row(row.reconstruction, row.truth)
        scores.append(result.scores)
        _draw_row(part.subplots(1, 6), result)
        part.suptitle(row.name, x=0.012, ha="left", fontsize=13, fontweight="bold")
        part.supxlabel(_caption(result.scores, flat), x=0.012, ha="left", fontsize=9.5, color=_GREY)
    _write(figure, path)
    return tuple(scores)


def save_loss_curve(
    path: Path, epochs: Sequence[int], train: Sequence[float], validation: Sequence[float] | None = None
) -> None:
    """
    Save the training and validation loss per epoch.

    Args:
        path: PNG file to write.
        epochs: epoch numbers.
        train: mean training loss of each epoch.
        validation: validation loss of each epoch, or None.

    Raises:
        UsageError: sequences of different lengths.
        InfrastructureError: the file cannot be written.
    """
    if len(train) != len(epochs) or (validation is not None and len(validation) != len(epochs)):
        lengths = (len(epochs), len(train), None if validation is None else len(validation))
        raise UsageError(f"epochs, train and validation have lengths {lengths}; allowed: one length")
    figure = new_figure((6.4, 4.0))
    axes = figure.add_subplot()
    axes.plot(epochs, train, color="#1f5fa8", marker="o", markersize=3, label="training")
    if validation is not None:
        axes.plot(epochs, validation, color="#d9722b", marker="o", markersize=3, label="validation")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss (truncated Poisson)")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    _write(figure, path)


def _draw_row(axes: NDArray[Any], result: TruthComparison) -> None:
    """The six images of one comparison."""
    for first, kind, image, true in (
        (0, "amplitude", result.amplitude, result.true_amplitude),
        (3, "phase", result.phase, result.true_phase),
    ):
        colours, unit = KINDS[kind]
        low, high = _span(true[result.mask])
        if kind == "phase":
            # The constant of a phase means nothing; centred, the scale reads as deviation from the mean.
            centre = true[result.mask].mean()
            image, true, low, high = image - centre, true - centre, low - centre, high - centre
        half = (high - low) / 2
        difference = np.where(result.mask, image - true, np.nan)
        shown = [
            _panel(axes[first], np.where(result.mask, image, np.nan), f"reconstructed {kind}", colours, (low, high)),
            _panel(axes[first + 1], true, f"true {kind}", colours, (low, high)),
            _panel(axes[first + 2], difference, "difference", _DIFFERENCE, (-half, half)),
        ]
        figure = axes[first].get_figure()
        figure.colorbar(shown[1], ax=list(axes[first : first + 2]), label=unit, fraction=0.03, pad=0.02, shrink=0.8)
        figure.colorbar(shown[2], ax=axes[first + 2], fraction=0.055, pad=0.03, shrink=0.8)


def _panel(axes: "Axes", image: NDArray[Any], title: str, colours: str, limits: tuple[float, float]) -> Any:
    shown = axes.imshow(image, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return shown


def _caption(scores: Scores, flat: Scores) -> str:
    """Two lines of figures: the reconstruction's and, in brackets, the flat object's."""
    lines = []
    for kind in ("amplitude", "phase"):
        ours = [getattr(scores, f"{kind}_{figure}") for figure in ("psnr", "ssim", "correlation")]
        base = [getattr(flat, f"{kind}_{figure}") for figure in ("psnr", "ssim", "correlation")]
        lines.append(
            f"{kind}: PSNR {ours[0]:.2f} dB [{base[0]:.2f}]   SSIM {ours[1]:.3f} [{base[1]:.3f}]   "
            f"correlation {ours[2]:.3f} [{base[2]:.0f}]"
        )
    shift = ", ".join(f"{step:+.2f}" for step in scores.shift)
    rest = (
        f"complex correlation {scores.complex_correlation:.3f}   phase correlation without ramp "
        f"{scores.ramp_removed.phase_correlation:.3f}   FRC {scores.frc_half:.3f} cycles/px   "
        f"shift removed ({shift}) px   [flat object]"
    )
    return f"{lines[0]}      {lines[1]}\n{rest}"


def _span(values: NDArray[Any]) -> tuple[float, float]:
    """Colour limits: all but the outermost half per cent on either side, so that one hot pixel hides nothing."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, (0.5, 99.5)))
    # A constant image would have a scale of rounding noise.
    least = 1e-6 * max(1.0, abs(low))
    return (low, high) if high - low > least else (low - 0.05, high + 0.05)


@cache
def _classes() -> tuple[Any, Any]:
    """Matplotlib's `Figure` and `FigureCanvasAgg`, imported so that nothing is left in HOME."""
    with _private_configuration():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    return Figure, FigureCanvasAgg


@contextmanager
def _private_configuration() -> Iterator[None]:
    """Point Matplotlib at a folder in TMPDIR while it is imported, unless it already was or the user has chosen."""
    if "matplotlib" in sys.modules or "MPLCONFIGDIR" in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="ptycho-matplotlib-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def new_figure(inches: tuple[float, float], *, layout: str = "constrained") -> "Figure":
    """An empty white figure whose canvas can only write files: what every picture starts from."""
    figure_class, canvas_class = _classes()
    figure: Figure = figure_class(figsize=inches, dpi=_DPI, layout=layout, facecolor="white")
    canvas_class(figure)
    return figure


def _write(figure: "Figure", path: Path) -> None:
    """Save whole or not at all; no version of Matplotlib in the file, so that equal pictures have equal bytes."""
    with replacing(path) as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})
