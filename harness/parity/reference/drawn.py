"""
Problems of other sizes than the ladder's own: network, probe, batch and positions are drawn from a seed.

The ladder's own problem has one patch side, two probe modes, one width and full batches, and a mistake that needs
another number hides behind these. Such a problem is asked in float64 alone, for R3 to R6: the other rungs know no
patches, or take most of the time. It has no floors: its limits are those of float64.
"""

import math
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import problem
from ptycho.config import PATCH_SIDES, ModelConfig
from ptycho.errors import UsageError
from ptycho.parity.request import QUANTITIES, Request, ScanFile
from ptycho.physics import forward
from ptycho.physics.weights import LOG_SCALE
from ptycho.training.engine import Batch

PRECISION = "f64"
SIDES = PATCH_SIDES
RUNGS = QUANTITIES[QUANTITIES.index("R3") : QUANTITIES.index("R6") + 1]
MODES = (1, 2, 3, 4, 5)
GROUPS = (2, 3)
"""Groups of a batch. The batch after it has one less, which may be a single one, as at the end of an epoch."""

POSITIONS = ("spread", "edge", "together")
"""Positions within a group: spread as in the ladder's own problem, up to the edge of the canvas, two on one point."""


@dataclass(frozen=True, kw_only=True)
class DrawnProblem:
    """
    A problem that was drawn.

    Attributes:
        seed: of the draw, and of weights, patterns and probe.
        model: network and physics.
        modes: P, modes of the probe.
        groups: groups of a batch; there are two.
        positions: of `POSITIONS`.
        nphotons: mean photons per pattern.
    """

    seed: int
    model: ModelConfig
    modes: int
    groups: int
    positions: str
    nphotons: float

    @property
    def name(self) -> str:
        """A short name, which is enough to draw it again."""
        return f"N {self.model.side}, seed {self.seed}"

    @property
    def words(self) -> str:
        """The whole problem for people."""
        model = self.model
        switches = {
            "no border": not model.probe_big,
            "masked probe": model.probe_mask,
            "trained scale": model.intensity_scale_trainable,
            f"positions {self.positions}": model.gridsize > 1,
        }
        modes, groups = (f"{n} {what}{'s' * (n > 1)}" for n, what in ((self.modes, "mode"), (self.groups, "group")))
        said = [f"gridsize {model.gridsize}", modes, f"width {model.filter_scale}", f"{groups} a batch"]
        said += [f"{self.nphotons:.0e} photons", *(word for word, is_on in switches.items() if is_on)]
        return f"{self.name}: {', '.join(said)}"


def draw(side: int, seed: int) -> DrawnProblem:
    """
    Draw a problem.

    Args:
        side: N.
        seed: decides everything else.

    Raises:
        UsageError: N is not of `SIDES`.
    """
    if side not in SIDES:
        raise UsageError(f"N = {side}; allowed: {', '.join(map(str, SIDES))}")
    rng = np.random.default_rng([seed, side, 0xD2])
    gridsize, width = (int(value) for value in rng.integers(1, 3, size=2))
    big, masked, trained = (bool(value) for value in rng.integers(0, 2, size=3))
    model = ModelConfig(
        side=side,
        gridsize=gridsize,
        # The double width has four times the products, and is met at the other sides.
        filter_scale=1 if side == max(SIDES) else width,
        probe_big=big,
        probe_mask=masked,
        intensity_scale_trainable=trained,
    )
    return DrawnProblem(
        seed=seed,
        model=model,
        modes=int(rng.choice(MODES)),
        groups=int(rng.choice(GROUPS)) if side == min(SIDES) else min(GROUPS),
        positions=str(rng.choice(POSITIONS)),
        nphotons=10.0 ** int(rng.integers(4, 10)),
    )


def request(drawn: DrawnProblem, scan: Path, *, masked: bool = True) -> Request:
    """
    The question of a drawn problem, new every time: its nonce is random.

    Args:
        drawn: the problem.
        scan: a file, which no rung of this question reads.
        masked: as in `Request`.
    """
    model, seed = drawn.model, drawn.seed
    weights = problem.weights(model, seed)
    weights[LOG_SCALE] = weights[LOG_SCALE] + math.log(drawn.nphotons / problem.NPHOTONS) / 2
    asked = Request(
        nonce=secrets.token_hex(16),
        quantities=RUNGS,
        precision=PRECISION,
        model=model,
        nphotons=drawn.nphotons,
        threads=1,
        scan=ScanFile(path=scan.absolute(), seed=seed, batch_size=4, batches=2),
        steps=(),
        learning_rates=(),
        batch_size=drawn.groups,
        batch=_placed(problem.batch(model, 2 * drawn.groups, seed), drawn),
        probe=illumination(drawn),
        weights=weights,
        masked=masked,
    )
    return replace(asked, inputs=problem.recorded_inputs(asked))


def illumination(drawn: DrawnProblem) -> NDArray[np.complex128]:
    """`(P, N, N)` normalised probe: modes off centre and tilted, each another."""
    rng = np.random.default_rng([drawn.seed, 4])
    side = drawn.model.side
    axis = (np.arange(side) - (side - 1) / 2) * 64 / side
    made = []
    for mode in range(drawn.modes):
        x, y, tilt_x, tilt_y = rng.uniform(-1, 1, size=4)
        u, v = axis[:, None] - 8 * y, axis - 8 * x
        envelope = np.exp(-(u**2 / rng.uniform(80, 160) + v**2 / rng.uniform(80, 160)))
        made.append(0.6**mode * envelope * np.exp(1j * (0.3 * tilt_x * v + 0.3 * tilt_y * u + 0.02 * u * v)))
    model = drawn.model
    return forward.normalise_probe(np.stack(made), probe_scale=model.probe_scale, masked=model.probe_mask)


def _placed(batch: Batch, drawn: DrawnProblem) -> Batch:
    """The batch with its patterns where the problem has them; alone in its group a pattern has but one place."""
    model = drawn.model
    if model.gridsize == 1 or drawn.positions == "spread":
        return batch
    relative = batch.coords_relative.copy()
    if drawn.positions == "together":
        relative[..., 1] = relative[..., 0]
        relative -= relative.mean(axis=-1, keepdims=True)
    else:
        room = (forward.canvas_side(model.side, model.gridsize) - model.side) / 2
        relative *= room / np.abs(relative).max(axis=-1, keepdims=True)
    return replace(batch, coords_relative=relative)
