"""Assembly and extraction against the NumPy oracle; the two are each other's transpose."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from numpy_network import distance

from ptycho import physics as oracle

pytestmark = pytest.mark.usefixtures("one_thread")

Complex = NDArray[np.complex128]


@pytest.fixture(scope="module")
def relative() -> NDArray[np.float64]:
    """`(2, 1, 2, 4)` offsets from the mean, x and y unlike."""
    rng = np.random.default_rng(2)
    drawn = rng.uniform(-4, 4, size=(2, 1, 2, 4)) * np.array([1.0, 0.6])[:, None]
    return np.asarray(drawn - drawn.mean(axis=-1, keepdims=True))


def test_translation_matrix_is_the_oracles() -> None:
    from ptycho_tf.assembly import translation_matrix
    from ptycho_tf.runtime import tf

    shifts = np.array([[0.0, 1.0, -2.25], [0.5, 6.75, -40.0]])
    actual = translation_matrix(78, 64, tf.constant(shifts)).numpy()
    assert np.array_equal(actual, oracle.translation_matrix(78, 64, shifts))


def test_canvas_is_the_oracles(patches: Callable[..., Complex], relative: NDArray[np.float64]) -> None:
    from ptycho_tf.assembly import assemble
    from ptycho_tf.runtime import tf

    actual = assemble(tf.constant(patches()), tf.constant(relative), 2).numpy()
    assert actual.shape == (2, 78, 78)
    assert distance(actual, oracle.assemble(patches(), relative, 2)) < 1e-14


def test_extracted_patches_are_the_oracles(patches: Callable[..., Complex], relative: NDArray[np.float64]) -> None:
    from ptycho_tf.assembly import consistent
    from ptycho_tf.runtime import tf

    expected = oracle.extract(oracle.assemble(patches(), relative, 2), relative, 64)
    assert distance(consistent(tf.constant(patches()), tf.constant(relative), 2).numpy(), expected) < 1e-14


@pytest.mark.parametrize("fault", ["sign", "axes"])
def test_wrong_conventions_are_noticed(
    fault: str, patches: Callable[..., Complex], relative: NDArray[np.float64]
) -> None:
    from ptycho_tf.assembly import assemble
    from ptycho_tf.runtime import tf

    planted = -relative if fault == "sign" else relative[:, :, ::-1].copy()
    expected = oracle.assemble(patches(), relative, 2)
    assert distance(assemble(tf.constant(patches()), tf.constant(planted), 2).numpy(), expected) > 0.1


def test_extraction_is_the_transpose_of_placement(
    patches: Callable[..., Complex], relative: NDArray[np.float64]
) -> None:
    from ptycho_tf.assembly import extract, placements
    from ptycho_tf.runtime import tf

    rng = np.random.default_rng(4)
    canvas = rng.normal(size=(2, 78, 78)) + 1j * rng.normal(size=(2, 78, 78))
    rows, columns = (matrix.numpy() for matrix in placements(tf.constant(relative), 78, 64, tf.float64))
    placed = np.sum(rows @ patches() @ columns.swapaxes(-1, -2), axis=1)
    back = extract(tf.constant(canvas), tf.constant(relative), 64).numpy()
    assert np.vdot(canvas, placed) == pytest.approx(np.vdot(back, patches()), rel=1e-13)


def test_one_smooth_object_comes_back(relative: NDArray[np.float64]) -> None:
    from ptycho_tf.assembly import consistent
    from ptycho_tf.runtime import tf

    # Patches cut from one linear object: bilinear translation reproduces it where four squares overlap.
    axis = np.arange(64) - 31.5
    x, y = axis - relative[:, 0, 0, :, None, None], axis[:, None] - relative[:, 0, 1, :, None, None]
    expected = 1 + 0.01 * x + 0.02j * y
    actual = consistent(tf.constant(expected.astype(np.complex128)), tf.constant(relative), 2).numpy()
    middle = (slice(None), slice(None), slice(24, 40), slice(24, 40))
    assert distance(actual[middle] * 4.001 / 4, expected[middle]) < 1e-12


def test_gridsize_one_keeps_the_patch_itself(patches: Callable[..., Complex]) -> None:
    from ptycho_tf.assembly import consistent
    from ptycho_tf.runtime import tf

    tensor = tf.constant(patches(2, 1))
    assert consistent(tensor, tf.zeros((2, 1, 2, 1), tf.float64), 1) is tensor


def test_single_precision_stays_single(patches: Callable[..., Complex], relative: NDArray[np.float64]) -> None:
    from ptycho_tf.assembly import consistent
    from ptycho_tf.runtime import tf

    actual = consistent(tf.constant(patches(), tf.complex64), tf.constant(relative), 2).numpy()
    expected = oracle.extract(oracle.assemble(patches(), relative, 2), relative, 64)
    assert actual.dtype == np.complex64
    assert distance(actual, expected) < 1e-6
