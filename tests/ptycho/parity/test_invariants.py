"""The questions of R2c: what laws need is asked for, in double precision whatever the run's."""

import numpy as np
import pytest

from harness.parity.reference import problem
from ptycho.parity.invariants import MEMBERS, SHIFT, cases, landscape, members, ramp
from tests.support.golden_step0 import FIXTURE


@pytest.mark.parametrize("gridsize", [1, 2])
def test_everything_is_asked_in_double_precision(gridsize: int) -> None:
    asked = cases(problem.request(gridsize=gridsize, seed=3, scan=FIXTURE, steps=1, precision="f32"))
    assert len({case.name for case in asked}) == len(asked)
    types = {value.dtype for case in asked for name, value in case.given.items() if name not in ("diffraction", "good")}
    assert types == {np.dtype(np.float64), np.dtype(np.complex128)}
    assert all(case.upstream is not None for case in asked if case.to)


def test_the_ramp_moves_a_far_field() -> None:
    flat = np.fft.fft2(ramp(16))
    row, column = divmod(int(np.abs(flat).argmax()), 16)
    assert (row, column) == (SHIFT[0], SHIFT[1] % 16)


def test_members_are_true_patches_of_the_landscape() -> None:
    relative, patches = members(2)
    assert MEMBERS.sum(axis=1).tolist() == [0, 0]
    assert relative.shape == (1, 1, 2, 4)
    assert relative[0, 0, :, 3].tolist() == [3.0, 2.0]
    # Patch 3 is centred 3 columns left of and 2 rows above the group's centre.
    assert patches[0, 3, 16, 16] == landscape(np.array(48), np.array(67))
    assert patches[0, 3, 20, 13] == landscape(np.array(52), np.array(64))
    assert members(1)[1].shape == (1, 1, 32, 32)


def test_the_landscape_has_no_symmetry() -> None:
    axis = np.arange(24)
    obj = landscape(axis[:, None], axis)
    others = [obj.T, obj[::-1], obj[:, ::-1], obj[::-1, ::-1], obj.conj(), np.roll(obj, 1, axis=0)]
    assert min(np.linalg.norm(other - obj) / np.linalg.norm(obj) for other in others) > 0.05
