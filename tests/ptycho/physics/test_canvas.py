"""The canvas of a group: translation, assembly and extraction, with every sign and every denominator."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.data import grouping
from ptycho.physics import forward as forward_model
from tests.support.small_problem import make_offsets, make_patches

SIDE, CANVAS, MARGIN = 64, 78, 7
RELATIVE = make_offsets()
WHOLE = np.rint(RELATIVE)
Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


def matrix(n_out: int, n_in: int, shift: float) -> Real:
    return forward_model.translation_matrix(n_out, n_in, shift)


def placed(patches: Complex, relative: Real) -> Complex:
    """Patches on the canvas, `(B, C, M, M)`, each moved by −relative, without masks and weights."""
    columns, rows = (forward_model.translation_matrix(CANVAS, SIDE, -relative[:, 0, axis]) for axis in (0, 1))
    return np.asarray(rows @ patches @ columns.swapaxes(-1, -2))


def test_no_shift_is_the_identity() -> None:
    assert np.array_equal(matrix(9, 9, 0), np.eye(9))


@pytest.mark.parametrize("shift", [3, -2])
def test_whole_pixels_move_exactly_towards_higher_indices(shift: int) -> None:
    values = np.arange(1.0, 10.0)
    expected = np.zeros(9)
    expected[max(shift, 0) : 9 + min(shift, 0)] = values[max(-shift, 0) : 9 - max(shift, 0)]
    assert np.array_equal(matrix(9, 9, shift) @ values, expected)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    assert (matrix(4, 4, 0.5) @ [2.0, 4.0, 8.0, 16.0]).tolist() == [1.0, 3.0, 6.0, 12.0]
    assert (matrix(4, 4, -0.25) @ [2.0, 4.0, 8.0, 16.0]).tolist() == [2.5, 5.0, 10.0, 12.0]


def test_what_comes_from_outside_is_zero() -> None:
    assert not matrix(9, 9, 40).any()
    assert not matrix(9, 9, -9).any()


def test_the_middle_lies_on_the_middle() -> None:
    assert (matrix(7, 3, 0) @ [1.0, 2.0, 3.0]).tolist() == [0, 0, 1, 2, 3, 0, 0]
    assert (matrix(3, 7, 0) @ np.arange(7.0)).tolist() == [2, 3, 4]


@pytest.mark.parametrize("shift", [0.0, 1.0, -2.25, 6.7])
def test_the_adjoint_is_the_shift_back(shift: float) -> None:
    assert np.array_equal(matrix(CANVAS, SIDE, shift).T, matrix(SIDE, CANVAS, -shift))


@pytest.mark.parametrize("shift", [0.0, 0.5, -2.3, 6.75])
def test_weights_add_to_one_inside(shift: float) -> None:
    weights = matrix(CANVAS, SIDE, shift)
    assert weights.sum(axis=0) == pytest.approx(np.ones(SIDE), rel=1e-13)  # no input pixel is lost on the canvas
    inside = matrix(SIDE, CANVAS, shift)
    assert inside.sum(axis=1) == pytest.approx(np.ones(SIDE), rel=1e-13)  # no output pixel is darkened


def test_shifts_of_any_shape() -> None:
    shifts = np.array([[0.0, 1.5, -3.0], [0.25, 9.0, -40.0]])
    together = forward_model.translation_matrix(CANVAS, SIDE, shifts)
    assert together.shape == (2, 3, CANVAS, SIDE)
    assert np.array_equal(together[1, 0], matrix(CANVAS, SIDE, 0.25))


@pytest.mark.parametrize(("side", "gridsize", "expected"), [(64, 1, 74), (64, 2, 78), (128, 2, 142)])
def test_the_canvas_has_room_for_the_group(side: int, gridsize: int, expected: int) -> None:
    assert forward_model.canvas_side(side, gridsize) == expected


def test_a_patch_moves_by_its_distance_from_the_mean() -> None:
    x, y = np.array([100.0, 104.0, 99.0, 101.0]), np.array([50.0, 51.0, 52.0, 55.0])
    _, relative = grouping.group_coordinates(x, y, np.array([[0, 1, 2, 3]]))
    for channel, (dx, dy) in enumerate(zip(x - x.mean(), y - y.mean(), strict=True)):
        points = np.zeros((1, 4, SIDE, SIDE), np.complex128)
        points[0, channel, 30, 34] = 1j
        canvas = forward_model.assemble(points, relative, 2)[0]
        assert canvas.real.max() == 0
        assert np.argwhere(canvas.imag > 0).tolist() == [[30 + MARGIN + dy, 34 + MARGIN + dx]]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda relative: -relative, id="sign"),
        pytest.param(lambda relative: relative[:, :, ::-1], id="axes"),
        pytest.param(lambda relative: np.roll(relative, 1, axis=-1), id="channels"),
        pytest.param(lambda relative: 0 * relative, id="no shift"),
    ],
)
def test_wrong_conventions_are_noticed(wrong: Callable[[Real], Real]) -> None:
    # Windows of one rough object: a linear one would not do, as the shifts of a group add to zero.
    patches, expected = windows(WHOLE)
    assert deviation(forward_model.assemble(patches, WHOLE, 2), expected) < 1e-12
    assert deviation(forward_model.assemble(patches, wrong(WHOLE), 2), expected) > 1


def test_shifts_between_pixels_reproduce_a_linear_object() -> None:
    axis, whole = np.arange(SIDE) - (SIDE - 1) / 2, np.arange(CANVAS) - (CANVAS - 1) / 2
    x, y = axis - RELATIVE[:, 0, 0, :, None, None], axis[:, None] - RELATIVE[:, 0, 1, :, None, None]
    expected = 1 + 0.01 * whole + 0.02j * whole[:, None]
    assert deviation(forward_model.assemble(1 + 0.01 * x + 0.02j * y, RELATIVE, 2), expected) < 1e-12


def windows(relative: Real) -> tuple[Complex, Complex]:
    """`(B, C, N, N)` windows of one random object at a group's whole-pixel places, and the object on the canvas."""
    obj = np.random.default_rng(8).normal(size=(CANVAS, CANVAS)).astype(np.complex128) * (1 + 2j)
    places = [[(int(MARGIN - y), int(MARGIN - x)) for x, y in group.T] for group in relative[:, 0]]
    return np.array([[obj[j : j + SIDE, i : i + SIDE] for j, i in group] for group in places]), np.asarray(obj)


