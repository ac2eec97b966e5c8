"""Silent faults of a GPU, planted around the adapter: each falls at its rung, and at none of the lower ones asked."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from harness.parity.compare.comparison import Result
from harness.parity.compare.floors import DERIVED
from harness.parity.compare.response import Answer
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from harness.parity.reference import problem
from ptycho.parity import measure
from ptycho.parity.request import Request
from tests.support.fakes import device_faults
from tests.support.golden_step0 import FIXTURE

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.slow]
PACKAGE = "ptycho_torch"

RUNGS = {
    "inverse FFT scaled": ("f64", "R2b", ("R0", "R2", "R2b")),
    "FFT over a wrong axis": ("f64", "R0", ("R0",)),
    "gradient of one kernel shape": ("f64", "R6", ("R2", "R3", "R5", "R6")),
    "complex add": ("f64", "R2", ("R2",)),
    "moments on another device": ("f64", "R7", ("R2", "R5", "R7")),
    "TF32": ("f32", "R2", ("R0", "R2")),
    "loss in half": ("f64", "R2", ("R0", "R2")),
}
"""Precision, the rung at which each must fall, and the rungs that are asked up to it."""


@cache
def asked(precision: str, quantities: tuple[str, ...]) -> tuple[Request, OracleAnswer]:
    request = problem.request(gridsize=1, seed=7, scan=FIXTURE, steps=1, precision=precision, quantities=quantities)
    return request, oracle.expected(request, {PACKAGE: PACKAGE})


def climbed(precision: str, quantities: tuple[str, ...]) -> list[JudgedRung]:
    """The rungs of this backend alone, as it is now; a device without floors is judged by derived limits."""
    from ptycho_torch.adapter import BackendAdapter

    request, expected = asked(precision, quantities)
    exact, arrays = measure.measure(request, BackendAdapter(request), PACKAGE)
    answers = {PACKAGE: Answer(exact=exact, arrays=arrays, refusals=(), manifest={})}
    return ladder.climb(1, answers, replace(expected), quantities, precision=precision, floors=DERIVED)


@pytest.mark.parametrize("fault", RUNGS)
def test_a_silent_fault_of_a_device_falls_at_its_rung(fault: str) -> None:
    precision, rung, quantities = RUNGS[fault]
    with device_faults.planted(fault):
        found = climbed(precision, quantities)
    said: dict[str, Any] = {item.rung.name: item.result for item in found}
    assert said.pop(rung) is Result.FAIL, [(item.rung.name, item.worst) for item in found]
    assert set(said.values()) <= {Result.PASS}, said


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_without_a_fault_the_same_rungs_pass(precision: str) -> None:
    quantities = ("R0", "R2", "R3", "R5", "R6", "R7") if precision == "f64" else ("R0", "R2", "R3", "R4", "R5", "R6")
    assert {item.rung.name: item.result for item in climbed(precision, quantities)} == dict.fromkeys(
        quantities, Result.PASS
    )


def test_every_fault_has_its_rung() -> None:
    assert set(RUNGS) == set(device_faults.FAULTS)
