"""
From what one training and its inference left to the figures by which two backends are compared.

The crossing of an FRC threshold jumps from ring to ring; its mean over all rings moves with every pixel, and a test of
means needs that. Deviance is compared as a logarithm: a per cent is a per cent on any scan.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.errors import PtychoError
from ptycho.metrics import frc, metrics
from ptycho.parity.request import read_arrays
from ptycho.physics.stitching import Reconstruction
from ptycho.training import history


@dataclass(frozen=True, kw_only=True)
class Metric:
    """
    One figure of a trained network.

    Attributes:
        name: its key in `quality.json`.
        label: in tables and pictures.
        unit: unit of the figure and of a difference.
        rising: whether more is better.
    """

    name: str
    label: str
    unit: str
    rising: bool


METRICS = (
    Metric(name="amplitude", label="amplitude error (PSNR)", unit="dB", rising=True),
    Metric(name="phase", label="phase error (PSNR)", unit="dB", rising=True),
    Metric(name="frc", label="Fourier ring correlation", unit="mean of rings", rising=True),
    Metric(name="deviance", label="deviance, validation set", unit="ln", rising=False),
)
"""
PSNR at data range 1 is −20·log10 of the root mean square error, in units of the truth's amplitude and in radians,
after global phase, scale, linear ramp and a shift of at most 3 px are removed (`ptycho.metrics`).
"""


LEAST_CORRELATION = 0.3
"""What the lanes ask of a short training on a small scan, too; noise and mirrored objects stay below."""


@dataclass(frozen=True, kw_only=True)
class NetworkScores:
    """
    Scores of one trained network.

    Attributes:
        figures: by name, one for each of `METRICS`.
        flat: `amplitude` and `phase` of a flat object in its place.
        correlation: correlation of the phase with the truth's, ramps removed; a flat object has 0.
        train_loss: one an epoch.
        validation_loss: one an epoch.
    """

    figures: Mapping[str, float]
    flat: Mapping[str, float]
    correlation: float
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]

    @property
    def collapsed(self) -> bool:
        """Whether it is no better than a flat object, by its phase error or by its correlation."""
        return not (self.figures["phase"] > self.flat["phase"] and self.correlation > LEAST_CORRELATION)


def measure(training: Path, reconstruction: Path, keys: Mapping[str, str], truth: NDArray[Any]) -> NetworkScores:
    """
    Score one run.

    Args:
        training: output folder of the training, with its `history.csv`.
        reconstruction: NPZ of the inference.
        keys: names of its arrays `object`, `overlap` and `crop`.
        truth: `(H, W)` complex object that the scan was made from.

    Raises:
        PtychoError: an array is missing or not finite, or a figure is not: a run without a figure has failed.
        CheckpointError: the history is missing, damaged or empty.
    """
    stitched = _read(reconstruction, keys)
    compared, flat = metrics.compare(stitched, truth), metrics.flat_row(stitched, truth)
    rows = history.read(training / history.FILE_NAME)
    if not rows:
        raise PtychoError(f"{training / history.FILE_NAME} has no epoch: nothing was trained")
    removed, last = compared.scores.ramp_removed, rows[-1].validation_deviance
    figures = {
        "amplitude": removed.amplitude_psnr,
        "phase": removed.phase_psnr,
        "frc": ring_correlation(compared),
        "deviance": math.log(last) if last > 0 else math.nan,
    }
    losses = {name: tuple(float(getattr(row, name)) for row in rows) for name in ("train_loss", "validation_loss")}
    values = {**figures, "phase correlation": removed.phase_correlation, **{n: sum(v) for n, v in losses.items()}}
    if wrong := [f"{name} {value}" for name, value in values.items() if not math.isfinite(value)]:
        raise PtychoError(f"not finite: {', '.join(wrong)}; look at the log of the training")
    return NetworkScores(
        figures=figures,
        flat={"amplitude": flat.ramp_removed.amplitude_psnr, "phase": flat.ramp_removed.phase_psnr},
        correlation=removed.phase_correlation,
        **losses,
    )


def ring_correlation(compared: metrics.TruthComparison) -> float:
    """
    Mean of the Fourier ring correlation up to Nyquist over the largest scored square; 0 for a flat object.

    Both phases lose their own linear trend, as everywhere in `ptycho.metrics`: taking only the difference of the two
    trends from one would give a flat object the truth's.
    """
    from scipy.ndimage import distance_transform_cdt

    depth = distance_transform_cdt(np.pad(compared.mask, 1), metric="chessboard")[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    reach = int(depth[row, column]) - 1
    square = slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1)
    ours = compared.amplitude * np.exp(1j * _levelled(compared.phase, compared.mask))
    true = compared.true_amplitude * np.exp(1j * _levelled(compared.true_phase, compared.mask))
    return float(frc.curve(ours[square], true[square]).correlation.mean())


def _levelled(phase: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A phase less the plane that fits it best on a mask."""
    rows, columns = np.indices(phase.shape)
    terms = np.stack([rows, columns, np.ones(phase.shape)], axis=-1)
    fitted, *_ = np.linalg.lstsq(terms[mask], phase[mask], rcond=None)
    return np.asarray(phase - terms @ fitted)


def _read(path: Path, keys: Mapping[str, str]) -> Reconstruction:
    arrays = read_arrays(path)
    if missing := [name for name in keys.values() if name not in arrays]:
        raise PtychoError(f"{path} lacks {missing}; it holds {sorted(arrays)}")
    obj, overlap, crop = (arrays[keys[name]] for name in ("object", "overlap", "crop"))
    if not np.isfinite(obj).all():
        raise PtychoError(f"{path}: {int((~np.isfinite(obj)).sum())} pixels of the object are not finite")
    return Reconstruction(
        obj=obj.astype(np.complex128), overlap=overlap.astype(np.float64), origin=(int(crop[0]), int(crop[2]))
    )
