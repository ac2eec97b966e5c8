"""
Groups patterns, splits the groups for training, and orders them: drawn once here, equal for both backends.

Every draw has a generator of its own, seeded by the run's seed and a tag, so that a change in how many numbers one
of them takes cannot shift another: the same seed gives the same groups, split and batch order on every machine.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ptycho.errors import UsageError

NEIGHBOURS = 4
"""K: a group takes its C − 1 further patterns from the K nearest neighbours of its seed point."""

VALIDATION_FRACTION = 0.05

_SUBSAMPLE, _MEMBERS, _SPLIT, _EPOCH = 0x47, 0x4D, 0x53, 0x45
"""Tags that keep the generators apart; `ptycho.physics.weights` has another."""

_SEEDS_AT_ONCE = 8192
"""What is known of their candidates, a few dozen numbers each, is never in memory for a whole scan."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """
    Groups that train and groups that validate. Indices into the groups, ascending, no index in both.

    Attributes:
        train: `(T,)` int64.
        validation: `(V,)` int64.
    """

    train: Indices
    validation: Indices


def group(xcoords: ArrayLike, ycoords: ArrayLike, *, gridsize: int, n_groups: int | None, seed: int) -> Indices:
    """
    Draw groups of C = gridsize² patterns, the seed point first.

    The seed points are `n_groups` different patterns, in ascending order (batches are permuted per epoch anyway, and
    ascending reads of a memory map are the cheap ones); a smaller `n_groups` draws a subset of a larger one. At
    gridsize 2 a group also holds C − 1 of the K = 4 nearest neighbours of its seed point in the whole scan, nearer
    ones first. Among equally near neighbours the one with the lower index counts as nearer.

    Args:
        xcoords: `(M,)` positions along axis 1, object pixels.
        ycoords: `(M,)` positions along axis 0, object pixels.
        gridsize: g.
        n_groups: how many groups to draw; None takes one per pattern.
        seed: seed of the generators.

    Returns:
        `(G, C)` indices of patterns.

    Raises:
        UsageError: for more groups than patterns, or too few patterns to have K neighbours each.

    Example:
        >>> group([0.0, 1.0, 2.0], [0.0, 0.0, 0.0], gridsize=1, n_groups=2, seed=0).shape
        (2, 1)
    """
    points = np.stack([np.asarray(ycoords, float), np.asarray(xcoords, float)], axis=-1)
    total, others = len(points), gridsize**2 - 1
    wanted = total if n_groups is None else n_groups
    problems = []
    if wanted > total:
        problems.append(f"n_images = {wanted}; the file has {total} patterns; pass --n_images {total} or fewer")
    if wanted < 1:
        problems.append(f"n_images = {wanted}; allowed: 1 to {total}")
    if others and total <= NEIGHBOURS:
        problems.append(
            f"gridsize = {gridsize} needs at least {NEIGHBOURS + 1} patterns, the file has {total}; pass --gridsize 1"
        )
    if problems:
        raise UsageError("\n".join(problems))
    seeds = np.sort(np.random.default_rng([seed, _SUBSAMPLE]).permutation(total)[:wanted])
    if not others:
        return seeds[:, np.newaxis]
    ranks = np.random.default_rng([seed, _MEMBERS]).random((wanted, NEIGHBOURS)).argsort(axis=1, kind="stable")
    chosen = np.sort(ranks[:, :others], axis=1)
    members = np.take_along_axis(nearest(points, seeds), chosen, axis=1)
    return np.concatenate([seeds[:, np.newaxis], members], axis=1)


def nearest(points: NDArray[np.float64], seeds: Indices) -> Indices:
    """
    The K nearest neighbours of some points among all, without the point itself, ordered by (distance, index).

    A k-d tree returns *some* K of equally near points, and on a raster scan ties are the rule; so a few more are
    asked for and sorted, and a row whose tie runs past those is settled among all points that are as near.

    Args:
        points: `(M, 2)`.
        seeds: `(G,)` indices of the points whose neighbours are wanted.

    Returns:
        `(G, K)` indices.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    parts = (seeds[start : start + _SEEDS_AT_ONCE] for start in range(0, len(seeds), _SEEDS_AT_ONCE))
    return np.concatenate([_nearest(tree, points, part) for part in parts])


