"""
From the memory-map store to PyTorch tensors.

`MemoryMapDataset` serves single patterns `(n, H, W)` to other programs' `DataLoader`; `batches_to` is what the engine
uses: the core's batches, already gathered and read ahead, moved to the device.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ptycho.store.store import Store
from ptycho.training.engine import Batch


class MemoryMapDataset(Dataset[Tensor]):
    """
    Patterns of a store as a map-style dataset: an item is read from the map when it is asked for, and not before.

    Args:
        store: an open store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def __len__(self) -> int:
        return len(self.store.diffraction)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(n, H, W)`."""
        n, height, width = self.store.diffraction.shape
        return n, height, width

    def __getitem__(self, index: int) -> Tensor:
        """`(H, W)` float32 normalised amplitude of one pattern."""
        return torch.from_numpy(np.array(self.store.diffraction[index]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Worker processes open the map themselves: a pickled map would carry all of its bytes to each of them."""
        return _opened, (self.store.directory,)


def _opened(directory: Path) -> MemoryMapDataset:
    return MemoryMapDataset(Store.open(directory))


@dataclass(frozen=True, kw_only=True)
class TensorBatch:
    """
    One batch on the device.

    Attributes:
        diffraction: `(B, C, N, N)` float32 X.
        coords_relative: `(B, 1, 2, C)` float64, pixels.
        good: `(B, C, N, N)` bool, or None where all pixels count.
        good_share: share of good pixels in the scan.
    """

    diffraction: Tensor
    coords_relative: Tensor
    good: Tensor | None = None
    good_share: float = 1.0

    @property
    def size(self) -> int:
        """B."""
        return self.diffraction.shape[0]


def batches_to(batches: Iterable[Batch], device: str = "cpu") -> Iterator[TensorBatch]:
    """
    Batches as tensors, one in memory at a time, in the types of the core: network and loss cast on the device.

    On CUDA they come from pinned memory, so that the copy overlaps the step before.
    """
    for batch in batches:
        yield TensorBatch(
            diffraction=_to(batch.diffraction, device),
            coords_relative=_to(batch.coords_relative, device),
            good=None if batch.good is None else _to(batch.good, device),
            good_share=batch.good_share,
        )


def _to(array: NDArray[np.floating] | NDArray[np.bool_], device: str) -> Tensor:
    tensor = torch.from_numpy(array)
    if device == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
