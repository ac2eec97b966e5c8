"""
The description of the network and its physics again, as plain formulas in the widest type that NumPy has.

The core has most of them, too, and the oracle is made of those. But a fault in the core is a fault in both backends
and in the oracle: whoever judges the core, or an operation to its last place, must not ask the core. So nothing here
imports it. Loops and whole matrices are meant: these run on a few small arrays.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[Any]
"""longdouble or clongdouble: 64 bits of mantissa on x86, 53 where the platform has no more."""

MASK_FLOOR, ROOT_FLOOR = 0.001, 1e-12


def wide(values: Any) -> Wide:
    """An array in the widest type."""
    array = np.asarray(values)
    return array.astype(np.clongdouble if np.iscomplexobj(array) else np.longdouble)


def convolve(x: Wide, kernel: Wide, bias: Wide) -> Wide:
    """`out[b, o, i, j] = bias[o] + Σ kernel[o, c, r, s] · x[b, c, i + r − 1, j + s − 1]`, x zero outside."""
    height, width = x.shape[-2:]
    padded = np.zeros((*x.shape[:2], height + 2, width + 2), x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    result = np.zeros((len(x), len(kernel), height, width), x.dtype) + bias[:, None, None]
    for r in range(3):
        for s in range(3):
            window = padded[:, :, r : r + height, s : s + width]
            result += np.einsum("oc,bcij->boij", kernel[:, :, r, s], window)
    return result


def doubled(x: Wide) -> Wide:
    """Nearest up-sampling by 2: out[i, j] = x[i // 2, j // 2]."""
    rows, columns = (np.arange(2 * n) // 2 for n in x.shape[-2:])
    return np.asarray(x[..., rows[:, None], columns])


def pooled(x: Wide) -> Wide:
    """The largest of each 2×2 window; an odd last row or column belongs to none."""
    height, width = (n // 2 * 2 for n in x.shape[-2:])
    corners = [x[..., r:height:2, s:width:2] for r in (0, 1) for s in (0, 1)]
    return np.asarray(np.max(corners, axis=0))


def sigmoid(x: Wide) -> Wide:
    """1 / (1 + e^−x)."""
    return np.asarray(1 / (1 + np.exp(-x)))


def far_field(waves: Wide) -> Wide:
    """
    The unitary Fourier transform of `(..., N, N)` waves, the zero frequency at index N // 2 of both axes.

    Written as two matrix products with e^{−2πi(k − N//2)j/N}/√N: neither a fast transform nor a shift.
    """
    side = waves.shape[-1]
    turns = np.multiply.outer(np.arange(side) - side // 2, np.arange(side)) % side
    angle = wide(turns) * (-2 * wide(np.arccos(np.longdouble(-1))) / side)
    matrix = (np.cos(angle) + 1j * np.sin(angle)) / np.sqrt(np.longdouble(side))
    return np.asarray(matrix @ waves @ matrix.T)


def intensity(objects: Wide, probe: Wide) -> Wide:
    """`(..., N, N)` objects under `(P, N, N)` modes: Σ_p |far field of P_p·O|²."""
    spectrum = far_field(objects[..., None, :, :] * probe)
    return np.asarray(np.sum(spectrum.real**2 + spectrum.imag**2, axis=-3))


def disk(side: int) -> Wide:
    """1 where the distance from the half-pixel centre is below N/4."""
    square = (2 * np.arange(side) - (side - 1)) ** 2
    return wide(4 * (square[:, None] + square) < side**2)


def normalised_probe(modes: Wide, probe_scale: float = 4.0, *, masked: bool = False) -> Wide:
    """P / (probe_scale · mean(disk · |P|)), |P|² summed over modes."""
    aperture = disk(modes.shape[-1])
    magnitude = np.sqrt(np.sum(modes.real**2 + modes.imag**2, axis=0))
    return np.asarray(modes / (probe_scale * np.mean(aperture * magnitude)) * (aperture if masked else 1))


def centre(side: int) -> Wide:
    """1 in the central square from N // 4 to N − N // 4."""
    inside = (np.arange(side) >= side // 4) & (np.arange(side) < side - side // 4)
    return wide(inside[:, None] & inside)


def canvas_side(side: int, gridsize: int) -> int:
    """N + (g − 1)·4 + 10."""
    return side + (gridsize - 1) * 4 + 10


def tents(canvas: int, side: int, coords_relative: Wide) -> tuple[Wide, Wide]:
    """
    Rows and columns `(B, C, M, N)` that place a patch: centre on centre, then moved by −coords_relative.

    max(0, 1 − |i − j − (M − N)/2 + rel|), rel being (x, y) on axis 2 of `(B, 1, 2, C)`: y for rows, x for columns.
    """
    gap = wide(np.subtract.outer(np.arange(canvas), np.arange(side))) - wide(canvas - side) / 2
    y, x = (coords_relative[:, 0, axis, :, None, None] for axis in (1, 0))
    rows, columns = (np.maximum(0, 1 - np.abs(gap + shift)) for shift in (y, x))
    return np.asarray(rows), np.asarray(columns)


def placed(images: Wide, rows: Wide, columns: Wide) -> Wide:
    """The product rows @ images @ columnsᵀ."""
    return np.asarray(rows @ images @ columns.swapaxes(-1, -2))


def extracted(canvas: Wide, coords_relative: Wide, side: int) -> Wide:
    """`(B, M, M)` -> `(B, C, N, N)`: each patch from where placing would put it."""
    rows, columns = tents(canvas.shape[-1], side, coords_relative)
    return placed(canvas[:, None], rows.swapaxes(-1, -2), columns.swapaxes(-1, -2))


def assembled(patches: Wide, coords_relative: Wide, gridsize: int) -> Wide:
    """`(B, C, N, N)` -> `(B, M, M)`: masked patches placed and added, over the placed masks plus 0.001."""
    side = patches.shape[-1]
    rows, columns = tents(canvas_side(side, gridsize), side, coords_relative)
    total = placed(patches * centre(side), rows, columns).sum(axis=1)
    return np.asarray(total / (placed(centre(side), rows, columns).sum(axis=1) + wide(MASK_FLOOR)))


def nll(rate: Wide, counts: Wide, epsilon: float) -> Wide:
    """λ − k·ln(max(λ, ε)) of each element."""
    return np.asarray(rate - counts * np.log(np.maximum(rate, wide(epsilon))))


def deviance(rate: Wide, counts: Wide, epsilon: float) -> Wide:
    """2·(λ − k + k·ln(k/λ)) of each element, 0·ln 0 being 0."""
    logarithm = np.log(np.maximum(counts, wide(epsilon)) / np.maximum(rate, wide(epsilon)))
    return np.asarray(2 * (rate - counts + counts * logarithm))


def lengths(patches: Wide) -> tuple[Wide, Wide]:
    """√(|d|² + 1e-12) of the differences along columns and along rows."""
    across, down = patches[..., 1:] - patches[..., :-1], patches[..., 1:, :] - patches[..., :-1, :]
    along, beside = (np.sqrt(d.real**2 + d.imag**2 + wide(ROOT_FLOOR)) for d in (across, down))
    return np.asarray(along), np.asarray(beside)


def intensity_scale(nphotons: float, side: int) -> float:
    """S = √nphotons / (N/2)."""
    return math.sqrt(nphotons) * 2 / side