def _nearest(tree: Any, points: NDArray[np.float64], seeds: Indices) -> Indices:
    asked = min(len(points), 2 * NEIGHBOURS + 1)
    candidates = np.asarray(tree.query(points[seeds], k=asked)[1], dtype=np.int64)
    found, distances = _by_distance(points, seeds, candidates)
    if asked < len(points):
        # What is not a candidate is at least as far as the farthest candidate, give or take the rounding of the
        # tree's own distances: a row is settled once its K-th neighbour is clearly nearer than that.
        open_rows = distances.max(axis=1) <= distances[:, NEIGHBOURS - 1] * (1 + 1e-9)
        for row in np.flatnonzero(open_rows):
            reach = np.sqrt(distances[row, NEIGHBOURS - 1]) * (1 + 1e-9)
            near = np.array([tree.query_ball_point(points[seeds[row]], reach)], dtype=np.int64)
            found[row, :NEIGHBOURS] = _by_distance(points, seeds[row : row + 1], near)[0][0, :NEIGHBOURS]
    return found[:, :NEIGHBOURS]


def _by_distance(
    points: NDArray[np.float64], seeds: Indices, candidates: Indices
) -> tuple[Indices, NDArray[np.float64]]:
    """Candidates `(G, k)` sorted by (squared distance, index), the seed itself last at distance −1."""
    squares = ((points[candidates] - points[seeds][:, np.newaxis]) ** 2).sum(axis=-1)
    own = candidates == seeds[:, np.newaxis]
    order = np.lexsort((candidates, squares, own), axis=1)
    ordered = np.take_along_axis(candidates, order, axis=1)
    return ordered, np.take_along_axis(np.where(own, -1.0, squares), order, axis=1)


def group_coordinates(
    xcoords: NDArray[np.float64], ycoords: NDArray[np.float64], groups: Indices
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return where groups are, and where their patterns are in them, as (x, y) in object pixels.

    Args:
        xcoords: `(M,)` positions along axis 1.
        ycoords: `(M,)` positions along axis 0.
        groups: `(G, C)` indices of patterns.

    Returns:
        `coords_offsets` `(G, 1, 2, 1)`, the mean of each group, and `coords_relative` `(G, 1, 2, C)`,
        −(coords − mean): the shift that brings a patch of the object to the group's centre.
    """
    coords = np.stack([xcoords[groups], ycoords[groups]], axis=1)[:, np.newaxis]
    offsets = coords.mean(axis=-1, keepdims=True)
    return offsets, -(coords - offsets)


def split(n_groups: int, batch_size: int, seed: int) -> Split:
    """
    Set 5 % of the groups aside for validation: at least one batch of them, at most half of the groups.

    Args:
        n_groups: G.
        batch_size: groups per optimiser step.
        seed: seed of the permutation that decides who validates.

    Raises:
        UsageError: if there are not enough groups for one on either side.
    """
    n_validation = min(max(math.ceil(VALIDATION_FRACTION * n_groups), batch_size), n_groups // 2)
    if n_validation < 1:
        raise UsageError(
            f"n_images = {n_groups} leaves nothing to validate on; training needs one group on either side: "
            "pass --n_images 2 or more"
        )
    permuted = np.random.default_rng([seed, _SPLIT]).permutation(n_groups)
    return Split(train=np.sort(permuted[n_validation:]), validation=np.sort(permuted[:n_validation]))


def epoch_order(train: Indices, *, seed: int, epoch: int) -> Indices:
    """
    The order in which an epoch visits the training groups.

    It depends on seed and epoch alone, not on the epochs before, so that a resumed run sees the batches that the
    uninterrupted one would have seen.

    Args:
        train: `(T,)` indices of groups.
        seed: seed of the run.
        epoch: counted from 0.

    Returns:
        `(T,)`, the same indices permuted.
    """
    return np.random.default_rng([seed, _EPOCH, epoch]).permutation(train)
