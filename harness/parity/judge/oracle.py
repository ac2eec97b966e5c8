"""
The oracle's own answer to a request, in NumPy float64: what each backend is judged by.

Adam is written here again, from the paper and not from either backend, and the loaders' hashes are taken from the
file itself: a party that shared the code it judges would share its mistakes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.rungs import MIXED
from harness.parity.judge import in_situ, mixed_precision, operation_bounds
from harness.parity.judge.ladder import FloorsJudge, Judge, OracleAnswer
from harness.parity.reference import contract as reference_contract
from harness.parity.reference import (
    invariants,
    loaders,
    objective,
    operations,
    sampling,
    schedules,
    subgradients,
    workflow,
)
from harness.parity.reference.adam import BETA1, BETA2, EPSILON, ReferenceAdam
from harness.parity.reference.rounding_noise import of_precision
from ptycho.data.prepare import digest
from ptycho.errors import UsageError
from ptycho.parity.masked import masked
from ptycho.parity.measure import ALL_WEIGHTS, LOUD, Exact, asks_for_masks, asks_of_core, conventions, together, uneven
from ptycho.parity.request import Request
from ptycho.physics import forward, network
from ptycho.physics.network import Rounding, exactly
from ptycho.physics.weights import LOG_SCALE

Array = NDArray[Any]


def exact(request: Request, package: str) -> dict[str, Exact]:
    """Return what the exact rungs R0 and R1 must say of one backend."""
    found: dict[str, Exact] = {}
    if "R0" in request.quantities:
        found["R0"] = contract(request, package)
    if "R1" in request.quantities:
        found["R1"] = data(request) | loaders.data(request)
    if "R2b" in request.quantities:
        found["R2b"] = dict(subgradients.expected(request))
    return found


def expected(request: Request, packages: Mapping[str, str]) -> OracleAnswer:
    """
    The oracle's whole answer.

    Args:
        request: what is asked.
        packages: package of each side that is asked, by side.
    """
    return OracleAnswer(
        exact={side: exact(request, package) for side, package in packages.items()},
        arrays=arrays(request),
        judges=judges(request),
        beside=beside(request),
    )


def judges(request: Request) -> dict[str, Judge]:
    """Judges of the rungs that have limits of their own."""
    made: dict[str, Callable[[], Judge]] = {
        "R2": lambda: partial(operation_bounds.judge, operations.expected(request)),
        "R2c": lambda: partial(invariants.judge, invariants.laws(request)),
    }
    return {rung: judge() for rung, judge in made.items() if rung in request.quantities}


def beside(request: Request) -> dict[str, FloorsJudge]:
    """Judges of what a rung looks at besides comparing tensor with tensor."""
    made: dict[str, FloorsJudge] = {}
    if {"R3", "R4"} <= set(request.quantities):
        made["R3"] = partial(in_situ.judge_layers, request)
    if request.precision == MIXED:
        made |= mixed_precision.judges(request)
    return {rung: judge for rung, judge in made.items() if rung in request.quantities}


def arrays(request: Request, rounded: Rounding | None = None) -> dict[str, Array]:
    """
    Figures of the other rungs by `RUNG/NAME`.

    Args:
        request: the question.
        rounded: applied to the result of each operation that rounds; the floors are measured with it. None: as a
            backend of this precision must round, which in float32 and float64 is not at all.
    """
    found: dict[str, Array] = {}
    rounded = of_precision(request.precision) if rounded is None else rounded
    for rung, figures in _FIGURES.items():
        if rung in request.quantities:
            found |= {f"{rung}/{name}": np.asarray(value) for name, value in figures(request, rounded)}
    return found


def contract(request: Request, package: str) -> Exact:
    """R0 as the description of the network has it."""
    shapes = reference_contract.parameters(request.model.filter_scale, request.model.channels)
    dtype = {"f64": "float64"}.get(request.precision, "float32")
    trainable = {LOG_SCALE: request.model.intensity_scale_trainable}
    found: Exact = {
        f"parameter.{name}": [list(shape), dtype, trainable.get(name, True)] for name, shape in shapes.items()
    }
    stepped = sorted(name for name in shapes if trainable.get(name, True))
    found |= {"optimiser.parameters": stepped}
    found |= {"optimiser.beta1": BETA1, "optimiser.beta2": BETA2, "optimiser.epsilon": EPSILON}
    found |= conventions(request.model.side, forward.intensity, forward.assemble)
    found |= {"engine.module": f"{package}.engine", "engine.mae_weight": 0.0, "engine.tv_weight": 0.0}
    return found | reference_contract.contract()


def data(request: Request) -> Exact:
    """R1 from the file's own arrays, without contract, store or loader."""
    scan, gridsize = request.scan, request.model.gridsize
    with np.load(scan.path, allow_pickle=False) as archive:
        if "diff3d" not in archive:
            raise UsageError(f"{scan.path} has no member diff3d; the ladder reads a scan in canonical layout")
        raw, x, y, guess = (archive[name] for name in ("diff3d", "xcoords", "ycoords", "probeGuess"))
        metadata = json.loads(str(archive["_metadata"])) if "_metadata" in archive else {}
    groups = sampling.groups(x, y, gridsize=gridsize, wanted=None, seed=scan.seed)
    train, validation = sampling.split(len(groups), scan.batch_size, scan.seed)
    frames = raw * np.float32(sampling.factor(raw[np.unique(groups[train])]))
    found: Exact = {"raw": digest(raw), "normalised": digest(frames), "groups": digest(groups)}
    found |= {"train": digest(train), "validation": digest(validation)}
    found |= {
        "probe": digest(
            sampling.illumination(guess, divisor=request.model.probe_scale, masked=request.model.probe_mask)
        )
    }
    found |= {"nphotons": float(metadata.get("nphotons", 1e9))}
    order = sampling.order(train, scan.seed, 0)
    for index in range(scan.batches):
        members = groups[order[index * scan.batch_size : (index + 1) * scan.batch_size]]
        found[f"batch.{index}.indices"] = digest(members)
        found[f"batch.{index}.diffraction"] = digest(frames[members])
        found[f"batch.{index}.coords_relative"] = digest(sampling.relative(x, y, members)[1])
    found["delivered.diffraction"] = digest(request.first.diffraction)
    found["delivered.coords_relative"] = digest(request.first.coords_relative)
    return found


