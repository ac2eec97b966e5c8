"""
From a file to what both backends train on: loading behind CONFIG-001, then groups, split, scale and probe.

Everything here is drawn or computed once, in NumPy, and hashed stage by stage, so that two runs that should have seen
the same bytes (two backends, two file layouts) can be distinguished at the first stage that differs. Diffraction is
only ever touched a few megabytes at a time: a second copy of it is never held.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho.config import DEFAULT_NPHOTONS, Config, DataConfig, ModelConfig, TrainingConfig, require_legacy_dict
from ptycho.data import contract, grouping, mapped_arrays, values
from ptycho.data.dataset import Dataset
from ptycho.data.grouping import Indices, Split
from ptycho.data.masked_frames import Frames
from ptycho.errors import ConfigurationError, ContractError
from ptycho.physics import forward

CHUNK_BYTES = 1 << 21
"""Diffraction in hand at once: of a larger block what was cleared or scaled has left the cache before it is used."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """
    SHA-256 hex digests of what a network sees, stage by stage, for the log.

    Attributes:
        raw: canonical diffraction `(M, N, N)` float32, C order, before normalisation.
        normalised: the network input X, same shape and order: equal for both layouts of a file.
        groups: indices `(G, C)` int64.
    """

    raw: str
    normalised: str
    groups: str


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """
    All that is decided about a dataset before a network sees it. Arrays are read-only.

    Attributes:
        side: patch side N.
        gridsize: g.
        seed: of groups, split and batch order.
        groups: `(G, C)` int64 indices of patterns.
        split: training and validation groups; at inference every group is in neither.
        normalisation: factor from amplitude to network input X.
        nphotons: mean photons per pattern: the flag, else the file's metadata, else 1e9.
        probe: `(P, N, N)` complex128, normalised.
        stages: digests of the above.
    """

    side: int
    gridsize: int
    seed: int
    groups: Indices
    split: Split
    normalisation: float
    nphotons: float
    probe: NDArray[np.complex128]
    stages: Stages

    def __post_init__(self) -> None:
        for array in (self.groups, self.split.train, self.split.validation, self.probe):
            array.setflags(write=False)

    @property
    def n_groups(self) -> int:
        """Number of groups G."""
        return len(self.groups)


def load(config: Config, *, path: Path | None = None) -> Dataset:
    """
    Read a configuration's file, once the configuration has been applied to the legacy dictionary.

    Args:
        config: the configuration of the run.
        path: another file to read under the same configuration, such as `config.test_path`.

    Raises:
        ConfigurationError: CONFIG-001, if `update_legacy_dict(params.cfg, config)` has not run for this configuration.
        ContractError: DATA-001, listing every violation, the wrong patch side among them.
    """
    require_legacy_dict(config)
    return contract.load(
        config.data.path if path is None else path,
        layout=config.data.layout,
        measurement_domain=config.data.measurement_domain,
        expect_side=config.model.side,
    )


def prepare(config: TrainingConfig, dataset: Dataset) -> PreparedDataset:
    """
    Groups, split, scale and probe of a training.

    The normalisation is taken over the patterns of the training groups only (each counted once), as what is known of
    the validation groups must not steer the training. At gridsize 2 neighbouring groups share patterns, so that a
    pattern may be in a training group and in a validation group.

    Raises:
        ConfigurationError: if the patterns do not have the model's side.
        UsageError: for more groups than patterns, or too few to split.
        ContractError: if the training patterns are all zero.
    """
    _same_side(config.model, dataset)
    groups = _groups(config.data, dataset)
    split = grouping.split(len(groups), config.batch_size, config.data.seed)
    scale = _normalisation(dataset, np.unique(groups[split.train]))
    named = (config.nphotons, dataset.nphotons, DEFAULT_NPHOTONS)
    nphotons = next(value for value in named if value is not None)
    return _prepared(config.data, config.model, dataset, groups, split, scale, nphotons)


def prepare_for_inference(
    data: DataConfig, model: ModelConfig, dataset: Dataset, *, normalisation: float, nphotons: float
) -> PreparedDataset:
    """
    Groups and probe of a file for a network that is already trained, at the scale on which it was.

    Args:
        data: what is read and in which groups.
        model: the network, from the weights file.
        dataset: the loaded file.
        normalisation: factor of the training, from the weights file.
        nphotons: photons of the training, from the weights file.

    Raises:
        ConfigurationError: if the patterns do not have the model's side, or the gridsize is not the model's.
        UsageError: for more groups than patterns.
    """
    _same_side(model, dataset)
    if data.gridsize != model.gridsize:
        raise ConfigurationError(f"gridsize {data.gridsize} of the data ≠ {model.gridsize} of the trained model")
    groups = _groups(data, dataset)
    nobody = np.empty(0, dtype=np.int64)
    return _prepared(
        data, model, dataset, groups, Split(train=nobody, validation=nobody.copy()), normalisation, nphotons
    )


def normalised_chunks(frames: Frames, normalisation: float) -> Iterator[NDArray[np.float32]]:
    """
    The network input X, a few megabytes at a time, in the order of the patterns.

    The factor is rounded to float32 once and every amplitude is multiplied by it once, in float32: a single rounding
    per pixel, therefore the same bytes whatever the file's layout and the size of the chunks. What is not a normal
    number, or becomes none, is 0: a framework may switch the processor to flush such numbers, and the bytes must not
    depend on it.

    Args:
        frames: `(M, N, N)` amplitude.
        normalisation: factor.

    Yields:
        `(m, N, N)` float32, C-contiguous.
    """
    for block in _blocks(frames):
        yield _normalised(block, normalisation)


def _blocks(frames: Frames) -> Iterator[NDArray[np.float32]]:
    for rows in _chunks(*frames.shape[:2]):
        yield frames[rows]
        mapped_arrays.release(frames)


def _normalised(block: NDArray[np.float32], normalisation: float) -> NDArray[np.float32]:
    factor = np.float32(normalisation)
    scaled = np.multiply(block, factor, order="C")
    smallest = np.float32(values.SMALLEST)
    negligible = max(smallest * factor, np.nextafter(smallest, np.float32(0)))
    np.copyto(scaled, 0, where=scaled <= negligible)
    return scaled


def digest(*arrays: NDArray[np.generic]) -> str:
    """SHA-256 hex digest of the bytes of arrays in C order, one after the other."""
    hashed = hashlib.sha256()
    for array in arrays:
        for part in parts(array):
            hashed.update(np.ascontiguousarray(part).data)
    return hashed.hexdigest()


def parts(array: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """An array whole, or a large or mapped one by rows, so that it is never in memory whole; the bytes are the same."""
    if array.nbytes < mapped_arrays.MAPPED_FROM_BYTES and not mapped_arrays.is_mapped(array):
        yield array
        return
    for rows in _chunks(len(array), math.isqrt(math.prod(array.shape[1:]))):
        yield array[rows]
        mapped_arrays.release(array)


def _chunks(count: int, side: int) -> Iterator[slice]:
    step = max(1, CHUNK_BYTES // (side * side * np.dtype(np.float32).itemsize))
    for start in range(0, count, step):
        yield slice(start, start + step)


def _same_side(model: ModelConfig, dataset: Dataset) -> None:
    if dataset.side != model.side:
        raise ConfigurationError(
            f"N = {model.side}; the patterns of {dataset.source.path} are {dataset.side} × {dataset.side}; "
            f"pass --N {dataset.side}"
        )


def _groups(data: DataConfig, dataset: Dataset) -> Indices:
    return grouping.group(
        dataset.xcoords, dataset.ycoords, gridsize=data.gridsize, n_groups=data.n_groups, seed=data.seed
    )


def _normalisation(dataset: Dataset, patterns: Indices) -> float:
    """The oracle's factor over some patterns. 1/factor² is a mean over patterns, so that chunks of them add up."""
    inverse_square = 0.0
    with np.errstate(divide="ignore"):  # a chunk of dark frames has an infinite factor, and adds the zero it should
        for rows in _chunks(len(patterns), dataset.side):
            chunk = dataset.frames[patterns[rows]]
            inverse_square += len(chunk) / forward.normalisation(chunk) ** 2
            mapped_arrays.release(dataset.frames)
    if not inverse_square > 0:
        raise ContractError(
            dataset.source.path,
            [f"all {len(patterns)} patterns that train are zero; draw others with --seed, or leave dark frames out"],
        )
    return math.sqrt(len(patterns) / inverse_square)


def _prepared(
    data: DataConfig,
    model: ModelConfig,
    dataset: Dataset,
    groups: Indices,
    split: Split,
    normalisation: float,
    nphotons: float,
) -> PreparedDataset:
    raw, normalised = hashlib.sha256(), hashlib.sha256()
    for block in _blocks(dataset.frames):
        raw.update(np.ascontiguousarray(block).data)
        normalised.update(_normalised(block, normalisation).data)
    return PreparedDataset(
        side=model.side,
        gridsize=data.gridsize,
        seed=data.seed,
        groups=groups,
        split=split,
        normalisation=normalisation,
        nphotons=float(nphotons),
        probe=forward.normalise_probe(dataset.probe, probe_scale=model.probe_scale, masked=model.probe_mask),
        stages=Stages(raw=raw.hexdigest(), normalised=normalised.hexdigest(), groups=digest(groups)),
    )
