"""
Fourier ring correlation: up to which spatial frequency two images agree, in cycles per pixel.

Frequencies are given as such and not as shell indices, which mean nothing once the image has another size. Both
images lose their mean and get a Hann window first (an edge would correlate with itself at all frequencies), and
the corners of Fourier space beyond Nyquist are left out, where rings are incomplete.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.errors import UsageError

NYQUIST = 0.5
"""Cycles per pixel."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """
    A Fourier ring correlation.

    Attributes:
        frequency: `(K,)` centre of each ring in cycles per pixel, without the zero frequency.
        correlation: `(K,)` real part of the normalised correlation on the ring, −1 to 1; 0 where an image is flat.
        count: `(K,)` Fourier pixels on the ring.
    """

    frequency: NDArray[np.float64]
    correlation: NDArray[np.float64]
    count: NDArray[np.int64]


def curve(a: NDArray[Any], b: NDArray[Any]) -> Curve:
    """
    Fourier ring correlation of two square images, real or complex.

    The real part, and not the magnitude, is taken: the magnitude of a sum over few pixels of noise is not 0.
    A global phase must therefore be removed before. (Saxton & Baumeister 1982, J. Microsc. 127, 127.)

    Args:
        a: `(n, n)` image.
        b: `(n, n)` image.

    Returns:
        the curve on rings of width 1/n.

    Raises:
        UsageError: images that are not square, not of one shape, or smaller than 8 pixels.
    """
    if a.shape != b.shape or a.ndim != 2 or a.shape[0] != a.shape[1] or a.shape[0] < 8:
        raise UsageError(f"images are {a.shape} and {b.shape}; allowed: two square ones of one side, 8 or more pixels")
    n = a.shape[0]
    # The periodic Hann window puts its one zero on the edge and its peak on pixel n // 2.
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    x, y = (np.fft.fft2(_centred(image) * window[:, None] * window) for image in (a, b))
    axis = np.fft.fftfreq(n) * n
    ring = np.rint(np.hypot(axis[:, None], axis)).astype(np.intp).ravel()
    last = n // 2
    cross, energy_x, energy_y = (
        np.bincount(ring, weights=values.ravel())[1 : last + 1]
        for values in ((x * y.conj()).real, np.abs(x) ** 2, np.abs(y) ** 2)
    )
    norm = np.sqrt(energy_x * energy_y)
    correlation = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    return Curve(frequency=np.arange(1, last + 1) / n, correlation=correlation, count=np.bincount(ring)[1 : last + 1])


def _centred(image: NDArray[Any]) -> NDArray[Any]:
    """The image less its mean; exact zeros where only rounding is left, so that a flat image correlates with none."""
    centred = np.asarray(image - image.mean())
    if np.abs(centred).max() <= 1e-12 * np.abs(image).max():
        return np.zeros_like(centred)
    return centred


def half_bit(count: NDArray[np.int64]) -> NDArray[np.float64]:
    """
    The ½-bit threshold for rings of `count` pixels (van Heel & Schatz 2005, J. Struct. Biol. 151, 250, eq. 17).

    It is meant for two noisy halves. Against a noise-free truth it is the stricter choice.
    """
    root = np.sqrt(count)
    return np.asarray((0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root))


def resolution(measured: Curve, threshold: NDArray[np.float64] | float) -> float:
    """
    The frequency at which a curve first falls below a threshold.

    Args:
        measured: a curve.
        threshold: a number (0.5), or one value per ring (`half_bit(measured.count)`).

    Returns:
        cycles per pixel, interpolated between rings: 0 when the first ring already fails, 0.5 when none does.
    """
    excess = measured.correlation - threshold
    below = np.flatnonzero(excess < 0)
    if not below.size:
        return NYQUIST
    first = int(below[0])
    if first == 0:
        return 0.0
    step = excess[first - 1] / (excess[first - 1] - excess[first])
    before, after = measured.frequency[first - 1], measured.frequency[first]
    return float(before + step * (after - before))
