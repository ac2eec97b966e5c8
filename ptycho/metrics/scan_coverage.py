"""
Coverage of a scan: extent, step, overlap, and how much of the object it sees.

These figures need positions, probe and object only, so they hold whatever the diffraction is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import Dataset

_ENERGY = 0.9
_BACKGROUND_FRACTION = 0.05
"""Fraction of exactly equal pixels from which on they count as never touched by a reconstruction."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """
    The scan in object pixels.

    Attributes:
        x_px: smallest and largest x, along axis 1.
        y_px: smallest and largest y, along axis 0.
        step_px: median distance of a position to its nearest neighbour, or None for a single position.
        probe_diameter_px: diameter of the circle about the probe's centre of mass that holds 90 % of its energy.
        overlap: 1 − step / diameter, at least 0: the linear overlap of neighbours.
        object_touched: fraction of the object's pixels that lie in the window of some position.
        reconstructed_agreement: where part of the object has one constant value, as reconstruction programs leave
            it where they never went: intersection over union of the rest with the windows. 1 means that positions and
            object belong together to the pixel; less than 0.98 hints at a swapped axis or a shift.
        probe_energy_central: fraction of the probe's energy in the central N/2 square.
    """

    x_px: tuple[float, float]
    y_px: tuple[float, float]
    step_px: float | None
    probe_diameter_px: float
    overlap: float | None
    object_touched: float | None
    reconstructed_agreement: float | None
    probe_energy_central: float


def measure(dataset: Dataset) -> Footprint:
    """The footprint of a scan whose positions are finite."""
    step, diameter = _step(dataset.xcoords, dataset.ycoords), probe_diameter(dataset.probe)
    touched = coverage(dataset)
    return Footprint(
        x_px=(float(dataset.xcoords.min()), float(dataset.xcoords.max())),
        y_px=(float(dataset.ycoords.min()), float(dataset.ycoords.max())),
        step_px=step,
        probe_diameter_px=diameter,
        overlap=None if step is None or diameter == 0 else max(0.0, 1 - step / diameter),
        object_touched=None if touched is None else float((touched > 0).mean()),
        reconstructed_agreement=_agreement(dataset.obj, touched),
        probe_energy_central=central_energy(dataset.probe),
    )


def coverage(dataset: Dataset) -> NDArray[np.int64] | None:
    """`(H, W)`: how many windows of rounded positions hold each pixel of the object; None without an object."""
    if dataset.obj is None:
        return None
    (h, w), n = dataset.obj.shape, dataset.side
    # Corners of a difference array: its running sums along both axes are the counts, whatever M is.
    corners = np.zeros((h + 1, w + 1), dtype=np.int64)
    top, left = np.rint(dataset.ycoords).astype(int) - n // 2, np.rint(dataset.xcoords).astype(int) - n // 2
    top, bottom = np.clip(top, 0, h), np.clip(top + n, 0, h)
    left, right = np.clip(left, 0, w), np.clip(left + n, 0, w)
    for rows, columns, sign in ((top, left, 1), (bottom, right, 1), (top, right, -1), (bottom, left, -1)):
        np.add.at(corners, (rows, columns), sign)
    return np.asarray(corners.cumsum(axis=0).cumsum(axis=1)[:h, :w])


def central_energy(probe: NDArray[np.complex64]) -> float:
    """Fraction of Σ|P|² in the central N/2 square, which is what the network's inner path covers."""
    energy = _energy(probe)
    quarter, side = energy.shape[-1] // 4, energy.shape[-1]
    total = float(energy.sum())
    return float(energy[quarter : side - quarter, quarter : side - quarter].sum()) / total if total else 0.0


def probe_diameter(probe: NDArray[np.complex64]) -> float:
    """Diameter in pixels of the circle about the centre of mass that holds 90 % of the probe's energy."""
    energy = _energy(probe)
    total = float(energy.sum())
    if total == 0:
        return 0.0
    axis = np.arange(energy.shape[-1])
    row, column = float((energy.sum(axis=1) @ axis) / total), float((energy.sum(axis=0) @ axis) / total)
    radius = np.hypot(axis[:, None] - row, axis - column).ravel()
    order = np.argsort(radius, kind="stable")
    held = np.cumsum(energy.ravel()[order])
    return float(2 * radius[order][np.searchsorted(held, _ENERGY * total)])


def _energy(probe: NDArray[np.complex64]) -> NDArray[np.float64]:
    return np.asarray(np.sum(np.abs(probe.astype(np.complex128)) ** 2, axis=0))


def _step(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    if len(x) < 2:
        return None
    from scipy.spatial import cKDTree  # late: a command line must start fast

    points = np.column_stack((x, y))
    return float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))


def _agreement(obj: NDArray[np.complex64] | None, touched: NDArray[np.int64] | None) -> float | None:
    if obj is None or touched is None:
        return None
    values, counts = np.unique(obj, return_counts=True)
    commonest = counts.argmax()
    if counts[commonest] < _BACKGROUND_FRACTION * obj.size or counts[commonest] == obj.size:
        return None
    reconstructed, seen = obj != values[commonest], touched > 0
    return float((reconstructed & seen).sum() / (reconstructed | seen).sum())
