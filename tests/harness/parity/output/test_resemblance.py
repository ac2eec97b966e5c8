"""Every relation is planted and named; what has none is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.output import factor
from harness.parity.output.resemblance import RELATIONS, explain

Array = NDArray[Any]
AXES = ("group", "channel", "row", "column")
RNG = np.random.default_rng(5)
REAL = RNG.normal(size=(2, 4, 8, 8))
POSITIVE = RNG.gamma(2.0, size=(2, 4, 8, 8))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)


def moved_on(a: Array) -> Array:
    made = np.roll(a, 1, -1)
    made[..., 0] = 0
    return made


PLANTED: tuple[tuple[str, Array, Callable[[Array], Array], str], ...] = (
    ("zero", REAL, np.zeros_like, "zero everywhere"),
    ("sign", COMPLEX, np.negative, "−1 × what is expected"),
    ("conjugate", COMPLEX, np.conj, "the complex conjugate"),
    ("conjugate", COMPLEX, lambda a: a.imag + 1j * a.real, "real and imaginary part exchanged"),
    ("part", COMPLEX, lambda a: a.real + 0j, "the real part alone"),
    ("part", COMPLEX, lambda a: 1j * a.imag, "the imaginary part alone"),
    ("part", COMPLEX, lambda a: np.abs(a) + 0j, "the modulus"),
    ("part", REAL, np.abs, "the absolute value"),
    ("part", REAL, lambda a: np.maximum(a, 0), "negative values set to zero"),
    ("transposed", REAL, lambda a: a.swapaxes(-1, -2), "(group, channel, column, row)"),
    ("transposed", REAL[:, :2], lambda a: a.swapaxes(0, 1), "(channel, group, row, column)"),
    ("mirrored", REAL, lambda a: a[..., ::-1], "mirrored along column"),
    ("turned", REAL, lambda a: a[..., ::-1, ::-1], "rotated by 180°"),
    ("turned", REAL, lambda a: np.rot90(a, axes=(-2, -1)), "rotated by 90°"),
    ("turned", REAL, lambda a: np.roll(a[..., ::-1, ::-1], (1, 1), (-2, -1)), "about pixel N/2"),
    ("shifted", REAL, lambda a: np.roll(a, 1, -2), "shifted by +1 along row"),
    ("shifted", REAL, lambda a: np.fft.ifftshift(a, axes=(-2, -1)), "(an fftshift)"),
    ("moved on", REAL, moved_on, "shifted by +1 along column, but for its edge"),
    ("power", POSITIVE, np.square, "the square of"),
    ("power", POSITIVE, np.sqrt, "the root of"),
    ("factor", REAL, lambda a: 4096 * a, "4096 = 64² × what is expected"),
    ("factor", REAL, lambda a: a / 64, "1/64 = 1/8² × what is expected"),
    ("factor", REAL, lambda a: 1.001 * a, "1.001 × what is expected"),
    ("factor", COMPLEX, lambda a: np.exp(0.7j) * a, "a global phase of 0.7 rad"),
    ("offset", REAL, lambda a: a + 0.25, "what is expected plus 0.25"),
    ("permuted", REAL, lambda a: a[:, [1, 0, 2, 3]], "channel 0 and 1 exchanged"),
    ("permuted", REAL, lambda a: a[:, [2, 0, 3, 1]], "channel in the order [2, 0, 3, 1]"),
    ("rounded", REAL, lambda a: a.astype(np.float32).astype(np.float64), "rounded to float32"),
    ("rounded", REAL, lambda a: (a * 2**0).astype(np.float16).astype(np.float64), "rounded to float16"),
)


@pytest.mark.parametrize(("relation", "expected", "plant", "sentence"), PLANTED)
def test_a_planted_relation_is_named(
    relation: str, expected: Array, plant: Callable[[Array], Array], sentence: str
) -> None:
    found = explain(plant(expected), expected, 1e-11, AXES)
    assert sentence in found
    (row,) = (row for row in RELATIONS if row.name == relation)
    assert found in [said for said, _ in row.candidates(plant(expected), expected, AXES)]


def test_every_relation_is_planted() -> None:
    assert {row.name for row in RELATIONS} == {name for name, *_ in PLANTED}


@pytest.mark.parametrize("expected", [REAL, POSITIVE, COMPLEX, REAL[0, 0, 0], REAL[0, 0, 0, :1]])
def test_what_has_no_relation_is_not_named(expected: Array) -> None:
    rng = np.random.default_rng(6)
    wrong = [rng.normal(size=expected.shape), expected + 1e-3 * rng.normal(size=expected.shape), expected * np.nan]
    single = expected.copy()
    single.flat[0] *= 1.37
    for actual in (*wrong, single):
        assert explain(actual.astype(expected.dtype), expected, 1e-11, AXES[-expected.ndim :]) == ""


def test_what_is_right_is_not_named() -> None:
    assert explain(REAL * (1 + 1e-13), REAL, 1e-11, AXES) == ""


def test_activation_that_was_left_out_is_named() -> None:
    found = explain(REAL, np.maximum(REAL, 0), 1e-11, AXES)
    assert found == "what is expected but for negative values, which should be zero"


def test_values_of_bfloat16_are_named() -> None:
    short = (REAL.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)
    assert explain(short, REAL, 1e-11, AXES) == "what is expected, rounded to bfloat16"


@pytest.mark.parametrize(("times", "said"), [(-1.0, "−1 ×"), (4096.0, "4096 = 64² ×"), (1.2345678, "")])
def test_of_a_single_number_only_factors_with_a_name_are_said(times: float, said: str) -> None:
    found = explain(np.array(times * 3.7), np.array(3.7), 1e-12, ())
    assert found.startswith(said) if said else found == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((3.0, "3"), (-2.0, "−2"), (1 / 3, "1/3"), (1 / 4096, "1/4096 = 1/64²"), (-4096.0, "−4096 = −64²")),
        *(
            (np.pi, "π"),
            (1 / (2 * np.pi), "1/(2π)"),
            (2**-0.5, "1/√2"),
            (0.3, "0.3"),
            (1 + 1e-7, "(1 + 1e-07)"),
            (1 - 1e-5, "(1 − 1e-05)"),
        ),
    ],
)
def test_factors_are_said_as_people_know_them(value: float, said: str) -> None:
    assert factor.spoken(value) == said
    assert factor.simple(0.3) is False
