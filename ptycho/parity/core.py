"""
Answers of the core to inputs that are made up here: the part of R2c that both backends share.

A fault in the core moves both backends alike, and an oracle that uses the core with them; so its figures are handed
out like any backend's, and judged by formulas that do not import it. Where a law needs random draws, it is what was
drawn that is handed out, and the law is one of counting.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data import grouping, prepare, values
from ptycho.data.dataset import Dataset, Source
from ptycho.physics import forward, patches, stitching, weights
from ptycho.store.store import Store
from ptycho.training import inference
from ptycho.training.engine import Batch
from ptycho.training.schedule import Plateau, Ramp

if TYPE_CHECKING:
    from ptycho.parity.request import Request

Array = NDArray[Any]
Named = Iterator[tuple[str, Array]]

SPLITS = ((9, 2), (40, 16), (400, 4), (400, 64), (3, 16), (2, 1))
"""Groups and batch sizes that are split."""

NPHOTONS = 4321.0
COLUMNS, ROWS = 6, 5
BATCH_SIZE = 4
EPOCHS = 3
RAMPS = ((40, 0, False), (40, 7, False), (40, 0, True), (40, 7, True), (3, 5, True))
"""Steps in all, warm-up, cosine."""


def measure(request: "Request") -> Named:
    """Everything, by name."""
    yield from _probe()
    yield from _scales()
    yield from _physics(request)
    yield from _windows()
    yield from _draws(request)
    yield from _initial(request)
    yield from _loaded(request)


def modes(side: int) -> Array:
    """`(2, N, N)` modes of unlike size, off centre, wider than the disk."""
    axis = np.arange(side) - side / 2
    row, column = axis[:, None], axis
    first = np.exp(-((row - 2) ** 2 + 2 * (column + 1) ** 2) / side) * np.exp(0.3j * row - 0.05j * row * column)
    return np.asarray(9 * np.stack([first, 0.4j * first.T * column / side]))


def raster() -> tuple[Array, Array]:
    """`(M,)` whole-pixel x and y on a raster of unequal steps: equally near neighbours are the rule on it."""
    row, column = np.divmod(np.arange(COLUMNS * ROWS), COLUMNS)
    return 60.0 + 7 * column + 2 * (row % 2), 80.0 + 9 * row


def frames(seed: int) -> Array:
    """`(M, 64, 64)` float32 amplitudes of unequal brightness."""
    rng = np.random.default_rng([seed, 0x46])
    brightness = rng.uniform(0.2, 3, size=(COLUMNS * ROWS, 1, 1))
    return np.asarray((rng.gamma(2.0, size=(COLUMNS * ROWS, 64, 64)) * brightness).astype(np.float32))


def counts() -> Array:
    """`(3, 8, 8)` uint16 whose squares do not fit their type."""
    return np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8) * np.uint16(341)


def losses(seed: int) -> dict[str, Array]:
    """Validation losses to follow: better and better, flat, noisy, with steps as long as the patience, below zero."""
    rng = np.random.default_rng([seed, 0x50])
    falling = -1e6 - np.arange(12.0)
    return {
        "falling": falling,
        "flat": np.full(12, 3.0),
        "noisy": 5 + np.cumsum(rng.normal(size=40)),
        "steps": -np.repeat(np.arange(6.0), (1, 2, 3, 4, 2, 3)),
        "rising": -falling,
        "jagged": np.tile([1.0, -1.0, 0.5], 6) - 0.01 * np.arange(18),
    }


def schedules(seed: int) -> Named:
    """Learning rates after each loss, from a rate that ends on its floor and from one that is below it."""
    for name, stream in losses(seed).items():
        for start in (1e-3, 5e-5):
            state, rates = Plateau(learning_rate=start), []
            for loss in stream:
                state = state.observe(float(loss))
                rates.append(state.learning_rate)
            yield f"plateau.{name}.{start:g}", np.array(rates)
    for total, warmup, cosine in RAMPS:
        ramp = Ramp(total_steps=total, warmup_steps=warmup, cosine=cosine)
        parts = [list(ramp.factors(first, total // 3 + 1)) for first in (0, total // 2)]
        yield f"ramp.{total}.{warmup}.{cosine}", np.array(parts)


def _probe() -> Named:
    for side in (64, 33):
        yield f"probe.{side}", forward.normalise_probe(modes(side))
    yield "probe.masked", forward.normalise_probe(modes(64), masked=True, probe_scale=1.5)
    yield "probe.single", forward.normalise_probe(modes(64)[0])
    yield "probe.brighter", forward.normalise_probe(forward.normalise_probe(modes(64)) * 17)
    yield "nll", np.array([forward.poisson_nll(*poisson(k)) for k in range(4)])
    yield "deviance", np.array([forward.poisson_deviance(*poisson(k)) for k in range(4)])


def poisson(number: int) -> tuple[Array, Array, float]:
    """A rate, counts and ε: ordinary, dark, perfect, and with rates below ε."""
    rng = np.random.default_rng([number, 0x4B])
    rate, seen = rng.gamma(2.0, 50, size=(7, 5)), rng.poisson(100, size=(7, 5)).astype(np.float64)
    if number == 1:
        seen[:] = 0
    elif number == 2:
        rate = seen + 1
        seen = rate.copy()
    elif number == 3:
        rate[:2] = (0.0, 1e-15, 1e-13, 1e-11, 1e-9)
    return rate, seen, 1e-12 if number < 3 else 1e-10


def _scales() -> Named:
    yield "normalisation", np.array([forward.normalisation(given) for given in (frames(1), counts())])
    yield "normalised", np.concatenate(list(prepare.normalised_chunks(frames(1), 0.3)))
    yield "roots", values.amplitude_of_counts(counts())
    yield "intensity_scale", np.array([weights.intensity_scale(n, side) for n, side in ((1e9, 64), (NPHOTONS, 128))])


def _physics(request: "Request") -> Named:
    """The oracle's own physics, on what the backends are asked as well."""
    from ptycho.parity.invariants import cases

    asked = {case.name: case for case in cases(request)}
    functions: dict[str, Any] = {
        "light": forward.intensity,
        "root": forward.amplitude,
        "assemble.any": forward.assemble,
        "extract.any": forward.extract,
    }
    for name, function in functions.items():
        case = asked[name]
        yield name, function(**case.given, **case.settings)


