"""The physics on tensors: exit wave and far-field intensity. The oracle is `ptycho.physics`."""

import torch
from torch import Tensor


def exit_wave(objects: Tensor, probe: Tensor) -> Tensor:
    """
    ψ = P·O for every incoherent mode.

    Args:
        objects: `(B, C, N, N)` complex patches.
        probe: `(P, N, N)` complex.

    Returns:
        `(B, C, P, N, N)` complex.
    """
    return objects[:, :, None] * probe


def intensity(objects: Tensor, probe: Tensor) -> Tensor:
    """
    Σ_p |fftshift(FFT2 ψ_p)|² / N²: modes add as intensities; only the two spatial axes are shifted.

    Args:
        objects: `(B, C, N, N)` complex patches.
        probe: `(P, N, N)` complex.

    Returns:
        `(B, C, N, N)` real, DC in the centre.
    """
    spectrum = torch.fft.fft2(exit_wave(objects, probe), norm="ortho")
    power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2)
    return torch.fft.fftshift(power, dim=(-2, -1))


def amplitude(objects: Tensor, probe: Tensor) -> Tensor:
    """√intensity, whose gradient is taken as 0 and not infinite where the intensity is exactly 0; NaN stays NaN."""
    power = intensity(objects, probe)
    dark = power == 0
    return torch.where(dark, 0.0, torch.where(dark, 1.0, power).sqrt())
