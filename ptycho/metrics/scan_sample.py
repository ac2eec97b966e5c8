"""
A bounded number of patterns of a scan, and how well an object explains them.

Whatever is asked of a file before it is used is asked of a sample, so that a scan of any size costs the same.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ptycho.data import mapped_arrays
from ptycho.data.dataset import Dataset
from ptycho.physics import forward, patches

_PIXELS = 64 * 64**2
_FEWEST_PATTERNS = 16
_MOST_PATTERNS = 64
_FRAMES_AT_ONCE = 8

Real = NDArray[np.float64]


def evenly(total: int, count: int) -> NDArray[np.intp]:
    """`count` indices of `total`, evenly spaced from first to last; all where there are fewer."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).astype(np.intp))


def patterns_for(side: int) -> int:
    """Return how many patterns of a side are looked at: 64 of 64×64 pixels, fewer of larger ones, 16 at least."""
    return int(np.clip(_PIXELS // side**2, _FEWEST_PATTERNS, _MOST_PATTERNS))


def frames_of(dataset: Dataset, indices: NDArray[np.intp]) -> NDArray[np.float32]:
    """`(K, N, N)` copies of some frames; of a scan that is mapped from its file, nothing else stays in memory."""
    side = dataset.side
    frames = np.empty((len(indices), side, side), np.float32)
    for start in range(0, len(indices), _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        frames[part] = dataset.frames[indices[part]]
        mapped_arrays.release(dataset.frames)
    return frames


@dataclass(frozen=True, kw_only=True)
class ScanSample:
    """
    Some patterns of a scan, as a reading of the file understands them.

    Attributes:
        dataset: the whole scan.
        chosen: `(K,)` indices of the patterns.
        frames: `(K, N, N)` amplitudes.
        obj: `(H, W)` object.
        probe: `(P, N, N)` probe.
        x: `(K,)` positions along axis 1.
        y: `(K,)` positions along axis 0.
        good: `(K, N, N)`, or `(1, N, N)` for all patterns, where pixels count; None where all do.
    """

    dataset: Dataset
    chosen: NDArray[np.intp]
    frames: NDArray[np.float32]
    obj: NDArray[np.complex64]
    probe: NDArray[np.complex64]
    x: Real
    y: Real
    good: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, dataset: Dataset, obj: NDArray[np.complex64]) -> "ScanSample":
        """A bounded sample, evenly spaced over the scan."""
        chosen = evenly(dataset.n_patterns, patterns_for(dataset.side))
        return cls(
            dataset=dataset,
            chosen=chosen,
            frames=frames_of(dataset, chosen),
            obj=obj,
            probe=dataset.probe,
            x=dataset.xcoords[chosen],
            y=dataset.ycoords[chosen],
            good=dataset.good(chosen),
        )

    @property
    def inside(self) -> bool:
        """Whether every window lies in the object."""
        (height, width), side = self.obj.shape, self.frames.shape[-1]
        low, rest = side // 2, side - side // 2
        return bool(min(self.x.min(), self.y.min()) >= low) and bool(
            self.x.max() <= width - rest and self.y.max() <= height - rest
        )

    @cached_property
    def predicted(self) -> Real:
        """`(K, N, N)` amplitudes that the object predicts, positions between pixels blended bilinearly."""
        side = self.frames.shape[-1]
        windows = patches.extract(self.obj, self.x, self.y, side, sampling="bilinear")
        return self._counted(forward.amplitude(windows, self.probe))

    @cached_property
    def flat(self) -> Real:
        """`(1, N, N)` amplitude that an object which is 1 everywhere predicts; `(K, N, N)` with a mask of each."""
        side = self.frames.shape[-1]
        return self._counted(forward.amplitude(np.ones((1, side, side)), self.probe))

    @cached_property
    def flat_errors(self) -> tuple[float, Real]:
        """Errors of a flat object: of all patterns, and `(K,)` of each."""
        return errors(self.frames, self.flat)

    def _counted(self, predicted: Real) -> Real:
        return predicted if self.good is None else predicted * self.good

    def part(self, some: NDArray[np.intp]) -> "ScanSample":
        """Some of the patterns; the sample itself where these are all."""
        if len(some) == len(self.chosen):
            return self
        good = self.good if self.good is None or len(self.good) == 1 else self.good[some]
        return replace(
            self, chosen=self.chosen[some], frames=self.frames[some], x=self.x[some], y=self.y[some], good=good
        )

    def of_frames(self, indices: NDArray[np.intp]) -> "ScanSample":
        """The same positions with other frames of the scan."""
        return replace(self, frames=frames_of(self.dataset, indices), good=self.dataset.good(indices))

    def at_centre(self) -> "ScanSample":
        """The same frames, all at the middle of the object: where a flat object replaces it, positions say nothing."""
        height, width = self.obj.shape
        return self.at(np.full(len(self.x), width / 2), np.full(len(self.y), height / 2))

    def at(self, x: Real, y: Real) -> "ScanSample":
        """The same frames at other positions."""
        return replace(self, x=x, y=y)


def errors(frames: NDArray[np.floating], predicted: Real) -> tuple[float, Real]:
    """
    Fourier errors Σ(α|F| − A)² / ΣA²: of all patterns with one α, and `(K,)` of each with its own.

    Args:
        frames: `(K, N, N)` measured amplitudes A.
        predicted: `(K, N, N)` or `(1, N, N)` amplitudes |F|.
    """
    measured = np.asarray(frames, np.float64)
    cross = np.einsum("kij,kij->k", measured, np.broadcast_to(predicted, measured.shape))
    energy = np.broadcast_to(np.einsum("kij,kij->k", predicted, predicted), cross.shape)
    seen = np.einsum("kij,kij->k", measured, measured)
    lit = np.maximum(energy * seen, np.finfo(np.float64).tiny)
    all_lit = max(float(energy.sum() * seen.sum()), float(np.finfo(np.float64).tiny))
    return max(0.0, 1 - float(cross.sum()) ** 2 / all_lit), np.maximum(0.0, 1 - cross**2 / lit)
