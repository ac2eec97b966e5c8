"""
Object assembly for groups: patches onto one canvas and back, as products with translation matrices.

Bilinear translation is separable, so each patch is multiplied by one tent-function matrix per axis. Matrix products are
fast, exact in float64 and differentiable; TensorFlow's image resampling is none of the three in float64. Extraction
is the transpose of placement: the same two matrices serve both.
"""

from typing import Any

from ptycho.physics.forward import MASK_FLOOR, canvas_side, central_mask
from ptycho_tf.runtime import Tensor, tf


def translation_matrix(n_out: int, n_in: int, shifts: Tensor) -> Tensor:
    """
    T[i, j] = max(0, 1 − |i − j − (n_out − n_in)/2 − shift|): place centre on centre, then move towards higher indices.

    Args:
        n_out: pixels of the output axis.
        n_in: pixels of the input axis.
        shifts: `(...)` float64 shifts in pixels.

    Returns:
        `(..., n_out, n_in)` float64.
    """
    rows = tf.range(n_out, dtype=tf.float64)[:, None]
    columns = tf.range(n_in, dtype=tf.float64)
    distance = rows - columns - (n_out - n_in) / 2 - shifts[..., None, None]
    return tf.maximum(tf.constant(0.0, tf.float64), 1 - tf.abs(distance))


def placements(coords_relative: Tensor, canvas: int, side: int, dtype: Any) -> tuple[Tensor, Tensor]:
    """
    The matrices that place each patch of a group on its canvas.

    Args:
        coords_relative: `(B, 1, 2, C)` −(coords − mean) as (x, y), pixels; x moves along columns, y along rows.
        canvas: M.
        side: N.
        dtype: real type of the result.

    Returns:
        Rows and columns, `(B, C, M, N)` each.
    """
    shifts = -tf.cast(coords_relative, tf.float64)
    columns = translation_matrix(canvas, side, shifts[:, 0, 0])
    rows = translation_matrix(canvas, side, shifts[:, 0, 1])
    return tf.cast(rows, dtype), tf.cast(columns, dtype)


def _sandwich(rows: Tensor, image: Tensor, columns: Tensor) -> Tensor:
    """`rows @ image @ columns.T`, for complex images as two real products: the matrices are real."""
    if not image.dtype.is_complex:
        return tf.matmul(tf.matmul(rows, image), columns, transpose_b=True)
    parts = (tf.math.real(image), tf.math.imag(image))
    return tf.complex(*(_sandwich(rows, part, columns) for part in parts))


def assemble(patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
    """
    Put the patches of each group on one canvas, averaging where their central N/2 squares overlap.

    Each patch moves by −coords_relative. Numerator and denominator carry the same masks.

    Args:
        patches: `(B, C, N, N)` complex.
        coords_relative: `(B, 1, 2, C)` −(coords − mean) as (x, y), pixels.
        gridsize: g with C = g².

    Returns:
        `(B, M, M)` complex.
    """
    side, real = patches.shape[-1], patches.dtype.real_dtype
    rows, columns = placements(coords_relative, canvas_side(side, gridsize), side, real)
    mask = tf.constant(central_mask(side), real)
    total = tf.reduce_sum(_sandwich(rows, patches * tf.cast(mask, patches.dtype), columns), axis=1)
    count = tf.reduce_sum(_sandwich(rows, mask, columns), axis=1)
    return total / tf.cast(count + MASK_FLOOR, patches.dtype)


def extract(canvas: Tensor, coords_relative: Tensor, side: int) -> Tensor:
    """
    Cut each pattern's patch out of its group's canvas: translate by +coords_relative, crop N.

    Args:
        canvas: `(B, M, M)` complex.
        coords_relative: `(B, 1, 2, C)` as in `assemble`.
        side: N.

    Returns:
        `(B, C, N, N)` complex.
    """
    rows, columns = placements(coords_relative, canvas.shape[-1], side, canvas.dtype.real_dtype)
    return _sandwich(tf.linalg.matrix_transpose(rows), canvas[:, None], tf.linalg.matrix_transpose(columns))


def consistent(patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
    """Patches that agree where they overlap: assembled and extracted again; at gridsize 1 the patches themselves."""
    if gridsize == 1:
        return patches
    canvas = assemble(patches, coords_relative, gridsize)
    return extract(canvas, coords_relative, patches.shape[-1])
