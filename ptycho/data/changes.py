"""
Changes a scan for `convert` before the contract looks at it: one function a change, each says what it did.

Pixels are intensities where they are put together: of binned amplitudes the squares are added and the root is taken.
The object's pixel follows the detector's: cropped frames make it larger, padded ones smaller, binning leaves it as it
is and shortens the field of a frame; probe and positions are brought along.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import PATCH_SIDES
from ptycho.data import detector, mapped_arrays, masks, units
from ptycho.data.scan import Scan
from ptycho.errors import UsageError

Told = tuple[Scan, str]

_FRAMES_AT_ONCE = 256
POSITIONS = ("xcoords", "ycoords", "xcoords_start", "ycoords_start")


def with_mask(scan: Scan, bad: NDArray[np.bool_], origin: str) -> Told:
    """
    Bad pixels besides those that the scan has.

    Args:
        scan: the scan.
        bad: `(H, W)` or `(M, H, W)`, True where bad.
        origin: where the mask is from, for people.
    """
    m, *shape = scan.frames.shape
    if bad.shape not in (tuple(shape), (m, *shape)):
        raise UsageError(f"the mask has shape {bad.shape}; allowed: {tuple(shape)} or {(m, *shape)}")
    whole = bad if scan.bad_pixels is None else bad | scan.bad_pixels
    shown = detector.pixels(np.asarray(bad.any(axis=0)) if bad.ndim == 3 else bad)
    return replace(scan, bad_pixels=whole), f"masked {shown}: {origin}"


def without_frames(scan: Scan, dropped: NDArray[np.intp], origin: str) -> Told:
    """The scan without some frames."""
    m = len(scan.frames)
    outside = dropped[(dropped < 0) | (dropped >= m)]
    if outside.size:
        raise UsageError(f"--drop-frames {detector.listed(outside)}; allowed: 0 to {m - 1}")
    if not dropped.size:
        return scan, f"dropped no frame: {origin}"
    kept = np.setdiff1d(np.arange(m), dropped)
    if not kept.size:
        raise UsageError(f"--drop-frames takes all {m} frames; leave some")
    told = f"dropped {len(dropped)} of {m} frames, index {detector.listed(np.unique(dropped))}: {origin}"
    changed = taken(scan, kept)
    stated = {**changed.metadata, "dropped_frames": np.unique(dropped).tolist()}
    return replace(changed, metadata=MappingProxyType(stated)), told


def taken(scan: Scan, order: NDArray[np.intp]) -> Scan:
    """Some frames, in some order, with everything that belongs to them."""
    frames = mapped_arrays.empty((len(order), *scan.frames.shape[1:]), np.float32)
    for start in range(0, len(order), _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        frames[part] = scan.frames[order[part]]
        mapped_arrays.release(frames)
    bad = scan.bad_pixels
    return replace(
        scan,
        frames=frames,
        vectors={key: value[order] for key, value in scan.vectors.items()},
        bad_pixels=bad if bad is None or bad.ndim == 2 else bad[order],
    )


def in_order(scan: Scan, by: str) -> Told:
    """Frames by `scan_index` and, within it, by row and column of their positions (`"raster"`), or by it alone."""
    index = scan.vectors.get("scan_index", np.zeros(len(scan.frames), np.int64))
    x, y = scan.vectors["xcoords"], scan.vectors["ycoords"]
    step = units.nearest_step(x, y) or 1.0
    keys = (x, np.rint(y / step), index) if by == "raster" else (index,)
    order = np.lexsort(keys)
    moved = int(np.sum(order != np.arange(len(order))))
    return taken(scan, order), f"ordered frames by {by}: {moved} of {len(order)} moved"


def in_pixels(scan: Scan, unit: str, pixel_m: float | None) -> Told:
    """Positions in a unit of length as object pixels; `"px"` leaves them."""
    stated = dict(scan.metadata)
    if pixel_m is not None:
        stated["pixel_size_m"] = pixel_m
    pixel = units.pixel_size(stated)
    if unit == "px":
        told = "positions are object pixels" + ("" if pixel_m is None else f" of {pixel_m:.6g} m")
        return replace(scan, metadata=MappingProxyType(stated)), told
    if pixel is None:
        raise UsageError(f"--position-unit {unit} needs the object's pixel size: --pixel-size METRES")
    factor = units.METRES[unit] / pixel
    # To a billionth of a pixel: a position at the rim must not leave the object by a rounding error.
    vectors = {key: np.round(value * factor, 9) if key in POSITIONS else value for key, value in scan.vectors.items()}
    moved = replace(scan, vectors=vectors, metadata=MappingProxyType(stated))
    return moved, f"positions: {units.NAMES[unit]} divided by object pixels of {pixel:.6g} m"


def flipped(scan: Scan, axes: str) -> Told:
    """Positions mirrored about the middle of the object, or of the scan where there is none."""
    vectors = dict(scan.vectors)
    for axis in axes:
        number = 1 if axis == "x" else 0
        own = scan.vectors[f"{axis}coords"]
        centre = (own.min() + own.max()) / 2 if scan.obj is None else (scan.obj.shape[number] - 1) / 2
        for key in (f"{axis}coords", f"{axis}coords_start"):
            if key in vectors:
                vectors[key] = 2 * centre - vectors[key]
    return replace(scan, vectors=vectors), f"mirrored {' and '.join(f'{axis}coords' for axis in axes)}"


def swapped(scan: Scan) -> Told:
    """X for y."""
    vectors = {_other(key): value for key, value in scan.vectors.items()}
    return replace(scan, vectors=vectors), "exchanged xcoords and ycoords"


def _other(key: str) -> str:
    return {"x": "y", "y": "x"}[key[0]] + key[1:] if key in POSITIONS else key


def transposed(scan: Scan) -> Told:
    """Frames and their masks with rows for columns."""
    bad = scan.bad_pixels
    turned = np.ascontiguousarray(scan.frames.swapaxes(-1, -2))
    changed = replace(scan, frames=turned, bad_pixels=None if bad is None else bad.swapaxes(-1, -2))
    return changed, "exchanged the image axes of frames and masks"


def binned(scan: Scan, factor: int) -> Told:
    """
    Counts of `factor`² detector pixels added: amplitude √ΣA². A pixel that holds a bad one is bad.

    The field of a frame shrinks by the factor and the object's pixel stays: probe and windows are cut to the middle.
    """
    m, height, width = scan.frames.shape
    if factor < 1 or height % factor or width % factor:
        raise UsageError(
            f"--bin {factor}: frames are {height}×{width}; allowed: a factor of both, or crop or pad first"
        )
    low, wide = height // factor, width // factor
    frames = mapped_arrays.empty((m, low, wide), np.float32)
    bad = scan.bad_pixels
    for start in range(0, m, _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        block = scan.frames[part].astype(np.float64)
        if bad is not None:
            block = np.where(bad if bad.ndim == 2 else bad[part], 0, block)
        power = np.copysign(block**2, block).reshape(len(block), low, factor, wide, factor).sum(axis=(2, 4))
        frames[part] = np.copysign(np.sqrt(np.abs(power)), power)
        mapped_arrays.release(frames)
    if bad is not None:
        bad = np.asarray(bad.reshape(*bad.shape[:-2], low, factor, wide, factor).any(axis=(-3, -1)))
    # DC lies at the edge of its bin and not in its middle: a ramp on the probe moves the far field by as much.
    row, column = np.ogrid[:low, :wide]
    off = (factor - 1) / (2 * factor)
    ramp = np.exp(-2j * np.pi * off * ((row - low // 2) / low + (column - wide // 2) / wide))
    probe = np.asarray(_middle(scan.probe, low, wide) * ramp, np.complex64)
    changed = replace(scan, frames=frames, bad_pixels=bad, probe=probe)
    told = f"binned {factor}×{factor}: {height}×{width} to {low}×{wide}, counts added; the probe cut to the middle"
    return changed, told


def fitted(scan: Scan, side: int | None) -> Told:
    """
    Frames cropped or padded about DC to a side that the network takes.

    Outside its frame a detector has seen nothing: padded pixels are bad. The object's pixel is N_old / N_new of what it
    was, along each axis; positions, probe and object are taken over to it.

    Args:
        scan: the scan.
        side: N; None takes the smallest supported one that loses nothing, or the largest.
    """
    m, height, width = scan.frames.shape
    wanted = side or next((n for n in PATCH_SIDES if n >= max(height, width)), PATCH_SIDES[-1])
    if wanted not in PATCH_SIDES:
        raise UsageError(f"--side {wanted}; allowed: {', '.join(map(str, PATCH_SIDES))}")
    if (height, width) == (wanted, wanted):
        return scan, f"frames are {wanted}×{wanted} already"
    frames = mapped_arrays.empty((m, wanted, wanted), np.float32)
    for start in range(0, m, _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        frames[part] = _middle(scan.frames[part], wanted, wanted)
        mapped_arrays.release(frames)
    bad = scan.bad_pixels
    if bad is not None:
        bad = _middle(bad, wanted, wanted)
    if height < wanted or width < wanted:
        seen = _middle(np.ones((height, width), bool), wanted, wanted)
        bad = ~seen if bad is None else bad | ~seen
    scale = (wanted / height, wanted / width)
    vectors = {
        key: value * scale[1 if key[0] == "x" else 0] if key in POSITIONS else value
        for key, value in scan.vectors.items()
    }
    obj = None if scan.obj is None else _resampled(scan.obj, scale)
    probe = _band(scan.probe, wanted, wanted)
    changed = replace(scan, frames=frames, bad_pixels=bad, vectors=vectors, obj=obj, probe=probe)
    changed = replace(changed, metadata=MappingProxyType(_new_pixel(scan.metadata, scale)))
    word = "padded with bad pixels" if min(scale) >= 1 else "cropped" if max(scale) <= 1 else "cropped and padded"
    told = f"{word}: {height}×{width} to {wanted}×{wanted}; object pixels are {1 / scale[0]:.4g} of what they were"
    return changed, f"{told} along y, {1 / scale[1]:.4g} along x; positions, probe and object follow"


def _new_pixel(metadata: Mapping[str, Any], scale: tuple[float, float]) -> dict[str, Any]:
    stated = dict(metadata)
    pixel = units.pixel_size(metadata)
    for key in units.PIXEL_SIZE_KEYS:
        stated.pop(key, None)
    if pixel is not None and math.isclose(*scale):
        stated["pixel_size_m"] = pixel / scale[0]
    return stated


def _middle(images: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Cropped or padded with zeros so that pixel `N // 2`, where DC is, stays the middle one."""
    found = images
    for axis, wanted in ((-2, height), (-1, width)):
        length = found.shape[axis]
        before = wanted // 2 - length // 2
        cut = slice(max(0, -before), max(0, -before) + min(length, wanted))
        found = np.moveaxis(np.moveaxis(found, axis, 0)[cut], 0, axis)
        if before > 0 or found.shape[axis] < wanted:
            pads = [(0, 0)] * found.ndim
            pads[axis] = (max(before, 0), wanted - found.shape[axis] - max(before, 0))
            found = np.pad(found, pads)
    return found


