"""
From the memory-map store to PyTorch tensors.

`MemoryMapDataset` serves single patterns `(n, H, W)` and groups to other programs' `DataLoader`; `batches_to` is
what the engine uses: the core's batches, already gathered and read ahead, moved to the device.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ptycho.engine import Batch
from ptycho.store import Store


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


@dataclass(frozen=True, kw_only=True)
class TensorBatch:
    """
    One batch on the device.

    Attributes:
        diffraction: `(B, C, N, N)` X in the run's real type.
        coords_relative: `(B, 1, 2, C)` in the run's real type, pixels.
        size: B.
    """

    diffraction: Tensor
    coords_relative: Tensor
    size: int


def batches_to(batches: Iterable[Batch], device: str, dtype: torch.dtype) -> Iterator[TensorBatch]:
    """Move batches to a device; on CUDA from pinned memory, so that the copy overlaps the step before."""
    pin = device == "cuda"
    for batch in batches:
        yield TensorBatch(
            diffraction=_to(batch.diffraction, device, dtype, pin),
            coords_relative=_to(batch.coords_relative, device, dtype, pin),
            size=len(batch.diffraction),
        )


def _to(array: np.ndarray, device: str, dtype: torch.dtype, pin: bool) -> Tensor:
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if pin else tensor).to(device, dtype, non_blocking=pin)
