"""
The second half of R1: what the first batches of a good canonical file do not show.

The same scan in other layouts and domains, the batches of a later epoch and of the validation set, a store that is
another run's, files and configurations that must be refused. Everything becomes a digest or a plain value; what they
must be is said in `harness.parity.reference.loaders`.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho import params
from ptycho.config import DataConfig, ModelConfig, TrainingConfig, update_legacy_dict
from ptycho.data import contract, grouping, prepare
from ptycho.data.dataset import Dataset
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import ConfigurationError, ContractError, StoreError
from ptycho.store.manifest import ArrayEntry, Manifest
from ptycho.store.store import Store
from ptycho.training import batches

if TYPE_CHECKING:
    from ptycho.parity.request import ScanFile

Array = NDArray[Any]
Arrays = dict[str, Array]
Exact = dict[str, Any]

PATTERNS = 24
"""Patterns of the files that are made here: fewer than N, so that no layout is ambiguous."""

FEW = 7
AT_ONCE = 7
"""Groups per batch here: neither training nor validation groups of a scan of 64 divide by it."""

FACTOR, PHOTONS = 1.75, 4321.0
BAD = 0.2
"""Share of bad pixels."""

COUNTS = 60_000
"""Largest count of the integer file: its square does not fit its type."""

CANONICAL = (
    *("diffraction", "probe", "obj", "patches"),
    *("xcoords", "ycoords", "xcoords_start", "ycoords_start", "scan_index"),
)


def measure(scan: "ScanFile", model: ModelConfig, *, masks: bool = True) -> Exact:
    """
    Everything of the above for one scan.

    Args:
        scan: the file in canonical layout, seed and batch size.
        model: its gridsize decides the groups.
        masks: whether a scan with bad pixels is among them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with np.load(scan.path, allow_pickle=False) as archive:
            given = cut({name: archive[name] for name in archive.files if name != "_metadata"})
        found = {
            f"file.{name}.{key}": value
            for name, key, value in (*_variants(folder, given), *_refused_files(folder, given))
        }
        config, dataset = load(scan, model)
        found |= _stale(config)
        found |= dict(_scales(config, dataset))
        found |= dict(_stores(folder, config, dataset))
        if masks:
            found |= dict(_masked(folder, config, given))
    return found


def load(scan: "ScanFile", model: ModelConfig) -> tuple[TrainingConfig, Dataset]:
    """The training that a scan is asked for, with the legacy dictionary set, and its loaded file."""
    config = TrainingConfig(
        data=DataConfig(path=scan.path, gridsize=model.gridsize, seed=scan.seed),
        model=model,
        output_dir=Path("unused"),
        batch_size=scan.batch_size,
    )
    update_legacy_dict(params.cfg, config)
    return config, prepare.load(config)


def cut(given: Mapping[str, Array]) -> Arrays:
    """The first patterns of a canonical scan, with nominal positions and true patches of its own."""
    few: Arrays = {name: value[:PATTERNS] for name, value in given.items() if len(value) == len(given["xcoords"])}
    few |= {name: given[name] for name in ("probeGuess", "objectGuess")}
    few |= {"xcoords_start": few["xcoords"] + 1 / 3, "ycoords_start": few["ycoords"] - 1 / 7}
    few["Y"] = (few["diff3d"] * np.exp(0.3j)).astype(np.complex64)
    return few


def legacy(given: Mapping[str, Array]) -> Arrays:
    """The scan axis last, in double precision but for whole numbers, under the old name."""
    real = {"f": np.float64, "c": np.complex128}
    wide = {name: value.astype(real.get(value.dtype.kind, value.dtype)) for name, value in given.items()}
    frames = wide.pop("diff3d")
    return {**wide, "diffraction": np.ascontiguousarray(frames.transpose(1, 2, 0)), "Y": given["Y"]}


def counted(given: Mapping[str, Array]) -> Arrays:
    """Photon counts in sixteen bits, which overflow when they are squared."""
    power = given["diff3d"].astype(np.float64) ** 2
    return {**given, "diff3d": np.rint(power * (COUNTS / power.max())).astype(np.uint16)}


def modes(given: Mapping[str, Array]) -> Arrays:
    """A probe of two incoherent modes."""
    probe = given["probeGuess"]
    return {**given, "probeGuess": np.stack([probe, 0.5j * probe.T])}


