"""
Finds what a detector leaves in frames that is not a signal: marks of dead pixels, hot pixels, odd frames.

Each of them ruins a training without a word: one hot pixel or one frame 300 times too bright decides the scale of the
whole scan. They are looked for by what they are, and named by index; `convert --mask auto --drop-frames auto` takes
them out. Frames may hold NaN and negative values here: that is how many detectors mark a pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho.data import mapped_arrays
from ptycho.data.dataset import Dataset
from ptycho.physics import forward

MARKS = {
    f"the largest {name}": float(np.float32(np.sqrt(float(np.iinfo(name).max))))
    for name in ("uint8", "int16", "uint16", "int32", "uint32")
}
"""Amplitudes of the values by which detectors mark dead modules, as far as integers go."""

TOO_BRIGHT = 100.0
"""Times the median energy of the lit frames from which on a frame is none of this scan."""

DEAD = 1e-4
"""Times that median below which it is dead."""

_HOT = 8.0
"""Times its brightest neighbour that a hot pixel is."""

_HOT_SHARE = 0.02
"""Of a frame's energy that it holds at least."""

_SAMPLE = 64
_FRAMES_AT_ONCE = 256
_MAX_LISTED = 8

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Flaws:
    """
    Flaws of some frames: what is not a signal.

    Attributes:
        marked: `(N, N)` pixels that hold a mark in some frame that is otherwise sound.
        marks: what the marks are, in words.
        hot: `(N, N)` hot pixels.
        broken: frames of which more than half is marked.
        dead: frames without light.
        bright: frames far brighter than the others.
    """

    marked: Mask
    marks: tuple[str, ...]
    hot: Mask
    broken: Indices
    dead: Indices
    bright: Indices

    @property
    def bad_pixels(self) -> Mask:
        """`(N, N)`: True where a pixel is marked or hot."""
        return self.marked | self.hot

    @property
    def bad_frames(self) -> Indices:
        """Frames to be left out, ascending."""
        return np.unique(np.concatenate([self.broken, self.dead, self.bright]))


def find(dataset: Dataset) -> Flaws:
    """
    Look for everything that is not a signal, outside the scan's own mask.

    Args:
        dataset: the scan; its frames may hold NaN, infinite and negative values.
    """
    frames, side = dataset.frames, dataset.side
    high = np.empty(len(frames), np.float32)
    damaged = np.zeros(len(frames), np.intp)
    marked, negative, missing = np.zeros((side, side), bool), set[float](), 0
    suspects: list[tuple[slice, Mask]] = []
    for part in _parts(len(frames)):
        block = dataset.frames[part]
        bad = ~(block >= 0) | (block == np.inf)
        if bad.any():
            damaged[part] = bad.sum(axis=(1, 2))
            missing += int((~np.isfinite(block)).sum())
            negative |= set(np.unique(np.round(block[block < 0].astype(np.float64), 6)).tolist()[:_MAX_LISTED])
            suspects.append((part, bad))
            block = np.where(bad, 0, block)
        high[part] = block.max(axis=(1, 2))
        mapped_arrays.release(frames)
    broken = np.flatnonzero(damaged > side * side / 2)
    for part, bad in suspects:
        sound = damaged[part] <= side * side / 2
        marked |= bad[sound].any(axis=0)
    marks = [*([f"{missing} NaN or infinite values"] if missing else []), *(f"{_count(value):g}" for value in negative)]
    largest = float(high.max(initial=0.0))
    name = next((name for name, value in MARKS.items() if value == largest and value > 0), None)
    if name is not None and (stuck := _stuck(dataset, largest)).any():
        marked |= stuck
        marks.append(f"{name} ({np.iinfo(name.split()[-1]).max})")
    hot = _hot(dataset, marked)
    energy = _energies(dataset, marked | hot, broken)
    lit = energy[energy > 0]
    middle = float(np.median(lit)) if lit.size else 0.0
    sound = np.ones(len(frames), bool)
    sound[broken] = False
    return Flaws(
        marked=marked,
        marks=tuple(marks),
        hot=hot,
        broken=broken,
        dead=np.flatnonzero(sound & (energy <= DEAD * middle)) if middle else np.empty(0, np.intp),
        bright=np.flatnonzero(sound & (energy > TOO_BRIGHT * middle)) if middle else np.empty(0, np.intp),
    )


