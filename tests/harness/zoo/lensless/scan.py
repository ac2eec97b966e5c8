"""Reading a scan, in either layout."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PATCH = 64


class Scan(NamedTuple):
    """Amplitudes `(M, N, N)`, probe `(N, N)`, positions `(M,)` of patch centres, shape of the object."""

    frames: NDArray[np.float32]
    probe: NDArray[np.complex64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    shape: tuple[int, int]


def load(path: Path) -> Scan:
    """Read an NPZ file."""
    with np.load(path, allow_pickle=False) as arrays:
        found: dict[str, NDArray[Any]] = {name: arrays[name] for name in arrays}
    frames = found["diff3d"] if "diff3d" in found else found["diffraction"].transpose(2, 0, 1)
    height, width = found["objectGuess"].shape
    return Scan(
        frames=np.ascontiguousarray(np.fft.ifftshift(frames, axes=(1, 2)), np.float32),
        probe=found["probeGuess"].reshape(PATCH, PATCH).astype(np.complex64),
        x=found["xcoords"],
        y=found["ycoords"],
        shape=(height, width),
    )
