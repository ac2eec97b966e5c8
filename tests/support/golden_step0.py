"""
The loss of step 0 on the committed fixture, by NumPy alone: the number that both backends must reach to 5e-13.

Each backend is compared with this file, so the two agree to 1e-12 without ever meeting in one process. The problem is
the real one: the default network, the fixture's own split and order, the batch that a training sees first.
`PYTHONPATH=. python tests/support/golden_step0.py` writes the file again.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data import contract, grouping, prepare
from ptycho.data.dataset import Dataset
from ptycho.physics import forward, network, weights
from ptycho.store.store import Store
from ptycho.training import batches
from ptycho.training.engine import Batch
from tests.support.pipeline import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "pytorch_integration"
FIXTURE = FIXTURES / "small.npz"
GOLDEN = FIXTURES / "step0.json"
COMMAND = "PYTHONPATH=. python tests/support/golden_step0.py"

GRIDSIZES = (1, 2)
SEED = 42
BATCH_SIZE = 2


@dataclass(frozen=True, kw_only=True)
class Step0:
    """
    What both backends are given.

    Attributes:
        model: the default network.
        dataset: the fixture.
        batch: the first batch of the first epoch.
        probe: `(P, N, N)` normalised.
        weights: initial ones.
        nphotons: mean photons per pattern.
        input_sha256: digest of the network input of the whole fixture.
    """

    model: ModelConfig
    dataset: Dataset
    batch: Batch
    probe: NDArray[np.complex128]
    weights: dict[str, NDArray[np.float64]]
    nphotons: float
    input_sha256: str


def problem(gridsize: int) -> Step0:
    """Step 0 as a training of the fixture meets it."""
    config = TrainingConfig(
        data=DataConfig(path=FIXTURE, gridsize=gridsize, seed=SEED),
        model=ModelConfig(gridsize=gridsize),
        output_dir=Path("unused"),
        batch_size=BATCH_SIZE,
    )
    dataset = contract.load(FIXTURE)
    prepared = prepare.prepare(config, dataset)
    order = grouping.epoch_order(prepared.split.train, seed=SEED, epoch=0)
    with tempfile.TemporaryDirectory() as scratch:
        batch = batches.gather(Store.create(Path(scratch) / "store", dataset, prepared), order[:BATCH_SIZE])
    return Step0(
        model=config.model,
        dataset=dataset,
        batch=batch,
        probe=prepared.probe,
        weights=weights.initial(config.model, nphotons=prepared.nphotons, seed=SEED),
        nphotons=prepared.nphotons,
        input_sha256=prepared.stages.normalised,
    )


def losses(
    batch: Batch,
    model: ModelConfig,
    probe: NDArray[np.complex128],
    drawn: weights.Weights,
    nphotons: float,
    patches: NDArray[np.complex128] | None = None,
) -> tuple[float, float]:
    """
    Objective and deviance of a batch by the NumPy network and the oracle of the physics.

    Args:
        batch: the batch.
        model: network and gridsize.
        probe: `(P, N, N)` normalised.
        drawn: canonical weights.
        nphotons: mean photons per pattern.
        patches: `(B, C, N, N)` the network's answer, where it is known already.
    """
    scale = weights.intensity_scale(nphotons, model.side)
    frames = batch.diffraction.astype(np.float64)
    if patches is None:
        patches = network.forward(frames, drawn, model, scale)
    rate = forward.intensity(consistent(patches, batch, model), probe) * np.exp(2 * drawn[weights.LOG_SCALE])
    counts = (frames * scale) ** 2
    return forward.poisson_nll(rate, counts), forward.poisson_deviance(rate, counts)


def consistent(patches: NDArray[np.complex128], batch: Batch, model: ModelConfig) -> NDArray[np.complex128]:
    """Patches as the physics sees them: through the canvas for groups."""
    if model.gridsize == 1:
        return patches
    canvas = forward.assemble(patches, batch.coords_relative, model.gridsize)
    return forward.extract(canvas, batch.coords_relative, model.side)


def compute() -> dict[str, Any]:
    """What the golden file says, computed again."""
    steps = {}
    for gridsize in GRIDSIZES:
        given = problem(gridsize)
        total, deviance = losses(given.batch, given.model, given.probe, given.weights, given.nphotons)
        steps[str(gridsize)] = {
            "patterns": given.batch.indices.tolist(),
            "input_sha256": given.input_sha256,
            "total": total,
            "deviance": deviance,
        }
    return {
        "what": "float64 loss of step 0 by gridsize: the NumPy network and oracle, default model, initial weights",
        "command": COMMAND,
        "fixture": FIXTURE.relative_to(ROOT).as_posix(),
        "fixture_sha256": hashlib.sha256(FIXTURE.read_bytes()).hexdigest(),
        "seed": SEED,
        "batch_size": BATCH_SIZE,
        "gridsize": steps,
    }


def read() -> dict[str, Any]:
    """The golden file."""
    golden: dict[str, Any] = json.loads(GOLDEN.read_text())
    return golden


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(compute(), indent=2) + "\n")
