"""
Reads a target's reconstruction, in whichever of three forms it was left, as one kind of object.

Arrays with a place in the object are judged fully. Arrays without one (no crop) are searched for in the truth, so
that a shift cannot be judged. Pictures carry 8 bits a pixel and, where their writer stretched the contrast, no scale:
what was lost is said in `losses` and is never judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files import untrusted
from harness.targets.model import Pictures
from ptycho.errors import PtychoError
from ptycho.physics.stitching import Reconstruction

MAX_PLACE = 10**9
"""Pixels from the object's corner; further away lies nothing."""

_ROUNDING = 1e-6
"""Of float32, with room: what a constant differs from itself after a stitcher has averaged it."""
_DARK = 0.1
"""Pixels of the truth below this share of its median amplitude have no ratio worth anything."""


@dataclass(frozen=True, kw_only=True)
class TargetReconstruction:
    """
    A reconstruction as a target left it.

    Attributes:
        obj: `(h, w)` complex128.
        overlap: `(h, w)` patches on each pixel; ones where the target does not say.
        origin: `(row, col)` of `obj[0, 0]` in the true object, or None where the target does not say.
        scaled: whether amplitudes mean what they say.
        losses: what cannot be judged because of how it was left.
    """

    obj: NDArray[np.complex128]
    overlap: NDArray[np.float64]
    origin: tuple[int, int] | None
    scaled: bool = True
    losses: tuple[str, ...] = ()

    @property
    def constant(self) -> bool:
        """Whether it is one number everywhere, but for rounding."""
        return bool(np.abs(self.obj - self.obj.mean()).max() <= _ROUNDING * np.abs(self.obj).max())

    def placed(self, origin: tuple[int, int], shape: tuple[int, ...]) -> Reconstruction:
        """
        The reconstruction at a place, cut to what lies on an object.

        Args:
            origin: `(row, col)` of the first pixel.
            shape: `(H, W)` of the object.

        Raises:
            PtychoError: nothing of it lies on the object.
        """
        rows = slice(max(0, -origin[0]), max(0, min(self.obj.shape[0], shape[0] - origin[0])))
        cols = slice(max(0, -origin[1]), max(0, min(self.obj.shape[1], shape[1] - origin[1])))
        if not self.obj[rows, cols].size:
            raise PtychoError(
                f"the reconstruction {self.obj.shape} at row {origin[0]}, column {origin[1]} lies outside the object "
                f"{shape}; write the place in object pixels as row0, row1, col0, col1"
            )
        # Copies, since a Reconstruction makes its arrays read-only.
        return Reconstruction(
            obj=self.obj[rows, cols].copy(),
            overlap=self.overlap[rows, cols].copy(),
            origin=(origin[0] + rows.start, origin[1] + cols.start),
        )


