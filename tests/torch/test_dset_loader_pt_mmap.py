"""The shared loader suite with PyTorch, and PyTorch's own `DataLoader` on top, as other programs use it."""

import pickle
from typing import ClassVar

import numpy as np

from ptycho.store.store import Store
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.loader_suite import PATTERNS, LoaderSuite


class TestLoader(LoaderSuite):
    loader: ClassVar[str] = "dset_loader_pt_mmap"

    def test_a_data_loader_serves_every_pattern_in_order(self, backend: BackendUnderTest, store: Store) -> None:
        from torch.utils.data import DataLoader

        dataset = backend.module(self.loader).MemoryMapDataset(store)
        batches = [backend.array(batch) for batch in DataLoader(dataset, batch_size=64)]
        assert [len(batch) for batch in batches] == [64, 64, 64, PATTERNS - 192]
        assert np.array_equal(np.concatenate(batches), store.diffraction)

    def test_a_shuffling_data_loader_serves_each_pattern_once(self, backend: BackendUnderTest, store: Store) -> None:
        import torch
        from torch.utils.data import DataLoader

        dataset = backend.module(self.loader).MemoryMapDataset(store)
        shuffled = DataLoader(dataset, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(1))
        sums = np.concatenate([backend.array(batch.double().sum(dim=(1, 2))) for batch in shuffled])
        expected = np.asarray(store.diffraction, np.float64).sum(axis=(1, 2))
        assert np.allclose(np.sort(sums), np.sort(expected), rtol=1e-12, atol=0)
        assert not np.allclose(sums, expected)

    def test_a_worker_gets_the_place_of_the_map_and_not_its_bytes(
        self, backend: BackendUnderTest, store: Store
    ) -> None:
        parcel = pickle.dumps(backend.module(self.loader).MemoryMapDataset(store))
        received = pickle.loads(parcel)
        assert len(parcel) < 1000
        assert isinstance(received.store.diffraction, np.memmap)
        assert np.array_equal(backend.array(received[7]), store.diffraction[7])
