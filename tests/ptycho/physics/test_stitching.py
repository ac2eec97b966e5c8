"""True patches through the stitcher return the object; planted mistakes do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho.errors import PtychoError, UsageError
from ptycho.metrics.registration import correlation
from ptycho.physics import patches
from ptycho.physics.stitching import Reconstruction, Stitcher, stitch

SIDE = 32


def _object() -> NDArray[np.complex128]:
    """Smooth, and equal to none of its mirrors, transposes or conjugates."""
    y, x = np.mgrid[:90, :110].astype(float)
    amplitude = 0.8 + 0.15 * np.sin(x / 9) * np.cos(y / 13 + 0.4) - 0.2 * np.exp(-((x - 40) ** 2 + (y - 55) ** 2) / 90)
    return np.asarray(amplitude * np.exp(1j * (np.cos(x / 11 + y / 23) + (y - 30) ** 2 / 2500)))


def _scan(n: int = 400, *, whole: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(17, 57, n), rng.uniform(17, 52, n)
    return (np.rint(x), np.rint(y)) if whole else (x, y)


def _agreement(found: Reconstruction, obj: NDArray[Any]) -> float:
    row0, row1, col0, col1 = found.crop
    covered = found.overlap > 0
    return abs(correlation(found.obj[covered], obj[row0:row1, col0:col1][covered]))


def test_whole_pixel_patches_return_the_object() -> None:
    obj, (x, y) = _object(), _scan(whole=True)
    found = stitch(patches.extract(obj, x, y, SIDE), x, y)
    row0, row1, col0, col1 = found.crop
    expected = np.where(found.overlap > 0, obj[row0:row1, col0:col1], 0)
    np.testing.assert_allclose(found.obj, expected, atol=1e-12)


def test_fractional_patches_return_the_object() -> None:
    obj, (x, y) = _object(), _scan()
    assert _agreement(stitch(patches.extract(obj, x, y, SIDE), x, y), obj) > 0.999


Fault = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], Reconstruction]

FAULTS: dict[str, Fault] = {
    "swapped coordinates": lambda obj, x, y: stitch(patches.extract(obj, x, y, SIDE), y, x),
    "conjugate": lambda obj, x, y: stitch(patches.extract(obj, x, y, SIDE).conj(), x, y),
    "transposed patches": lambda obj, x, y: stitch(patches.extract(obj, x, y, SIDE).swapaxes(1, 2), x, y),
    "mirrored patches": lambda obj, x, y: stitch(patches.extract(obj, x, y, SIDE)[:, ::-1], x, y),
    "patches in another order": lambda obj, x, y: stitch(patches.extract(obj, x, y, SIDE)[::-1], x, y),
    "corner read as centre": lambda obj, x, y: stitch(patches.extract(obj, x + 16, y + 16, SIDE), x, y),
    "one pixel off": lambda obj, x, y: stitch(patches.extract(obj, x + 1, y, SIDE), x, y),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_do_not_return_it(fault: str) -> None:
    obj, (x, y) = _object(), _scan()
    assert _agreement(FAULTS[fault](obj, x, y), obj) < 0.999


def test_overlap_is_what_the_splatted_squares_add_up_to() -> None:
    x, y = np.array([40.25, 44.0]), np.array([30.5, 31.0])
    found = stitch(np.ones((2, SIDE, SIDE), np.complex128), x, y, crop=4)
    expected = np.zeros((7, 10))
    for column, row in zip(x, y, strict=True):
        for j in range(4):
            for k in range(4):
                top, left = row - 2 + j - 28, column - 2 + k - 38
                for r in (int(top), int(top) + 1):
                    for c in (int(left), int(left) + 1):
                        weight = max(0.0, 1 - abs(r - top)) * max(0.0, 1 - abs(c - left))
                        if weight:
                            expected[r, c] += weight
    np.testing.assert_allclose(found.overlap, expected[: found.overlap.shape[0], : found.overlap.shape[1]], atol=1e-14)
    assert found.origin == (28, 38)
    assert found.obj.shape == (5, 8)
    np.testing.assert_allclose(found.overlap.sum(), 32)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(20, 60), st.floats(20, 40)), min_size=1, max_size=6), st.sampled_from([2, 20, 32]))
def test_a_constant_stays_a_constant(positions: list[tuple[float, float]], crop: int) -> None:
    x, y = np.array(positions).T
    found = stitch(np.full((len(x), SIDE, SIDE), 0.5 - 2j), x, y, crop=crop)
    covered = found.overlap > 0
    np.testing.assert_allclose(found.obj[covered], 0.5 - 2j, rtol=1e-9)
    assert np.array_equal(np.zeros((~covered).sum()), found.obj[~covered])
    np.testing.assert_allclose(found.overlap.sum(), len(x) * crop**2)


def test_batches_and_groups_give_the_same_object() -> None:
    obj, (x, y) = _object(), _scan(120)
    true = patches.extract(obj, x, y, SIDE)
    expected = stitch(true, x, y)
    stitcher = Stitcher(x, y, side=SIDE)
    for start in range(0, 120, 40):
        part = slice(start, start + 40)
        groups = true[part].reshape(10, 4, SIDE, SIDE).astype(np.complex128)
        stitcher.add(groups, x[part].reshape(10, 4), y[part].reshape(10, 4))
    found = stitcher.finish()
    assert np.array_equal(expected.obj, found.obj)
    assert expected.origin == found.origin
    np.testing.assert_allclose(found.overlap, expected.overlap, atol=1e-12)


def test_holes_are_zero_and_finite() -> None:
    x, y = np.array([30.0, 80.0]), np.array([30.0, 30.0])
    found = stitch(np.ones((2, SIDE, SIDE), np.complex64), x, y)
    assert np.array_equal(np.zeros((20, 30)), found.overlap[:, 20:50])
    assert np.array_equal(np.zeros((20, 30)), found.obj[:, 20:50])
    assert found.crop == (20, 40, 20, 90)
    assert np.complex128 == found.obj.dtype


def test_arrays_are_read_only() -> None:
    found = stitch(np.ones((1, SIDE, SIDE), np.complex64), np.array([30.0]), np.array([30.0]))
    with pytest.raises(ValueError, match="read-only"):
        found.obj[0, 0] = 1


@pytest.mark.parametrize(
    ("shape", "coordinates"),
    [
        ((5, SIDE, SIDE, 4), (5, 4)),
        ((5, SIDE, SIDE, 1), (5, 1)),
        ((5, 4, SIDE, SIDE), (5,)),
        ((5, SIDE, SIDE), (6,)),
        ((5, SIDE, SIDE // 2), (5,)),
        ((SIDE, SIDE), ()),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(shape: tuple[int, ...], coordinates: tuple[int, ...]) -> None:
    at = np.full(coordinates, 30.0)
    with pytest.raises(UsageError, match="patches"):
        stitch(np.ones(shape, np.complex64), at, at)


def test_channels_last_is_refused_by_the_stitcher() -> None:
    at = np.full((5, 4), 30.0)
    with pytest.raises(UsageError, match="channels before the image axes"):
        Stitcher(at, at, side=SIDE).add(np.ones((5, SIDE, SIDE, 4), np.complex64), at, at)


@pytest.mark.parametrize("crop", [0, 3, SIDE + 2])
def test_impossible_crops_are_refused(crop: int) -> None:
    with pytest.raises(UsageError, match=f"crop = {crop}; allowed: even numbers from 2 to the patch side 32"):
        stitch(np.ones((1, SIDE, SIDE), np.complex64), np.array([30.0]), np.array([30.0]), crop=crop)


def test_real_patches_are_refused() -> None:
    with pytest.raises(UsageError, match="patches are float64; allowed: complex"):
        stitch(np.ones((1, SIDE, SIDE)), np.array([30.0]), np.array([30.0]))


def test_nan_names_the_divergence() -> None:
    bad = np.ones((3, SIDE, SIDE), np.complex64)
    bad[1, 16, 16] = np.nan
    with pytest.raises(PtychoError, match="1 of 3 patches hold NaN") as caught:
        stitch(bad, np.full(3, 30.0), np.full(3, 30.0))
    assert not isinstance(caught.value, UsageError)


def test_positions_outside_the_extent_are_refused() -> None:
    stitcher = Stitcher(np.array([30.0, 40.0]), np.array([30.0, 30.0]), side=SIDE)
    with pytest.raises(UsageError, match="1 of 1 positions lie outside the extent"):
        stitcher.add(np.ones((1, SIDE, SIDE), np.complex64), np.array([41.0]), np.array([30.0]))


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf]])
def test_an_extent_needs_finite_coordinates(values: list[float]) -> None:
    with pytest.raises(UsageError, match="coordinates"):
        Stitcher(np.array(values), np.array(values), side=SIDE)