def _layers(request: Request, rounded: Rounding) -> Iterator[tuple[str, Array]]:
    for name, x in request.inputs.items():
        yield name, network.stage(name, request.weights, rounded)(x).output
        if request.precision == "f64":
            yield f"{name}.loud", network.stage(name, request.weights, rounded)(LOUD * x).output


def _forward(request: Request, rounded: Rounding) -> Iterator[tuple[str, Array]]:
    found = objective.evaluate(request, request.first, request.weights, rounded)
    passed = found.passed
    for name in passed.inputs:
        if not name.endswith((".inner", ".outer")):
            yield f"{name}.in", passed.inputs[name]
            yield f"{name}.out", passed.outputs[name]
    for name in ("code", "amplitude", "phase", "patches"):
        yield name, getattr(passed, name)
    yield "consistent", found.patches
    yield "exit_wave", rounded(found.patches[:, :, None] * request.probe)
    yield "intensity", found.intensity
    if found.canvas is not None:
        yield "canvas", found.canvas
    yield "agreed", found.patches
    for index, batch in enumerate(uneven(request)):
        yield f"predicted.{index}", objective.evaluate(request, batch, request.weights, rounded).patches


def _loss(request: Request, rounded: Rounding) -> Iterator[tuple[str, Array]]:
    found = objective.evaluate(request, request.first, request.weights, rounded)
    for label, weights in (("plain", (0.0, 0.0)), ("weighted", (request.mae_weight, request.tv_weight))):
        for name, value in objective.terms(request, request.first, found, *weights).items():
            yield f"{label}.{name}", np.array(value)
    if asks_for_masks(request):
        batch = masked(request.first, request.scan.seed)
        hidden = objective.evaluate(request, batch, request.weights, rounded)
        for name, value in objective.terms(request, batch, hidden, request.mae_weight, request.tv_weight).items():
            if name != "variation":  # of the patches, which no mask covers
                yield f"masked.{name}", np.array(value)
        batches = [masked(part, request.scan.seed) for part in uneven(request)]
        scored = [objective.evaluate(request, batch, request.weights, rounded) for batch in batches]
        yield "masked.evaluated", np.array([[part.nll for part in scored], [part.deviance for part in scored]])
    parts = [objective.evaluate(request, batch, request.weights, rounded) for batch in uneven(request)]
    groups = [len(part.rate) for part in parts]
    for name, values in (("total", [p.nll for p in parts]), ("deviance", [p.deviance for p in parts])):
        yield f"evaluated.{name}", np.array(values)
        yield f"evaluated.mean_{name}", np.array(np.dot(values, groups) / sum(groups))