def _variants(folder: Path, given: Arrays) -> Iterator[tuple[str, str, Any]]:
    files: dict[str, tuple[Arrays, dict[str, Any]]] = {
        "canonical": (given, {}),
        "legacy": (legacy(given), {}),
        "counts": (counted(given), {"measurement_domain": "counts"}),
        "legacy_counts": (legacy(counted(given)), {"measurement_domain": "counts"}),
        "modes": (modes(given), {"nphotons": 5e5}),
    }
    for name, (arrays, metadata) in files.items():
        dataset = contract.load(write(folder / f"{name}.npz", arrays, metadata))
        for key in CANONICAL:
            yield name, key, prepare.digest(getattr(dataset, key))
        yield name, "dtypes", [str(getattr(dataset, key).dtype) for key in CANONICAL]
        yield name, "nphotons", dataset.nphotons
        yield name, "source", [dataset.source.layout, dataset.source.measurement_domain]


def bad_files(given: Arrays) -> dict[str, tuple[Arrays, dict[str, Any]]]:
    """Arrays and metadata of files that no network may see, each with one fault."""

    def damaged(name: str, change: Callable[[Array], Array]) -> Arrays:
        return {**given, name: change(given[name].copy())}

    def put(value: float) -> Callable[[Array], Array]:
        def change(array: Array) -> Array:
            array[1, 2, 3] = value
            return array

        return change

    whole = {name: np.concatenate([value] * 3)[:64] for name, value in given.items() if len(value) == PATTERNS}
    return {
        "nan": (damaged("diff3d", put(np.nan)), {}),
        "negative": (damaged("diff3d", put(-1.0)), {}),
        "dark": (damaged("diff3d", np.zeros_like), {}),
        "undeclared_counts": (counted(given), {}),
        "whole_numbers": (damaged("diff3d", lambda frames: np.rint(frames * 1000)), {}),
        "too_few_positions": (damaged("xcoords", lambda x: x[:-1]), {}),
        "outside": (damaged("xcoords", lambda x: x + given["objectGuess"].shape[1]), {}),
        "positions_nan": (damaged("ycoords", lambda y: y * np.nan), {}),
        "real_probe": (damaged("probeGuess", np.abs), {}),
        "empty_probe": (damaged("probeGuess", np.zeros_like), {}),
        "real_object": (damaged("objectGuess", np.abs), {}),
        "ambiguous": ({**given, **whole}, {}),
        "wrong_layout": (given, {"layout": "legacy"}),
        "no_photons": (given, {"nphotons": 0}),
    }


def masked(given: Mapping[str, Array]) -> Arrays:
    """Another mask for every pattern, with nothing under it that a frame may hold."""
    bad = np.random.default_rng(0x4D).random(given["diff3d"].shape) < BAD
    frames = given["diff3d"].copy()
    frames[bad] = np.nan
    return {**given, "diff3d": frames, "bad_pixels": bad}


def _masked(folder: Path, config: TrainingConfig, given: Arrays) -> Iterator[tuple[str, Any]]:
    """A scan with bad pixels through contract, preparation, store and batches; the other polarity is refused."""
    scan = masked(given)
    config = replace(config, batch_size=2)
    dataset = contract.load(write(folder / "masked.npz", scan, {}))
    yield "masked.diffraction", prepare.digest(dataset.diffraction)
    yield "masked.bad_pixels", prepare.digest(*() if dataset.bad_pixels is None else (dataset.bad_pixels,))
    prepared = prepare.prepare(config, dataset)
    yield "masked.normalised", prepared.stages.normalised
    with Store.for_run(None, dataset, prepared) as store:
        read = list(batches.iterate(store, store.split.train, batch_size=3))
        yield "masked.batch.good", prepare.digest(*(batch.good for batch in read if batch.good is not None))
        yield "masked.batch.diffraction", prepare.digest(*(batch.diffraction for batch in read))
        yield "masked.batch.share", sorted({batch.good_share for batch in read})
    # A few dead pixels, called the good ones: they hold light here, so that nothing else refuses them.
    few = np.zeros((64, 64), bool)
    few[::8, ::8] = True
    inverted = write(folder / "inverted.npz", {**given, "bad_pixels": ~few}, {})
    yield "masked.inverted_refused", _raises(ContractError, partial(contract.load, inverted))


def _refused_files(folder: Path, given: Arrays) -> Iterator[tuple[str, str, Any]]:
    for name, (arrays, metadata) in bad_files(given).items():
        path = write(folder / f"bad-{name}.npz", arrays, metadata)
        yield f"bad.{name}", "refused", _raises(ContractError, partial(contract.load, path))


def write(path: Path, arrays: Arrays, metadata: Mapping[str, Any]) -> Path:
    """Write a scan as other programs do: NumPy's own archive, metadata as JSON text."""
    members: dict[str, Any] = {**arrays, "_metadata": np.array(json.dumps(dict(metadata)))}
    np.savez(path, **members)
    return path


def _raises(error: type[Exception], action: Callable[[], object]) -> bool:
    """Whether an action is refused; any other error is this adapter's own."""
    with suppress(error):
        action()
        return False
    return True


