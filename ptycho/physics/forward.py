"""
The float64 oracle of the physics: every formula once, in plain NumPy, as the third party that judges both backends.

Loading and simulation use it too, so that a probe is normalised and an amplitude scaled by one piece of code only.
Shapes: B groups, C channels (patterns of a group), P incoherent probe modes, N patch side, M canvas side.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]

CANVAS_STEP = 4
"""Canvas pixels added per extra row of a group."""

MAX_POSITION_JITTER = 10
"""Canvas pixels added so that jittered patches stay on it."""

MASK_FLOOR = 0.001
"""Added to the count of overlapping masks, so that pixels which no mask covers divide by something."""

EPSILON_F64 = 1e-12
EPSILON_F32 = 1e-8
"""Smallest rate whose logarithm is taken, by the precision of the run."""


def canvas_side(side: int, gridsize: int) -> int:
    """Side M of the square on which a group's patches are assembled, pixels."""
    return side + (gridsize - 1) * CANVAS_STEP + MAX_POSITION_JITTER


def disk(side: int) -> Real:
    """`(N, N)`: 1 where r < N/4 about the half-pixel centre, else 0."""
    axis = np.arange(side) - (side - 1) / 2
    return np.asarray(np.hypot(axis[:, None], axis) < side / 4, dtype=np.float64)


def central_mask(side: int) -> Real:
    """`(N, N)`: 1 in the central N/2 square, else 0."""
    mask = np.zeros((side, side))
    quarter = side // 4
    mask[quarter : side - quarter, quarter : side - quarter] = 1
    return mask


def normalise_probe(probe: ArrayLike, *, probe_scale: float = 4.0, masked: bool = False) -> Complex:
    """
    P / (probe_scale · mean(disk·|P|)), with |P|² summed over incoherent modes: one factor for all of them.

    Args:
        probe: `(P, N, N)` or `(N, N)` complex.
        probe_scale: divisor; 4 leaves object amplitudes near 1 for a probe that fills its disk.
        masked: whether the probe is cut to the disk.

    Returns:
        `(P, N, N)` complex128.
    """
    modes = np.asarray(probe, dtype=np.complex128)
    modes = modes.reshape(-1, *modes.shape[-2:])
    aperture = disk(modes.shape[-1])
    magnitude = np.sqrt(np.sum(np.abs(modes) ** 2, axis=0))
    normalised = modes / (probe_scale * np.mean(aperture * magnitude))
    return np.asarray(normalised * aperture if masked else normalised, dtype=np.complex128)


def normalisation(diffraction: NDArray[Any]) -> float:
    """√((N/2)² / mean_i Σ X_i²): the factor that brings the mean pattern to (N/2)² units of intensity."""
    side = diffraction.shape[-1]
    energy = np.einsum("mij,mij->m", diffraction, diffraction, dtype=np.float64)
    return float(np.sqrt((side / 2) ** 2 / energy.mean()))


def intensity(objects: ArrayLike, probe: ArrayLike) -> Real:
    """
    Far-field intensity Σ_p |FFT2(P_p·O)|² / N², DC in the centre: incoherent modes add as intensities.

    Args:
        objects: `(..., N, N)` complex object patches.
        probe: `(P, N, N)` complex.

    Returns:
        `(..., N, N)` float64; its sum is that of |P·O|² (Parseval).
    """
    patches = np.asarray(objects, dtype=np.complex128)[..., None, :, :]
    waves = patches * np.asarray(probe, dtype=np.complex128)
    spectrum = np.fft.fftshift(np.fft.fft2(waves, axes=(-2, -1)), axes=(-2, -1))
    return np.asarray(np.sum(np.abs(spectrum) ** 2, axis=-3) / spectrum.shape[-1] ** 2, dtype=np.float64)


def amplitude(objects: ArrayLike, probe: ArrayLike) -> Real:
    """Square root of `intensity`."""
    return np.asarray(np.sqrt(intensity(objects, probe)), dtype=np.float64)


