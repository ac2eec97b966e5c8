"""
Measures each rung of the ladder, in one way for both backends: they only supply a `BackendAdapter`.

Exact rungs (R0, R1) give plain values that must be equal; the others give arrays under `RUNG/NAME`. Array names of R8
hold the number of steps.
"""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data import grouping, prepare
from ptycho.parity import contract as parity_contract
from ptycho.parity import core, invariants, loaders, operations, workflow
from ptycho.parity.adapter import BackendAdapter
from ptycho.parity.masked import masked
from ptycho.parity.request import BATCH_FIELDS, Request
from ptycho.physics.forward import central_mask
from ptycho.store.store import Store
from ptycho.training import batches
from ptycho.training.engine import Batch

Array = NDArray[Any]
Exact = dict[str, Any]


def measure(request: Request, bench: BackendAdapter, package: str) -> tuple[dict[str, Exact], dict[str, Array]]:
    """
    Everything that a request asks for.

    Returns:
        Plain values by exact rung, and arrays by `RUNG/NAME`.
    """
    exact: dict[str, Exact] = {}
    arrays: dict[str, Array] = {}
    for rung in request.quantities:
        for name, value in values(rung, request, bench, package):
            if isinstance(value, np.ndarray):
                arrays[f"{rung}/{name}"] = value
            else:
                exact.setdefault(rung, {})[name] = value
    return exact, arrays


def values(rung: str, request: Request, bench: BackendAdapter, package: str) -> Iterator[tuple[str, Any]]:
    """
    Yield what one rung asks, by name and one after the other: arrays, or the plain values of an exact rung.

    Args:
        rung: of `QUANTITIES`.
        request: the question.
        bench: the backend.
        package: its name.
    """
    if request.way:
        for name, value in _PROGRAM[rung](request, bench):
            yield name, np.asarray(value)
    elif rung == "R0":
        yield from contract(request, bench, package)
    elif rung == "R1":
        yield from data(request, bench)
        yield from loaders.measure(request.scan, request.model, masks=request.masked).items()
    elif rung == "R2b":
        yield from operations.classes(request, bench).items()
    else:
        for name, value in _ARRAYS[rung](request, bench):
            yield name, np.asarray(value)


def contract(request: Request, bench: BackendAdapter, package: str) -> Iterator[tuple[str, Any]]:
    """R0: parameters, optimiser constants, conventions as measured, defaults as this process has them."""
    yield from ((f"parameter.{name}", [*value]) for name, value in bench.parameters().items())
    yield from ((f"optimiser.{name}", value) for name, value in bench.optimiser().items())
    yield "engine.module", type(bench.engine).__module__
    signature = inspect.signature(import_module(f"{package}.engine").create_engine)
    for name, parameter in signature.parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            yield f"engine.{name}", parameter.default
    path = request.scan.path
    yield from parity_contract.constants().items()
    for name, value in parity_contract.training_defaults(path, f"{package}.train").items():
        yield f"option.{name}", value
    for name, value in parity_contract.inference_defaults(path, f"{package}.inference").items():
        yield f"inference.{name}", value
    for name, changed in parity_contract.responses(path, package).items():
        yield f"response.{name}", changed
    yield from conventions(request.model.side, bench.intensity, bench.canvas).items()


