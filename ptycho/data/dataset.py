"""The frozen, canonical form of one scan (DATA-001): what the contract hands to everything after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.masked_frames import Frames

CONTRACT_VERSION = "DATA-001/1"
"""Changes whenever the meaning of a canonical array changes; stores of another version are refused."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """
    Origin of a dataset.

    Attributes:
        path: the file that was read.
        sha256: hex digest of the file's bytes.
        layout: `"canonical"` `(M, N, N)` or `"legacy"` `(N, N, M)`, as found in the file.
        measurement_domain: `"amplitude"` or `"counts"`, as found in the file.
    """

    path: Path
    sha256: str
    layout: str
    measurement_domain: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """
    One scan in canonical order, dtype and domain. Arrays are read-only.

    Coordinates are **object pixels of the patch centre**: x runs along axis 1 of the object, y along axis 0, and
    integer coordinates name the pixel whose index they are: the window of a patch at whole-pixel `(y, x)` is
    `object[y - N // 2 : y + N // 2, x - N // 2 : x + N // 2]`.

    Attributes:
        frames: `(M, N, N)` float32 amplitude (square root of counts, or a normalised multiple), DC centred; of a large
            masked scan read part by part.
        probe: `(P, N, N)` complex64, P incoherent modes (P = 1 for the usual single-mode file).
        obj: `(H, W)` complex64 object, or None where the file has none.
        xcoords: `(M,)` float64 corrected positions along axis 1.
        ycoords: `(M,)` float64 corrected positions along axis 0.
        xcoords_start: `(M,)` float64 nominal positions; equal to the corrected ones where the file has none.
        ycoords_start: `(M,)` float64, as above.
        scan_index: `(M,)` int64.
        patches: `(M, N, N)` complex64 true object patches (`Y`), or None.
        bad_pixels: `(N, N)`, or `(M, N, N)` for each pattern its own, bool, True where a pixel is bad: it is 0 in
            `frames` and counts nowhere. None where all pixels are good.
        metadata: the file's own `_metadata`, empty where it has none.
        source: the file this came from.
    """

    frames: Frames
    probe: NDArray[np.complex64]
    obj: NDArray[np.complex64] | None
    xcoords: NDArray[np.float64]
    ycoords: NDArray[np.float64]
    xcoords_start: NDArray[np.float64]
    ycoords_start: NDArray[np.float64]
    scan_index: NDArray[np.int64]
    patches: NDArray[np.complex64] | None = None
    bad_pixels: NDArray[np.bool_] | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    source: Source

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @cached_property
    def diffraction(self) -> NDArray[np.float32]:
        """`frames` as one array: of a large masked scan a copy, so that what looks at parts reads `frames`."""
        whole = np.asarray(self.frames)
        whole.setflags(write=False)
        return whole

    @property
    def n_patterns(self) -> int:
        """Number of diffraction patterns M."""
        return len(self.frames)

    @property
    def side(self) -> int:
        """Patch side N in pixels."""
        return int(self.frames.shape[-1])

    def good(self, part: slice | NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """`(K, N, N)`, or `(1, N, N)` for one mask of all, where pixels of some patterns count; None where all do."""
        if self.bad_pixels is None:
            return None
        return ~(self.bad_pixels[None] if self.bad_pixels.ndim == 2 else self.bad_pixels[part])

    @property
    def bad_share(self) -> float:
        """Share of bad pixels."""
        return 0.0 if self.bad_pixels is None else float(self.bad_pixels.mean())

    @property
    def nphotons(self) -> float | None:
        """Mean photons per pattern from the metadata, or None."""
        value = stated_photons(self.metadata)
        return None if value is None else float(value)


def stated_photons(metadata: Mapping[str, Any]) -> Any:
    """
    Return what metadata say of the photons, unchecked, or None.

    PtychoPINN writes it under `physics_parameters`; at the top level it is this project's own.
    """
    nested = metadata.get("physics_parameters")
    return metadata.get("nphotons", nested.get("nphotons") if isinstance(nested, Mapping) else None)
