"""
Registers a reconstruction with the truth: where they may be compared, and how far apart they lie.

The search is limited by construction: translations of a few pixels and nothing else. Positions are absolute, so a
match that needs more is a mistake to report and not to correct; rotations, mirrors and conjugates are never tried.
That is also why the correlation is maximised directly: `skimage.registration.phase_cross_correlation` has no limit
and takes both images as periodic, which a cut-out of an object is not. The two are compared in the tests.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT_PX = 3
"""Largest shift along either axis that is searched and removed, pixels."""

_CONTEXT_PX = 12
"""Truth around the box that the spline and the largest shift reach into."""

_FINE_STEPS = 100
"""Shifts are found to 1/100 px."""


def correlation(a: NDArray[Any], b: NDArray[Any]) -> complex:
    """
    Pearson correlation of two real or complex arrays of one shape: Σ a'·conj(b') / (‖a'‖‖b'‖), means removed.

    Returns:
        the correlation; 0 where either array is constant, so that a flat object never scores by accident.
    """
    x, y = a - a.mean(), b - b.mean()
    # Sums and not BLAS: threads of a dot product this small wait for each other, and their order would show.
    energy = np.sqrt(np.sum(np.abs(x) ** 2) * np.sum(np.abs(y) ** 2))
    # A constant array leaves rounding residue behind its mean, not zeros.
    floor = 1e-12 * (np.abs(a).max(initial=0) * np.abs(b).max(initial=0)) * a.size
    return complex(np.sum(x * np.conj(y)) / energy) if energy > floor else 0j


def scored_area(overlap: NDArray[np.float64], margin: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Mark the pixels of a reconstruction that are compared with the truth.

    The scanned area is the convex hull of the pixels that patches cover, so that the corners of a round or rotated
    scan do not count and holes in a thin scan do not eat their surroundings.

    Args:
        overlap: `(h, w)` number of patches on each pixel.
        margin: pixels (Euclidean) taken off the rim of the scanned area.

    Returns:
        `(h, w)` the scanned area less its margin, and `(h, w)` the covered pixels in it.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import convex_hull_image

    covered = overlap > 0
    if not covered.any():
        return covered, covered
    # The hull of pixel centres and not of their corners: a square scan stays exactly a square.
    hull = convex_hull_image(covered, offset_coordinates=False) | covered
    area = distance_transform_edt(np.pad(hull, 1))[1:-1, 1:-1] > margin
    return area, area & covered


def fill_uncovered(image: NDArray[np.complex128], covered: NDArray[np.bool_]) -> NDArray[np.complex128]:
    """Give every pixel that no patch covers the value of the nearest covered one: holes have no edges of their own."""
    from scipy.ndimage import distance_transform_edt

    if covered.all() or not covered.any():
        return image
    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return np.asarray(image[tuple(nearest)])


def plane(shape: tuple[int, ...], slope: tuple[float, float]) -> NDArray[np.float64]:
    """`shape` values that rise by `slope[0]` per pixel along axis 0 and by `slope[1]` along axis 1, from 0."""
    return np.asarray(slope[0] * np.arange(shape[0])[:, None] + slope[1] * np.arange(shape[1]))


class Truth:
    """
    The truth on the pixels of a box, displaced by any sub-pixel shift (cubic spline).

    The truth is resampled, and not the reconstruction: it has no noise and it continues beyond the box, so that no
    pixel of a score comes from an extrapolation.

    Args:
        whole: `(H, W)` true object.
        box: `(row0, row1, col0, col1)` of the pixels that are compared, in pixels of the whole object.
    """

    def __init__(self, whole: NDArray[Any], box: tuple[int, int, int, int]) -> None:
        row0, row1, col0, col1 = box
        padded = np.pad(np.asarray(whole, np.complex128), _CONTEXT_PX, mode="edge")
        self._around = padded[row0 : row1 + 2 * _CONTEXT_PX, col0 : col1 + 2 * _CONTEXT_PX]
        self._shape = (row1 - row0, col1 - col0)

    def levelled(self, slope: tuple[float, float]) -> "Truth":
        """The same truth without a phase ramp of `slope` radians per pixel along axis 0 and axis 1."""
        whole = self._around * np.exp(-1j * plane(self._around.shape, slope))
        pad = _CONTEXT_PX
        return Truth(whole, (pad, pad + self._shape[0], pad, pad + self._shape[1]))

    def at(self, shift: tuple[float, float]) -> NDArray[np.complex128]:
        """
        The box of the truth displaced by `(dy, dx)` pixels: `at(s)[y, x] = truth[y - dy, x - dx]`.

        Whole-pixel shifts return the truth's own values, untouched by the spline.
        """
        from scipy.ndimage import shift as displace

        pad = _CONTEXT_PX
        if all(float(step).is_integer() for step in shift):
            top, left = (pad - int(step) for step in shift)
            return self._around[top : top + self._shape[0], left : left + self._shape[1]]
        real, imaginary = (
            displace(part, shift, order=3, mode="nearest") for part in (self._around.real, self._around.imag)
        )
        return np.asarray(real + 1j * imaginary)[pad : pad + self._shape[0], pad : pad + self._shape[1]]


def find_shift(image: NDArray[np.complex128], truth: Truth, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """
    The displacement of an image against the truth that maximises the magnitude of their complex correlation.

    The correlation is computed at whole-pixel shifts only and its surface interpolated. Resampling the truth instead
    would be biased: it smooths the truth, which a smooth reconstruction likes better at any fractional shift.

    Args:
        image: `(h, w)` reconstruction on the truth's box.
        truth: the truth on the same box.
        mask: `(h, w)` the pixels that are compared.

    Returns:
        `(dy, dx)` in pixels, each within ±`LIMIT_PX`: `image[y, x] ≈ truth[y - dy, x - dx]`. Zero for a constant image.
    """
    from scipy.interpolate import RectBivariateSpline

    values = image[mask]
    steps = range(-LIMIT_PX - 1, LIMIT_PX + 2)
    surface = np.array([[abs(correlation(values, truth.at((dy, dx))[mask])) for dx in steps] for dy in steps])
    if not surface.any():
        return 0.0, 0.0
    row, col = np.unravel_index(np.argmax(surface[1:-1, 1:-1]), (2 * LIMIT_PX + 1,) * 2)
    near = np.arange(-_FINE_STEPS, _FINE_STEPS + 1) / _FINE_STEPS
    down, right = (np.clip(peak - LIMIT_PX + near, -LIMIT_PX, LIMIT_PX) for peak in (row, col))
    fine = RectBivariateSpline(steps, steps, surface)(down, right)
    best = np.unravel_index(np.argmax(fine), fine.shape)
    return float(down[best[0]]), float(right[best[1]])
