"""
Groups, split, order, probe, scale and first weights again, from the description and without the core's own code.

Every draw is fixed by a seed and a tag, so that two programs that were written apart must draw the same numbers; where
the core's draw has changed, both backends have changed alike and only this file has not.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import contract

Indices = NDArray[np.int64]
Real = NDArray[np.float64]

SUBSAMPLE, MEMBERS, SPLIT, EPOCH, WEIGHTS = 0x47, 0x4D, 0x53, 0x45, 0x57


def groups(x: Real, y: Real, *, gridsize: int, wanted: int | None, seed: int) -> Indices:
    """`(G, C)`: seed points in ascending order, each with C − 1 of its four nearest neighbours, nearer ones first."""
    total = len(x)
    seeds = np.sort(np.random.default_rng([seed, SUBSAMPLE]).permutation(total)[:wanted])
    if gridsize == 1:
        return np.asarray(seeds[:, None])
    drawn = np.random.default_rng([seed, MEMBERS]).random((len(seeds), 4))
    rows = []
    for row, centre in enumerate(seeds):
        squares = (y - y[centre]) ** 2 + (x - x[centre]) ** 2
        near = [k for k in np.lexsort((np.arange(total), squares)) if k != centre][:4]
        kept = sorted(np.argsort(drawn[row], kind="stable")[: gridsize**2 - 1])
        rows.append([centre, *(near[k] for k in kept)])
    return np.array(rows, dtype=np.int64)


def split(count: int, batch_size: int, seed: int) -> tuple[Indices, Indices]:
    """Training and validation groups: 5 % validate, at least one batch, at most half."""
    validating = min(max(math.ceil(0.05 * count), batch_size), count // 2)
    order = np.random.default_rng([seed, SPLIT]).permutation(count)
    return np.sort(order[validating:]), np.sort(order[:validating])


def order(train: Indices, seed: int, epoch: int) -> Indices:
    """The order of an epoch, counted from 0."""
    return np.asarray(np.random.default_rng([seed, EPOCH, epoch]).permutation(train))


def factor(amplitudes: NDArray[np.float32]) -> float:
    """√((N/2)² / mean Σ X²) over some patterns."""
    energy = (amplitudes.astype(np.float64) ** 2).sum(axis=(1, 2))
    return math.sqrt((amplitudes.shape[-1] / 2) ** 2 / float(energy.mean()))


def relative(x: Real, y: Real, members: Indices) -> tuple[Real, Real]:
    """`coords_offsets` `(B, 1, 2, 1)`, the mean (x, y), and `coords_relative` `(B, 1, 2, C)`, −(coords − mean)."""
    near = np.stack([x[members], y[members]], axis=1)[:, None]
    mean = near.mean(axis=-1, keepdims=True)
    return mean, -(near - mean)


def illumination(probe: NDArray[np.complexfloating], *, divisor: float, masked: bool) -> NDArray[np.complex128]:
    """P / (divisor · mean(disk·|P|)) as `(P, N, N)`, cut to the disk r < N/4 where asked for."""
    modes = np.atleast_3d(probe.T).T.astype(np.complex128)
    side = modes.shape[-1]
    axis = np.arange(side) - (side - 1) / 2
    disk = (axis[:, None] ** 2 + axis**2 < (side / 4) ** 2).astype(np.float64)
    size = np.sqrt((np.abs(modes) ** 2).sum(axis=0))
    scaled = modes / (divisor * (disk * size).mean())
    return np.asarray(scaled * disk if masked else scaled)


def weights(scale: int, channels: int, nphotons: float, seed: int) -> Mapping[str, Real]:
    """Glorot uniform kernels drawn in the order of the table, zero biases, w = ln S, at N = 64."""
    generator = np.random.default_rng([seed, WEIGHTS])
    found: dict[str, Real] = {}
    for name, shape in contract.parameters(scale, channels).items():
        found[name] = np.zeros(shape)
        if len(shape) == 4:
            limit = math.sqrt(6 / (9 * (shape[0] + shape[1])))
            found[name] = generator.uniform(-limit, limit, size=shape)
    return found | {"log_intensity_scale": np.array(math.log(math.sqrt(nphotons) / 32))}
