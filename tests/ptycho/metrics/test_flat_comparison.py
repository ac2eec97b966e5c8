"""A reconstruction beside a flat object: the true one is better, noise, mirrors and constants are not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ptycho.data.dataset import Dataset
from ptycho.metrics import flat_comparison
from ptycho.metrics.flat_comparison import FlatComparison
from ptycho.physics import patches, stitching
from ptycho.physics.stitching import Reconstruction
from tests.support import planted_data

EVERY = np.arange(64)


@pytest.fixture(scope="module")
def scan() -> Dataset:
    return planted_data.right()


def stitched(scan: Dataset, obj: Any, shift: tuple[float, float] = (0, 0)) -> Reconstruction:
    """An object cut into patches and stitched again, displaced if asked."""
    cut = patches.extract(np.asarray(obj, np.complex64), scan.xcoords + shift[1], scan.ycoords + shift[0], scan.side)
    return stitching.stitch(cut, scan.xcoords, scan.ycoords)


def compared(scan: Dataset, reconstruction: Reconstruction) -> FlatComparison:
    return flat_comparison.compare(reconstruction, scan, EVERY)


@pytest.mark.parametrize("shift", [(0, 0), (2, -3)])
def test_the_true_object_is_better(scan: Dataset, shift: tuple[float, float]) -> None:
    found = compared(scan, stitched(scan, scan.obj, shift))
    assert found.correlation == pytest.approx(1, abs=0.06)
    assert found.better
    assert found.patterns == 64
    assert found.warning(epochs=2, suspicious=False) is None


def test_scale_and_global_phase_are_free(scan: Dataset) -> None:
    one, two = (stitched(scan, factor * np.asarray(scan.obj)) for factor in (1, -0.3j))
    assert compared(scan, one).correlation == pytest.approx(compared(scan, two).correlation)
    assert compared(scan, one).fourier_error == pytest.approx(compared(scan, two).fourier_error)


NO_BETTER: dict[str, Callable[[Any], Any]] = {
    "flat": np.ones_like,
    "noise": lambda o: np.exp(1j * np.random.default_rng(1).normal(size=o.shape)),
    "half a turn": lambda o: o[::-1, ::-1],
    "upside down": lambda o: o[::-1],
}


@pytest.mark.parametrize("known", [True, False], ids=["object", "no object"])
@pytest.mark.parametrize("change", NO_BETTER.values(), ids=NO_BETTER)
def test_what_shows_nothing_is_no_better(scan: Dataset, change: Callable[[Any], Any], known: bool) -> None:
    seen = scan if known else planted_data.without_object(scan)
    found = compared(seen, stitched(scan, change(scan.obj)))
    assert not found.better
    assert (found.correlation is None) != known
    warning = found.warning(epochs=1, suspicious=False)
    assert warning is not None
    assert warning.startswith("the reconstruction is no better than a flat object: ")
    assert ("its correlation with the given object is" in warning) == known
    assert f"Fourier error {found.fourier_error:.4f}, flat {found.flat_fourier_error:.4f} (64 patterns)" in warning
    assert "train longer than 1 epoch, and on more patterns" in warning


def test_a_conjugated_object_is_against_the_given_one(scan: Dataset) -> None:
    found = compared(scan, stitched(scan, np.conj(np.asarray(scan.obj))))
    assert found.correlation is not None
    assert found.correlation < flat_comparison.ALIKE
    assert not found.better


def test_the_fourier_error_decides_between_the_two_correlations() -> None:
    common: dict[str, Any] = {"flat_fourier_error": 0.06, "patterns": 64}
    for correlation, error, better in (
        (0.14, 0.01, False),
        (0.2, 0.07, False),
        (0.2, 0.05, True),
        (0.36, 0.07, True),
        (None, 0.05, True),
        (None, 0.06, False),
    ):
        assert FlatComparison(correlation=correlation, fourier_error=error, **common).better is better


def test_a_suspicious_file_is_the_next_step(scan: Dataset) -> None:
    warning = compared(scan, stitched(scan, np.ones_like(scan.obj))).warning(epochs=50, suspicious=True)
    assert warning is not None
    assert warning.endswith("; repair what the warnings about the file name, and train again")


def test_a_constant_given_object_tells_nothing(scan: Dataset) -> None:
    constant = replace(scan, obj=np.ones_like(scan.obj))
    assert compared(constant, stitched(scan, scan.obj)).correlation is None
    assert compared(constant, stitched(scan, scan.obj)).better


def test_only_patterns_that_were_stitched_count(scan: Dataset) -> None:
    found = flat_comparison.compare(stitched(scan, scan.obj), scan, np.array([[3, 4], [4, 9]]))
    assert found.patterns == 3
    assert found.as_dict()["better_than_flat"] is True


def test_the_cost_is_bounded(scan: Dataset) -> None:
    many: dict[str, Any] = {name: np.tile(getattr(scan, name), 10) for name in ("xcoords", "ycoords")}
    long = replace(scan, frames=np.tile(scan.diffraction, (10, 1, 1)), **many)
    assert flat_comparison.compare(stitched(scan, scan.obj), long, np.arange(640)).patterns == 64


def test_darkness_is_explained_by_nothing(scan: Dataset) -> None:
    dark = planted_data.without_object(replace(scan, frames=np.zeros_like(scan.diffraction)))
    assert not compared(dark, stitched(scan, scan.obj)).better
