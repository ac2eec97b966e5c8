"""
HDF5 files: opened, looked into by path, and distinguished by what they hold.

h5py is imported here and only when such a file is opened. Links are followed by path: CXI files keep their data behind
soft links, which walking the tree does not see.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ptycho.data.formats.opened import Column
from ptycho.errors import ContractError, InfrastructureError

MAGIC = b"\x89HDF\r\n\x1a\n"
PLANCK_J_S, LIGHT_M_S, ELECTRONVOLT_J = 6.62607015e-34, 299792458.0, 1.602176634e-19


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """
    An HDF5 file for reading.

    Raises:
        ContractError: it cannot be read as one.
        InfrastructureError: h5py is not installed, or the file may not be read.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise InfrastructureError(
            "h5py is not installed in this environment, and CXI, Ptychodus and MATLAB 7.3 files need it; install the "
            "requirements of a lane, or h5py"
        ) from error
    try:
        file = h5py.File(path, "r")
    except PermissionError as error:
        raise InfrastructureError(f"{path} cannot be read: {error.strerror or error}") from error
    except OSError as error:
        raise ContractError(
            path, [f"it begins as an HDF5 file does and cannot be read as one ({error}); copy it again"]
        ) from error
    with file:
        yield file


def dataset(file: Any, *names: str) -> Column | None:
    """The first of some paths that is a dataset, links followed; None where none is."""
    for name in names:
        try:
            found = file.get(name)
        except (KeyError, OSError):  # a link to nothing, or to a file that is not there
            continue
        if found is not None and hasattr(found, "shape") and found.shape is not None:
            return Column(name=name, values=found, dtype=complex_of(found.dtype))
    return None


def complex_of(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The complex type of a pair of reals, as MATLAB writes it; None for any other type."""
    names = dtype.names
    if names is None or len(names) != 2:
        return None
    return np.result_type(dtype[names[0]], np.complex64)


def number(file: Any, *names: str) -> float | None:
    """The first of some paths or attributes that is one finite number."""
    for name in names:
        column = dataset(file, name)
        value = file.attrs.get(name) if column is None else column.block(())
        try:
            single = float(np.asarray(value).reshape(-1)[0]) if value is not None else np.nan
        except (TypeError, ValueError, IndexError):
            continue
        if np.isfinite(single):
            return single
    return None


def tree(file: Any, *, reverse: bool = False) -> list[str]:
    """Paths of all datasets, shortest first, with shapes, reversed on demand: what may be named in a mapping."""
    found: list[str] = []

    def visit(group: Any, prefix: str, depth: int) -> None:
        for name in group:
            try:
                item = group.get(name)
            except (KeyError, OSError):
                continue
            if item is None or name.startswith("#"):
                continue
            if hasattr(item, "shape"):
                shape = item.shape[::-1] if reverse and item.shape else item.shape
                found.append(f"{prefix}{name} {shape}")
            elif depth < 6:
                visit(item, f"{prefix}{name}/", depth + 1)

    visit(file, "", 0)
    return sorted(found, key=len)


def wavelength_of(energy_j: float | None) -> float | None:
    """Wavelength in metres of photons of an energy in joules."""
    return None if energy_j is None or energy_j <= 0 else PLANCK_J_S * LIGHT_M_S / energy_j


def far_field_pixel(
    wavelength_m: float | None, distance_m: float | None, pixel_m: float | None, side: int
) -> float | None:
    """Object pixel λz / (N·p) of a far-field geometry, metres; None where it is not known."""
    if not wavelength_m or not distance_m or not pixel_m or min(wavelength_m, distance_m, pixel_m) <= 0:
        return None
    return wavelength_m * distance_m / (side * pixel_m)
