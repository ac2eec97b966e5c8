"""Assembly and extraction against the NumPy oracle; the two are each other's transpose."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.physics import forward as oracle
from tests.support.distances import distance
from tests.support.small_problem import make_offsets, make_patches
from tests.support.suites.backend import BackendUnderTest

RELATIVE = make_offsets()


def assembled(backend: BackendUnderTest, relative: NDArray[np.float64] = RELATIVE) -> NDArray[np.complex128]:
    """The backend's canvases of `make_patches`, for groups of four."""
    return backend.array(
        backend.module("assembly").assemble(backend.tensor(make_patches()), backend.tensor(relative), 2)
    )


class AssemblySuite:
    def test_translation_matrix_is_the_oracles(self, backend: BackendUnderTest) -> None:
        shifts = np.array([[0.0, 1.0, -2.25], [0.5, 6.75, -40.0]])
        actual = backend.array(backend.module("assembly").translation_matrix(78, 64, backend.tensor(shifts)))
        assert np.array_equal(actual, oracle.translation_matrix(78, 64, shifts))

    def test_canvas_is_the_oracles(self, backend: BackendUnderTest) -> None:
        actual = assembled(backend)
        assert actual.shape == (2, 78, 78)
        assert distance(actual, oracle.assemble(make_patches(), RELATIVE, 2)) < 1e-14

    def test_extracted_patches_are_the_oracles(self, backend: BackendUnderTest) -> None:
        expected = oracle.extract(oracle.assemble(make_patches(), RELATIVE, 2), RELATIVE, 64)
        consistent = backend.module("assembly").consistent
        actual = consistent(backend.tensor(make_patches()), backend.tensor(RELATIVE), 2)
        assert distance(backend.array(actual), expected) < 1e-14

    @pytest.mark.parametrize(
        "planted",
        [
            pytest.param(-RELATIVE, id="sign"),
            pytest.param(RELATIVE[:, :, ::-1].copy(), id="axes"),
            pytest.param(np.roll(RELATIVE, 1, axis=-1), id="channels"),
        ],
    )
    def test_wrong_conventions_are_noticed(self, planted: NDArray[np.float64], backend: BackendUnderTest) -> None:
        assert distance(assembled(backend, planted), oracle.assemble(make_patches(), RELATIVE, 2)) > 0.1

    def test_extraction_is_the_transpose_of_placement(self, backend: BackendUnderTest) -> None:
        rng = np.random.default_rng(4)
        canvas = rng.normal(size=(2, 78, 78)) + 1j * rng.normal(size=(2, 78, 78))
        relative = backend.tensor(RELATIVE)
        placements = backend.module("assembly").placements(relative, 78, 64, relative.dtype)
        rows, columns = (backend.array(matrix) for matrix in placements)
        placed = np.sum(rows @ make_patches() @ columns.swapaxes(-1, -2), axis=1)
        back = backend.module("assembly").extract(backend.tensor(canvas), relative, 64)
        assert np.vdot(canvas, placed) == pytest.approx(np.vdot(backend.array(back), make_patches()), rel=1e-13)

    def test_one_smooth_object_comes_back(self, backend: BackendUnderTest) -> None:
        # Patches cut from one linear object: bilinear translation reproduces it where four squares overlap.
        axis = np.arange(64) - 31.5
        x, y = axis - RELATIVE[:, 0, 0, :, None, None], axis[:, None] - RELATIVE[:, 0, 1, :, None, None]
        expected = 1 + 0.01 * x + 0.02j * y
        consistent = backend.module("assembly").consistent
        actual = backend.array(consistent(backend.tensor(expected), backend.tensor(RELATIVE), 2))
        middle = (slice(None), slice(None), slice(24, 40), slice(24, 40))
        assert distance(actual[middle] * 4.001 / 4, expected[middle]) < 1e-12

    def test_gridsize_one_keeps_the_patch_itself(self, backend: BackendUnderTest) -> None:
        tensor = backend.tensor(make_patches(2, 1))
        assert backend.module("assembly").consistent(tensor, backend.tensor(np.zeros((2, 1, 2, 1))), 1) is tensor

    def test_single_precision_stays_single(self, backend: BackendUnderTest) -> None:
        consistent = backend.module("assembly").consistent
        actual = backend.array(consistent(backend.tensor(make_patches(), "complex64"), backend.tensor(RELATIVE), 2))
        expected = oracle.extract(oracle.assemble(make_patches(), RELATIVE, 2), RELATIVE, 64)
        assert actual.dtype == np.complex64
        # Positions are float64 until the matrices are made: in float32 the canvas would be off by 1e-6.
        assert distance(actual, expected) < 3e-7
