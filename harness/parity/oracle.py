"""
The oracle's own answer to a request, in NumPy float64: what each backend is judged by.

Adam is written here once more, from the paper and not from either backend, and the loaders' hashes are taken from the
file itself: a party that shared the code it judges would share its mistakes.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity import objective
from ptycho import grouping, oracle_network, physics
from ptycho.config import DEFAULT_NPHOTONS
from ptycho.errors import UsageError
from ptycho.probe import Request
from ptycho.probe_rungs import Exact, conventions, defaults
from ptycho.raw_data import digest
from ptycho.weights import LOG_SCALE, shapes

Array = NDArray[Any]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Kingma & Ba 2015, algorithm 1."""


def exact(request: Request, package: str) -> dict[str, Exact]:
    """What the exact rungs R0 and R1 must say of one backend."""
    found: dict[str, Exact] = {}
    if "R0" in request.quantities:
        found["R0"] = contract(request, package)
    if "R1" in request.quantities:
        found["R1"] = data(request)
    return found


def arrays(request: Request) -> dict[str, Array]:
    """Figures of the other rungs by `RUNG/NAME`."""
    found: dict[str, Array] = {}
    for rung, figures in (("R3", _layers), ("R4", _forward), ("R5", _loss), ("R6", _gradients)):
        if rung in request.quantities:
            found |= {f"{rung}/{name}": np.asarray(value) for name, value in figures(request)}
    if "R7" in request.quantities:
        found |= {f"R7/{name}": value for name, value in _optimiser(request)}
    if "R8" in request.quantities:
        found |= {f"R8/{name}": value for name, value in _trajectory(request)}
    return found


def contract(request: Request, package: str) -> Exact:
    """R0 as the description of the network has it."""
    dtype = {"f64": "float64"}.get(request.precision, "float32")
    trainable = {LOG_SCALE: request.model.intensity_scale_trainable}
    found: Exact = {
        f"parameter.{name}": [list(shape), dtype, trainable.get(name, True)]
        for name, shape in shapes(request.model).items()
    }
    stepped = sorted(name for name in shapes(request.model) if trainable.get(name, True))
    found |= {"optimiser.parameters": stepped}
    found |= {"optimiser.beta1": BETA1, "optimiser.beta2": BETA2, "optimiser.epsilon": EPSILON}
    found |= conventions(request.model.side, physics.intensity, physics.assemble)
    found |= {"engine.mae_weight": 0.0, "engine.tv_weight": 0.0}
    return found | {f"option.{name}": value for name, value in defaults(request.scan.path, f"{package}.train").items()}


def data(request: Request) -> Exact:
    """R1 from the file's own arrays, without contract, store or loader."""
    scan, gridsize = request.scan, request.model.gridsize
    with np.load(scan.path, allow_pickle=False) as archive:
        if "diff3d" not in archive:
            raise UsageError(f"{scan.path} has no member diff3d; the ladder reads a scan in canonical layout")
        raw, x, y, guess = (archive[name] for name in ("diff3d", "xcoords", "ycoords", "probeGuess"))
        metadata = json.loads(str(archive["_metadata"])) if "_metadata" in archive else {}
    groups = grouping.group(x, y, gridsize=gridsize, n_groups=None, seed=scan.seed)
    split = grouping.split(len(groups), scan.batch_size, scan.seed)
    factor = np.float32(physics.normalisation(raw[np.unique(groups[split.train])]))
    frames = np.multiply(raw, factor)
    found: Exact = {"raw": digest(raw), "normalised": digest(frames), "groups": digest(groups)}
    found |= {"train": digest(split.train), "validation": digest(split.validation)}
    found |= {"probe": digest(physics.normalise_probe(guess))}
    found |= {"nphotons": float(metadata.get("nphotons", DEFAULT_NPHOTONS))}
    order = grouping.epoch_order(split.train, seed=scan.seed, epoch=0)
    for index in range(scan.batches):
        members = groups[order[index * scan.batch_size : (index + 1) * scan.batch_size]]
        near = np.stack([x[members], y[members]], axis=1)[:, None]
        found[f"batch.{index}.indices"] = digest(members)
        found[f"batch.{index}.diffraction"] = digest(frames[members])
        found[f"batch.{index}.coords_relative"] = digest(-(near - near.mean(axis=-1, keepdims=True)))
    return found


