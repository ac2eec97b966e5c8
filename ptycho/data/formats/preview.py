"""Shows the parts of a file that is not a scan which the contract takes: whichever it has."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.formats.opened import ForeignFile

_FRAMES = 256


@dataclass(frozen=True, kw_only=True)
class Preview:
    """
    Parts of a file, each None where it has none.

    Attributes:
        title: what the file is.
        probe: `(P, H, W)` complex.
        obj: `(H, W)` complex.
        x: `(M,)` positions along axis 1 of the object.
        y: `(M,)` positions along axis 0.
        mean: `(H, W)` mean diffraction amplitude of the first frames, bad pixels 0.
        frame: `(H, W)` the first frame's.
    """

    title: str
    probe: NDArray[Any] | None = None
    obj: NDArray[Any] | None = None
    x: NDArray[np.float64] | None = None
    y: NDArray[np.float64] | None = None
    mean: NDArray[np.float64] | None = None
    frame: NDArray[np.float64] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return all(part is None for part in (self.probe, self.obj, self.x, self.mean))


def of(opened: ForeignFile) -> Preview:
    """The parts of an open file."""
    columns = opened.arrays.columns
    probe = columns["probeGuess"].whole() if "probeGuess" in columns else None
    obj = columns["objectGuess"].whole() if "objectGuess" in columns else None
    x, y = (columns[key].whole().astype(np.float64) if key in columns else None for key in ("xcoords", "ycoords"))
    mean, frame = _diffraction(opened)
    shown = f"{opened.path.name}   {opened.format}"
    return Preview(
        title=shown if mean is None or "diff3d" not in columns else f"{shown}, {columns['diff3d'].shape} patterns",
        probe=probe.reshape(-1, *probe.shape[-2:]) if probe is not None and probe.ndim >= 2 else None,
        obj=obj.reshape(-1, *obj.shape[-2:])[0] if obj is not None and obj.ndim >= 2 else None,
        x=x if x is not None and y is not None and x.shape == y.shape and x.ndim == 1 else None,
        y=y,
        mean=mean,
        frame=frame,
    )


def _diffraction(opened: ForeignFile) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    column = opened.arrays.columns.get("diff3d")
    if column is None or len(column.shape) != 3:
        return None, None
    block = column.whole()[:_FRAMES] if column.reverse else column.block(slice(0, _FRAMES))
    values = np.nan_to_num(block.astype(np.float64))
    if opened.metadata.get("measurement_domain") == "counts":
        values = np.sqrt(np.maximum(values, 0))
    mask = opened.arrays.columns.get("bad_pixels")
    if mask is not None and mask.shape == values.shape[1:]:
        values = np.where(mask.whole(), 0, values)
    return values.mean(axis=0), values[0]
