"""
Writing a `Dataset` as an NPZ file: the same arrays give the same bytes, and a file is either whole or not there.

`numpy.savez` stamps the time of day into the archive and writes in place, so that neither holds for it. Members are
stored uncompressed by default: the output of deflate differs between builds of zlib, and a fixture's checksum must
not.
"""

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from ptycho.config import LAYOUTS
from ptycho.data.dataset import CONTRACT_VERSION, Dataset
from ptycho.data.layout import COORDINATES
from ptycho.errors import UsageError
from ptycho.files import replacing

COORDINATE_TYPES = ("float64", "float32")

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip directory can hold."""

_MODE = 0o644
_BLOCK_BYTES = 8 * 2**20


def save(
    path: Path | str,
    dataset: Dataset,
    *,
    layout: str = "canonical",
    compressed: bool = False,
    coordinates: str = "float64",
) -> None:
    """
    Write a scan, atomically and reproducibly.

    `_metadata` is the dataset's own, with `layout`, `measurement_domain` (always `"amplitude"`: that is what a
    `Dataset` holds) and `contract` written over it.

    Args:
        path: the file; one that is there is replaced only by a whole one.
        dataset: the scan.
        layout: `"canonical"`, or `"legacy"`: `diffraction` `(N, N, M)` float64, complex128 probe and object.
        compressed: whether members are deflated; the bytes then depend on the build of zlib.
        coordinates: type of the positions, of `COORDINATE_TYPES`; float32 rounds them to about 1e-5 pixels.

    Raises:
        UsageError: unknown layout or type, or metadata that JSON cannot hold.
        InfrastructureError: the folder is missing, not writable, or full.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"layout = {layout!r}; allowed: {', '.join(LAYOUTS)}")
    if coordinates not in COORDINATE_TYPES:
        raise UsageError(f"coordinates = {coordinates!r}; allowed: {', '.join(COORDINATE_TYPES)}")
    arrays = _members(dataset, layout, coordinates)
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with replacing(Path(path)) as handle, zipfile.ZipFile(handle, "w") as archive:
        for key, (array, target) in arrays.items():
            dtype = np.dtype(target).newbyteorder("<")
            info = zipfile.ZipInfo(f"{key}.npy", date_time=_EPOCH)
            info.create_system = 3  # Unix, also when written on Windows
            info.external_attr = _MODE << 16
            info.compress_type = method
            # Tells zipfile whether it needs the 64-bit fields.
            info.file_size = math.prod(array.shape) * dtype.itemsize + 2**10
            with archive.open(info, "w") as member:
                _write(member, array, dtype)


def _members(dataset: Dataset, layout: str, coordinates: str) -> Mapping[str, tuple[NDArray[Any], DTypeLike]]:
    """The arrays of a file and the dtypes they are written in, in the order in which they are written."""
    legacy = layout == "legacy"
    metadata = dict(dataset.metadata) | {
        "layout": layout,
        "measurement_domain": "amplitude",
        "contract": CONTRACT_VERSION,
    }
    try:
        text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the metadata cannot be written as JSON ({error}); allowed: numbers, text, lists, dictionaries"
        ) from error
    real, wide = (np.float64, np.complex128) if legacy else (np.float32, np.complex64)
    frames: Any = dataset.diffraction if legacy else dataset.frames  # read part by part, where nothing is transposed
    arrays: dict[str, tuple[NDArray[Any], DTypeLike]] = {
        "diffraction" if legacy else "diff3d": (frames.transpose(1, 2, 0) if legacy else frames, real),
        "probeGuess": (dataset.probe[0] if len(dataset.probe) == 1 else dataset.probe, wide),
    }
    if dataset.obj is not None:
        arrays["objectGuess"] = (dataset.obj, wide)
    for key in COORDINATES:
        arrays[key] = (getattr(dataset, key), np.dtype(coordinates))
    arrays["scan_index"] = (dataset.scan_index, np.int64)
    if dataset.patches is not None:
        arrays["Y"] = (dataset.patches, np.complex64)
    if (bad := dataset.bad_pixels) is not None:
        arrays["bad_pixels"] = (bad.transpose(1, 2, 0) if legacy and bad.ndim == 3 else bad, np.bool_)
    arrays["_metadata"] = (np.array(text), f"<U{len(text)}")
    return arrays


def _write(member: IO[bytes], array: Any, dtype: np.dtype[Any]) -> None:
    """One array in `.npy` format 1.0, C order, converted a block of rows at a time: a view is never copied whole."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": array.shape}
    npy.write_array_header_1_0(member, header)
    if not array.shape:
        member.write(array.astype(dtype).tobytes())
        return
    row_bytes = max(1, dtype.itemsize * math.prod(array.shape[1:]))
    rows = max(1, _BLOCK_BYTES // row_bytes)
    for start in range(0, len(array), rows):
        member.write(np.ascontiguousarray(array[start : start + rows], dtype=dtype).tobytes())
