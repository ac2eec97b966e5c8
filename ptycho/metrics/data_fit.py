"""
Does the given object explain the given diffraction, better than no object at all would?

The one question that catches most wrong conventions (swapped axes, corner read as centre, transposed frames, counts
read as amplitude), because each of them makes the given object explain the data worse than a flat one. Only the
comparison counts: absolute errors carry over from no data set to another. A strongly scattering object beats a flat
one even when it is read wrongly: which mistake was made is `ptycho.metrics.file_mistakes`' question.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ptycho.data import mapped_arrays
from ptycho.data.dataset import Dataset
from ptycho.errors import UsageError
from ptycho.metrics.fourier_error import residual
from ptycho.physics import forward, patches

MAX_PATTERNS = 1280
"""Patterns that are looked at; of a larger scan, this many evenly spaced ones."""

_CHUNK = 64

Predict = Callable[[NDArray[np.intp]], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """
    Fourier errors Σ(α|F| − A)² / ΣA² of the given and of a flat object, each with its best scalar α.

    Attributes:
        given: error of the given object, windows cut in the way that suits it best.
        flat: error of an object that is 1 everywhere.
        sampling: the way that suited best: how a position between pixels is meant.
        by_sampling: errors of all ways.
        patterns: number of patterns looked at.
        total: number of patterns in the file.
    """

    given: float
    flat: float
    sampling: str
    by_sampling: Mapping[str, float]
    patterns: int
    total: int

    @property
    def better_than_flat(self) -> bool:
        """Whether the object explains the data better than no object."""
        return self.given < self.flat


def explain(dataset: Dataset, *, max_patterns: int = MAX_PATTERNS) -> Explanation | None:
    """
    Compare the given object with a flat one on the measured diffraction.

    Between pixels, three conventions are in use, and each is tried: the window of the rounded position
    (`"whole pixel"`), the bilinear blend of the four windows around it (`"bilinear"`), and the window of the rounded
    position under a probe that is moved by the remainder in Fourier space (`"shifted probe"`, as in most iterative
    reconstruction programs).

    Args:
        dataset: a scan that keeps the contract.
        max_patterns: how many patterns to look at, evenly spaced over the scan.

    Returns:
        the errors, or None where the file has no object or no light.
    """
    obj = dataset.obj
    if obj is None or not any(dataset.frames[part].any() for part in _chunks(np.arange(dataset.n_patterns))):
        return None
    if max_patterns < 1:
        raise UsageError(f"max_patterns = {max_patterns}; allowed: 1 or more")
    count = min(max_patterns, dataset.n_patterns)
    chosen = np.unique(np.linspace(0, dataset.n_patterns - 1, count).astype(np.intp))
    side, probe = dataset.side, dataset.probe.astype(np.complex128)

    def windows(part: NDArray[np.intp], sampling: str) -> NDArray[np.complex64]:
        x, y = dataset.xcoords[part], dataset.ycoords[part]
        return np.asarray(patches.extract(obj, x, y, side, sampling=sampling))

    def shifted(part: NDArray[np.intp]) -> NDArray[np.float64]:
        x, y = dataset.xcoords[part], dataset.ycoords[part]
        probes = _moved(probe, x - np.rint(x), y - np.rint(y))
        return forward.amplitude(windows(part, "nearest"), probes)

    ways: dict[str, Predict] = {
        "whole pixel": lambda part: forward.amplitude(windows(part, "nearest"), probe),
        "bilinear": lambda part: forward.amplitude(windows(part, "bilinear"), probe),
        "shifted probe": shifted,
    }
    errors = {name: _error(dataset, chosen, way) for name, way in ways.items()}
    sampling = min(errors, key=lambda name: errors[name])
    empty = forward.amplitude(np.ones((1, side, side)), probe)
    return Explanation(
        given=errors[sampling],
        flat=_error(dataset, chosen, lambda part: np.repeat(empty, len(part), axis=0)),
        sampling=sampling,
        by_sampling=MappingProxyType(errors),
        patterns=len(chosen),
        total=dataset.n_patterns,
    )


def _error(dataset: Dataset, chosen: NDArray[np.intp], predict: Predict) -> float:
    def pairs() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
        for part in _chunks(chosen):
            good = dataset.good(part)
            yield dataset.frames[part], predict(part) if good is None else predict(part) * good
            mapped_arrays.release(dataset.frames)

    return residual(pairs())


def _chunks(indices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(indices), _CHUNK):
        yield indices[start : start + _CHUNK]


def _moved(probe: NDArray[np.complex128], dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.complex128]:
    """`(B, P, N, N)`: the probe moved by (dx, dy) pixels towards higher indices, for each of B positions."""
    frequency = np.fft.fftfreq(probe.shape[-1])
    phase = dy[:, None, None] * frequency[:, None] + dx[:, None, None] * frequency
    moved = np.fft.ifft2(np.fft.fft2(probe) * np.exp(-2j * np.pi * phase)[:, None])
    return np.asarray(moved, dtype=np.complex128)
