"""
The oracle's objective and its gradient: what `ptycho.physics` says about a pass of `ptycho.oracle_network`.

Gradients to complex quantities are ∂f/∂Re + i·∂f/∂Im, as both frameworks give them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho import oracle_network, physics
from ptycho.engine import Batch
from ptycho.oracle_network import Pass
from ptycho.probe import Request
from ptycho.weights import LOG_SCALE, Weights, intensity_scale

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
    """

    passed: Pass
    canvas: Complex | None
    patches: Complex
    intensity: Real
    rate: Real
    counts: Real

    @property
    def nll(self) -> float:
        """The plain objective."""
        return physics.poisson_nll(self.rate, self.counts)


def evaluate(request: Request, batch: Batch, weights: Weights) -> Evaluation:
    """Everything up to the loss, under given weights."""
    model = request.model
    scale = intensity_scale(request.nphotons, model.side)
    passed = oracle_network.run(batch.diffraction, weights, model, scale)
    canvas, patches = None, passed.patches
    if model.gridsize > 1:
        canvas = physics.assemble(patches, batch.coords_relative, model.gridsize)
        patches = physics.extract(canvas, batch.coords_relative, model.side)
    intensity = physics.intensity(patches, request.probe)
    return Evaluation(
        passed=passed,
        canvas=canvas,
        patches=patches,
        intensity=intensity,
        rate=intensity * np.exp(2 * weights[LOG_SCALE]),
        counts=(batch.diffraction.astype(np.float64) * scale) ** 2,
    )


def terms(request: Request, batch: Batch, found: Evaluation, mae_weight: float, tv_weight: float) -> dict[str, float]:
    """Every loss term; the optional ones are 0 unless they are weighted."""
    scale = intensity_scale(request.nphotons, request.model.side)
    mae = np.mean(np.abs(np.sqrt(found.rate + ROOT_FLOOR) / scale - batch.diffraction)) if mae_weight else 0.0
    variation = sum(_mean_length(np.diff(found.patches, axis=axis)) for axis in (-1, -2)) if tv_weight else 0.0
    return {
        "nll": found.nll,
        "mae": float(mae),
        "variation": float(variation),
        "total": found.nll + mae_weight * float(mae) + tv_weight * float(variation),
        "deviance": physics.poisson_deviance(found.rate, found.counts),
    }


def _mean_length(differences: Complex) -> float:
    return float(np.mean(np.sqrt(np.abs(differences) ** 2 + ROOT_FLOOR)))


def gradients(request: Request, batch: Batch, weights: Weights, found: Evaluation) -> dict[str, NDArray[Any]]:
    """Gradient of the plain objective to each weight, to the `object` that the physics sees, and to the `probe`."""
    rate, counts = found.rate, found.counts
    slope = (1 - np.where(rate > physics.EPSILON_F64, counts / rate, 0)) / rate.size
    to_intensity = np.fft.ifftshift(slope * np.exp(2 * weights[LOG_SCALE]), axes=(-2, -1))[:, :, None]
    waves = found.patches[:, :, None] * request.probe
    spectrum = np.fft.fft2(waves, axes=(-2, -1), norm="ortho")
    to_waves = np.fft.ifft2(2 * to_intensity * spectrum, axes=(-2, -1), norm="ortho")
    to_object = np.sum(request.probe.conj() * to_waves, axis=2)
    to_probe = np.sum(found.patches[:, :, None].conj() * to_waves, axis=(0, 1))
    back = _through_canvas(request, batch)
    to_weights = found.passed.pull(back(to_object))
    to_weights[LOG_SCALE] = to_weights[LOG_SCALE] + np.sum(slope * 2 * rate)
    return {**to_weights, "object": to_object, "probe": to_probe}


def _through_canvas(request: Request, batch: Batch) -> Callable[[Complex], Complex]:
    """The transpose of assembling and extracting."""
    gridsize, side = request.model.gridsize, request.model.side
    if gridsize == 1:
        return lambda gradient: gradient
    canvas = physics.canvas_side(side, gridsize)
    mask = physics.central_mask(side)
    x, y = -batch.coords_relative[:, 0, 0], -batch.coords_relative[:, 0, 1]
    rows, columns = (physics.translation_matrix(canvas, side, shift) for shift in (y, x))
    # Extraction moves back by what the placement moved; as a matrix it is another one, with shifts of the other sign.
    out_rows, out_columns = (physics.translation_matrix(side, canvas, -shift) for shift in (y, x))
    count = np.sum(rows @ mask @ columns.swapaxes(-1, -2), axis=1) + physics.MASK_FLOOR

    def back(gradient: Complex) -> Complex:
        to_canvas = np.sum(out_rows.swapaxes(-1, -2) @ gradient @ out_columns, axis=1) / count
        return np.asarray(mask * (rows.swapaxes(-1, -2) @ to_canvas[:, None] @ columns))

    return back
