"""
Object assembly for groups: patches onto one canvas and back, as products with translation matrices.

Bilinear translation is separable, so each patch is multiplied by one tent-function matrix per axis: exact zero padding,
differentiable, and the same arithmetic in every backend, where a grid sampler differs. Extraction is the transpose of
placement: the same two matrices serve both. The derivation of the signs is `ptycho.physics`.
"""

import torch
from torch import Tensor

from ptycho.physics.forward import MASK_FLOOR, canvas_side, central_mask
from ptycho_torch.runtime import constant


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
    rows = torch.arange(n_out, dtype=torch.float64, device=shifts.device)[:, None]
    columns = torch.arange(n_in, dtype=torch.float64, device=shifts.device)
    distance = rows - columns - (n_out - n_in) / 2 - shifts[..., None, None]
    return (1 - distance.abs()).clamp_min(0)


def placements(coords_relative: Tensor, canvas: int, side: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
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
    shifts = -coords_relative.double()
    columns = translation_matrix(canvas, side, shifts[:, 0, 0])
    rows = translation_matrix(canvas, side, shifts[:, 0, 1])
    return rows.to(dtype), columns.to(dtype)


def _sandwich(rows: Tensor, image: Tensor, columns: Tensor) -> Tensor:
    """`rows @ image @ columns.T`, for complex images as two real products: the matrices are real."""
    if not image.is_complex():
        return rows @ image @ columns.mT
    return torch.complex(_sandwich(rows, image.real, columns), _sandwich(rows, image.imag, columns))


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
    side, real = patches.shape[-1], patches.real.dtype
    rows, columns = placements(coords_relative, canvas_side(side, gridsize), side, real)
    mask = constant(central_mask, side, device=patches.device, dtype=real)
    total = _sandwich(rows, patches * mask, columns).sum(dim=1)
    count = _sandwich(rows, mask, columns).sum(dim=1)
    return total / (count + MASK_FLOOR)


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
    rows, columns = placements(coords_relative, canvas.shape[-1], side, canvas.real.dtype)
    return _sandwich(rows.mT, canvas[:, None], columns.mT)


def consistent(patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
    """Patches that agree where they overlap: assembled and extracted again; at gridsize 1 the patches themselves."""
    if gridsize == 1:
        return patches
    canvas = assemble(patches, coords_relative, gridsize)
    return extract(canvas, coords_relative, patches.shape[-1])
