"""
The oracle's objective and its gradient: what `ptycho.physics` says about a pass of `ptycho.physics.network`.

Gradients to complex quantities are ∂f/∂Re + i·∂f/∂Im, as both frameworks give them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.parity.request import Request
from ptycho.physics import forward, network
from ptycho.physics.network import Pass, Rounding, exactly
from ptycho.physics.weights import LOG_SCALE, Weights, intensity_scale
from ptycho.training.engine import Batch

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

ROOT_FLOOR = 1e-12
"""Added under the roots of the amplitude and variation terms, whose slope is infinite at zero."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """
    One batch through network, physics and loss.

    Attributes:
        passed: the network's part.
        canvas: `(B, M, M)` complex, None at gridsize 1.
        patches: `(B, C, N, N)` complex, as the physics sees them.
        intensity: `(B, C, N, N)`.
        rate: λ, photons.
        counts: k, photons.
        epsilon: smallest rate whose logarithm is taken.
        good: `(B, C, N, N)` pixels that count, or None where all do.
        good_share: of the scan, by which a sum over good pixels becomes a mean.
    """

    passed: Pass
    canvas: Complex | None
    patches: Complex
    intensity: Real
    rate: Real
    counts: Real
    epsilon: float
    good: NDArray[np.bool_] | None = None
    good_share: float = 1.0

    @property
    def nll(self) -> float:
        """The plain objective."""
        if self.good is not None:
            return self.share * forward.poisson_nll(self.rate[self.good], self.counts[self.good], self.epsilon)
        return forward.poisson_nll(self.rate, self.counts, self.epsilon)

    @property
    def share(self) -> float:
        """Good pixels here over what the scan's share says there should be."""
        return 1.0 if self.good is None else float(self.good.mean()) / self.good_share

    @property
    def deviance(self) -> float:
        """Return what is reported beside it."""
        if self.good is not None:
            return self.share * forward.poisson_deviance(self.rate[self.good], self.counts[self.good], self.epsilon)
        return forward.poisson_deviance(self.rate, self.counts, self.epsilon)


def evaluate(request: Request, batch: Batch, weights: Weights, rounded: Rounding = exactly) -> Evaluation:
    """Everything up to the loss, under given weights; `rounded` is applied to the result of each operation."""
    model = request.model
    scale = intensity_scale(request.nphotons, model.side)
    passed = network.run(batch.diffraction, weights, model, scale, rounded)
    canvas, patches = None, passed.patches
    if model.gridsize > 1:
        canvas = rounded(forward.assemble(rounded(patches), batch.coords_relative, model.gridsize))
        patches = rounded(forward.extract(canvas, batch.coords_relative, model.side))
    intensity = rounded(forward.intensity(rounded(patches), rounded(request.probe)))
    return Evaluation(
        passed=passed,
        canvas=canvas,
        patches=patches,
        intensity=intensity,
        rate=intensity * np.exp(2 * weights[LOG_SCALE]),
        counts=(batch.diffraction.astype(np.float64) * scale) ** 2,
        epsilon=smallest_rate(request),
        good=batch.good,
        good_share=batch.good_share,
    )


def smallest_rate(request: Request) -> float:
    """ε of the run's precision, which the oracle takes over although it computes in float64."""
    return forward.EPSILON_F64 if request.precision == "f64" else forward.EPSILON_F32


def terms(request: Request, batch: Batch, found: Evaluation, mae_weight: float, tv_weight: float) -> dict[str, float]:
    """Every loss term; the optional ones are 0 unless they are weighted."""
    scale = intensity_scale(request.nphotons, request.model.side)
    errors = np.abs(np.sqrt(found.rate + ROOT_FLOOR) / scale - batch.diffraction) if mae_weight else np.zeros(1)
    mae = np.mean(errors) if found.good is None or not mae_weight else found.share * np.mean(errors[found.good])
    variation = sum(_mean_length(np.diff(found.patches, axis=axis)) for axis in (-1, -2)) if tv_weight else 0.0
    return {
        "nll": found.nll,
        "mae": float(mae),
        "variation": float(variation),
        "total": found.nll + mae_weight * float(mae) + tv_weight * float(variation),
        "deviance": found.deviance,
    }


def _mean_length(differences: Complex) -> float:
    return float(np.mean(np.sqrt(np.abs(differences) ** 2 + ROOT_FLOOR)))


def of_patches(request: Request, found: Evaluation, patches: Complex) -> Evaluation:
    """
    An evaluation with other patches before the physics, and what follows from them.

    Args:
        request: the question, whose first batch was evaluated under its own weights.
        found: that evaluation.
        patches: `(B, C, N, N)`.
    """
    intensity = forward.intensity(patches, request.probe)
    rate = intensity * np.exp(2 * request.weights[LOG_SCALE])
    return replace(found, patches=patches, intensity=intensity, rate=rate)


