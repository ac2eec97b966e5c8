"""The given object against a flat one, on data whose convention is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho.data import contract
from ptycho.data.dataset import Dataset
from ptycho.metrics import data_fit
from ptycho.metrics.data_fit import Explanation
from ptycho.physics import forward, patches
from tests.support.crafted_npz import scan, write


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return contract.load(write(tmp_path / "scan.npz", scan(12)))


def _explained(dataset: Dataset) -> Explanation:
    found = data_fit.explain(dataset)
    assert found is not None
    return found


def test_the_true_object_leaves_the_noise(tmp_path: Path) -> None:
    found = _explained(contract.load(write(tmp_path / "bright.npz", scan(12, photons=1e8))))
    # Var(√k) = 1/4 for each lit pixel: a quarter of the pixels over all photons.
    assert found.given == pytest.approx(0.25 * 64 * 64 / 1e8, rel=0.2)
    assert found.better_than_flat
    assert found.flat > 100 * found.given
    assert (found.patterns, found.total) == (12, 12)


def test_wrong_conventions_explain_hardly_more_than_a_flat_object(dataset: Dataset) -> None:
    assert dataset.obj is not None
    side = min(dataset.obj.shape)
    square = dataset.obj[:side, :side]
    inside = (dataset.ycoords <= side - 32) & (dataset.xcoords <= side - 32)
    kept = {name: getattr(dataset, name)[inside] for name in ("frames", "xcoords", "ycoords")}
    good = replace(dataset, obj=square, **kept)
    assert _explained(good).better_than_flat
    wrong = (
        replace(good, xcoords=good.ycoords, ycoords=good.xcoords),
        replace(good, frames=np.fft.ifftshift(good.diffraction, axes=(1, 2))),
        replace(good, frames=good.diffraction.transpose(0, 2, 1)),
        replace(good, ycoords=side - 1 - good.ycoords),
    )
    for item in wrong:
        found = _explained(item)
        assert found.given > 0.8 * found.flat


@pytest.mark.parametrize("sampling", ["whole pixel", "bilinear", "shifted probe"])
def test_the_sampling_of_the_data_is_named(sampling: str, dataset: Dataset) -> None:
    assert dataset.obj is not None
    rng = np.random.default_rng(5)
    x, y = rng.uniform(32, 53, 12), rng.uniform(32, 61, 12)
    probe = dataset.probe.astype(np.complex128)
    windows = patches.extract(dataset.obj, x, y, 64, sampling="bilinear" if sampling == "bilinear" else "nearest")
    if sampling == "shifted probe":
        frequency = np.fft.fftfreq(64)
        phase = (y - np.rint(y))[:, None, None] * frequency[:, None] + (x - np.rint(x))[:, None, None] * frequency
        moved = np.fft.ifft2(np.fft.fft2(probe) * np.exp(-2j * np.pi * phase)[:, None])
        amplitude = forward.amplitude(windows, moved)
    else:
        amplitude = forward.amplitude(windows, probe)
    found = _explained(replace(dataset, xcoords=x, ycoords=y, frames=amplitude.astype(np.float32)))
    assert found.sampling == sampling
    assert found.given < 1e-10


def test_a_common_factor_changes_nothing(dataset: Dataset) -> None:
    louder = replace(dataset, frames=dataset.diffraction * np.float32(8))
    assert _explained(louder).given == pytest.approx(_explained(dataset).given, rel=1e-9)


def test_a_subsample_is_said_to_be_one(dataset: Dataset) -> None:
    found = data_fit.explain(dataset, max_patterns=5)
    assert found is not None
    assert (found.patterns, found.total) == (5, 12)


def test_nothing_to_compare(dataset: Dataset) -> None:
    assert data_fit.explain(replace(dataset, obj=None)) is None
