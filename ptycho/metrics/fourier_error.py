"""
Does an object explain the measured diffraction? The one figure of merit that needs no truth.

Absolute values carry over from no data set to another (the noise floor is 0.026 on one and 0.001 on another), so an
error is read between two others on the same patterns: that of a flat object and that of the object in the file.
A stitched object ends where the scanned area ends, while windows reach N/2 beyond the outermost positions. For all
three objects alike, pixels that no patch covers therefore get the object's own mean over the covered ones: the same
information is missing from each, and the flat object's error is exactly that of a flat object.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import Dataset
from ptycho.errors import UsageError
from ptycho.physics import forward, patches
from ptycho.physics.stitching import Reconstruction

_CHUNK = 128


@dataclass(frozen=True, kw_only=True)
class FourierErrors:
    """
    Fourier errors of three objects on the same patterns, with the same fill outside the reconstruction.

    Attributes:
        reconstructed: of the stitched object.
        flat: of the constant object.
        given: of the object in the file, or None where it has none.
        patterns: number of patterns.
    """

    reconstructed: float
    flat: float
    given: float | None
    patterns: int

    @property
    def way(self) -> float | None:
        """
        Return how far the reconstruction is from flat (0) to given (1); negative where it explains less than nothing.

        None without a given object, or where the given object is no better than a flat one.
        """
        if self.given is None or self.given >= self.flat:
            return None
        return (self.flat - self.reconstructed) / (self.flat - self.given)


def fourier_error(
    amplitudes: NDArray[Any], objects: NDArray[Any], probe: NDArray[Any], good: NDArray[np.bool_] | None = None
) -> float:
    """
    Σ(α|F| − A)² / ΣA² over all patterns and pixels, with the one scalar α that makes it smallest.

    Args:
        amplitudes: `(M, N, N)` measured amplitudes A, DC in the centre.
        objects: `(M, N, N)` complex object windows, or `(1, N, N)` for one object under all patterns.
        probe: `(P, N, N)` or `(N, N)` complex probe modes; modes add as intensities. Its scale drops out.
        good: `(M, N, N)`, or `(1, N, N)` for all patterns, where pixels count; None where all do.

    Returns:
        the error: 0 for a perfect match, 1 for no light at all.

    Raises:
        UsageError: shapes that do not belong together, or amplitudes that are all 0.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> objects, probe = np.exp(1j * rng.random((2, 8, 8))), np.ones((1, 8, 8))
        >>> round(fourier_error(3 * physics.amplitude(objects, probe), objects, probe), 12)
        0.0
    """
    modes = probe.reshape(-1, *probe.shape[-2:])
    shared = len(objects) == 1
    if objects.shape[1:] != amplitudes.shape[1:] or modes.shape[1:] != amplitudes.shape[1:]:
        raise UsageError(
            f"objects {objects.shape} and probe {probe.shape} do not belong to amplitudes {amplitudes.shape}; "
            "allowed: (M, N, N), (P, N, N) and (M, N, N) of one N"
        )
    if not shared and len(objects) != len(amplitudes):
        raise UsageError(f"{len(objects)} objects for {len(amplitudes)} patterns; allowed: as many, or one")
    constant = forward.amplitude(objects, modes) if shared else None

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for start in range(0, len(amplitudes), _CHUNK):
            part = slice(start, start + _CHUNK)
            observed = amplitudes[part]
            if constant is None:
                predicted = forward.amplitude(objects[part], modes)
            else:
                predicted = np.broadcast_to(constant, observed.shape)
            if good is None:
                yield observed, predicted
            else:
                counted = good if len(good) == 1 else good[part]
                yield np.where(counted, observed, 0), predicted * counted

    return residual(pairs())


def residual(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    """
    Σ(α|F| − A)² / ΣA² at its smallest, which is 1 − (Σ|F|A)² / (Σ|F|² ΣA²).

    Args:
        pairs: measured amplitudes A and predicted |F|, of one shape each, a part of the scan at a time.

    Raises:
        UsageError: amplitudes that are all 0.
    """
    cross = energy = measured = 0.0
    for observed, predicted in pairs:
        seen = observed.astype(np.float64)
        cross += float(np.sum(predicted * seen))
        energy += float(np.sum(predicted**2))
        measured += float(np.sum(seen**2))
    if measured == 0:
        raise UsageError("all amplitudes are 0: there is nothing to explain")
    return 1.0 if energy == 0 else max(0.0, 1 - cross**2 / (energy * measured))


def object_fourier_error(reconstruction: Reconstruction, dataset: Dataset) -> FourierErrors:
    """
    Fourier errors of a stitched object, of a flat one and of the file's own, on all patterns of a dataset.

    Args:
        reconstruction: the stitched object, in the pixels that the dataset's coordinates count in.
        dataset: measured amplitudes, probe, positions, and the given object where there is one.

    Returns:
        the three errors.

    Raises:
        UsageError: a reconstruction that reaches beyond the given object, or that covers no pixel.
    """
    side = dataset.side
    covered = reconstruction.overlap > 0
    if not covered.any():
        raise UsageError("the reconstruction covers no pixel: stitch patches first")
    row0, row1, col0, col1 = reconstruction.crop
    given = dataset.obj
    if given is not None and (min(row0, col0) < 0 or row1 > given.shape[0] or col1 > given.shape[1]):
        raise UsageError(
            f"the reconstruction covers rows {row0}..{row1 - 1} and columns {col0}..{col1 - 1}, the given object is "
            f"{given.shape[0]}×{given.shape[1]}; stitch with the dataset's own coordinates"
        )
    # A canvas that holds every window and the reconstruction, with its own origin.
    reach = side // 2 + 1
    top = min(row0, int(np.floor(dataset.ycoords.min())) - reach)
    left = min(col0, int(np.floor(dataset.xcoords.min())) - reach)
    bottom = max(row1, int(np.ceil(dataset.ycoords.max())) + reach)
    right = max(col1, int(np.ceil(dataset.xcoords.max())) + reach)
    x, y = dataset.xcoords - left, dataset.ycoords - top
    good = dataset.good(slice(None))

    def error(values: NDArray[Any]) -> float:
        canvas = np.full((bottom - top, right - left), values[covered].mean(), np.complex128)
        canvas[row0 - top : row1 - top, col0 - left : col1 - left][covered] = values[covered]
        return fourier_error(dataset.diffraction, patches.extract(canvas, x, y, side), dataset.probe, good)

    return FourierErrors(
        reconstructed=error(reconstruction.obj),
        flat=fourier_error(dataset.diffraction, np.ones((1, side, side), np.complex128), dataset.probe, good),
        given=None if given is None else error(given[row0:row1, col0:col1]),
        patterns=dataset.n_patterns,
    )
