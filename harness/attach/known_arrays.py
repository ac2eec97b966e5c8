"""
The arrays that a physics adapter is given: asymmetric in every way that a mistake could hide behind, and seeded.

Positions are whole pixels, and so are their mean and the middle of their range: a stitcher that subtracts one of them
stays on the grid, and true patches must give back the object exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SIDES = (32, 64, 128)
COUNT = 20


@dataclass(frozen=True, kw_only=True)
class KnownArrays:
    """
    Known facts about one side length.

    Attributes:
        side: N.
        truth: `(H, W)` complex object.
        positions: `(M, 2)` centres of patches, x first.
        patches: `(M, N, N)` what the object is there.
        waves: `(2, N, N)` exit waves of two modes.
        probe: `(2, N, N)` two modes of unequal power.
        file: members of the known file.
    """

    side: int
    truth: Array
    positions: Array
    patches: Array
    waves: Array
    probe: Array
    file: Mapping[str, Array]


def smooth(shape: tuple[int, ...], random: np.random.Generator, width: float) -> Array:
    """A real field without symmetry whose detail is about `width` pixels wide, between −1 and 1."""
    noise = np.fft.fft2(random.normal(size=shape))
    square = sum(np.fft.fftfreq(n)[(...,) + (None,) * (len(shape) - 1 - k)] ** 2 for k, n in enumerate(shape))
    field = np.fft.ifft2(noise * np.exp(-2 * (np.pi * width) ** 2 * square)).real
    return np.asarray(field / np.abs(field).max())


@cache
def known(side: int) -> KnownArrays:
    """The arrays for one side length, always the same."""
    random = np.random.default_rng(side)
    positions = _positions(side, random)
    height, width = (int(positions[:, axis].max()) + side for axis in (1, 0))
    amplitude = 1 + 0.3 * smooth((height, width), random, 1.2)
    truth = amplitude * np.exp(1j * 0.8 * smooth((height, width), random, 2.0))
    corners = (positions - side // 2).astype(int)
    patches = np.array([truth[y : y + side, x : x + side] for x, y in corners])
    probe = np.array([_mode(side, random, 0.8), 0.5 * _mode(side, random, 0.6)])
    waves = patches[0] * probe
    counts = np.abs(np.fft.fftshift(np.fft.fft2(patches * probe[0], norm="ortho"), axes=(-2, -1)))
    file = {
        "diffraction": counts.astype(np.float32),
        "xcoords": positions[:, 0].astype(np.float64),
        "ycoords": positions[:, 1].astype(np.float64),
        "xcoords_start": positions[:, 0].astype(np.float64),
        "ycoords_start": positions[:, 1].astype(np.float64),
        "scan_index": np.zeros(len(positions), np.int64),
        "probeGuess": probe[0].astype(np.complex64),
        "objectGuess": truth.astype(np.complex64),
    }
    return KnownArrays(
        side=side, truth=truth, positions=positions, patches=patches, waves=waves, probe=probe, file=file
    )


def _mode(side: int, random: np.random.Generator, size: float) -> Array:
    """A spot off its centre with a bent phase, so that no mirror image of it is itself."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    spot = np.exp(-((x - 0.06) ** 2 + 1.4 * (y + 0.04) ** 2) * 18 / size)
    return np.asarray(spot * np.exp(1j * 2 * (x + 0.7 * y * y + smooth((side, side), random, 3.0) * 0.3)))


def _positions(side: int, random: np.random.Generator) -> Array:
    """A jittered raster, wider than high, its mean and the middle of its range on whole pixels."""
    columns, rows = np.meshgrid(np.arange(5), np.arange(4))
    step = side // 8
    found = np.stack([columns.ravel() * step, rows.ravel() * (step - 1)], axis=1)
    found = found + random.integers(-1, 2, found.shape)
    for axis in (0, 1):
        line = found[:, axis]
        if (line.min() + line.max()) % 2:
            line[np.argmax(line)] += 1
        inner = [k for k in range(COUNT) if line.min() < line[k] < line.max()]
        for k in range(int(-line.sum() % COUNT)):
            line[inner[k % len(inner)]] += 1
    return np.asarray(found - found.min(axis=0) + side // 2 + 3, dtype=np.float64)


def request() -> dict[str, Array]:
    """Everything for every side length, by `SIDE:FUNCTION/CASE/PART`."""
    found: dict[str, Array] = {}
    for side in SIDES:
        arrays = known(side)
        parts = {
            "stitch/scan/patches": arrays.patches,
            "stitch/scan/positions": arrays.positions,
            "diffract/one/array": arrays.waves[:1],
            "diffract/two/array": arrays.waves,
            "normalise_probe/one/array": arrays.probe[:1],
            "normalise_probe/two/array": arrays.probe,
            "normalise_probe/tripled/array": 3 * arrays.probe,
            **{f"load/known/{name}": value for name, value in arrays.file.items()},
        }
        found |= {f"{side}:{name}": value for name, value in parts.items()}
    return found
