"""Arrays of the core as tensors: the same bytes, read from the map when asked for, and never all of them at once."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ptycho.config import DataConfig, TrainingConfig
from ptycho.data import prepare
from ptycho.store.store import Store
from ptycho.training.engine import Batch
from tests.support.scans import make_dataset
from tests.support.small_problem import FOUR, ONE, make_batch
from tests.support.suites.backend import BackendUnderTest

PATTERNS = 200


def make_store(directory: Path, n_patterns: int, seed: int = 0) -> Store:
    """A store of noise frames."""
    config = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"), batch_size=4)
    dataset = make_dataset(n_patterns=n_patterns, seed=seed)
    return Store.create(directory, dataset, prepare.prepare(config, dataset))


class LoaderSuite:
    loader: ClassVar[str]
    """Module of the backend that holds the loader."""

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Store:
        """3.3 MB of patterns."""
        return make_store(tmp_path_factory.mktemp("loader") / "store", PATTERNS)

    def test_batches_keep_their_bytes_types_order_and_size(self, backend: BackendUnderTest) -> None:
        given = [make_batch(FOUR, size, seed=size) for size in (2, 1)]
        loaded = list(backend.module(self.loader).batches_to(given))
        assert [item.size for item in loaded] == [2, 1]
        for tensors, batch in zip(loaded, given, strict=True):
            for name in ("diffraction", "coords_relative"):
                actual, expected = backend.array(getattr(tensors, name)), getattr(batch, name)
                assert (actual.dtype, actual.tobytes()) == (expected.dtype, expected.tobytes())

    def test_batches_are_read_one_at_a_time(self, backend: BackendUnderTest) -> None:
        taken: list[int] = []

        def source() -> Iterator[Batch]:
            for index in range(3):
                taken.append(index)
                yield make_batch(ONE, 1)

        next(backend.module(self.loader).batches_to(source()))
        assert taken == [0]

    def test_dataset_serves_every_pattern_of_the_store(self, backend: BackendUnderTest, store: Store) -> None:
        dataset = backend.module(self.loader).MemoryMapDataset(store)
        assert (len(dataset), dataset.shape) == (PATTERNS, (PATTERNS, 64, 64))
        items = [backend.array(dataset[index]) for index in range(len(dataset))]
        assert {(item.shape, item.dtype.name) for item in items} == {((64, 64), "float32")}
        assert np.array_equal(items, np.load(store.directory / "diffraction.npy"))

    def test_an_index_past_the_end_is_an_error(self, backend: BackendUnderTest, store: Store) -> None:
        dataset = backend.module(self.loader).MemoryMapDataset(store)
        assert np.array_equal(backend.array(dataset[-1]), store.diffraction[PATTERNS - 1])
        with pytest.raises(IndexError):
            dataset[PATTERNS]

    def test_an_item_is_read_when_it_is_asked_for(self, backend: BackendUnderTest, tmp_path: Path) -> None:
        store = make_store(tmp_path / "store", 24)
        dataset = backend.module(self.loader).MemoryMapDataset(store)
        kept = backend.array(dataset[3]).copy()
        # A dataset that had loaded anything would not see what changes on the disk now.
        writable: Any = np.load(store.directory / "diffraction.npy", mmap_mode="r+")
        writable[3] += 1
        writable.flush()
        assert np.array_equal(backend.array(dataset[3]), kept + 1)

    def test_an_item_is_the_callers_own(self, backend: BackendUnderTest, store: Store) -> None:
        item = backend.array(backend.module(self.loader).MemoryMapDataset(store)[0])
        assert not np.shares_memory(item, np.asarray(store.diffraction))

    def test_one_pass_holds_one_pattern_at_a_time(self, backend: BackendUnderTest, store: Store) -> None:
        dataset = backend.module(self.loader).MemoryMapDataset(store)
        assert isinstance(dataset.store.diffraction, np.memmap)
        assert self._peak(lambda: sum(float(backend.array(dataset[i]).max()) for i in range(PATTERNS))) < 2**18
        # The same measure sees a dataset that loads.
        assert self._peak(lambda: np.array(store.diffraction)) > store.diffraction.nbytes

    @staticmethod
    def _peak(work: Any) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
