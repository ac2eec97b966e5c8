"""
The default model, as users run it, against the oracle on R3 to R6: twice as wide, its intensity scale fixed.

The ladder's own problem is narrower and trains its scale. In float32 a tensor is allowed twice what the ladder allows,
for the sums of the wider network are twice as long.
"""

from dataclasses import replace
from functools import cache

import pytest

from harness.parity.compare.comparison import Result
from harness.parity.compare.floors import Floors
from harness.parity.compare.response import Answer
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from harness.parity.reference import problem
from ptycho.config import ModelConfig
from ptycho.parity import measure
from ptycho.parity.request import Request
from ptycho.physics.weights import LOG_SCALE
from tests.support.golden_step0 import FIXTURE
from tests.support.suites.backend import BackendUnderTest

SEED, RUNGS = 11, ("R3", "R4", "R5", "R6")
WIDER = 2.0


@cache
def request_of(precision: str) -> Request:
    drawn = problem.weights(ModelConfig(), SEED)
    return problem.request(
        gridsize=1,
        seed=SEED,
        scan=FIXTURE,
        steps=8,
        precision=precision,
        quantities=RUNGS,
        model=ModelConfig(),
        weights=drawn if precision == "f64" else {name: problem.single(value) for name, value in drawn.items()},
        masked=False,
    )


@cache
def expected_of(precision: str, package: str) -> OracleAnswer:
    return oracle.expected(request_of(precision), {package: package})


def floors() -> Floors:
    """The ladder's, for sums that are longer."""
    committed = Floors.load()
    wider = {
        precision: {
            gridsize: {name: WIDER * value for name, value in named.items()} for gridsize, named in sized.items()
        }
        for precision, sized in committed.values.items()
    }
    return replace(committed, values=wider)


def climbed(backend: BackendUnderTest, precision: str) -> list[JudgedRung]:
    """R3 to R6 of one backend alone."""
    request = request_of(precision)
    exact, arrays = measure.measure(request, backend.module("adapter").BackendAdapter(request), backend.package)
    given = Answer(exact=exact, arrays=arrays, refusals=(), manifest={})
    expected = expected_of(precision, backend.package)
    return ladder.climb(1, {backend.package: given}, expected, RUNGS, precision=precision, floors=floors())


class DefaultModelSuite:
    def test_the_default_model_is_not_the_ladders(self) -> None:
        model, own = (
            ModelConfig(),
            problem.request(gridsize=1, seed=SEED, scan=FIXTURE, steps=0, quantities=("R0",)).model,
        )
        assert (model.filter_scale, model.intensity_scale_trainable) == (2, False)
        assert (own.filter_scale, own.intensity_scale_trainable) == (1, True)

    @pytest.mark.slow
    @pytest.mark.parametrize("precision", ["f64", "f32"])
    def test_every_rung_passes(self, precision: str, backend: BackendUnderTest) -> None:
        found = climbed(backend, precision)
        assert [reason for item in found for one in item.judgements for reason in one.reasons] == []
        assert [(item.rung.name, item.result) for item in found] == [(name, Result.PASS) for name in RUNGS]
        assert min(len(item.judgements) for item in found) >= 10
        assert not any(one.tensor.endswith(LOG_SCALE) for item in found[-1:] for one in item.judgements)

    @pytest.mark.slow
    def test_a_fault_of_the_fixed_scale_alone_is_found(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("loss")
        honest = module.poisson_nll
        monkeypatch.setattr(module, "poisson_nll", lambda *given: honest(*given) * (1 + 1e-9))
        wrong = {item.rung.name: item.guilty for item in climbed(backend, "f64") if item.result is Result.FAIL}
        assert wrong == {"R5": (backend.package,), "R6": (backend.package,)}