def _gradients(request: Request, rounded: Rounding) -> Iterator[tuple[str, Array]]:
    found = objective.evaluate(request, request.first, request.weights, rounded)
    trained = request.model.intensity_scale_trainable
    for name, value in objective.gradients(request, request.first, request.weights, found, rounded).items():
        if trained or name != LOG_SCALE:
            yield name, value
    options = {"mae_weight": request.mae_weight, "tv_weight": request.tv_weight}
    weighted = objective.gradients(request, request.first, request.weights, found, rounded, **options)
    for name in request.weights:
        if trained or name != LOG_SCALE:
            yield f"weighted.{name}", weighted[name]
    if asks_for_masks(request):
        batch = masked(request.first, request.scan.seed)
        hidden = objective.evaluate(request, batch, request.weights, rounded)
        for name, value in objective.gradients(request, batch, request.weights, hidden, rounded).items():
            if trained or name != LOG_SCALE:
                yield f"masked.{name}", value


def _optimiser(request: Request, rounded: Rounding) -> Iterator[tuple[str, Array]]:
    adam = ReferenceAdam({name: np.zeros_like(value) for name, value in request.replay[0].items()}, rounded)
    for step, gradients in enumerate(request.replay, start=1):
        adam.step(gradients, request.learning_rates[step - 1])
        for name in gradients:
            yield f"{step}.{name}", adam.values[name]
            yield f"{step}.adam.m/{name}", adam.first[name]
            yield f"{step}.adam.v/{name}", adam.second[name]
        yield f"{step}.adam.step", np.array(step, dtype=np.int64)
    if asks_of_core(request):
        for name, rates in schedules.expected(request):
            yield f"schedule.{name}", rates


def trajectory(request: Request, rounded: Rounding = exactly) -> Iterator[tuple[str, Array]]:
    """The optimiser's way, by name without the rung: R8 but for what comes through files."""
    trained = {n: v for n, v in request.weights.items() if n != LOG_SCALE or request.model.intensity_scale_trainable}
    adam = ReferenceAdam(trained, rounded)
    start = {name: np.asarray(value) for name, value in request.weights.items()}
    totals = []
    for step, batch in enumerate(request.walk(max(request.steps, default=0)), start=1):
        weights = {**start, **adam.values}
        found = objective.evaluate(request, batch, weights, rounded)
        totals.append(found.nll)
        gradients = objective.gradients(request, batch, weights, found, rounded)
        adam.step({name: gradients[name] for name in adam.values}, request.learning_rates[step - 1])
        if step in request.steps:
            moved = {name: adam.values.get(name, start[name]) - start[name] for name in start}
            for name, value in moved.items():
                yield f"{step}.{name}", value
            yield f"{step}.{ALL_WEIGHTS}", together(moved)
    yield "losses", np.array(totals)


def _trajectory(request: Request, rounded: Rounding) -> Iterator[tuple[str, Array]]:
    yield from trajectory(request, rounded)
    if asks_of_core(request):
        for name, value in workflow.figures(request):
            yield f"workflow.{name}", value


_FIGURES: Mapping[str, Callable[[Request, Rounding], Iterator[tuple[str, Array]]]] = {
    "R3": _layers,
    "R4": _forward,
    "R5": _loss,
    "R6": _gradients,
    "R7": _optimiser,
    "R8": _trajectory,
}
