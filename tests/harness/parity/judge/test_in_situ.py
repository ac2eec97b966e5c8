"""A layer where it works: a fault that another one cancels is seen, a wrong input is not attributed to the layer."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from harness.parity.compare.comparison import Array
from harness.parity.compare.floors import Floors
from harness.parity.judge import in_situ, ladder, oracle
from harness.parity.output import replay
from harness.parity.output.artifacts import relations
from harness.parity.reference import problem
from ptycho.parity.request import Request
from tests.support.golden_step0 import FIXTURE

Arrays = Mapping[str, Array]


@pytest.fixture(scope="module")
def request_() -> Request:
    return problem.request(gridsize=1, seed=5, scan=FIXTURE, steps=0, quantities=("R3", "R4"))


@pytest.fixture(scope="module")
def figures(request_: Request) -> Arrays:
    return oracle.arrays(request_)


def red(request: Request, arrays: Arrays) -> list[str]:
    found = in_situ.judge_layers(request, {"torch": arrays}, Floors.load())
    return [item.tensor for item in found if item.result == "fail"]


def test_honest_layers_stand(request_: Request, figures: Arrays) -> None:
    found = in_situ.judge_layers(request_, {"torch": figures, "tf": figures}, Floors.load())
    recorded = [name for name in request_.inputs if f"R4/{name}.in" in figures]
    assert len(recorded) >= 9
    assert [item.tensor for item in found] == [
        f"R3/in_situ.{name}.{side}" for name in recorded for side in ("torch", "tf")
    ]
    assert {str(item.result) for item in found} == {"pass"}


def test_a_cancelling_pair_is_seen_at_its_layer(request_: Request, figures: Arrays) -> None:
    rolled = {
        name: np.roll(value, 1, axis=-1) if name == "R4/encoder.1.in" else value for name, value in figures.items()
    }
    assert red(request_, rolled) == ["R3/in_situ.encoder.1.torch"]


@pytest.mark.parametrize("spoil", [lambda x: x[:, ::-1], lambda x: 1.001 * x, lambda x: np.where(x > 0, x, 0.01)])
def test_a_wrong_output_is_seen(spoil: Callable[[Array], Array], request_: Request, figures: Arrays) -> None:
    name = "R4/amplitude.1.out"
    assert red(request_, {**figures, name: spoil(figures[name])}) == ["R3/in_situ.amplitude.1.torch"]


def test_a_wrong_input_that_is_treated_rightly_is_no_fault_of_the_layer(request_: Request, figures: Arrays) -> None:
    from ptycho.physics import network

    given = 1.5 * figures["R4/phase.0.in"]
    made = network.stage("phase.0", request_.weights)(given).output
    assert red(request_, {**figures, "R4/phase.0.in": given, "R4/phase.0.out": made}) == []


def test_they_are_part_of_the_climb(request_: Request, figures: Arrays) -> None:
    from harness.parity.compare.response import Answer

    rolled = {
        name: np.roll(value, 1, axis=-1) if name == "R4/encoder.1.in" else value for name, value in figures.items()
    }
    answers = {
        side: Answer(exact={}, arrays=arrays, refusals=(), manifest={})
        for side, arrays in (("torch", rolled), ("tf", figures))
    }
    expected = ladder.OracleAnswer(exact={}, arrays=figures, beside=oracle.beside(request_))
    (layers, _) = ladder.climb(1, answers, expected, ("R3", "R4"))
    assert (str(layers.result), layers.guilty) == ("fail", ("torch",))


def test_a_kept_comparison_of_a_layer_in_situ_is_judged_as_before(
    tmp_path: Path, request_: Request, figures: Arrays
) -> None:
    spoilt = {**figures, "R4/amplitude.1.out": 1.001 * figures["R4/amplitude.1.out"]}
    answers = {"torch": spoilt, "tf": figures}
    (before,) = (item for item in in_situ.judge_layers(request_, answers, Floors.load()) if item.result == "fail")
    sides, expected = in_situ.comparison(request_, before.tensor, answers)
    path = replay.save(tmp_path / "kept.npz", before.tensor, 1, sides, expected)
    assert replay.again(path) == before
    assert relations(before, sides, expected) == ("torch is 1.001 × what is expected",)


def test_limits_are_those_of_the_layer_by_itself() -> None:
    assert in_situ.quantity_of("R3/in_situ.amplitude.border.0.torch") == "R3/amplitude.border.0"
    assert in_situ.quantity_of("R3/encoder.0") == "R3/encoder.0"
