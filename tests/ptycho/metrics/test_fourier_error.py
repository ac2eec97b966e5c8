"""The Fourier error: its scalar, its fill, and that every planted mistake explains the data worse."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho.data.dataset import Dataset, Source
from ptycho.errors import UsageError
from ptycho.metrics.fourier_error import fourier_error, object_fourier_error
from ptycho.physics import forward, patches
from ptycho.physics.stitching import Reconstruction, stitch

N = 16


def _dataset() -> Dataset:
    """A small far-field scan of an object with amplitude and phase, at whole-pixel positions."""
    rng = np.random.default_rng(0)
    obj = 0.8 + gaussian_filter(rng.standard_normal((60, 70)), 2)
    obj = (obj * np.exp(4j * gaussian_filter(rng.standard_normal((60, 70)), 2))).astype(np.complex64)
    axis = np.arange(N) - N / 2
    radius = axis[:, None] ** 2 + axis**2
    probe = (np.exp(-radius / 18 + 0.04j * radius) * (1 + 0.05 * axis))[None].astype(np.complex64)
    x, y = (np.rint(rng.uniform(N // 2, size - N // 2, 260)) for size in (70, 60))
    amplitudes = 5 * forward.amplitude(patches.extract(obj, x, y, N), probe)
    return Dataset(
        frames=amplitudes.astype(np.float32),
        probe=probe,
        obj=obj,
        xcoords=x,
        ycoords=y,
        xcoords_start=x,
        ycoords_start=y,
        scan_index=np.zeros(260, np.int64),
        source=Source(path=Path("made.npz"), sha256="", layout="canonical", measurement_domain="amplitude"),
    )


def _true(data: Dataset) -> NDArray[Any]:
    assert data.obj is not None
    return patches.extract(data.obj, data.xcoords, data.ycoords, data.side)


def _error(data: Dataset, objects: NDArray[Any]) -> float:
    return fourier_error(data.diffraction, objects, data.probe)


def test_the_true_object_explains_everything_whatever_its_scale() -> None:
    data = _dataset()
    assert _error(data, _true(data)) < 1e-9
    assert _error(data, 0.01j * _true(data)) < 1e-9


def test_the_best_scalar_is_the_best() -> None:
    data = _dataset()
    observed = data.diffraction.astype(np.float64)
    predicted = forward.amplitude(np.abs(_true(data)), data.probe)
    tried = [np.sum((a * predicted - observed) ** 2) / np.sum(observed**2) for a in np.linspace(3, 7, 4001)]
    assert _error(data, np.abs(_true(data))) == pytest.approx(min(tried), rel=1e-5)
    assert _error(data, np.abs(_true(data))) <= min(tried) + 1e-12


def test_one_object_under_all_patterns() -> None:
    data, flat = _dataset(), np.ones((1, N, N), np.complex64)
    repeated = np.ones((data.n_patterns, N, N), np.complex64)
    assert _error(data, flat) == pytest.approx(_error(data, repeated), rel=1e-12)


FAULTS: dict[str, Callable[[Dataset], NDArray[Any]]] = {
    "conjugate": lambda data: _true(data).conj(),
    "transposed": lambda data: _true(data).swapaxes(1, 2),
    "mirrored": lambda data: _true(data)[:, ::-1],
    "flat": lambda data: np.ones((data.n_patterns, N, N), np.complex64),
    "another order": lambda data: _true(data)[::-1],
    "rolled": lambda data: np.roll(_true(data), 1, axis=1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_mistakes_explain_less(fault: str) -> None:
    data = _dataset()
    assert _error(data, FAULTS[fault](data)) > 0.005


def test_nothing_predicted_is_an_error_of_one() -> None:
    assert _error(_dataset(), np.zeros((1, N, N), np.complex64)) == 1.0


def test_true_patches_go_all_the_way() -> None:
    data = _dataset()
    found = object_fourier_error(stitch(_true(data) * np.exp(2j), data.xcoords, data.ycoords, crop=8), data)
    assert found.given is not None
    assert found.reconstructed == pytest.approx(found.given, rel=1e-6)
    assert found.way == pytest.approx(1, abs=1e-6)
    assert found.flat == pytest.approx(_error(data, np.ones((1, N, N), np.complex64)))
    assert data.n_patterns == found.patterns


def test_a_flat_reconstruction_goes_no_way_and_a_wrong_one_less() -> None:
    data = _dataset()
    flat = stitch(np.full_like(_true(data), 0.4j), data.xcoords, data.ycoords, crop=8)
    assert object_fourier_error(flat, data).way == pytest.approx(0, abs=1e-6)
    mirrored = stitch(_true(data)[:, ::-1, ::-1], data.xcoords, data.ycoords, crop=8)
    way = object_fourier_error(mirrored, data).way
    assert way is not None
    assert way < 0.3


def test_without_a_given_object_there_is_no_way() -> None:
    data = _dataset()
    found = object_fourier_error(stitch(_true(data), data.xcoords, data.ycoords, crop=8), replace(data, obj=None))
    assert found.given is None
    assert found.way is None
    assert found.reconstructed < found.flat


def test_a_reconstruction_beyond_the_object_is_refused() -> None:
    data = _dataset()
    found = stitch(_true(data), data.xcoords, data.ycoords + 20, crop=8)
    with pytest.raises(UsageError, match="the given object is 60×70"):
        object_fourier_error(found, data)


def test_an_empty_reconstruction_is_refused() -> None:
    empty = Reconstruction(obj=np.zeros((9, 9), np.complex128), overlap=np.zeros((9, 9)), origin=(10, 10))
    with pytest.raises(UsageError, match="covers no pixel"):
        object_fourier_error(empty, _dataset())


@pytest.mark.parametrize(
    ("amplitudes", "objects", "probe", "said"),
    [
        ((4, 8, 8), (4, 8, 8), (1, 9, 9), "do not belong"),
        ((4, 8, 8), (4, 9, 9), (1, 8, 8), "do not belong"),
        ((4, 8, 8), (3, 8, 8), (1, 8, 8), "3 objects for 4 patterns"),
        ((4, 8, 8), (4, 8, 8), (8, 8), "all amplitudes are 0"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    amplitudes: tuple[int, ...], objects: tuple[int, ...], probe: tuple[int, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fourier_error(np.zeros(amplitudes), np.ones(objects, np.complex64), np.ones(probe, np.complex64))
