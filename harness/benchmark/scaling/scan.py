"""
Scans of any size, generated straight into a file: a hundred thousand frames are never in memory together.

The frames repeat, which no reader can know; positions, probe and the file's layout are those of a real scan.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

DISTINCT = 64
"""Different frames in a scan."""

STEP_PX = 4.0
SEED = 20


def write(path: Path, *, patterns: int, side: int) -> Path:
    """
    Write a canonical scan, uncompressed.

    Args:
        path: the `.npz` file.
        patterns: M.
        side: N.

    Returns:
        The path.
    """
    rng = np.random.default_rng(SEED)
    frames = _frames(rng, side)
    columns = int(np.ceil(np.sqrt(patterns)))
    rows, cols = np.divmod(np.arange(patterns), columns)
    axis = (np.arange(side) - (side - 1) / 2) / (side / 6)
    metadata = json.dumps({"measurement_domain": "amplitude", "layout": "canonical", "nphotons": 1e5})
    small: dict[str, NDArray[np.generic]] = {
        "probeGuess": np.exp((-0.5 + 0.8j) * (axis**2 + axis[:, None] ** 2)).astype(np.complex64),
        "xcoords": side + STEP_PX * cols + rng.uniform(-1, 1, patterns),
        "ycoords": side + STEP_PX * rows + rng.uniform(-1, 1, patterns),
        "_metadata": np.array(metadata),
    }
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("diff3d.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (patterns, side, side)}
            npy.write_array_header_1_0(member, header)
            for start in range(0, patterns, DISTINCT):
                member.write(frames[: patterns - start].tobytes())
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, array, allow_pickle=False)
    return path


def _frames(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """`(64, N, N)` speckle under an envelope, roots of counts."""
    axis = np.arange(side) - side / 2
    envelope = np.exp(-np.hypot(axis[:, None] - 1, axis + 2) / (side / 8))
    rate = rng.gamma(2.0, size=(DISTINCT, side, side)) * envelope
    counts = rng.poisson(rate * (1e5 / rate.sum(axis=(1, 2)).mean()))
    return np.asarray(np.sqrt(counts), dtype=np.float32)
