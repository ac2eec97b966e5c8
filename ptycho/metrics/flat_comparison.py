"""
Is a reconstruction any better than a flat object? A picture always looks like something; this says whether it is.

Where the file has an object, the reconstruction is correlated with it, to which a flat object has a correlation of 0.
Where it has none, the reconstruction must explain the measured diffraction better than a flat object does. Both look
at a bounded number of pixels and patterns, and need no library that an inference does not load anyway.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import Dataset
from ptycho.metrics import scan_sample
from ptycho.metrics.fourier_error import object_fourier_error
from ptycho.metrics.registration import LIMIT_PX, correlation
from ptycho.physics.stitching import Reconstruction

UNLIKE, ALIKE = 0.15, 0.35
"""Correlations with the given object below which a reconstruction does not show it, and from which on it does. Between
them the Fourier error decides: stitched at wrong positions, scans still reached 0.20 to 0.28. On a field of some
ten pixels more than the margin, unlike images may correlate by more than this."""

_MARGIN_PX = 10
_SMALLEST_BOX_PX = 16
_LARGEST_BOX_PX = 512


@dataclass(frozen=True, kw_only=True)
class FlatComparison:
    """
    A reconstruction beside a flat object.

    Attributes:
        correlation: signed correlation with the given object, after its global phase and a shift of at most 3 px have
            been removed; None where the file has no object, or a constant one. A flat object has 0.
        fourier_error: Fourier error of the reconstruction, on some patterns.
        flat_fourier_error: of a flat object, on the same.
        patterns: how many patterns these are.
    """

    correlation: float | None
    fourier_error: float
    flat_fourier_error: float
    patterns: int

    @property
    def better(self) -> bool:
        """Whether the reconstruction is better than a flat object: by the given object where it tells."""
        if self.correlation is not None and not UNLIKE <= self.correlation < ALIKE:
            return self.correlation >= ALIKE
        return self.fourier_error < self.flat_fourier_error

    def warning(self, *, epochs: int | None, suspicious: bool) -> str | None:
        """
        One sentence where the reconstruction is no better than a flat object, with the next step; else None.

        Args:
            epochs: how many the network has been trained for, where that is known.
            suspicious: whether the file itself looks wrong.
        """
        if self.better:
            return None
        errors = (
            f"Fourier error {self.fourier_error:.4f}, flat {self.flat_fourier_error:.4f} ({self.patterns} patterns)"
        )
        if self.correlation is not None:
            errors = f"its correlation with the given object is {self.correlation:.2f}, that of a flat one 0; {errors}"
        trained = "" if epochs is None else f" than {epochs} epoch{'' if epochs == 1 else 's'}"
        step = (
            "repair what the warnings about the file name, and train again"
            if suspicious
            else f"train longer{trained}, and on more patterns; look at the loss curve, and at whether network and "
            "scan belong together (probe, photons, pixel size)"
        )
        return f"the reconstruction is no better than a flat object: {errors}; {step}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "better_than_flat": self.better,
            "correlation": self.correlation,
            "fourier_error": self.fourier_error,
            "flat_fourier_error": self.flat_fourier_error,
            "patterns": self.patterns,
        }


def compare(reconstruction: Reconstruction, dataset: Dataset, used: NDArray[np.int64]) -> FlatComparison:
    """
    Compare a stitched object with a flat one.

    Args:
        reconstruction: the stitched object, in the pixels that the dataset's coordinates count in.
        dataset: the scan.
        used: indices of the patterns that were stitched, each once or several times.
    """
    stitched = np.unique(used)
    some = stitched[scan_sample.evenly(len(stitched), scan_sample.patterns_for(dataset.side))]
    bad = dataset.bad_pixels
    part = replace(
        dataset,
        obj=None,
        frames=scan_sample.frames_of(dataset, some),
        xcoords=dataset.xcoords[some],
        ycoords=dataset.ycoords[some],
        bad_pixels=bad if bad is None or bad.ndim == 2 else bad[some],
    )
    alike = None if dataset.obj is None else _correlation(reconstruction, dataset.obj)
    if not part.diffraction.any():  # nothing explains darkness
        return FlatComparison(correlation=alike, fourier_error=1.0, flat_fourier_error=1.0, patterns=len(some))
    found = object_fourier_error(reconstruction, part)
    return FlatComparison(
        correlation=alike,
        fourier_error=found.reconstructed,
        flat_fourier_error=found.flat,
        patterns=found.patterns,
    )


def _correlation(reconstruction: Reconstruction, obj: NDArray[np.complex64]) -> float | None:
    """Largest signed correlation over whole-pixel shifts; None with a constant object."""
    rows, cols = (_middle(length) for length in reconstruction.obj.shape)
    image, covered = reconstruction.obj[rows, cols], reconstruction.overlap[rows, cols] > 0
    top, left = reconstruction.origin[0] + rows.start, reconstruction.origin[1] + cols.start
    around = np.pad(obj, LIMIT_PX, mode="edge")

    def displaced(dy: int, dx: int) -> NDArray[np.complex128]:
        row, col = top + LIMIT_PX - dy, left + LIMIT_PX - dx
        return around[row : row + image.shape[0], col : col + image.shape[1]][covered].astype(np.complex128)

    here = displaced(0, 0)
    if np.ptp(here.real) == 0 and np.ptp(here.imag) == 0:
        return None
    steps = range(-LIMIT_PX, LIMIT_PX + 1)
    return max(_aligned(image[covered], displaced(dy, dx)) for dy in steps for dx in steps)


def _aligned(image: NDArray[np.complex128], truth: NDArray[np.complex128]) -> float:
    """Real part of the correlation once the mean phases agree: a conjugated image has a negative one."""
    turn = np.exp(1j * (np.angle(truth.mean()) - np.angle(image.mean())))
    return float((correlation(image * turn, truth)).real)


def _middle(length: int) -> slice:
    """The axis without its margin, where only one side of the neighbours is there; at most 512 pixels of it."""
    margin = _MARGIN_PX if length >= 2 * _MARGIN_PX + _SMALLEST_BOX_PX else 0
    margin = max(margin, (length - _LARGEST_BOX_PX) // 2)
    return slice(margin, length - margin)