def _band(probe: NDArray[np.complex64], height: int, width: int) -> NDArray[np.complex64]:
    """A probe on other pixels over the same field: what the detector's new edge leaves of its far field, exactly."""
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe, axes=(-2, -1))), axes=(-2, -1))
    cut = _middle(spectrum, height, width)
    waves = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(cut, axes=(-2, -1))), axes=(-2, -1))
    return np.asarray(waves * (height * width / math.prod(probe.shape[-2:])), np.complex64)


def _resampled(obj: NDArray[np.complex64], scale: tuple[float, float]) -> NDArray[np.complex64]:
    """An object on pixels of another size, bilinear, its first pixel where it was."""
    from scipy.ndimage import map_coordinates

    row, column = (np.arange(math.floor((n - 1) * s) + 1) / s for n, s in zip(obj.shape, scale, strict=True))
    grid = np.meshgrid(row, column, indexing="ij")
    real, imaginary = (map_coordinates(part, grid, order=1, mode="nearest") for part in (obj.real, obj.imag))
    return np.asarray(real + 1j * imaginary, np.complex64)


def settled(scan: Scan) -> Scan:
    """The scan with its mask applied: bad pixels are 0."""
    if scan.bad_pixels is None:
        return scan
    frames = scan.frames if scan.frames.flags.writeable else scan.frames.copy()
    masks.apply(frames, scan.bad_pixels)
    return replace(scan, frames=frames)
