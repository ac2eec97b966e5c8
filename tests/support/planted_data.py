"""
The usual mistakes, made on purpose in a scan that is right: what each warning must name, and in which words.

The scan is the committed fixture, with more object around it, so that no mistake leaves the object and is refused.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ptycho.data import contract
from ptycho.data.dataset import Dataset
from tests.support import crafted_npz
from tests.support.pipeline import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "pytorch_integration" / "small.npz"
_RIM = 40


def right() -> Dataset:
    """A scan without a mistake: 64 patterns of 64×64 pixels."""
    dataset = contract.load(FIXTURE)
    assert dataset.obj is not None
    x, y = dataset.xcoords + _RIM, dataset.ycoords + _RIM
    # Uneven on purpose: the scan's centre is not the object's.
    obj = np.pad(dataset.obj, ((_RIM, _RIM + 6), (_RIM, _RIM + 9)), mode="reflect")
    return replace(dataset, obj=obj, xcoords=x, ycoords=y, xcoords_start=x, ycoords_start=y)


def without_object(dataset: Dataset) -> Dataset:
    """The same scan with nothing to compare with."""
    return replace(dataset, obj=None)


def write(path: Path, dataset: Dataset) -> Path:
    """A file of a scan, in canonical layout, its domain declared as amplitude."""
    arrays: dict[str, Any] = {
        "diff3d": dataset.diffraction,
        "probeGuess": dataset.probe[0],
        "xcoords": dataset.xcoords,
        "ycoords": dataset.ycoords,
        "_metadata": crafted_npz.metadata(layout="canonical", measurement_domain="amplitude"),
    }
    return crafted_npz.write(path, arrays if dataset.obj is None else {**arrays, "objectGuess": dataset.obj})


def _frames(change: Callable[[Any], Any]) -> Callable[[Dataset], Dataset]:
    return lambda d: replace(d, frames=np.ascontiguousarray(change(d.diffraction), np.float32))


def _obj(change: Callable[[Any], Any]) -> Callable[[Dataset], Dataset]:
    return lambda d: replace(d, obj=change(d.obj))


def _probe(change: Callable[[Any], Any]) -> Callable[[Dataset], Dataset]:
    return lambda d: replace(d, probe=change(d.probe))


def _positions(change: Callable[[Any, Any, tuple[int, ...]], tuple[Any, Any]]) -> Callable[[Dataset], Dataset]:
    def plant(dataset: Dataset) -> Dataset:
        assert dataset.obj is not None
        x, y = change(dataset.xcoords, dataset.ycoords, dataset.obj.shape)
        return replace(dataset, xcoords=x, ycoords=y)

    return plant


def _about_dc(frames: Any, *axes: int) -> Any:
    """Mirrored as indices k -> -k modulo N about N // 2."""
    side = frames.shape[-1]
    index = (side - np.arange(side)) % side
    for axis in axes:
        frames = np.take(frames, index, axis=axis)
    return frames


def _middle(values: Any) -> float:
    return float(values.min() + values.max()) / 2


def _shuffled(frames: Any) -> Any:
    return frames[np.random.default_rng(3).permutation(len(frames))]


