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

from harness.benchmark.scaling.masks import EACH, NONE, ONE

DISTINCT = 64
"""Different frames in a scan."""

STEP_PX = 4.0
SEED = 20
GAP = 3
"""Width in pixels of the bad rows, as between two modules of a detector."""


def write(path: Path, *, patterns: int, side: int, mask: str = NONE) -> Path:
    """
    Write a canonical scan, uncompressed.

    Args:
        path: the `.npz` file.
        patterns: M.
        side: N.
        mask: which bad pixels it has: one of `MASKS`.

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
    bad = _gaps(side)
    if mask == ONE:
        small["bad_pixels"] = bad[0]
    with zipfile.ZipFile(path, "w") as archive:
        _write_stack(archive, "diff3d", frames, patterns)
        if mask == EACH:
            _write_stack(archive, "bad_pixels", bad, patterns)
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, array, allow_pickle=False)
    return path


def _write_stack(archive: zipfile.ZipFile, name: str, distinct: NDArray[np.generic], patterns: int) -> None:
    """Write `(M, N, N)` that repeats the frames given."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": distinct.dtype.str, "fortran_order": False, "shape": (patterns, *distinct.shape[1:])}
        npy.write_array_header_1_0(member, header)
        for start in range(0, patterns, DISTINCT):
            member.write(distinct[: patterns - start].tobytes())


def _gaps(side: int) -> NDArray[np.bool_]:
    """`(64, N, N)` bad rows, in every frame at another height."""
    bad = np.zeros((DISTINCT, side, side), dtype=np.bool_)
    for k in range(DISTINCT):
        top = (side // 4 + k) % (side - GAP)
        bad[k, top : top + GAP] = True
    return bad


def _frames(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """`(64, N, N)` speckle under an envelope, roots of counts."""
    axis = np.arange(side) - side / 2
    envelope = np.exp(-np.hypot(axis[:, None] - 1, axis + 2) / (side / 8))
    rate = rng.gamma(2.0, size=(DISTINCT, side, side)) * envelope
    counts = rng.poisson(rate * (1e5 / rate.sum(axis=(1, 2)).mean()))
    return np.asarray(np.sqrt(counts), dtype=np.float32)
