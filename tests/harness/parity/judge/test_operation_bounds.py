"""Judgement of single operations: in units of each element's own bound, with its worst elements and who gave them."""

from typing import Any

import numpy as np
import pytest

from harness.parity.compare.comparison import Result
from harness.parity.judge import operation_bounds
from harness.parity.reference import operations, problem
from harness.parity.reference.operations import Expectation
from tests.support.golden_step0 import FIXTURE

REQUESTS = {p: problem.request(gridsize=2, seed=3, scan=FIXTURE, steps=1, precision=p) for p in ("f64", "f32")}
EXPECTED = {precision: operations.expected(request) for precision, request in REQUESTS.items()}


def honest(precision: str) -> dict[str, Any]:
    return {name: np.asarray(wanted.value).astype(wanted.dtype) for name, wanted in EXPECTED[precision].items()}


def judged(precision: str, **sides: dict[str, Any]) -> dict[str, Any]:
    return {item.tensor: item for item in operation_bounds.judge(EXPECTED[precision], sides)}


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_correctly_rounded_answers_pass_everything(precision: str) -> None:
    found = judged(precision, torch=honest(precision))
    assert [reason for item in found.values() for reason in item.reasons] == []
    assert len(found) == 49
    rounded = [item.figures["torch"] for item in found.values() if item.tolerance]
    assert 0 < max(rounded) <= 1.1


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_no_limit_lets_a_whole_digit_pass(precision: str) -> None:
    arrays = {name: value * value.dtype.type(1 + 64 * 2.0**-20) for name, value in honest(precision).items()}
    assert {item.result for item in judged(precision, torch=arrays).values()} == {Result.FAIL}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("R2/convolve.even", lambda value: value.astype(np.float32).astype(np.float64)),
        ("R2/intensity.odd", lambda value: value.astype(np.float32).astype(np.float64)),
        ("R2/assemble.any", lambda value: value.astype(np.complex64).astype(np.complex128)),
        ("R2/pool.odd", lambda value: value * (1 + 2.0**-52)),
        ("R2/extract.whole", lambda value: np.roll(value, 1, axis=-1)),
        ("R2/placements.quarters", lambda value: np.rint(value)),
        ("R2/upsampled.tap_side", lambda value: value[..., ::-1]),
        ("R2/phase_head", lambda value: value * (3.14 / np.pi)),
        ("R2/phase_head", lambda value: value * (1 + 12 * 2.0**-52)),
        ("R2/log", lambda value: value + 1e-9),
    ],
)
def test_a_small_fault_is_found_and_its_worst_element_shown(name: str, fault: Any) -> None:
    arrays = honest("f64")
    arrays[name] = fault(arrays[name])
    found = judged("f64", torch=honest("f64"), tf=arrays)
    assert [item.tensor for item in found.values() if item.result is Result.FAIL] == [name]
    item = found[name]
    assert item.guilty == ("tf",)
    assert item.figures["tf"] > item.tolerance >= item.figures["torch"]
    assert item.minimum_tolerance == item.figures["tf"]
    assert set(item.worst[0].values) == {"torch", "tf", "formula"}


def test_one_wrong_pixel_is_as_visible_as_a_wrong_constant() -> None:
    unit = EXPECTED["f64"]["R2/convolve.deep"].scale[0, 1, 7, 5]
    for units, result in ((50, Result.PASS), (100, Result.FAIL)):
        arrays = honest("f64")
        arrays["R2/convolve.deep"][0, 1, 7, 5] += float(units * unit)
        item = judged("f64", tf=arrays)["R2/convolve.deep"]
        assert item.result is result
    assert item.worst[0].index == (0, 1, 7, 5)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "tf is missing"),
        (np.zeros((3, 2)), "tf has shape (3, 2), expected (2,)"),
        (np.zeros(2, np.float32), "tf has type float32, expected float64"),
        (np.array([1.0, np.nan]), "tf has 1 value(s) that are NaN or infinite"),
        (np.array([1.0, np.inf]), "tf has 1 value(s) that are NaN or infinite"),
    ],
)
def test_what_cannot_be_compared_fails_at_any_limit(value: Any, said: str) -> None:
    wanted = Expectation(
        value=np.array([1.0, 2.0]), dtype=np.dtype(np.float64), scale=np.ones(2), limit=1e9, reason="wide"
    )
    item = operation_bounds.judge_one("R2/a", {"tf": value}, wanted)
    assert (item.result, item.reasons, item.guilty) == (Result.FAIL, (said,), ("tf",))
    assert item.minimum_tolerance is None


def test_an_answer_to_no_question_fails() -> None:
    item = judged("f64", torch=honest("f64") | {"R2/more": np.zeros(2), "R3/other": np.zeros(2)})["R2/more"]
    assert (item.result, item.guilty) == (Result.FAIL, ("torch",))


def test_a_norm_is_taken_over_the_whole_tensor() -> None:
    wanted = Expectation(
        value=np.zeros(4), dtype=np.dtype(np.float64), scale=np.array(1.0), limit=3.0, norm=1, reason="a sum"
    )
    assert operation_bounds.judge_one("R2/a", {"tf": np.full(4, 0.7)}, wanted).figures == {"tf": pytest.approx(2.8)}
    assert operation_bounds.judge_one("R2/a", {"tf": np.full(4, 0.8)}, wanted).result is Result.FAIL