def _windows() -> Named:
    """
    Windows of an object, at whole pixels and between them, and one patch stitched back between pixels.

    Its four weights differ, so that none can take another one's place.
    """
    row, column = np.ogrid[:40, :50]
    obj = np.asarray(row * 100.0 + column + 1j * row * column)
    for name, shift in (("whole", 0.0), ("between", 0.25)):
        for side in (8, 7):
            x, y = np.array([12.0, 33.0, 20.0]) + shift, np.array([9.0, 14.0, 30.0]) + 2 * shift
            yield f"windows.{name}.{side}", patches.extract(obj, x, y, side)
    made = stitching.stitch(
        patches.extract(obj, np.array([20.25]), np.array([16.625]), 16), *np.array([[20.25], [16.625]]), crop=8
    )
    yield "single.object", made.obj
    yield "single.overlap", made.overlap
    yield "single.crop", np.array(made.crop)


def _draws(request: "Request") -> Named:
    seed, gridsize = request.scan.seed, request.model.gridsize
    x, y = raster()
    for name, wanted in (("all", None), ("some", 11)):
        drawn = grouping.group(x, y, gridsize=gridsize, n_groups=wanted, seed=seed)
        yield f"groups.{name}", drawn
        offsets, relative = grouping.group_coordinates(x, y, drawn)
        yield f"groups.{name}.offsets", offsets
        yield f"groups.{name}.relative", relative
    for n_groups, batch_size in SPLITS:
        made = grouping.split(n_groups, batch_size, seed)
        yield f"split.{n_groups}.{batch_size}.train", made.train
        yield f"split.{n_groups}.{batch_size}.validation", made.validation
    train = np.arange(0, 90, 3)
    yield "orders", np.stack([grouping.epoch_order(train, seed=seed, epoch=epoch) for epoch in range(EPOCHS)])
    yield "orders.other_seed", grouping.epoch_order(train, seed=seed + 1, epoch=0)


