"""
From the memory-map store to TensorFlow tensors.

`MemoryMapDataset` serves single patterns `(n, H, W)` to other programs; `batches_to` is what the engine uses: the
core's batches, already gathered and read ahead, as tensors.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ptycho.store.store import Store
from ptycho.training.engine import Batch
from ptycho_tf.runtime import Tensor, tf


class MemoryMapDataset:
    """
    Patterns of a store as a sequence: an item is read from the map when it is asked for, and not before.

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
        return tf.constant(np.asarray(self.store.diffraction[index]))


@dataclass(frozen=True, kw_only=True)
class TensorBatch:
    """
    One batch on the device.

    Attributes:
        diffraction: `(B, C, N, N)` float32 X.
        coords_relative: `(B, 1, 2, C)` float64, pixels.
        good: `(B, C, N, N)` bool, or None where all pixels count.
        good_share: share of good pixels in the scan, float64.
    """

    diffraction: Tensor
    coords_relative: Tensor
    good: Tensor | None = None
    good_share: Tensor | None = None

    @property
    def size(self) -> int:
        """B; not known while a function is traced."""
        return int(self.diffraction.shape[0])


def batches_to(batches: Iterable[Batch]) -> Iterator[TensorBatch]:
    """
    Batches as tensors, one in memory at a time, in the types of the core: the compiled functions cast on the device.

    TensorFlow itself places a tensor on the GPU where one is visible, and on the CPU where none is.
    """
    for batch in batches:
        yield TensorBatch(
            diffraction=tf.constant(batch.diffraction, tf.float32),
            coords_relative=tf.constant(batch.coords_relative, tf.float64),
            good=None if batch.good is None else tf.constant(batch.good),
            good_share=None if batch.good is None else tf.constant(batch.good_share, tf.float64),
        )