def deviation(canvas: Complex, expected: Complex) -> float:
    """Largest difference in the middle, where four masks overlap."""
    middle = slice(31, 47)
    return float(np.abs(canvas[:, middle, middle] * 4.001 / 4 - expected[middle, middle]).max())


@pytest.mark.parametrize("relative", [WHOLE, RELATIVE], ids=["whole pixels", "between pixels"])
def test_a_flat_object_stays_flat_and_the_periphery_small(relative: Real) -> None:
    flat = np.ones((2, 4, SIDE, SIDE), np.complex128)
    canvas = forward_model.assemble(flat, relative, 2)
    assert np.abs(canvas[:, 31:47, 31:47] - 4 / 4.001).max() < 1e-12
    assert canvas.real.max() < 1
    # Whole patches over the count of the masks: the fault that the masked numerator keeps out.
    mask = forward_model.central_mask(SIDE)
    blown = placed(flat, relative).sum(axis=1) / (placed(flat * mask, relative).sum(axis=1) + forward_model.MASK_FLOOR)
    assert np.abs(blown).max() > 900


def test_where_one_mask_covers_the_mean_is_that_patch() -> None:
    relative = np.zeros((1, 1, 2, 4))
    relative[0, 0, 0] = [-5, 5, 0, 0]  # patch 0 goes 5 px to the right, patch 1 to the left
    patches = np.broadcast_to(np.array([2.0, 3.0, 5.0, 7.0])[:, None, None], (1, 4, SIDE, SIDE)).astype(complex)
    row = forward_model.assemble(patches, relative, 2)[0, 39].real
    left, right = MARGIN + 16, MARGIN + 48
    expected = {left - 6: 0, left - 3: 3 / 1.001, left + 3: 15 / 3.001, 39: 17 / 4.001, right - 3: 14 / 3.001}
    expected |= {right + 3: 2 / 1.001, right + 5: 0}
    assert {column: row[column] for column in expected} == pytest.approx(expected, rel=1e-13)


def test_extraction_is_the_adjoint_of_placing() -> None:
    rng = np.random.default_rng(4)
    canvas = rng.normal(size=(2, CANVAS, CANVAS)) + 1j * rng.normal(size=(2, CANVAS, CANVAS))
    patches = make_patches()
    forward = np.vdot(canvas, placed(patches, RELATIVE).sum(axis=1))
    assert forward == pytest.approx(np.vdot(forward_model.extract(canvas, RELATIVE, SIDE), patches), rel=1e-12)
    assert abs(forward - np.vdot(forward_model.extract(canvas, -RELATIVE, SIDE), patches)) > 0.01 * abs(forward)


def test_extraction_takes_each_pattern_its_own_window() -> None:
    canvas = np.arange(CANVAS**2, dtype=complex).reshape(1, CANVAS, CANVAS)
    relative = np.zeros((1, 1, 2, 4))
    relative[0, 0] = [[0, -3, 2, 0], [0, 0, -1, 4]]
    actual = forward_model.extract(canvas, relative, SIDE)
    assert actual.shape == (1, 4, SIDE, SIDE)
    for channel, (x, y) in enumerate([(0, 0), (3, 0), (-2, 1), (0, -4)]):
        rows, columns = (slice(MARGIN + start, MARGIN + start + SIDE) for start in (y, x))
        assert np.array_equal(actual[0, channel], canvas[0, rows, columns])


def test_groups_do_not_mix() -> None:
    together = forward_model.assemble(make_patches(), RELATIVE, 2)
    assert np.allclose(together[1:], forward_model.assemble(make_patches()[1:], RELATIVE[1:], 2), rtol=1e-12)
