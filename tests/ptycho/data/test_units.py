"""Positions in any unit but object pixels are refused, with or without an object, and the fitting unit is named."""

from pathlib import Path

import numpy as np
import pytest

from ptycho.data import contract, units
from ptycho.errors import ContractError, UsageError
from ptycho.physics import stitching
from tests.support.crafted_npz import metadata, scan, write


def grid(m: int = 36, step: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    side = round(m**0.5)
    y, x = np.divmod(np.arange(m), side)
    rng = np.random.default_rng(m)
    return 50 + step * x + rng.uniform(-0.4, 0.4, m), 60 + step * y + rng.uniform(-0.4, 0.4, m)


def said(x: np.ndarray, y: np.ndarray, side: int = 64, **stated: float) -> list[str]:
    return list(units.violations(x, y, side, stated))


@pytest.mark.parametrize("step", [1.0, 3.0, 12.0, 40.0])
@pytest.mark.parametrize("m", [4, 36, 400])
def test_object_pixels_are_accepted(m: int, step: float) -> None:
    assert said(*grid(m, step)) == []


@pytest.mark.parametrize(
    ("factor", "unit"), [(1e-8, "m"), (1e-5, "mm"), (1e-2, "um"), (1e2, "angstrom"), (5e3, "pm"), (1e-11, "m")]
)
def test_the_unit_that_would_fit_is_named(factor: float, unit: str) -> None:
    x, y = grid()
    (sentence,) = said(x * factor, y * factor)
    assert "are not object pixels" in sentence
    assert units.NAMES[unit] in sentence
    assert "--position-unit" in sentence


def test_a_known_pixel_size_decides_the_unit() -> None:
    x, y = grid()
    (sentence,) = said(x * 1e-8, y * 1e-8, pixel_size_m=1e-8)
    assert "they look like metres: a step would be" in sentence
    assert "--pixel-size" not in sentence


def test_one_axis_alone_may_be_in_metres() -> None:
    x, y = grid()
    (sentence,) = said(x * 1e-8, y)
    assert sentence.startswith("xcoords are not object pixels")


def test_what_decides_nothing_is_left_alone() -> None:
    x, y = grid()
    assert said(x[:1], y[:1]) == []
    assert said(np.full(9, 50.0), np.full(9, 50.0)) == []
    assert said(x, np.full(36, 60.0)) == []  # a line
    assert said(np.repeat(x, 10), np.repeat(y, 10)) == []  # ten exposures at each place
    assert said(np.where(np.arange(36) == 3, np.nan, x), y) == []


def test_crowded_positions_are_refused() -> None:
    x, y = grid(10_000, 0.03)
    (sentence,) = said(x - 50, (y - 60) * 0.05)
    assert "to each of 10000 positions" in sentence


@pytest.mark.parametrize("with_object", [True, False])
def test_the_contract_refuses_either_way(with_object: bool, tmp_path: Path) -> None:
    arrays = scan(m=36)
    x, y = grid()
    arrays |= {"xcoords": x * 1e-8, "ycoords": y * 1e-8}
    if not with_object:
        del arrays["objectGuess"]
    with pytest.raises(ContractError, match="look like metres"):
        contract.load(write(tmp_path / "scan.npz", {**arrays, "_metadata": metadata(a=1)}))


def test_the_canvas_is_bounded_before_it_is_allocated() -> None:
    x = np.linspace(40, 70, 6) * 5e3
    with pytest.raises(UsageError, match=r"336 GiB; allowed for 6 patterns of 64 × 64: 16,801,792 px"):
        stitching.Stitcher(x, x, side=64)