PLANTED: dict[str, tuple[str, Callable[[Dataset], Dataset]]] = {
    "x and y": ("x and y were swapped", _positions(lambda x, y, _: (y, x))),
    "x": ("x ran from right to left", _positions(lambda x, y, shape: (shape[1] - 1 - x, y))),
    "x within the scan": ("x ran from right to left", _positions(lambda x, y, _: (2 * _middle(x) - x, y))),
    "y": ("y ran from bottom to top", _positions(lambda x, y, shape: (x, shape[0] - 1 - y))),
    "y within the scan": ("y ran from bottom to top", _positions(lambda x, y, _: (x, 2 * _middle(y) - y))),
    "corners": ("positions were corners and not centres", _positions(lambda x, y, _: (x - 32, y - 32))),
    "from 1": ("positions were counted from 1", _positions(lambda x, y, _: (x + 1, y + 1))),
    "half": (
        "positions were half as far apart as they should be",
        _positions(lambda x, y, shape: ((x + (shape[1] - 1) / 2) / 2, (y + (shape[0] - 1) / 2) / 2)),
    ),
    "half of the whole": (
        "positions were half as far apart as they should be",
        _positions(lambda x, y, _: (x / 2, y / 2)),
    ),
    "twice": (
        "positions were twice as far apart as they should be",
        _positions(lambda x, y, _: (2 * x - _middle(x), 2 * y - _middle(y))),
    ),
    "frames transposed": ("frames were transposed", _frames(lambda f: f.transpose(0, 2, 1))),
    "corner DC": ("frames had DC at the corner", _frames(lambda f: np.fft.ifftshift(f, axes=(1, 2)))),
    "frames turned": ("frames were turned by half a turn", _frames(lambda f: _about_dc(f, 1, 2))),
    "frames mirrored": ("frames were mirrored from left to right", _frames(lambda f: _about_dc(f, 2))),
    "frames flipped": ("frames were mirrored from top to bottom", _frames(lambda f: _about_dc(f, 1))),
    "intensity": ("frames were intensities (counts) and not amplitudes", _frames(np.square)),
    "binned intensity": (
        "frames were intensities (counts) and not amplitudes",
        _frames(lambda f: f.astype(np.float64) ** 2 * (1 + 1e-3 * np.arange(len(f))[:, None, None])),
    ),
    "root of the root": ("the square root of the amplitudes was taken again", _frames(np.sqrt)),
    "reverse": ("frames were in the reverse order of the positions", _frames(lambda f: f[::-1])),
    "one later": ("frames and positions were one apart", _frames(lambda f: np.roll(f, 1, axis=0))),
    "one earlier": ("frames and positions were one apart", _frames(lambda f: np.roll(f, -1, axis=0))),
    "shuffled": ("frames belonged to other positions", _frames(_shuffled)),
    "legacy read as canonical": (
        "frames were read along the wrong axis, which M = N allows",
        _frames(lambda f: f.transpose(1, 2, 0)),
    ),
    "object transposed": ("the object was transposed", _obj(np.transpose)),
    "object conjugated": ("the object was conjugated", _obj(np.conj)),
    "object upside down": ("the object was upside down", _obj(lambda o: o[::-1])),
    "object mirrored": ("the object was mirrored from left to right", _obj(lambda o: o[:, ::-1])),
    "probe conjugated": ("the probe was conjugated", _probe(np.conj)),
    "probe transposed": ("the probe was transposed", _probe(lambda p: p.transpose(0, 2, 1))),
}
"""By name: what the warning must say, and how the mistake is made."""

WITHOUT_OBJECT: dict[str, tuple[str, Callable[[Dataset], Dataset]]] = {
    "frames transposed": ("frames or the probe were transposed", PLANTED["frames transposed"][1]),
    "corner DC": PLANTED["corner DC"],
    "legacy read as canonical": PLANTED["legacy read as canonical"],
    "probe conjugated": ("the probe was conjugated, or frames turned by half a turn", PLANTED["probe conjugated"][1]),
    "frames turned": ("the probe was conjugated, or frames turned by half a turn", PLANTED["frames turned"][1]),
    "intensity": ("frames look like counts and not like amplitudes", PLANTED["intensity"][1]),
    "metres": (
        "all positions lie within one pixel",
        lambda d: replace(d, xcoords=d.xcoords * 5e-8, ycoords=d.ycoords * 5e-8),
    ),
    "nanometres": (
        "neighbouring patterns do not overlap",
        lambda d: replace(d, xcoords=d.xcoords * 50, ycoords=d.ycoords * 50),
    ),
}
"""What can be said without an object."""
