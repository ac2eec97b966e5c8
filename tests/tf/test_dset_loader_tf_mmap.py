"""Arrays of the core as tensors: the same bytes, read when asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from ptycho.config import ModelConfig
from ptycho.engine import Batch

pytestmark = pytest.mark.usefixtures("one_thread")


def test_batches_keep_their_bytes_order_and_size(make_batch: Callable[..., Batch]) -> None:
    from ptycho_tf.dset_loader_tf_mmap import batches_to

    given = [make_batch(ModelConfig(gridsize=2), size, seed=size) for size in (2, 1)]
    loaded = list(batches_to(given))
    assert [item.size for item in loaded] == [2, 1]
    for tensors, batch in zip(loaded, given, strict=True):
        assert np.array_equal(tensors.diffraction.numpy(), batch.diffraction)
        assert np.array_equal(tensors.coords_relative.numpy(), batch.coords_relative)
        assert (tensors.diffraction.dtype.name, tensors.coords_relative.dtype.name) == ("float32", "float64")


def test_batches_are_read_one_at_a_time(make_batch: Callable[..., Batch]) -> None:
    from ptycho_tf.dset_loader_tf_mmap import batches_to

    taken: list[int] = []

    def source() -> Iterator[Batch]:
        for index in range(3):
            taken.append(index)
            yield make_batch(ModelConfig(), 1)

    next(batches_to(source()))
    assert taken == [0]


def test_dataset_serves_single_patterns_of_the_map(tmp_path: Path) -> None:
    from ptycho_tf.dset_loader_tf_mmap import MemoryMapDataset

    frames = np.random.default_rng(1).normal(size=(5, 8, 8)).astype(np.float32)
    np.save(tmp_path / "diffraction.npy", frames)
    mapped = np.load(tmp_path / "diffraction.npy", mmap_mode="r")
    dataset = MemoryMapDataset(cast(Any, SimpleNamespace(diffraction=mapped)))
    assert isinstance(mapped, np.memmap)
    assert (len(dataset), dataset.shape) == (5, (5, 8, 8))
    assert np.array_equal(dataset[3].numpy(), frames[3])
