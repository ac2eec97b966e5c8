"""Windows of the object: which pixels, how they blend, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho.errors import UsageError
from ptycho.physics import patches


def _object(height: int = 40, width: int = 52) -> NDArray[np.complex128]:
    rng = np.random.default_rng(3)
    return rng.standard_normal((height, width)) + 1j * rng.standard_normal((height, width))


@pytest.mark.parametrize("sampling", patches.SAMPLINGS)
def test_whole_pixel_windows_are_slices(sampling: str) -> None:
    obj = _object()
    x, y = np.array([8.0, 30.0, 44.0]), np.array([8.0, 17.0, 32.0])
    found = patches.extract(obj, x, y, 16, sampling=sampling)
    expected = np.stack([obj[j - 8 : j + 8, k - 8 : k + 8] for j, k in zip(y.astype(int), x.astype(int), strict=True)])
    assert np.array_equal(expected, found)


@settings(max_examples=30)
@given(x=st.floats(8, 43), y=st.floats(8, 31))
def test_bilinear_is_the_blend_of_the_four_windows(x: float, y: float) -> None:
    obj = _object()
    j, k = int(np.floor(y)), int(np.floor(x))
    v, u = y - j, x - k

    def window(row: int, col: int) -> NDArray[np.complex128]:
        return obj[row - 8 : row + 8, col - 8 : col + 8]

    expected = (1 - v) * (1 - u) * window(j, k) + (1 - v) * u * window(j, k + 1)
    expected = expected + v * (1 - u) * window(j + 1, k) + v * u * window(j + 1, k + 1)
    found = patches.extract(obj, np.array([x]), np.array([y]), 16)[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_bilinear_reproduces_a_plane_exactly() -> None:
    rows, cols = np.mgrid[:40, :52].astype(float)
    found = patches.extract(2 * rows - 3 * cols, np.array([20.25]), np.array([15.5]), 8)[0]
    expected = 2 * (15.5 - 4 + np.arange(8))[:, None] - 3 * (20.25 - 4 + np.arange(8))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_nearest_rounds_the_position() -> None:
    obj = _object()
    found = patches.extract(obj, np.array([20.4, 20.6]), np.array([15.6, 15.4]), 8, sampling="nearest")
    assert np.array_equal(np.stack([obj[12:20, 16:24], obj[11:19, 17:25]]), found)


def test_axes_are_not_interchangeable() -> None:
    obj, x, y = _object(), np.array([30.0]), np.array([12.0])
    assert not np.array_equal(patches.extract(obj, x, y, 16), patches.extract(obj, y, x, 16))


def test_chunks_do_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    obj, rng = _object(), np.random.default_rng(0)
    x, y = rng.uniform(8, 43, 23), rng.uniform(8, 31, 23)
    whole = patches.extract(obj, x, y, 16)
    monkeypatch.setattr(patches, "CHUNK", 5)
    assert np.array_equal(whole, patches.extract(obj, x, y, 16))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.float32])
def test_dtype_is_the_objects(dtype: type[np.generic]) -> None:
    obj = np.ones((20, 20), dtype)
    assert dtype == patches.extract(obj, np.array([10.3]), np.array([9.7]), 8).dtype


def test_last_window_touches_the_rim() -> None:
    obj = _object()
    found = patches.extract(obj, np.array([44.0, 8.0]), np.array([32.0, 8.0]), 16)
    assert np.array_equal(np.stack([obj[-16:, -16:], obj[:16, :16]]), found)


def test_windows_outside_are_counted_and_measured() -> None:
    with pytest.raises(UsageError) as caught:
        patches.extract(_object(), np.array([7.5, 20.0, 46.25]), np.array([20.0, 20.0, 33.0]), 16)
    message = str(caught.value)
    assert "2 of 3 windows of side 16 leave the object 40×52" in message
    assert "up to 0.50 px left of column 0" in message
    assert "up to 2.25 px right of column 51" in message
    assert "up to 1.00 px below row 39" in message
    assert "x must lie in [8, 44] and y in [8, 32]" in message


def test_everything_wrong_is_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        patches.extract(_object()[None], np.array([1.0, np.nan]), np.array([1.0, 2.0]), 16, sampling="cubic")
    message = str(caught.value)
    assert "sampling = 'cubic'; allowed: bilinear, nearest" in message
    assert "two axes (H, W)" in message
    assert "1 of 2 coordinates are NaN or infinite" in message


@pytest.mark.parametrize(("side", "shape"), [(41, (2,)), (0, (2,)), (16, (2, 1))])
def test_impossible_sides_and_coordinates_are_refused(side: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"side|coordinates"):
        patches.extract(_object(), np.full(shape, 20.0), np.full(shape, 20.0), side)


def test_no_positions_give_no_patches() -> None:
    assert patches.extract(_object(), np.empty(0), np.empty(0), 16).shape == (0, 16, 16)
