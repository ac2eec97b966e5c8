"""The comparison of one tensor: what passes, and every way in which two wrong arrays could look alike."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.comparison import (
    Judgement,
    Limit,
    Result,
    distance,
    in_units,
    is_laundered,
    judge,
    judge_exact,
)

TRUE = np.random.default_rng(0).normal(size=(3, 3, 4))
Array = NDArray[Any]


def judged(torch: Array | None, tf: Array | None, expected: Array | None = TRUE, tolerance: float = 1e-12) -> Judgement:
    return judge("R3/layer", {"torch": torch, "tf": tf}, expected, tolerance)


def planted(index: tuple[int, ...], value: float) -> Array:
    changed = TRUE.copy()
    changed[index] = value
    return changed


def test_equal_tensors_pass_with_their_figures() -> None:
    found = judged(TRUE, TRUE * (1 + 1e-14))
    assert found.result is Result.PASS
    assert found.guilty == ()
    assert found.figures["torch"] == 0.0
    assert found.figures["tf"] == pytest.approx(1e-14, rel=0.05)
    assert found.figures["between"] == pytest.approx(1e-14, rel=0.05)


def test_the_far_side_is_guilty_and_the_least_tolerance_is_its_distance() -> None:
    found = judged(TRUE, TRUE * (1 + 1e-6))
    assert (found.result, found.guilty) == (Result.FAIL, ("tf",))
    assert found.minimum_tolerance == pytest.approx(1e-6)
    assert judged(TRUE, TRUE * (1 + 1e-6), tolerance=found.minimum_tolerance or 0).result is Result.PASS


def test_two_sides_that_agree_and_are_both_wrong_fail() -> None:
    found = judged(TRUE * 2, TRUE * 2)
    assert (found.result, found.guilty) == (Result.FAIL, ("torch", "tf"))
    assert found.figures["between"] == 0.0


def test_sides_that_err_in_opposite_directions_fail_between_them() -> None:
    found = judged(TRUE * (1 + 0.9e-12), TRUE * (1 - 0.8e-12))
    assert (found.result, found.guilty) == (Result.FAIL, ("torch",))
    assert "from each other" in found.reasons[0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_on_both_sides_fails(value: float) -> None:
    found = judged(planted((1, 2, 3), value), planted((1, 2, 3), value))
    assert (found.result, found.guilty) == (Result.FAIL, ("torch", "tf"))
    assert found.worst[0].index == (1, 2, 3)


def test_nan_is_agreed_on_where_the_oracle_has_it_too() -> None:
    nan = planted((0, 0, 0), math.nan)
    assert judged(nan, nan, nan).result is Result.PASS
    assert judged(nan, TRUE, nan).guilty == ("tf",)


def test_infinities_of_the_other_sign_are_unlike() -> None:
    plus, minus = planted((0, 0, 0), math.inf), planted((0, 0, 0), -math.inf)
    assert judged(plus, minus, plus).guilty == ("tf",)


def test_a_missing_tensor_fails() -> None:
    found = judged(TRUE, None)
    assert (found.result, found.guilty, found.reasons) == (Result.FAIL, ("tf",), ("tf is missing",))
    assert found.minimum_tolerance is None
    assert judged(None, None).guilty == ("torch", "tf")


def test_a_tensor_that_the_oracle_does_not_know_fails() -> None:
    found = judged(TRUE, None, None)
    assert (found.result, found.guilty) == (Result.FAIL, ("torch",))


def test_a_transposed_tensor_of_fitting_shape_fails() -> None:
    found = judged(TRUE, np.ascontiguousarray(TRUE.swapaxes(0, 1)))
    assert (found.result, found.guilty) == (Result.FAIL, ("tf",))


def test_another_shape_or_type_fails() -> None:
    assert judged(TRUE[None], TRUE).reasons == ("torch has shape (1, 3, 3, 4), expected (3, 3, 4)",)
    assert judged(TRUE.astype(np.float32), TRUE).reasons == ("torch has type float32, expected float64",)


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_a_float64_tensor_that_went_through_float32_is_recognised(kind: type) -> None:
    true: Array = (TRUE + (0.1j if kind is np.complex128 else 0.0) * TRUE[::-1]).astype(kind)
    single = np.complex64 if kind is np.complex128 else np.float32
    washed: Array = true.astype(single).astype(kind)
    assert is_laundered(washed, true)
    # Even where the tolerance would let it through.
    found = judged(true, washed, true, tolerance=1e-3)
    assert (found.result, found.guilty) == (Result.FAIL, ("tf",))
    assert "a hidden cast" in found.reasons[0]


def test_values_that_are_float32_values_by_nature_are_no_cast() -> None:
    zeros = np.zeros(100)
    assert judged(zeros, zeros, zeros).result is Result.PASS
    assert not is_laundered(TRUE, TRUE)


SPOIL: dict[str, Callable[[Array], Array]] = {
    "scale of a thousandth": lambda a: a * 1.001,
    "one element": lambda a: a + 1e-9 * (a == a.max()),
    "rolled": lambda a: np.roll(a, 1, axis=-1),
    "sign": lambda a: -a,
    "zero": np.zeros_like,
    "3.14 for π": lambda a: a * 3.14 / math.pi,
}


@pytest.mark.parametrize("name", SPOIL)
def test_a_spoilt_tensor_fails(name: str) -> None:
    assert judged(TRUE, SPOIL[name](TRUE)).guilty == ("tf",)


def test_a_global_phase_is_not_forgiven() -> None:
    waves = TRUE * np.exp(1j * TRUE)
    assert judged(waves, waves * np.exp(0.001j), waves).guilty == ("tf",)


def test_a_small_tensor_is_judged_as_closely_as_a_large_one() -> None:
    small = TRUE * 1e-200
    assert judged(small, small * (1 + 1e-9), small).guilty == ("tf",)


def test_zero_where_something_is_expected_and_the_other_way_round() -> None:
    zeros = np.zeros(3)
    assert distance(zeros, zeros) == 0.0
    assert distance(zeros + 1e-300, zeros) == math.inf
    assert judged(zeros, zeros + 1e-300, zeros).minimum_tolerance is None


def test_counts_must_be_equal() -> None:
    assert judged(np.array(3), np.array(4), np.array(3)).reasons[0] == "tf has other values, which must be equal"


def test_the_worst_elements_are_listed_with_every_party() -> None:
    found = judged(TRUE, planted((2, 1, 0), 7.0))
    assert found.worst[0].index == (2, 1, 0)
    assert found.worst[0].values == {
        "torch": f"{TRUE[2, 1, 0]:.17g}",
        "tf": "7",
        "oracle": f"{TRUE[2, 1, 0]:.17g}",
    }


def test_plain_values_are_judged_by_equality() -> None:
    expected = {"torch": 1e-8, "tf": 1e-8}
    assert judge_exact("R0/epsilon", expected, expected).result is Result.PASS
    drifted = judge_exact("R0/epsilon", {"torch": 1e-8, "tf": 1e-7}, expected)
    assert (drifted.result, drifted.guilty) == (Result.FAIL, ("tf",))
    assert drifted.reasons == ("tf has 1e-07, expected 1e-08",)
    silent = judge_exact("R0/epsilon", {"torch": 1e-8}, expected)
    assert (silent.guilty, silent.reasons) == (("tf",), ("tf has 'nothing', expected 1e-08",))
    alone = judge_exact("R0/extra", {"torch": 1}, {})
    assert (alone.result, alone.guilty) == (Result.FAIL, ("torch",))


ROUNDED = TRUE.astype(np.float32)
ALLOWED = Limit(tolerance=1e-5, floor=1e-7, single=True)


def single(torch: Array | None, tf: Array | None, limit: Limit = ALLOWED, expected: Array = TRUE) -> Judgement:
    return judge("R3/layer", {"torch": torch, "tf": tf}, expected, limit)


def test_an_answer_in_float32_is_judged_in_float64_and_counted_in_floors() -> None:
    found = single(ROUNDED, ROUNDED * np.float32(1.000005))
    assert found.result is Result.PASS
    assert found.figures["tf"] == pytest.approx(5e-6, rel=0.05)
    assert found.noise_units["tf"] == pytest.approx(50, rel=0.05)
    assert found.noise_units["torch"] < 1
    assert single(ROUNDED, ROUNDED * np.float32(1.00002)).guilty == ("tf",)


def test_float32_answers_are_not_taken_for_hidden_casts() -> None:
    waves = (TRUE + 1j * TRUE[::-1]).astype(np.complex64)
    assert single(ROUNDED, ROUNDED).result is Result.PASS
    assert single(waves, waves, expected=TRUE + 1j * TRUE[::-1]).result is Result.PASS


def test_another_type_than_that_of_the_precision_fails() -> None:
    assert single(ROUNDED, TRUE).reasons == ("tf has type float64, expected float32",)
    # A sum that stays float64 in every precision and went through float32 after all.
    found = judge("R5/nll", {"torch": TRUE, "tf": ROUNDED.astype(np.float64)}, TRUE, Limit(tolerance=1e-3, floor=1e-7))
    assert (found.result, found.guilty) == (Result.FAIL, ("tf",))


def test_without_a_tolerance_nothing_is_verified_but_exact_checks_still_fail() -> None:
    unknown = Limit(tolerance=None, single=True)
    found = single(ROUNDED, ROUNDED, unknown)
    assert (found.result, found.noise_units, found.guilty) == (Result.UNVERIFIED, {}, ())
    assert "harness parity calibrate" in found.reasons[0]
    assert single(ROUNDED, None, unknown).result is Result.FAIL
    assert single(ROUNDED, ROUNDED * np.float32(np.nan), unknown).result is Result.FAIL


def test_what_is_not_gated_is_measured_and_neither_passes_nor_fails() -> None:
    far = Limit(tolerance=1e-5, floor=1e-7, single=True, gated=False)
    found = single(ROUNDED, ROUNDED * np.float32(2), far)
    assert (found.result, found.tolerance) == (Result.NOT_GATED, None)
    assert found.figures["tf"] == pytest.approx(1)
    assert single(ROUNDED, None, far).result is Result.FAIL


def test_the_ratio_of_two_errors_is_judged_from_a_floor_on() -> None:
    limit = Limit(tolerance=1e-5, floor=1e-6, ratio=8.0, single=True)
    assert single(ROUNDED, ROUNDED * np.float32(1.000007), limit).result is Result.PASS
    found = single(ROUNDED, ROUNDED * np.float32(1.000009), limit)
    assert (found.result, found.guilty, found.beyond_tolerance) == (Result.FAIL, ("tf",), True)
    both = ROUNDED * np.float32(1.000009)
    assert single(both, both, limit).result is Result.PASS


def test_a_floor_of_zero_allows_nothing_else() -> None:
    none = Limit(tolerance=0.0, floor=0.0, single=True)
    zeros = np.zeros(4, np.float32)
    assert single(zeros, zeros, none, np.zeros(4)).result is Result.PASS
    assert single(zeros, zeros + np.float32(1e-30), none, np.zeros(4)).guilty == ("tf",)
    assert (in_units(0.0, 0.0), in_units(1e-30, 0.0), in_units(3.0, 1.5)) == (0.0, math.inf, 2.0)


def test_counts_need_no_floor() -> None:
    count = np.array(3, np.int64)
    assert single(count, count, Limit(tolerance=None, single=True), count).result is Result.PASS
    assert single(count, count + 1, Limit(tolerance=None, single=True), count).guilty == ("tf",)


def test_sides_that_err_together_share_their_fault() -> None:
    assert judged(TRUE * 2, TRUE * 2).shared
    assert judged(TRUE * 2, TRUE * 2.01).shared
    assert not judged(TRUE * 2, TRUE * 3).shared
    assert not judged(TRUE, TRUE * 2).shared
    assert not judged(None, None).shared


def test_plain_values_that_are_wrong_alike_are_shared_too() -> None:
    expected = {"torch": 1, "tf": 1}
    assert judge_exact("R0/a", {"torch": 2, "tf": 2}, expected).shared
    assert not judge_exact("R0/a", {"torch": 2, "tf": 3}, expected).shared
    assert not judge_exact("R0/a", {"torch": 1, "tf": 3}, expected).shared
    assert not judge_exact("R0/a", {}, expected).shared
