"""
The training objective on tensors: Poisson likelihood, and the optional amplitude and total-variation terms.

In float64 whatever the run's precision: at 1e9 photons λ and k·ln λ nearly cancel, and a float32 mean of their
difference has no digits left for the gain of an epoch.
"""

from dataclasses import dataclass
from math import sqrt

from ptycho.physics.forward import EPSILON_F32, EPSILON_F64
from ptycho_tf.runtime import Tensor, tf


@dataclass(frozen=True, kw_only=True)
class Terms:
    """
    One batch's losses, float64 scalars on the device.

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


def poisson_nll(rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
    """Mean of λ − k·ln(max(λ, ε)) over all pixels; float64 tensors of one shape, in photons."""
    floor = tf.constant(epsilon, tf.float64)
    return tf.reduce_mean(rate - counts * tf.math.log(tf.maximum(rate, floor)))


def poisson_deviance(rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
    """Mean of 2·(λ − k + k·ln(k/λ)), with 0·ln 0 = 0; arguments as in `poisson_nll`."""
    floor = tf.constant(epsilon, tf.float64)
    logarithm = tf.math.log(tf.maximum(counts, floor)) - tf.math.log(tf.maximum(rate, floor))
    return 2 * tf.reduce_mean(rate - counts + counts * logarithm)


def amplitude_mae(rate: Tensor, diffraction: Tensor, scale: float) -> Tensor:
    """Mean |√λ/S − X|; the root is of λ + ε, since its gradient is infinite at zero."""
    return tf.reduce_mean(tf.abs(tf.sqrt(rate + EPSILON_F64) / scale - diffraction))


def total_variation(patches: Tensor) -> Tensor:
    """Mean |∂x O| plus mean |∂y O| over complex `(B, C, N, N)` patches, float64."""
    across = patches[..., :, 1:] - patches[..., :, :-1]
    down = patches[..., 1:, :] - patches[..., :-1, :]
    return _mean_length(across) + _mean_length(down)


def _mean_length(differences: Tensor) -> Tensor:
    """Mean |d| of complex d, with ε under the root as in `amplitude_mae`: outside the object all d are zero."""
    real, imag = (tf.cast(part, tf.float64) for part in (tf.math.real(differences), tf.math.imag(differences)))
    return tf.reduce_mean(tf.sqrt(tf.square(real) + tf.square(imag) + EPSILON_F64))


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
    good_share: Tensor | float = 1.0,
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
    epsilon = EPSILON_F64 if intensity.dtype == tf.float64 else EPSILON_F32
    observed = tf.cast(diffraction, tf.float64)
    rate = tf.cast(intensity, tf.float64) * tf.exp(2 * tf.cast(log_scale, tf.float64))
    counts = tf.square(observed * scale)
    zero = tf.constant(0.0, tf.float64)
    if good is not None:
        # Where both are 0 every term is exactly 0, and so is its gradient.
        rate, counts = (tf.where(good, values, zero) for values in (rate, counts))
        observed = tf.where(good, observed, tf.constant(sqrt(EPSILON_F64) / scale, tf.float64))
    nll = poisson_nll(rate, counts, epsilon)
    mae = amplitude_mae(rate, observed, scale) if mae_weight else zero
    deviance = poisson_deviance(tf.stop_gradient(rate), counts, epsilon)
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
