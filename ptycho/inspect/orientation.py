"""
Finds which of the usual sixteen conventions a file follows, from its frames, positions and probe: no object is needed.

Swapped axes, mirrored x, mirrored y, and frames transposed or not: under each, a short reconstruction is run on
neighbouring patterns. Where positions and frames do not belong together, overlapping patterns contradict each other,
and the error stays up. Turning positions and frames by half a turn together is a symmetry of the problem itself: the
probe decides between the two, if it is not a real and symmetric one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import Dataset
from ptycho.metrics.scan_sample import frames_of

_PATTERNS = 64
_ITERATIONS = 16
_SEED = 0
CLEARLY, APART = 0.9, 3.0
"""Another convention is named if its error is below this share of the file's own, or if it differs clearly: the next
best is this many times as far from it as the next but two is from that. Noise is common to all, and hides a weak
object."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """
    One reading of positions and frames.

    Attributes:
        swap: whether x and y are exchanged.
        flip: axes along which positions are mirrored, `""`, `"x"`, `"y"` or `"xy"`.
        transpose: whether the image axes of frames are exchanged.
        error: Fourier error that a short reconstruction leaves.
    """

    swap: bool
    flip: str
    transpose: bool
    error: float = 0.0

    @property
    def options(self) -> str:
        """Options of `convert` for a file of this convention; empty for the contract's own."""
        words = ["--swap-axes"] if self.swap else []
        words += [f"--flip {self.flip}"] if self.flip else []
        words += ["--transpose-frames"] if self.transpose else []
        return " ".join(words)


def conventions() -> Iterator[Convention]:
    """All sixteen, the contract's own first."""
    for transpose in (False, True):
        for swap in (False, True):
            for flip in ("", "x", "y", "xy"):
                yield Convention(swap=swap, flip=flip, transpose=transpose)


def rank(dataset: Dataset) -> list[Convention]:
    """All conventions, the one that explains the data best first."""
    chosen = _neighbours(dataset)
    frames = frames_of(dataset, chosen).astype(np.float64)
    good = dataset.good(chosen)
    x, y = dataset.xcoords[chosen], dataset.ycoords[chosen]
    tried = [replace(one, error=_error(one, frames, good, dataset.probe, x, y)) for one in conventions()]
    return sorted(tried, key=lambda one: one.error)


def named(ranked: list[Convention]) -> str:
    """One sentence: what the file follows, and the command that repairs it."""
    best = ranked[0]
    own = next(one for one in ranked if not one.options)
    apart = ranked[1].error - best.error > APART * (ranked[3].error - ranked[1].error)
    if not best.options or (best.error > CLEARLY * own.error and not apart):
        return f"the file's own convention explains it best, or as well as any (error {own.error:.4f})"
    return (
        f"another convention explains it better, error {best.error:.4f} for {own.error:.4f}: "
        f"python -m ptycho convert IN OUT {best.options}"
    )


def _neighbours(dataset: Dataset) -> NDArray[np.intp]:
    """Patterns nearest to the middle of the scan, in ascending order."""
    x, y = dataset.xcoords, dataset.ycoords
    distance = np.hypot(x - np.median(x), y - np.median(y))
    return np.sort(np.argsort(distance, kind="stable")[:_PATTERNS])


def _error(
    one: Convention, frames: NDArray[Any], good: NDArray[np.bool_] | None, probe: NDArray[Any], x: Any, y: Any
) -> float:
    """Return what is left after some sweeps of ePIE from a flat object, the probe kept."""
    if one.swap:
        x, y = y, x
    x = -x if "x" in one.flip else x
    y = -y if "y" in one.flip else y
    if one.transpose:
        frames = frames.swapaxes(-1, -2)
        good = None if good is None else good.swapaxes(-1, -2)
    side = frames.shape[-1]
    column, row = (np.rint(at - at.min()).astype(int) for at in (x, y))
    obj = np.ones((row.max() + side, column.max() + side), np.complex128)
    modes = probe.astype(np.complex128)
    modes *= np.sqrt((frames**2).sum(axis=(1, 2)).mean() / (np.abs(modes) ** 2).sum())
    measured = np.fft.ifftshift(frames, axes=(-2, -1))
    counted = None if good is None else np.fft.ifftshift(np.broadcast_to(good, frames.shape), axes=(-2, -1))
    strength = (np.abs(modes) ** 2).sum(axis=0)
    rng = np.random.default_rng(_SEED)
    left = 0.0
    for _ in range(_ITERATIONS):
        left = 0.0
        for k in rng.permutation(len(frames)):
            view = obj[row[k] : row[k] + side, column[k] : column[k] + side]
            waves = np.fft.fft2(modes * view, norm="ortho")
            size = np.sqrt((np.abs(waves) ** 2).sum(axis=0))
            ratio = measured[k] / np.maximum(size, 1e-12 * measured[k].max() + 1e-300)
            if counted is not None:
                ratio = np.where(counted[k], ratio, 1.0)
                left += float((((size - measured[k]) * counted[k]) ** 2).sum())
            else:
                left += float(((size - measured[k]) ** 2).sum())
            change = np.fft.ifft2(waves * (ratio - 1), norm="ortho")
            view += (modes.conj() * change).sum(axis=0) / strength.max()
    return left / float((measured**2).sum())