def translation_matrix(n_out: int, n_in: int, shifts: ArrayLike) -> Real:
    """
    Bilinear translation along one axis as matrices, zero outside: `out = T_y @ image @ T_x.T`.

    The image is placed with its centre on the centre of the output, then moved by `shift` pixels towards higher
    indices: T[i, j] = max(0, 1 − |i − j − (n_out − n_in)/2 − shift|). With n_out > n_in this pads, with n_out < n_in
    it crops.

    Args:
        n_out: pixels of the output axis.
        n_in: pixels of the input axis.
        shifts: `(...)` shifts in pixels.

    Returns:
        `(..., n_out, n_in)` float64.
    """
    shift = np.asarray(shifts, dtype=np.float64)[..., None, None]
    distance = np.arange(n_out)[:, None] - np.arange(n_in) - (n_out - n_in) / 2 - shift
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(distance)), dtype=np.float64)


def _translate(images: Any, n_out: int, shift_x: Any, shift_y: Any) -> Any:
    n_in = images.shape[-1]
    rows = translation_matrix(n_out, n_in, shift_y)
    columns = translation_matrix(n_out, n_in, shift_x)
    return rows @ images @ np.swapaxes(columns, -1, -2)


def assemble(patches: ArrayLike, coords_relative: ArrayLike, gridsize: int) -> Complex:
    """
    Put the patches of each group on one canvas, averaging where their central N/2 squares overlap.

    Each patch moves by −coords_relative, that is by its distance from the group's mean. Numerator and denominator
    carry the same masks: full patches over a masked count would blow the periphery up a thousandfold.

    Args:
        patches: `(B, C, N, N)` complex.
        coords_relative: `(B, 1, 2, C)` −(coords − mean) as (x, y), pixels.
        gridsize: g with C = g².

    Returns:
        `(B, M, M)` complex128.
    """
    values = np.asarray(patches, dtype=np.complex128)
    relative = np.asarray(coords_relative, dtype=np.float64)
    side = canvas_side(values.shape[-1], gridsize)
    mask = central_mask(values.shape[-1])
    x, y = -relative[:, 0, 0], -relative[:, 0, 1]
    total = _translate(values * mask, side, x, y).sum(axis=1)
    count = _translate(np.broadcast_to(mask, values.shape), side, x, y).sum(axis=1)
    return np.asarray(total / (count + MASK_FLOOR), dtype=np.complex128)


def extract(canvas: ArrayLike, coords_relative: ArrayLike, side: int) -> Complex:
    """
    Cut each pattern's patch out of its group's canvas: translate by +coords_relative, crop N.

    Args:
        canvas: `(B, M, M)` complex.
        coords_relative: `(B, 1, 2, C)` as in `assemble`.
        side: N.

    Returns:
        `(B, C, N, N)` complex128.
    """
    values = np.asarray(canvas, dtype=np.complex128)[:, None]
    relative = np.asarray(coords_relative, dtype=np.float64)
    return np.asarray(_translate(values, side, relative[:, 0, 0], relative[:, 0, 1]), dtype=np.complex128)


def poisson_nll(rate: ArrayLike, counts: ArrayLike, epsilon: float = EPSILON_F64) -> float:
    """
    Truncated Poisson negative log-likelihood, mean over pixels: λ − k·ln(max(λ, ε)).

    Args:
        rate: λ, photons.
        counts: k, photons, same shape.
        epsilon: ε.
    """
    lam, k = np.asarray(rate, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    return float(np.mean(lam - k * np.log(np.maximum(lam, epsilon))))


def poisson_deviance(rate: ArrayLike, counts: ArrayLike, epsilon: float = EPSILON_F64) -> float:
    """
    Mean Poisson deviance 2·(λ − k + k·ln(k/λ)), with 0·ln 0 = 0.

    Unlike the truncated likelihood it is zero for a perfect fit, so that a small rate error shows.
    """
    lam, k = np.asarray(rate, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    logarithm = np.log(np.maximum(k, epsilon)) - np.log(np.maximum(lam, epsilon))
    return float(2 * np.mean(lam - k + k * logarithm))