def _layers(request: Request) -> Iterator[tuple[str, Array]]:
    for name, x in request.inputs.items():
        yield name, oracle_network.stage(name, request.weights)(x).output


def _forward(request: Request) -> Iterator[tuple[str, Array]]:
    found = objective.evaluate(request, request.first, request.weights)
    passed = found.passed
    for name in passed.inputs:
        if not name.endswith((".inner", ".outer")):
            yield f"{name}.in", passed.inputs[name]
            yield f"{name}.out", passed.outputs[name]
    for name in ("code", "amplitude", "phase", "patches"):
        yield name, getattr(passed, name)
    yield "consistent", found.patches
    yield "exit_wave", found.patches[:, :, None] * request.probe
    yield "intensity", found.intensity
    if found.canvas is not None:
        yield "canvas", found.canvas


def _loss(request: Request) -> Iterator[tuple[str, Array]]:
    found = objective.evaluate(request, request.first, request.weights)
    for label, weights in (("plain", (0.0, 0.0)), ("weighted", (request.mae_weight, request.tv_weight))):
        for name, value in objective.terms(request, request.first, found, *weights).items():
            yield f"{label}.{name}", np.array(value)


def _gradients(request: Request) -> Iterator[tuple[str, Array]]:
    found = objective.evaluate(request, request.first, request.weights)
    trained = request.model.intensity_scale_trainable
    for name, value in objective.gradients(request, request.first, request.weights, found).items():
        if trained or name != LOG_SCALE:
            yield name, value


class Adam:
    """
    Adam over named arrays.

    Args:
        values: name to value; kept as copies.
    """

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.values = {name: np.array(value, dtype=np.float64) for name, value in values.items()}
        self.first = {name: np.zeros_like(value) for name, value in self.values.items()}
        self.second = {name: np.zeros_like(value) for name, value in self.values.items()}
        self.count = 0

    def step(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One step of the algorithm, line by line."""
        self.count += 1
        for name, gradient in gradients.items():
            self.first[name] = BETA1 * self.first[name] + (1 - BETA1) * gradient
            self.second[name] = BETA2 * self.second[name] + (1 - BETA2) * gradient**2
            corrected = self.first[name] / (1 - BETA1**self.count)
            spread = np.sqrt(self.second[name] / (1 - BETA2**self.count))
            self.values[name] = self.values[name] - rate * corrected / (spread + EPSILON)


def _optimiser(request: Request) -> Iterator[tuple[str, Array]]:
    adam = Adam({name: np.zeros_like(value) for name, value in request.replay[0].items()})
    for step, gradients in enumerate(request.replay, start=1):
        adam.step(gradients, request.learning_rates[step - 1])
        for name in gradients:
            yield f"{step}.{name}", adam.values[name]
            yield f"{step}.adam.m/{name}", adam.first[name]
            yield f"{step}.adam.v/{name}", adam.second[name]
        yield f"{step}.adam.step", np.array(step, dtype=np.int64)


def _trajectory(request: Request) -> Iterator[tuple[str, Array]]:
    adam = Adam({n: v for n, v in request.weights.items() if n != LOG_SCALE or request.model.intensity_scale_trainable})
    start = {name: np.asarray(value) for name, value in request.weights.items()}
    totals = []
    for step, batch in enumerate(request.walk(max(request.steps, default=0)), start=1):
        weights = {**start, **adam.values}
        found = objective.evaluate(request, batch, weights)
        totals.append(found.nll)
        gradients = objective.gradients(request, batch, weights, found)
        adam.step({name: gradients[name] for name in adam.values}, request.learning_rates[step - 1])
        if step in request.steps:
            for name in start:
                yield f"{step}.{name}", adam.values.get(name, start[name]) - start[name]
    yield "losses", np.array(totals)