def brightness(stitched: Reconstruction, truth: NDArray[Any]) -> tuple[float, float, float] | None:
    """
    Quartiles of a reconstruction's amplitude over the true one, pixel by pixel; None where no pixel can be compared.

    A factor moves all three. Noise and a poor shape spread them, so that the two can be distinguished in an object that
    has nothing else in common with the truth.
    """
    row0, row1, col0, col1 = stitched.crop
    ours, true = np.abs(stitched.obj), np.abs(truth[row0:row1, col0:col1])
    counted = (stitched.overlap > 0) & (true > _DARK * np.median(np.abs(truth)))
    if not counted.any():
        return None
    low, middle, high = np.quantile(ours[counted] / true[counted], (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def read(path: Path, keys: Mapping[str, str]) -> TargetReconstruction:
    """
    Read arrays.

    Args:
        path: NPZ of the target.
        keys: names of its arrays: `object`, `overlap`, `crop` (row0, row1, col0, col1 in pixels of the true object);
            `""` for one that it does not have.

    Raises:
        PtychoError: an array is missing, of the wrong shape or not finite.
    """
    wanted = {name: key for name, key in keys.items() if key}
    try:
        arrays = untrusted.read_arrays(path, wanted.values())
    except untrusted.LacksArraysError as error:
        raise PtychoError(f"{error}; {_line_to_write(wanted, error.missing)}") from error
    found: dict[str, NDArray[Any]] = {name: arrays[key] for name, key in wanted.items()}
    obj = np.squeeze(found["object"])
    if obj.ndim != 2 or obj.dtype.kind != "c":
        raise PtychoError(f"{path}: {keys['object']} is {obj.dtype} {obj.shape}; allowed: complex, two axes")
    if not np.isfinite(obj).all():
        raise PtychoError(f"{path}: {int((~np.isfinite(obj)).sum())} pixels of the object are not finite")
    if not obj.size:
        raise PtychoError(f"{path}: {keys['object']} is {obj.shape}: there is no pixel in it")
    overlap = np.squeeze(found.get("overlap", np.ones(obj.shape)))
    if overlap.shape != obj.shape:
        raise PtychoError(f"{path}: object {obj.shape} and overlap {overlap.shape} differ in shape")
    if overlap.dtype.kind not in "buif" or not np.isfinite(overlap).all():
        raise PtychoError(f"{path}: {keys['overlap']} is {overlap.dtype}; allowed: numbers that are finite")
    crop = _checked_crop(path, keys, found.get("crop"))
    seen = TargetReconstruction(
        obj=obj.astype(np.complex128),
        overlap=overlap.astype(np.float64),
        origin=None if crop is None else (crop[0], crop[2]),
    )
    return seen if crop is not None else replace(seen, losses=("it does not say where it lies: no shift is judged",))


def _line_to_write(wanted: Mapping[str, str], missing: list[str]) -> str:
    """Name the lines of a target file that make a reconstruction readable that lacks arrays."""
    lines = [f'{name} = ""' for name, key in wanted.items() if name != "object" and key in missing]
    if wanted["object"] in missing:
        lines.insert(0, 'object = "NAME", the name of its complex array')
    return f"write under [reconstruction]: {'; '.join(lines)}; or the names that they have"


def _checked_crop(path: Path, keys: Mapping[str, str], crop: NDArray[Any] | None) -> tuple[int, ...] | None:
    """
    The four numbers of a place.

    Raises:
        PtychoError: they are something else.
    """
    if crop is None:
        return None
    values = np.ravel(crop)
    if values.size != 4 or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise PtychoError(
            f"{path}: {keys['crop']} is {crop.dtype} {crop.shape}; allowed: four numbers, row0, row1, col0, col1"
        )
    if np.abs(values.astype(np.float64)).max() > MAX_PLACE:
        raise PtychoError(f"{path}: {keys['crop']} is {values.tolist()}; allowed: pixels of the object")
    return tuple(int(value) for value in values)


def read_pictures(folder: Path, pictures: Pictures) -> TargetReconstruction:
    """
    Read two grey pictures; of a picture in colour, the luminance.

    Args:
        folder: where inference left them.
        pictures: their names and ranges.

    Raises:
        PtychoError: a picture is missing or unreadable, or the two differ in size.
    """
    values = []
    for name, (dark, bright) in (
        (pictures.amplitude, pictures.amplitude_range),
        (pictures.phase, pictures.phase_range),
    ):
        image = untrusted.read_picture(folder / name)
        grey = image if image.ndim == 2 else image[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
        values.append(dark + (bright - dark) * grey)
    amplitude, phase = values
    if amplitude.shape != phase.shape:
        raise PtychoError(f"the pictures of amplitude {amplitude.shape} and phase {phase.shape} differ in size")
    return TargetReconstruction(
        obj=amplitude * np.exp(1j * phase),
        overlap=np.ones(amplitude.shape),
        origin=None,
        scaled=False,
        losses=("read from pictures of 8 bits a pixel: neither its scale nor its place is judged",),
    )