def physics_gradients(
    request: Request,
    batch: Batch,
    weights: Weights,
    found: Evaluation,
    rounded: Rounding = exactly,
    *,
    mae_weight: float = 0.0,
    tv_weight: float = 0.0,
) -> tuple[Real, Complex, Complex]:
    """Gradients of the objective to the rate, to the `(B, C, N, N)` object that the physics sees, and to the probe."""
    rate, counts = found.rate, found.counts
    slope = (1 - np.where(rate > smallest_rate(request), counts / rate, 0)) / rate.size
    if mae_weight:
        slope = slope + mae_weight * _amplitude_slope(request, batch, rate)
    if found.good is not None:
        slope = np.where(found.good, slope, 0) / found.good_share
    to_intensity = rounded(np.fft.ifftshift(slope * np.exp(2 * weights[LOG_SCALE]), axes=(-2, -1))[:, :, None])
    waves = rounded(found.patches[:, :, None] * request.probe)
    spectrum = rounded(np.fft.fft2(waves, axes=(-2, -1), norm="ortho"))
    to_waves = rounded(np.fft.ifft2(rounded(2 * to_intensity * spectrum), axes=(-2, -1), norm="ortho"))
    to_object = rounded(np.sum(request.probe.conj() * to_waves, axis=2))
    to_probe = rounded(np.sum(found.patches[:, :, None].conj() * to_waves, axis=(0, 1)))
    if tv_weight:
        to_object = rounded(to_object + tv_weight * _variation_slope(found.patches))
    return slope, to_object, to_probe


def gradients(
    request: Request,
    batch: Batch,
    weights: Weights,
    found: Evaluation,
    rounded: Rounding = exactly,
    *,
    mae_weight: float = 0.0,
    tv_weight: float = 0.0,
) -> dict[str, NDArray[Any]]:
    """Gradient of the objective to each weight, to the `object` that the physics sees, and to the `probe`."""
    slope, to_object, to_probe = physics_gradients(
        request, batch, weights, found, rounded, mae_weight=mae_weight, tv_weight=tv_weight
    )
    back = _through_canvas(request, batch)
    to_weights = found.passed.pull(rounded(back(to_object)))
    to_weights[LOG_SCALE] = rounded(to_weights[LOG_SCALE] + np.sum(slope * 2 * found.rate))
    return {**to_weights, "object": to_object, "probe": to_probe}


def _amplitude_slope(request: Request, batch: Batch, rate: Real) -> Real:
    """∂/∂λ of mean |√(λ + ε)/S − X|."""
    scale = intensity_scale(request.nphotons, request.model.side)
    root = np.sqrt(rate + ROOT_FLOOR)
    return np.asarray(np.sign(root / scale - batch.diffraction) / (2 * scale * root * rate.size))


def _variation_slope(patches: Complex) -> Complex:
    """∂/∂O of mean |∂x O| + mean |∂y O|, each length with ε under its root."""
    slope = np.zeros_like(patches)
    for axis in (-1, -2):
        differences = np.diff(patches, axis=axis)
        pull = differences / np.sqrt(np.abs(differences) ** 2 + ROOT_FLOOR) / differences.size
        wide = np.moveaxis(slope, axis, 0)  # a view: what is added to it is added to the slope
        wide[1:] += np.moveaxis(pull, axis, 0)
        wide[:-1] -= np.moveaxis(pull, axis, 0)
    return slope


def _through_canvas(request: Request, batch: Batch) -> Callable[[Complex], Complex]:
    """The transpose of assembling and extracting."""
    gridsize, side = request.model.gridsize, request.model.side
    if gridsize == 1:
        return lambda gradient: gradient
    canvas = forward.canvas_side(side, gridsize)
    mask = forward.central_mask(side)
    x, y = -batch.coords_relative[:, 0, 0], -batch.coords_relative[:, 0, 1]
    rows, columns = (forward.translation_matrix(canvas, side, shift) for shift in (y, x))
    # Extraction moves back by what the placement moved; as a matrix it is another one, with shifts of the other sign.
    out_rows, out_columns = (forward.translation_matrix(side, canvas, -shift) for shift in (y, x))
    count = np.sum(rows @ mask @ columns.swapaxes(-1, -2), axis=1) + forward.MASK_FLOOR

    def back(gradient: Complex) -> Complex:
        to_canvas = np.sum(out_rows.swapaxes(-1, -2) @ gradient @ out_columns, axis=1) / count
        return np.asarray(mask * (rows.swapaxes(-1, -2) @ to_canvas[:, None] @ columns))

    return back
