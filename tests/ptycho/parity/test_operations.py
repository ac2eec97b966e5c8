"""The questions of R2 and R2b: of every shape and sign, from the seed alone, and how kinds of numbers are named."""

from pathlib import Path

import numpy as np
import pytest

from harness.parity.reference import problem
from ptycho.parity import operations
from ptycho.parity.case import Case
from ptycho.parity.operations import cases, corners, kind, kinds
from ptycho.parity.request import Request
from tests.support.golden_step0 import FIXTURE


def ask(seed: int = 3, gridsize: int = 2, precision: str = "f64") -> Request:
    return problem.request(gridsize=gridsize, seed=seed, scan=Path(FIXTURE), steps=1, precision=precision)


def test_the_questions_follow_from_the_request() -> None:
    def image(seed: int, gridsize: int) -> list[bytes]:
        return [value.tobytes() for case in cases(ask(seed, gridsize)) for value in case.given.values()]

    assert image(3, 2) == image(3, 2)
    assert image(3, 2) != image(4, 2)
    assert image(3, 1) != image(3, 2)


def test_names_differ_and_nothing_is_symmetric() -> None:
    asked = cases(ask())
    assert len({case.name for case in asked}) == len(asked) == 49
    given = [v for case in asked for v in case.given.values() if v.ndim >= 2 and v.shape[-1] == v.shape[-2] and v.any()]
    assert all(not np.allclose(value, value.swapaxes(-1, -2)) for value in given if np.count_nonzero(value) > 1)
    sides = {case.given["x"].shape[-2] % 2 for case in asked if case.operation == "convolve"}
    assert sides == {0, 1}


@pytest.mark.parametrize(("precision", "real"), [("f64", np.float64), ("f32", np.float32)])
def test_the_arguments_have_the_precision_of_the_run(precision: str, real: type) -> None:
    asked = {case.name: case for case in cases(ask(precision=precision))}
    assert asked["convolve.odd"].given["kernel"].dtype == real
    assert asked["intensity.odd"].given["probe"].real.dtype == real
    assert asked["nll"].given["rate"].dtype == np.float64


def test_kinds_are_named() -> None:
    values = (0.0, -0.0, 1.0, 0.5, -1.0, np.nan, np.inf, -np.inf, -3e12, 1 + 2j)
    assert [kind(value) for value in values] == [
        "zero",
        "zero",
        "one",
        "half",
        "minus-one",
        "nan",
        "inf",
        "minus-inf",
        "-3.00e+12",
        "one, 2.00e+00",
    ]
    assert kind(np.float32(0.5)) == "half"
    assert kind(np.complex64(1j)) == "zero, one"


def test_many_kinds_are_counted() -> None:
    assert kinds(np.array([[0.0, 1.0]])) == ["zero", "one"]
    assert kinds(np.array([0.0, 1.0, 1.0] * 10)) == ["20 one", "10 zero"]


def test_every_question_is_put_to_the_bench() -> None:
    class Bench:
        def operate(self, case: Case) -> np.ndarray:
            return np.array([1.0 if case.to else 2.0])

    bench = Bench()
    request = ask()
    values = dict(operations.measure(request, bench))  # type: ignore[arg-type]
    assert set(values) == {case.name for case in cases(request)}
    assert {name for name, value in values.items() if value[0] == 1.0} == {"log", "root"}
    found = operations.classes(request, bench)  # type: ignore[arg-type]
    assert found == {case.name: ["one"] for case in corners(request)}