def _stale(config: TrainingConfig) -> Exact:
    """CONFIG-001: a dictionary of another configuration is refused, and a new one leaves nothing of the old."""
    few = replace(config, data=replace(config.data, n_groups=FEW), nphotons=PHOTONS)
    refused = _raises(ConfigurationError, lambda: prepare.load(few))
    update_legacy_dict(params.cfg, few)
    params.cfg["left_over"] = True
    update_legacy_dict(params.cfg, config)
    kept = {name: params.cfg.get(name) for name in ("n_groups", "nphotons", "gridsize", "left_over")}
    return {"config.stale_refused": refused, "config.after_another": kept}


def _scales(config: TrainingConfig, dataset: Dataset) -> Iterator[tuple[str, Any]]:
    """Show which value decides, and what an inference reuses of a training."""
    nameless = replace(dataset, metadata={})
    for name, settings, scan in (
        ("flag", replace(config, nphotons=PHOTONS), dataset),
        ("file", config, dataset),
        ("default", config, nameless),
    ):
        yield f"nphotons.{name}", prepare.prepare(settings, scan).nphotons
    few = replace(config, data=replace(config.data, n_groups=FEW + config.batch_size))
    prepared = prepare.prepare(few, dataset)
    yield "few.groups", prepare.digest(prepared.groups)
    yield "few.validation", prepare.digest(prepared.split.validation)
    yield "few.normalised", prepared.stages.normalised
    inferred = prepare.prepare_for_inference(config.data, config.model, dataset, normalisation=FACTOR, nphotons=PHOTONS)
    yield "inference.normalised", inferred.stages.normalised
    yield "inference.groups", prepare.digest(inferred.groups)
    yield "inference.nphotons", inferred.nphotons
    yield "inference.split", [len(inferred.split.train), len(inferred.split.validation)]
    wider = replace(config.data, gridsize=3 - config.data.gridsize)

    def other_groups() -> PreparedDataset:
        return prepare.prepare_for_inference(wider, config.model, dataset, normalisation=FACTOR, nphotons=PHOTONS)

    yield "inference.other_gridsize_refused", _raises(ConfigurationError, other_groups)


def _stores(folder: Path, config: TrainingConfig, dataset: Dataset) -> Iterator[tuple[str, Any]]:
    """A kept store: reused for the same run alone, and the batches that come out of it."""
    prepared = prepare.prepare(config, dataset)
    place = folder / "store"
    store = Store.open_or_create(place, dataset, prepared)
    yield "store.reused", Store.open_or_create(place, dataset, prepared).manifest == store.manifest
    yield from _strangers(place, store.manifest, dataset, prepared)
    order = grouping.epoch_order(store.split.train, seed=config.data.seed, epoch=1)
    for name, chosen, workers in (
        ("epoch", order, 0),
        ("read_ahead", order, 2),
        ("validation", store.split.validation, 0),
    ):
        read = list(batches.iterate(store, chosen, batch_size=AT_ONCE, num_workers=workers))
        yield f"{name}.sizes", [len(batch.indices) for batch in read]
        for field in ("diffraction", "coords_offsets", "coords_relative", "indices"):
            yield f"{name}.{field}", prepare.digest(*(getattr(batch, field) for batch in read))
    damaged = place / "groups.npy"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    yield "store.damage_found", _raises(StoreError, store.verify)


def _strangers(place: Path, own: Manifest, dataset: Dataset, prepared: PreparedDataset) -> Iterator[tuple[str, Any]]:
    """Manifests that differ in one value each: such a store must be refused, and so must the data of another seed."""
    other: dict[str, Any] = {
        "source_sha256": "0" * 64,
        "layout": "legacy",
        "measurement_domain": "counts",
        "side": 2 * own.side,
        "gridsize": 3 - own.gridsize,
        "seed": own.seed + 1,
        "n_groups": own.n_groups - 1,
        "normalisation": own.normalisation * (1 + 1e-12),
        "input_sha256": "0" * 64,
        "contract_version": "DATA-001/0",
        "arrays": {**own.arrays, "probe": ArrayEntry(shape=[1], dtype="<c16", sha256="0" * 64)},
    }
    for name, value in other.items():
        wanted = replace(own, **{name: value})
        yield f"store.other_{name}", _raises(StoreError, partial(Store.open, place, expected=wanted))
    sources = {
        "file": (replace(dataset, source=replace(dataset.source, sha256="0" * 64)), prepared),
        "draw": (dataset, replace(prepared, seed=prepared.seed + 1)),
        "scale": (dataset, replace(prepared, normalisation=2 * prepared.normalisation)),
    }
    for name, (scan, made) in sources.items():
        yield f"store.other_{name}", _raises(StoreError, partial(Store.open_or_create, place, scan, made))
