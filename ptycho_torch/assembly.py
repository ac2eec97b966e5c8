"""
Object assembly of grouped patches on tensors. The oracle, and the derivation of the signs, is `ptycho.physics`.

A translation is two small matrix products (a tent function along each axis): exact zero padding, differentiable,
and the same arithmetic in every backend, where a grid sampler differs.
"""

import torch
from torch import Tensor

from ptycho import physics


def translation_matrix(n_out: int, n_in: int, shifts: Tensor) -> Tensor:
    """`(..., n_out, n_in)` bilinear translation by `shifts` `(...)` pixels; see `ptycho.physics.translation_matrix`."""
    rows = torch.arange(n_out, dtype=shifts.dtype, device=shifts.device)[:, None]
    columns = torch.arange(n_in, dtype=shifts.dtype, device=shifts.device)
    distance = rows - columns - (n_out - n_in) / 2 - shifts[..., None, None]
    return (1 - distance.abs()).clamp_min(0)


def translate(images: Tensor, n_out: int, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Move real `(B, C, n, n)` images by `(B, C)` shifts onto `(B, C, n_out, n_out)`."""
    n_in = images.shape[-1]
    rows = translation_matrix(n_out, n_in, shift_y)
    columns = translation_matrix(n_out, n_in, shift_x)
    return rows @ images @ columns.transpose(-1, -2)


def _translate_complex(images: Tensor, n_out: int, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    return torch.complex(
        translate(images.real, n_out, shift_x, shift_y), translate(images.imag, n_out, shift_x, shift_y)
    )


def assemble(patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
    """
    Average the central squares of each group's patches on one canvas.

    Args:
        patches: `(B, C, N, N)` complex.
        coords_relative: `(B, 1, 2, C)` −(coords − mean) as (x, y), pixels; patches move by its negative.
        gridsize: g with C = g².

    Returns:
        `(B, M, M)` complex.
    """
    side = physics.canvas_side(patches.shape[-1], gridsize)
    mask = torch.from_numpy(physics.central_mask(patches.shape[-1])).to(coords_relative)
    x, y = -coords_relative[:, 0, 0], -coords_relative[:, 0, 1]
    total = _translate_complex(patches * mask, side, x, y).sum(dim=1)
    count = translate(mask.expand(patches.shape), side, x, y).sum(dim=1)
    return total / (count + physics.MASK_FLOOR)


def extract(canvas: Tensor, coords_relative: Tensor, side: int) -> Tensor:
    """
    Cut each pattern's patch out of its group's canvas.

    Args:
        canvas: `(B, M, M)` complex.
        coords_relative: `(B, 1, 2, C)` as in `assemble`; the canvas moves by it.
        side: N.

    Returns:
        `(B, C, N, N)` complex.
    """
    return _translate_complex(canvas[:, None], side, coords_relative[:, 0, 0], coords_relative[:, 0, 1])


def consistent(patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
    """Assemble and extract again; at gridsize 1 the patch itself."""
    if gridsize == 1:
        return patches
    return extract(assemble(patches, coords_relative, gridsize), coords_relative, patches.shape[-1])
