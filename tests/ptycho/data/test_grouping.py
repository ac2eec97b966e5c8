"""Groups, split and order: invariants on any scan, the same draws from the same seed, ties settled by index."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho.data import grouping
from ptycho.errors import UsageError

PROPERTY = settings(database=None, max_examples=40, derandomize=True)

scans = st.tuples(st.integers(5, 60), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 3]))
"""Number of points, seed of their positions, decimals kept: 0 makes ties and coincident points."""


def points(scan: tuple[int, int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, seed, decimals = scan
    drawn = np.random.default_rng(seed).uniform(0, 6, (2, count)).round(decimals)
    return drawn[0], drawn[1]


def nearest_by_hand(x: NDArray[np.float64], y: NDArray[np.float64], seed_point: int) -> list[int]:
    ranked = sorted(
        (float((y[i] - y[seed_point]) ** 2 + (x[i] - x[seed_point]) ** 2), i) for i in range(len(x)) if i != seed_point
    )
    return [index for _, index in ranked[: grouping.NEIGHBOURS]]


@PROPERTY
@given(scan=scans, seed=st.integers(0, 1000), part=st.floats(0.05, 1))
def test_groups_of_four_are_seed_points_with_near_neighbours(
    scan: tuple[int, int, int], seed: int, part: float
) -> None:
    x, y = points(scan)
    n_groups = max(1, int(part * len(x)))
    groups = grouping.group(x, y, gridsize=2, n_groups=n_groups, seed=seed)
    assert (n_groups, 4) == groups.shape
    assert np.int64 == groups.dtype
    assert sorted(set(groups[:, 0].tolist())) == groups[:, 0].tolist()
    for first, *others in groups.tolist():
        allowed = nearest_by_hand(x, y, first)
        assert sorted(set(others), key=allowed.index) == others


@PROPERTY
@given(total=st.integers(1, 80), part=st.floats(0, 1), seed=st.integers(0, 1000))
def test_gridsize_one_draws_different_patterns_in_ascending_order(total: int, part: float, seed: int) -> None:
    n_groups = max(1, int(part * total))
    groups = grouping.group(np.zeros(total), np.zeros(total), gridsize=1, n_groups=n_groups, seed=seed)
    assert (n_groups, 1) == groups.shape
    assert sorted(set(groups.ravel().tolist())) == groups.ravel().tolist()
    assert set(groups.ravel().tolist()) <= set(range(total))


def test_no_number_takes_every_pattern() -> None:
    groups = grouping.group(np.zeros(7), np.zeros(7), gridsize=1, n_groups=None, seed=3)
    assert list(range(7)) == groups.ravel().tolist()


def test_a_smaller_subsample_is_part_of_a_larger_one() -> None:
    x = np.zeros(100)
    small, large = (set(grouping.group(x, x, gridsize=1, n_groups=n, seed=3).ravel().tolist()) for n in (10, 40))
    assert small < large


def test_the_seed_decides_and_nothing_else() -> None:
    x, y = points((60, 1, 3))
    first, again, other = (grouping.group(x, y, gridsize=2, n_groups=30, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_neighbour_is_drawn_sometimes() -> None:
    x, y = points((60, 1, 3))
    groups = grouping.group(x, y, gridsize=2, n_groups=None, seed=5)
    ranks = {nearest_by_hand(x, y, first).index(other) for first, *others in groups.tolist() for other in others}
    assert {0, 1, 2, 3} == ranks


def test_ties_of_a_raster_go_to_the_lower_index() -> None:
    rows, cols = np.divmod(np.arange(25), 5)
    stacked = np.stack([rows, cols], axis=-1).astype(float)
    near = grouping.nearest(stacked, np.array([0, 12]))
    assert near.tolist() == [[1, 5, 6, 2], [7, 11, 13, 17]]


def test_ties_past_the_tree_s_reach_are_settled_too() -> None:
    near = grouping.nearest(np.zeros((30, 2)), np.array([2, 20]))
    assert near.tolist() == [[0, 1, 3, 4], [0, 1, 2, 3]]


def test_more_groups_than_patterns_names_both() -> None:
    with pytest.raises(UsageError, match=r"n_images = 2000; the file has 1087 patterns"):
        grouping.group(np.zeros(1087), np.zeros(1087), gridsize=1, n_groups=2000, seed=0)


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        grouping.group(np.zeros(4), np.zeros(4), gridsize=2, n_groups=9, seed=0)
    assert str(caught.value).splitlines() == [
        "n_images = 9; the file has 4 patterns; pass --n_images 4 or fewer",
        "gridsize = 2 needs at least 5 patterns, the file has 4; pass --gridsize 1",
    ]


def test_no_group_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="n_images = 0; allowed: 1 to 4"):
        grouping.group(np.zeros(4), np.zeros(4), gridsize=1, n_groups=0, seed=0)


def test_coordinates_of_a_group_by_hand() -> None:
    x, y = np.array([0.0, 4.0, 1.0, 3.0]), np.array([10.0, 10.0, 20.0, 24.0])
    offsets, relative = grouping.group_coordinates(x, y, np.array([[0, 1, 2, 3]]))
    assert offsets.tolist() == [[[[2.0], [16.0]]]]
    assert relative.tolist() == [[[[2.0, -2.0, 1.0, -1.0], [6.0, 6.0, -4.0, -8.0]]]]


@PROPERTY
@given(scan=scans)
def test_relative_coordinates_lead_back_to_the_positions(scan: tuple[int, int, int]) -> None:
    x, y = points(scan)
    groups = grouping.group(x, y, gridsize=2, n_groups=None, seed=0)
    offsets, relative = grouping.group_coordinates(x, y, groups)
    np.testing.assert_allclose((offsets - relative)[:, 0, 0], x[groups], atol=1e-12)
    np.testing.assert_allclose((offsets - relative)[:, 0, 1], y[groups], atol=1e-12)
    np.testing.assert_allclose(relative.sum(axis=-1), 0, atol=1e-12)


@PROPERTY
@given(n_groups=st.integers(2, 500), batch_size=st.integers(1, 64), seed=st.integers(0, 1000))
def test_split_covers_every_group_once(n_groups: int, batch_size: int, seed: int) -> None:
    split = grouping.split(n_groups, batch_size, seed)
    assert list(range(n_groups)) == sorted([*split.train.tolist(), *split.validation.tolist()])
    assert 1 <= len(split.validation) <= n_groups // 2


@pytest.mark.parametrize(
    ("n_groups", "batch_size", "expected"), [(1000, 16, 50), (1001, 16, 51), (64, 4, 4), (64, 16, 16), (20, 16, 10)]
)
def test_size_of_the_validation_split(n_groups: int, batch_size: int, expected: int) -> None:
    assert expected == len(grouping.split(n_groups, batch_size, 0).validation)


def test_split_depends_on_the_seed() -> None:
    first, again, other = (grouping.split(200, 4, seed).validation.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_few_groups_to_split_says_how_many_would_do() -> None:
    with pytest.raises(UsageError, match="--n_images 2 or more"):
        grouping.split(1, 16, 0)
    assert tuple(len(part) for part in vars(grouping.split(2, 16, 0)).values()) == (1, 1)


@PROPERTY
@given(size=st.integers(0, 200), seed=st.integers(0, 1000), epoch=st.integers(0, 1000))
def test_an_epoch_visits_every_training_group_once(size: int, seed: int, epoch: int) -> None:
    train = np.arange(size) * 3
    assert train.tolist() == sorted(grouping.epoch_order(train, seed=seed, epoch=epoch).tolist())


def test_an_epoch_s_order_does_not_depend_on_the_epochs_before() -> None:
    train = np.arange(50)
    orders = [grouping.epoch_order(train, seed=1, epoch=epoch).tolist() for epoch in range(4)]
    assert orders[3] == grouping.epoch_order(train, seed=1, epoch=3).tolist()
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] != grouping.epoch_order(train, seed=2, epoch=0).tolist()
    assert list(range(50)) == train.tolist()


def test_many_visits_to_each_place_cost_no_more_than_their_ties() -> None:
    places = np.random.default_rng(3).integers(0, 40, size=(250, 2)).astype(float)
    points = np.repeat(places, 80, axis=0)
    seeds = np.arange(0, len(points), 100)
    found = grouping.nearest(points, seeds)
    squares = ((points[seeds][:, None] - points) ** 2).sum(axis=-1)
    squares[np.arange(len(seeds)), seeds] = np.inf
    expected = np.lexsort((np.broadcast_to(np.arange(len(points)), squares.shape), squares), axis=1)[:, :4]
    assert expected.tolist() == found.tolist()


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_seeds_in_parts_have_the_same_neighbours(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    raster = np.stack(np.meshgrid(np.arange(8.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    for points in (rng.random((40, 2)) * 20, raster):
        seeds = np.sort(rng.permutation(40)[:33])
        whole = grouping.nearest(points, seeds)
        monkeypatch.setattr(grouping, "_SEEDS_AT_ONCE", at_once)
        np.testing.assert_array_equal(whole, grouping.nearest(points, seeds))
        monkeypatch.undo()