def listed(indices: Indices) -> str:
    """Indices for a message: a few of them."""
    shown = ", ".join(map(str, indices[:_MAX_LISTED].tolist()))
    return f"{shown}{', …' if len(indices) > _MAX_LISTED else ''}"


def pixels(mask: Mask) -> str:
    """Pixels of a mask for a message: how many, and where the first ones are."""
    at = np.argwhere(mask)
    shown = ", ".join(f"({row}, {column})" for row, column in at[:_MAX_LISTED].tolist())
    return f"{len(at)} of {mask.size} pixels, at (row, column) {shown}{', …' if len(at) > _MAX_LISTED else ''}"


def _count(amplitude: float) -> float:
    return float(np.copysign(amplitude**2, amplitude))


def _parts(total: int) -> list[slice]:
    return [slice(start, start + _FRAMES_AT_ONCE) for start in range(0, total, _FRAMES_AT_ONCE)]


def _some(total: int) -> Indices:
    return np.unique(np.linspace(0, total - 1, min(_SAMPLE, total)).astype(np.intp))


def _sample(dataset: Dataset) -> NDArray[np.float32]:
    some = _some(dataset.n_patterns)
    return np.asarray(mapped_arrays.rows(dataset.frames, some))


def _stuck(dataset: Dataset, value: float) -> Mask:
    """Pixels that hold a value in most of some frames."""
    return np.asarray((_sample(dataset) == np.float32(value)).mean(axis=0) > 0.5)


def _hot(dataset: Dataset, marked: Mask) -> Mask:
    """
    Pixels far above all neighbours in most frames, where the probe alone predicts no such peak.

    The direct beam of a wide probe is one bright pixel, too: there an empty object predicts it.
    """
    with np.errstate(invalid="ignore"):
        sample = np.nan_to_num(_sample(dataset), nan=0.0, posinf=0.0, neginf=0.0)
        usual = np.where(marked, 0, np.median(np.maximum(sample, 0), axis=0)).astype(np.float64)
        # Of few photons the median is 0 or 1 count, by chance: neighbours are taken by their mean.
        around = np.where(marked, 0, np.mean(np.maximum(sample, 0), axis=0, dtype=np.float64))
    empty = np.ones((1, dataset.side, dataset.side))
    probe = np.nan_to_num(dataset.probe)
    expected = forward.amplitude(empty, probe)[0]
    peaked = expected > _HOT / 2 * _brightest_neighbour(expected)
    total = float(np.sum(usual**2))
    if total == 0:
        return np.zeros_like(marked)
    bright = (usual > _HOT * _brightest_neighbour(around)) & (usual**2 > _HOT_SHARE * total)
    return np.asarray(bright & ~peaked)


def _brightest_neighbour(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(N, N)`: the largest of a pixel's eight neighbours."""
    around = np.pad(image, 1)
    n, m = image.shape
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return np.asarray(np.max([around[i : i + n, j : j + m] for i, j in shifts], axis=0))


def _energies(dataset: Dataset, bad: Mask, broken: Indices) -> NDArray[np.float64]:
    """`(M,)` Σ A² over sound pixels."""
    energy = np.zeros(dataset.n_patterns)
    for part in _parts(dataset.n_patterns):
        block = dataset.frames[part]
        if bad.any() or broken.size:
            block = np.where(bad | ~(block >= 0) | (block == np.inf), 0, block)
        energy[part] = np.einsum("mij,mij->m", block, block)
        mapped_arrays.release(dataset.frames)
    return energy
