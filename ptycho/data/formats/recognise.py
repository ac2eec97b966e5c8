"""Recognises the format of a file by its first bytes and by what it holds, and opens its scan."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ptycho.data.formats import cxi, hdf5, mapped, ptychodus
from ptycho.data.formats.opened import Arrays, Column, ForeignFile, in_memory
from ptycho.errors import InfrastructureError


def is_foreign(path: Path) -> bool:
    """Whether a file is one that is read here: HDF5, or MATLAB 5. What is not there, or an NPZ, is the preflight's."""
    try:
        with path.open("rb") as handle:
            head = handle.read(520)
    except OSError:
        return False
    return head.startswith(hdf5.MAGIC) or head[512:].startswith(hdf5.MAGIC) or mapped.is_matlab_5(head)


@contextmanager
def opened(
    path: Path, *, mapping: Mapping[str, str] | None = None, patterns: Path | None = None, product: Path | None = None
) -> Iterator[ForeignFile]:
    """
    A file of another program, open; with another that it is joined with.

    Args:
        path: the file.
        mapping: which of its arrays is which, from `mapped.parse`.
        patterns: a file whose patterns and mask it takes over.
        product: a file whose probe, object and positions it takes over, where it has none.

    Raises:
        ContractError: a damaged file.
        InfrastructureError: a package is missing, or a file may not be read.
    """
    with _one(path, mapping) as (found, file):
        if patterns is None and product is None:
            yield found
            return
        other = patterns or product
        assert other is not None
        if not other.is_file():
            raise InfrastructureError(f"{other} is not a file; give the file that {path} is joined with")
        with _one(other, None) as (part, other_file):
            first, second = (part, found) if patterns is not None else (found, part)
            yield _joined(found, first, second, _indexes(file), _indexes(other_file), patterns is not None)


def _indexes(file: Any) -> Any:
    return None if file is None else ptychodus.indexes_of(file)


@contextmanager
def _one(path: Path, mapping: Mapping[str, str] | None) -> Iterator[tuple[ForeignFile, Any]]:
    with path.open("rb") as handle:
        head = handle.read(520)
    if mapped.is_matlab_5(head) and not head[512:].startswith(hdf5.MAGIC):
        yield mapped.read_matlab_5(path, mapping), None
        return
    with hdf5.opened(path) as file:
        yield _read(path, file, mapping), file


def _read(path: Path, file: Any, mapping: Mapping[str, str] | None) -> ForeignFile:
    if mapping is not None:
        return mapped.read_hdf5(path, file, mapping)
    for recognises, read in (
        (ptychodus.is_training, ptychodus.read_training),
        (ptychodus.is_product, ptychodus.read_product),
        (ptychodus.is_patterns, ptychodus.read_patterns),
        (cxi.is_one, cxi.read),
    ):
        if recognises(file):
            return read(path, file)
    return mapped.read_hdf5(path, file, None)


def _joined(
    named: ForeignFile, patterns: ForeignFile, product: ForeignFile, own: Any, others: Any, patterns_are_other: bool
) -> ForeignFile:
    """Patterns and mask of one file, everything else of the other; rows by index where both carry one."""
    of_patterns, of_positions = (others, own) if patterns_are_other else (own, others)
    columns: dict[str, Column] = {**product.arrays.columns}
    columns |= {key: value for key, value in patterns.arrays.columns.items() if key in ("diff3d", "bad_pixels")}
    notes = [*patterns.notes, *product.notes, f"patterns of {patterns.path.name}, the rest of {product.path.name}"]
    if of_patterns is not None and of_positions is not None and "xcoords" in columns and "diff3d" in columns:
        shared, rows, frames = np.intersect1d(of_positions, of_patterns, return_indices=True)
        notes.append(f"{len(shared)} of {len(of_patterns)} patterns have a position, by index")
        for key in ("xcoords", "ycoords"):
            columns[key] = in_memory(columns[key].name, columns[key].whole()[rows])
        if len(frames) != len(of_patterns) or (np.diff(frames) != 1).any():
            columns["diff3d"] = Column(name=columns["diff3d"].name, values=_SampledRows(columns["diff3d"], frames))
    obj = columns.get("objectGuess")
    if obj is not None and not _holds_windows(columns, obj.shape):
        notes.append(f"the object {obj.shape} does not hold the windows of all positions: left out")
        del columns["objectGuess"]
    missing = ("has no patterns", "has patterns alone", "has no probe")
    left = [text for part in (patterns, product) for text in part.violations if not any(m in text for m in missing)]
    return replace(
        named,
        arrays=Arrays(columns=columns),
        metadata={**product.metadata, **patterns.metadata, "format": f"{product.format} + {patterns.format}"},
        violations=tuple(left),
        notes=tuple(notes),
    )


def _holds_windows(columns: Mapping[str, Column], shape: tuple[int, ...]) -> bool:
    """Whether windows about all positions lie in an object: a product's may be a first guess of any size."""
    if len(shape) != 2 or "diff3d" not in columns or len(columns["diff3d"].shape) != 3:
        return True
    side = columns["diff3d"].shape[-1]
    for key, length in (("xcoords", shape[1]), ("ycoords", shape[0])):
        if key in columns:
            places = columns[key].whole()
            if places.size and not side // 2 <= places.min() <= places.max() <= length - side + side // 2:
                return False
    return True


class _SampledRows:
    """
    Some patterns of a file, in the order of their positions.

    Args:
        column: all of them.
        rows: which.
    """

    def __init__(self, column: Column, rows: Any) -> None:
        self.column, self.rows = column, rows
        self.shape = (len(rows), *column.shape[1:])
        self.dtype = column.kind

    def __getitem__(self, part: Any) -> Any:
        chosen = self.rows if part == () else self.rows[part]
        return np.stack([self.column.block(int(row)) for row in np.atleast_1d(chosen)])
