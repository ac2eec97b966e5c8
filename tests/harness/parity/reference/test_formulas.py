"""The formulas against NumPy's own routines and the core: two ways to the same figure."""

import ast
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.comparison import distance
from harness.parity.reference import formulas
from ptycho.physics import forward, network, weights

RNG = np.random.default_rng(9)
CLOSE = 1e-14


def waves(*shape: int) -> NDArray[np.complex128]:
    return np.asarray(RNG.normal(size=shape) + 1j * RNG.normal(size=shape))


def test_nothing_here_imports_the_core() -> None:
    tree = ast.parse(Path(formulas.__file__).read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert not [name for name in imported if name and name.partition(".")[0] in ("ptycho", "harness")]


@pytest.mark.parametrize("side", [16, 17])
def test_the_far_field_is_the_shifted_unitary_transform(side: int) -> None:
    given = waves(2, side, side)
    shifted = np.fft.fftshift(np.fft.fft2(given, norm="ortho"), axes=(-2, -1))
    assert distance(formulas.far_field(given), shifted) < CLOSE
    objects, probe = waves(2, 3, side, side), waves(2, side, side)
    assert distance(formulas.intensity(objects, probe), forward.intensity(objects, probe)) < CLOSE


@pytest.mark.parametrize("side", [32, 33])
def test_masks_and_probe_are_the_cores(side: int) -> None:
    assert np.array_equal(formulas.disk(side), forward.disk(side))
    assert np.array_equal(formulas.centre(side), forward.central_mask(side))
    modes = waves(2, side, side)
    for masked in (False, True):
        found = formulas.normalised_probe(modes, 3.0, masked=masked)
        assert distance(found, forward.normalise_probe(modes, probe_scale=3.0, masked=masked)) < CLOSE


@pytest.mark.parametrize("gridsize", [1, 2])
def test_assembly_is_the_cores(gridsize: int) -> None:
    relative = RNG.uniform(-4, 4, size=(2, 1, 2, gridsize**2))
    patches = waves(2, gridsize**2, 16, 16)
    canvas = formulas.assembled(patches, relative, gridsize)
    assert distance(canvas, forward.assemble(patches, relative, gridsize)) < CLOSE
    assert distance(formulas.extracted(canvas, relative, 16), forward.extract(canvas, relative, 16)) < CLOSE
    assert formulas.canvas_side(64, gridsize) == forward.canvas_side(64, gridsize)


def test_the_convolution_is_the_oracles() -> None:
    x, kernel, bias = RNG.normal(size=(2, 3, 9, 7)), RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)
    assert distance(formulas.convolve(x, kernel, bias), network.convolve(x, kernel, bias)) < CLOSE
    assert np.array_equal(formulas.doubled(x), network.upsample(x))


def test_the_likelihood_is_the_cores() -> None:
    rate, counts = RNG.gamma(2.0, 9, size=(5, 4)), RNG.poisson(18, size=(5, 4)).astype(float)
    rate[0, :2], counts[1] = (0, 1e-15), 0
    for ours, core in ((formulas.nll, forward.poisson_nll), (formulas.deviance, forward.poisson_deviance)):
        assert float(np.mean(ours(rate, counts, 1e-12))) == pytest.approx(core(rate, counts), rel=1e-14)
    assert formulas.intensity_scale(1e9, 64) == pytest.approx(weights.intensity_scale(1e9, 64), rel=1e-15)


def test_pooling_leaves_an_odd_row_out() -> None:
    assert formulas.pooled(np.arange(15.0).reshape(3, 5)).tolist() == [[6.0, 8.0]]


def test_lengths_have_their_floor() -> None:
    along, beside = formulas.lengths(np.array([[1 + 1j, 1 + 1j, 4 + 5j]]))
    assert along.ravel().tolist() == pytest.approx([1e-6, 5.0])
    assert beside.size == 0