def conventions(
    side: int, intensity: Callable[[Array, Array], Array], canvas: Callable[[Array, Array, int], Array]
) -> Exact:
    """
    Axes, norm, sign and order, read off from inputs that no symmetry maps onto each other.

    Constant objects 1 to 4 under a constant probe: all of the intensity must be in the middle, and be |O|²·N². A
    single bright pixel moved by unequal amounts along x and y: where it lands.
    """
    objects = np.arange(1.0, 5.0).reshape(2, 2, 1, 1) * np.ones((side, side)) + 0j
    flat = intensity(objects, np.ones((1, side, side), complex)).reshape(4, side, side)
    peaks = [np.unravel_index(int(image.argmax()), image.shape) for image in flat]
    bright = np.zeros((1, 4, side, side), complex)
    bright[0, 1, side // 2 - 5, side // 2 + 3] = central_mask(side)[side // 2 - 5, side // 2 + 3]
    moved = np.zeros((1, 1, 2, 4))
    moved[0, 0, :, 1] = 3.0, -2.0
    landed = np.abs(canvas(bright, moved, 2))[0]
    return {
        "fft.dc": [[int(row), int(column)] for row, column in peaks],
        "fft.dc_per_energy": [round(float(image.max()) / side**2, 9) for image in flat],
        "assembly.canvas": list(landed.shape),
        "assembly.landed": [int(k) for k in np.unravel_index(int(landed.argmax()), landed.shape)],
        "assembly.peak": round(float(landed.max()), 9),
    }


def data(request: Request, bench: BackendAdapter) -> Iterator[tuple[str, Any]]:
    """R1: SHA-256 of each stage from the file to the tensors of the first batches."""
    scan, model = request.scan, request.model
    config, dataset = loaders.load(scan, model)
    prepared = prepare.prepare(config, dataset)
    stages = prepared.stages
    yield from (("raw", stages.raw), ("normalised", stages.normalised), ("groups", stages.groups))
    for name in ("train", "validation"):
        yield name, prepare.digest(getattr(prepared.split, name))
    yield from (("probe", prepare.digest(prepared.probe)), ("nphotons", prepared.nphotons))
    order = grouping.epoch_order(prepared.split.train, seed=scan.seed, epoch=0)
    with tempfile.TemporaryDirectory() as scratch:
        store = Store.create(Path(scratch) / "store", dataset, prepared)
        read = islice(batches.iterate(store, order, batch_size=scan.batch_size), scan.batches)
        given = list(read)
    for index, (batch, (diffraction, relative)) in enumerate(zip(given, bench.delivered(given), strict=True)):
        yield f"batch.{index}.indices", prepare.digest(batch.indices)
        yield f"batch.{index}.diffraction", prepare.digest(diffraction)
        yield f"batch.{index}.coords_relative", prepare.digest(relative)
    # Positions of a scan may be round numbers, which a cast to single precision leaves as they are.
    for diffraction, relative in bench.delivered([request.first]):
        yield "delivered.diffraction", prepare.digest(diffraction)
        yield "delivered.coords_relative", prepare.digest(relative)


Named = Iterator[tuple[str, Array]]


LOUD = 1024.0
"""Factor of the inputs of layers that are asked a second time, a power of two: it rounds nothing."""


def uneven(request: Request) -> list[Batch]:
    """The first batch, and a smaller one, as at the end of an epoch."""
    size = request.batch_size
    smaller = {name: getattr(request.batch, name)[size : 2 * size - 1] for name in BATCH_FIELDS}
    return [request.first, Batch(**smaller)]


def _layers(request: Request, bench: BackendAdapter) -> Named:
    for name, x in request.inputs.items():
        yield name, bench.layer(name, x)
        # An activation that is capped, or a half-precision step, shows only where values are large.
        if request.precision == "f64":
            yield f"{name}.loud", bench.layer(name, LOUD * x)


def _forward(request: Request, bench: BackendAdapter) -> Named:
    found = bench.forward(request.first)
    yield from found.items()
    # What programs call is not what the checkpoints were recorded in: there it may be compiled, and once for all sizes.
    yield "agreed", bench.engine.consistent_patches(found["patches"], request.first.coords_relative)
    for index, patches in enumerate(bench.engine.predict(uneven(request))):
        yield f"predicted.{index}", patches


def _predicted(request: Request, bench: BackendAdapter) -> Named:
    """R4 as programs see it: the patches, and nothing on the way to them."""
    for index, patches in enumerate(bench.engine.predict([request.first])):
        yield f"predicted.{index}", patches


def _evaluated(request: Request, bench: BackendAdapter) -> Named:
    """R5 as programs see it: the total and the deviance of a batch."""
    losses = bench.engine.evaluate([request.first])
    yield "plain.total", losses.total[0]
    yield "plain.deviance", losses.deviance[0]


def _differentiated(request: Request, bench: BackendAdapter) -> Named:
    """R6 as programs see it: the gradient to each weight."""
    yield from bench.engine.gradients(request.first).items()


def asks_for_masks(request: Request) -> bool:
    """Whether bad pixels are asked for: the arithmetic of the loss is float64 whatever the precision, so once."""
    return request.masked and request.precision == "f64"


def asks_of_core(request: Request) -> bool:
    """
    Whether what only this project's core has is asked for: its schedules, and its training through files and options.

    An adapter of another code base cannot answer it, as it cannot answer for masks that it does not know.
    """
    return request.masked and request.precision == "f64"


def _loss(request: Request, bench: BackendAdapter) -> Named:
    for label, weights in (("plain", (0.0, 0.0)), ("weighted", (request.mae_weight, request.tv_weight))):
        for name, value in bench.terms(request.first, *weights).items():
            yield f"{label}.{name}", value
    if asks_for_masks(request):
        batch = masked(request.first, request.scan.seed)
        for name, value in bench.terms(batch, request.mae_weight, request.tv_weight).items():
            if name != "variation":  # of the patches, which no mask covers
                yield f"masked.{name}", value
        scored = bench.engine.evaluate([masked(part, request.scan.seed) for part in uneven(request)])
        yield "masked.evaluated", np.stack([scored.total, scored.deviance])
    losses = bench.engine.evaluate(uneven(request))
    yield "evaluated.total", losses.total
    yield "evaluated.deviance", losses.deviance
    yield "evaluated.mean_total", np.array(losses.mean_total)
    yield "evaluated.mean_deviance", np.array(losses.mean_deviance)


def _gradients(request: Request, bench: BackendAdapter) -> Named:
    yield from bench.engine.gradients(request.first).items()
    yield from bench.physics_gradients(request.first).items()
    for name, value in bench.weighted_gradients(request.first, request.mae_weight, request.tv_weight).items():
        yield f"weighted.{name}", value
    if asks_for_masks(request):
        batch = masked(request.first, request.scan.seed)
        for name, value in {**bench.engine.gradients(batch), **bench.physics_gradients(batch)}.items():
            yield f"masked.{name}", value


def _optimiser(request: Request, bench: BackendAdapter) -> Named:
    for step, state in enumerate(bench.replay(request.replay, request.learning_rates), start=1):
        for name, value in state.items():
            yield f"{step}.{name}", value
    # Plain arithmetic in float64 whatever the precision: nothing new in float32, and no floor to judge it by.
    if asks_of_core(request):
        for name, value in core.schedules(request.scan.seed):
            yield f"schedule.{name}", value


ALL_WEIGHTS = "weights"
"""Name of what `together` makes; no weight is called so."""


def together(moved: Mapping[str, Array]) -> Array:
    """
    The changes of all weights as one vector, in the order of their names.

    In float32 no weight is judged alone: of a gradient that is nothing but rounding Adam makes a whole step, and one
    such element in a tensor of n moves its D by 2/√n. Which tensor that happens to is chance.
    """
    return np.concatenate([np.ravel(moved[name]) for name in sorted(moved)])


def _trajectory(request: Request, bench: BackendAdapter) -> Named:
    start: Mapping[str, Array] = bench.engine.state()
    last = max(request.steps, default=0)
    walk, rates = request.walk(last), request.learning_rates
    done = 0
    totals: list[NDArray[np.float64]] = []
    for steps in request.steps:
        totals.append(bench.engine.train_epoch(walk[done:steps], rates[done:steps]).total)
        done = steps
        reached: Mapping[str, Array] = bench.engine.state()
        moved = {name: value - start[name] for name, value in reached.items() if not name.startswith("adam.")}
        for name, value in moved.items():
            yield f"{steps}.{name}", value
        yield f"{steps}.{ALL_WEIGHTS}", together(moved)
    yield "losses", np.concatenate(totals)
    bench.engine.load_state(start)
    # In float32 the two trainings part by rounding alone; what is asked here is whether files and options arrive.
    if asks_of_core(request):
        package = type(bench.engine).__module__.partition(".")[0]
        for name, value in workflow.measure(request, package):
            yield f"workflow.{name}", value


def sides_of_laws(request: Request, bench: BackendAdapter) -> Iterator[tuple[str, Array]]:
    """R2c: every side of every law."""
    for case in invariants.cases(request):
        yield case.name, bench.operate(case)
    for name, value in core.measure(request):
        yield f"core.{name}", value


_ARRAYS: Mapping[str, Callable[[Request, BackendAdapter], Named]] = {
    "R2": operations.measure,
    "R2c": sides_of_laws,
    "R3": _layers,
    "R4": _forward,
    "R5": _loss,
    "R6": _gradients,
    "R7": _optimiser,
    "R8": _trajectory,
}

_PROGRAM: Mapping[str, Callable[[Request, BackendAdapter], Named]] = {
    "R4": _predicted,
    "R5": _evaluated,
    "R6": _differentiated,
    "R8": _trajectory,
}
"""What is asked of the functions that programs call; a rung that is not here has nothing of the kind."""