def _initial(request: "Request") -> Named:
    """Of each kernel its fans and moments, of all biases the largest, and w."""
    drawn = weights.initial(request.model, nphotons=NPHOTONS, seed=request.scan.seed)
    kernels = [value for value in drawn.values() if value.ndim == 4]
    yield (
        "initial.kernels",
        np.array([[*k.shape[:2], np.abs(k).max(), k.mean(), np.mean(k**2), np.mean(k**4)] for k in kernels]),
    )
    first, other = (weights.initial(request.model, nphotons=NPHOTONS, seed=seed) for seed in (request.scan.seed, 987))
    yield "initial.twins", np.array([np.array_equal(drawn[n], first[n]) for n in drawn])
    yield "initial.strangers", np.array([np.array_equal(drawn[n], other[n]) for n in drawn if drawn[n].ndim == 4])
    yield "initial.biases", np.array([np.abs(value).max() for value in drawn.values() if value.ndim == 1])
    yield "initial.scale", drawn[weights.LOG_SCALE]


def _loaded(request: "Request") -> Named:
    """A made-up scan through preparation, and its true patches through store, batches and stitcher as in inference."""
    seed, gridsize = request.scan.seed, request.model.gridsize
    x, y = raster()
    scan = Dataset(
        frames=frames(seed),
        probe=modes(64).astype(np.complex64),
        obj=None,
        xcoords=x,
        ycoords=y,
        # Nominal positions that are elsewhere: nothing may use them.
        xcoords_start=x + 3,
        ycoords_start=y[::-1].copy(),
        scan_index=np.zeros(len(x), dtype=np.int64),
        metadata={"nphotons": NPHOTONS},
        source=Source(path=Path("scan.npz"), sha256="0" * 64, layout="canonical", measurement_domain="amplitude"),
    )
    data = DataConfig(path=scan.source.path, gridsize=gridsize, seed=seed)
    model = ModelConfig(gridsize=gridsize, filter_scale=1)
    config = TrainingConfig(data=data, model=model, output_dir=Path("unused"), batch_size=BATCH_SIZE)
    trained = prepare.prepare(config, scan)
    inferred = prepare.prepare_for_inference(data, model, scan, normalisation=0.5, nphotons=NPHOTONS)
    yield "loaded.probe", trained.probe
    yield "loaded.inference_probe", inferred.probe
    yield "loaded.normalisation", np.array([trained.normalisation, inferred.normalisation])
    yield "loaded.nphotons", np.array([trained.nphotons, inferred.nphotons])
    yield "loaded.groups", np.array(trained.groups)
    yield "loaded.train", np.array(trained.split.train)
    with Store.for_run(None, scan, inferred) as store:
        seen = np.zeros_like(scan.diffraction)
        engine: Any = _KnownObjectEngine(x, y, seen)
        made = inference.reconstruct(engine, store, batch_size=BATCH_SIZE)
    yield "stitched.groups", np.array(inferred.groups)
    yield "stitched.seen", seen
    yield "stitched.object", made.obj
    yield "stitched.overlap", made.overlap
    yield "stitched.crop", np.array(made.crop)


class _KnownObjectEngine:
    """
    In an engine's place: it knows the object, and cuts each pattern's patch out of it by the pattern's index.

    Args:
        x: `(M,)` true positions along axis 1.
        y: `(M,)` the same along axis 0.
        seen: `(M, N, N)`, filled with the diffraction that arrives under each index.
    """

    def __init__(self, x: Array, y: Array, seen: Array) -> None:
        self.x, self.y, self.seen = x, y, seen

    def predict(self, batches: Iterable[Batch]) -> Iterator[Array]:
        """True patches."""
        from ptycho.parity.invariants import landscape

        for batch in batches:
            self.seen[batch.indices] = batch.diffraction
            axis = np.arange(batch.diffraction.shape[-1]) - batch.diffraction.shape[-1] // 2
            rows, columns = (at[batch.indices][..., None] + axis for at in (self.y, self.x))
            yield landscape(rows[..., :, None], columns[..., None, :])
