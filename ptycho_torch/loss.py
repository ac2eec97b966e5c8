"""
The training objective on tensors: Poisson likelihood, and the optional amplitude and total-variation terms.

Summed in float64 whatever the run's precision: at 1e9 photons λ and k·ln λ cancel, and float32 would move the loss
in steps of hundreds.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from ptycho.physics.forward import EPSILON_F32, EPSILON_F64


@dataclass(frozen=True, kw_only=True)
class Terms:
    """
    One batch's losses, float64 scalars.

    Attributes:
        nll: mean of λ − k·ln(max(λ, ε)).
        mae: mean |A·e^w/S − X|, 0 unless weighted.
        variation: mean total variation of the patches, 0 unless weighted.
        total: what is minimised.
        deviance: mean Poisson deviance, reported only.
    """

    nll: Tensor
    mae: Tensor
    variation: Tensor
    total: Tensor
    deviance: Tensor


def at_least(value: Tensor, bound: float) -> Tensor:
    """The larger of value and bound, of slope 1 at the bound; that of `clamp_min` is 0 there since PyTorch 2.14."""
    return torch.where(value < bound, bound, value)


def poisson_nll(rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
    """Mean of λ − k·ln(max(λ, ε)) over all pixels; float64 tensors of one shape, in photons."""
    return (rate - counts * at_least(rate, epsilon).log()).mean()


def poisson_deviance(rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
    """Mean of 2·(λ − k + k·ln(k/λ)), with 0·ln 0 = 0; arguments as in `poisson_nll`."""
    logarithm = counts.clamp_min(epsilon).log() - rate.clamp_min(epsilon).log()
    return 2 * (rate - counts + counts * logarithm).mean()


def amplitude_mae(rate: Tensor, diffraction: Tensor, scale: float) -> Tensor:
    """Mean |√λ/S − X|; the root is of λ + ε, since its gradient is infinite at zero."""
    return ((rate + EPSILON_F64).sqrt() / scale - diffraction).abs().mean()


def total_variation(patches: Tensor) -> Tensor:
    """Mean |∂x O| plus mean |∂y O| over complex `(B, C, N, N)` patches, float64."""
    return _mean_length(patches.diff(dim=-1)) + _mean_length(patches.diff(dim=-2))


def _mean_length(differences: Tensor) -> Tensor:
    """Mean |d| of complex d, with ε under the root as in `amplitude_mae`: outside the object all d are zero."""
    pairs = torch.view_as_real(differences).double()
    return (pairs.square().sum(-1) + EPSILON_F64).sqrt().mean()


def terms(
    *,
    intensity: Tensor,
    patches: Tensor,
    diffraction: Tensor,
    log_scale: Tensor,
    scale: float,
    mae_weight: float = 0.0,
    tv_weight: float = 0.0,
    good: Tensor | None = None,
    good_share: float = 1.0,
) -> Terms:
    """
    All terms of one batch.

    Args:
        intensity: `(B, C, N, N)` A², in units of X²; its type decides ε.
        patches: `(B, C, N, N)` complex object patches.
        diffraction: `(B, C, N, N)` X.
        log_scale: w.
        scale: S.
        mae_weight: weight of the amplitude term.
        tv_weight: weight of the total variation.
        good: `(B, C, N, N)` bool; elsewhere prediction and data are left out of every term but the variation.
        good_share: share of good pixels by which sums over them become means.
    """
    epsilon = EPSILON_F64 if intensity.dtype == torch.float64 else EPSILON_F32
    observed = diffraction.double()
    rate = intensity.double() * torch.exp(2 * log_scale.double())
    counts = (observed * scale).square()
    if good is not None:
        # Where both are 0 every term is exactly 0, and so is its gradient.
        rate, counts = torch.where(good, rate, 0.0), torch.where(good, counts, 0.0)
        observed = torch.where(good, observed, sqrt(EPSILON_F64) / scale)
    nll = poisson_nll(rate, counts, epsilon)
    zero = torch.zeros_like(nll)
    mae = amplitude_mae(rate, observed, scale) if mae_weight else zero
    deviance = poisson_deviance(rate.detach(), counts, epsilon)
    if good is not None:
        nll, mae, deviance = nll / good_share, mae / good_share, deviance / good_share
    variation = total_variation(patches) if tv_weight else zero
    return Terms(
        nll=nll,
        mae=mae,
        variation=variation,
        total=nll + mae_weight * mae + tv_weight * variation,
        deviance=deviance,
    )
