"""
A file that is open for the contract: which arrays it has under the contract's keys, and how their values are read.

Arrays of other formats are read as members of an NPZ file are, block by block, so that the contract has one way.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data import mapped_arrays
from ptycho.data.npy_header import Member

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class Column:
    """
    One array as it is stored: in memory, or a dataset that is read when it is asked for.

    Attributes:
        name: what the file calls it.
        values: an array, or an HDF5 dataset: anything with shape, dtype and slices along its first axis.
        reverse: whether axes run backwards, as in what MATLAB writes.
        dtype: type of the values, where the stored one is not it: complex numbers may be pairs.
    """

    name: str
    values: Any
    reverse: bool = False
    dtype: np.dtype[Any] | None = None

    @property
    def kind(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(self.values.dtype) if self.dtype is None else self.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the order in which the file's program indexes it."""
        shape = tuple(int(length) for length in self.values.shape)
        return shape[::-1] if self.reverse else shape

    def block(self, part: Any) -> NDArray[Any]:
        """Some of the values, as stored."""
        found = np.asarray(self.values[part])
        if found.dtype.names is not None and len(found.dtype.names) == 2:
            real, imaginary = (found[name] for name in found.dtype.names)
            return np.asarray(real + 1j * imaginary)
        return found

    def whole(self) -> NDArray[Any]:
        """All values, in the file's order."""
        return self.block(()).T if self.reverse else self.block(())


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """
    The arrays of a scan, by the contract's keys.

    Attributes:
        columns: by key.
    """

    columns: Mapping[str, Column]

    def members(self) -> dict[str, Member]:
        """Return what an NPZ file's headers would say."""
        return {
            key: Member(
                key=key,
                filename=column.name,
                shape=column.shape,
                dtype=column.kind,
                fortran_order=column.reverse,
                offset=0,
                nbytes=math.prod(column.shape) * column.kind.itemsize,
                stored=math.prod(column.shape) * column.kind.itemsize,
            )
            for key, column in self.columns.items()
        }

    def fill(
        self, member: Member, out: NDArray[Any], convert: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    ) -> None:
        """As `ptycho.data.npz_reader.fill`."""
        column = self.columns[member.key]
        view = out.T if member.fortran_order else out
        if not view.shape:
            view[()] = column.block(())
            return
        rows = max(1, _BLOCK_BYTES // max(1, math.prod(view.shape[1:]) * column.kind.itemsize))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, view.shape[0], rows):
                part = slice(start, min(start + rows, view.shape[0]))
                block = column.block(part)
                view[part] = block if convert is None else convert(block)
                mapped_arrays.release(out)


@dataclass(frozen=True, kw_only=True)
class ForeignFile:
    """
    A file of another program.

    Attributes:
        path: the file.
        format: what it is, in words.
        arrays: what it holds under the contract's keys.
        metadata: what it says, as an NPZ file's `_metadata` would.
        violations: why it is not a scan that the model can be trained on.
        notes: what was decided on the way, for people.
    """

    path: Path
    format: str
    arrays: Arrays
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    violations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def in_memory(name: str, values: Any) -> Column:
    """An array that was computed from the file's."""
    return Column(name=name, values=np.asarray(values))
