"""
Measuring the floors: the oracle against itself with every operation perturbed, the largest D of many runs.

The seeds are none that a ladder runs with unless asked to, so that floors are not fitted to what they judge.
"""

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.parity.compare import floors
from harness.parity.compare.comparison import Array, distance
from harness.parity.compare.floors import Floors
from harness.parity.judge import oracle
from harness.parity.reference import problem
from harness.parity.reference.rounding_noise import BFLOAT16_UNIT, UNITS, noise_of, of_precision, perturbed
from ptycho import fingerprint
from ptycho.parity.request import Request
from ptycho.physics.network import Rounding

FIRST_SEED = 1000
DIGITS = 4
"""Of a floor in the file: more would change with the order of a library's additions."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """
    One kind of run.

    Attributes:
        precision: whose unit roundoff is used.
        quantities: rungs measured.
        runs: how many, each with a problem and perturbations of its own.
        steps: length of the trajectory.
        reason: why so many.
    """

    precision: str
    quantities: tuple[str, ...]
    runs: int
    steps: int
    reason: str


PARTS = (
    Part(
        precision="f32",
        quantities=("R3", "R4", "R5", "R6"),
        runs=32,
        steps=0,
        reason="gradients differ tenfold from problem to problem: by the darkest pixels, and by units near a corner",
    ),
    Part(
        precision="f32",
        quantities=("R7",),
        runs=512,
        steps=0,
        reason="moments of a single number nearly cancel in some problems; a run takes milliseconds",
    ),
    Part(
        precision="f32",
        quantities=("R8",),
        runs=16,
        steps=max(problem.SINGLE_CHECKPOINTS),
        reason="the envelope of a trajectory",
    ),
    Part(
        precision="bf16",
        quantities=("R3", "R4", "R5", "R6"),
        runs=16,
        steps=0,
        reason="as in f32; a unit of bfloat16 is large, so that its multiples are few and the runs agree sooner",
    ),
    Part(
        precision="bf16",
        quantities=("R8",),
        runs=8,
        steps=max(problem.SINGLE_CHECKPOINTS),
        reason="the envelope of a trajectory",
    ),
    Part(
        precision="f64",
        quantities=("R8",),
        runs=2,
        steps=max(problem.CHECKPOINTS),
        reason="noise units only, nothing is judged by them; a run takes minutes",
    ),
)

OnProgress = Callable[[int, int], None]


def count(parts: Sequence[Part] = PARTS, gridsizes: Sequence[int] = (1, 2)) -> int:
    """Return how many runs of the perturbed oracle `measure` makes."""
    return len(gridsizes) * sum(part.runs for part in parts)


def differences(part: Part, gridsize: int, seed: int) -> dict[str, float]:
    """D by tensor of one perturbed run of the oracle to the run that is not."""
    asked = problem.request(
        gridsize=gridsize,
        seed=seed,
        scan=Path("not-read"),
        steps=part.steps,
        precision=part.precision,
        quantities=part.quantities,
    )
    clean = _figures(asked, of_precision(part.precision))
    noise = noise_of(part.precision, seed, gridsize)
    moved = _figures(perturbed(asked, noise), noise)
    found = {name: distance(moved[name], value) for name, value in clean.items() if value.dtype.kind in "fc"}
    # What is zero but for rounding has no relative floor; without one it is unverified, and so not overlooked.
    return {name: float(f"{figure:.{DIGITS - 1}e}") for name, figure in found.items() if math.isfinite(figure)}


def _figures(asked: Request, rounded: Rounding) -> dict[str, Array]:
    if asked.quantities == ("R8",):
        # Alone: what comes through files in that rung is not computed with rounding of its own.
        return {f"{floors.TRAJECTORY}{name}": value for name, value in oracle.trajectory(asked, rounded)}
    return oracle.arrays(asked, rounded)


def measure(
    parts: Sequence[Part] = PARTS,
    gridsizes: Sequence[int] = (1, 2),
    *,
    jobs: int = 2,
    on_progress: OnProgress = lambda _done, _of: None,
) -> Floors:
    """
    Measure every floor.

    Args:
        parts: what to run.
        gridsizes: for which g.
        jobs: runs at a time.
        on_progress: called with how many runs are done, and of how many.
    """
    runs = [(part, g, FIRST_SEED + k) for part in parts for g in gridsizes for k in range(part.runs)]
    values: dict[str, dict[int, dict[str, float]]] = {}
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="floors") as pool:
        futures = [pool.submit(differences, *run) for run in runs]
        try:
            for done, ((part, gridsize, _), future) in enumerate(zip(runs, futures, strict=True), start=1):
                kept = values.setdefault(part.precision, {}).setdefault(gridsize, {})
                for name, figure in future.result().items():
                    kept[name] = max(figure, kept.get(name, 0.0))
                on_progress(done, len(runs))
        finally:
            pool.shutdown(cancel_futures=True)
    return Floors(values=values, measured=_how(parts))


def _how(parts: Sequence[Part]) -> Mapping[str, object]:
    return {
        "command": "python -m harness parity calibrate --write",
        "commit": fingerprint.commit(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "parts": [
            {
                "precision": part.precision,
                "rungs": list(part.quantities),
                "unit": UNITS[part.precision],
                **({"unit of convolutions": BFLOAT16_UNIT} if part.precision == "bf16" else {}),
                "runs": part.runs,
                "seeds": [FIRST_SEED, FIRST_SEED + part.runs - 1],
                "steps": part.steps,
                "reason": part.reason,
            }
            for part in parts
        ],
    }
