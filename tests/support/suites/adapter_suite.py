"""A backend's adapter against the NumPy oracle on every rung, and faults planted in the backend, each with its rung."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.parity.compare import response
from harness.parity.compare.comparison import Result
from harness.parity.compare.response import Answer
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from harness.parity.reference import problem
from ptycho.parity import measure
from ptycho.parity import request as ladder_request
from ptycho.parity.request import QUANTITIES, Request
from tests.support.golden_step0 import FIXTURE
from tests.support.suites.backend import BackendUnderTest

SEED = 7


@cache
def request_of(gridsize: int) -> Request:
    return problem.request(gridsize=gridsize, seed=SEED, scan=FIXTURE, steps=2)


@cache
def expected_of(gridsize: int, package: str) -> OracleAnswer:
    return oracle.expected(request_of(gridsize), {package: package})


def climbed(
    backend: BackendUnderTest, gridsize: int, quantities: Sequence[str] = QUANTITIES, **changes: Any
) -> list[JudgedRung]:
    """The ladder of one backend alone, on some rungs."""
    request = replace(request_of(gridsize), quantities=tuple(quantities), **changes)
    exact, arrays = measure.measure(request, backend.module("adapter").BackendAdapter(request), backend.package)
    given = Answer(exact=exact, arrays=arrays, refusals=(), manifest={})
    full = expected_of(gridsize, backend.package)
    wanted = {name: value for name, value in full.arrays.items() if name[:2] in quantities}
    return ladder.climb(gridsize, {backend.package: given}, replace(full, arrays=wanted), quantities)


class AdapterSuite:
    @pytest.mark.deep
    @pytest.mark.parametrize("gridsize", [1, 2])
    def test_every_rung_stands(self, gridsize: int, backend: BackendUnderTest) -> None:
        found = climbed(backend, gridsize)
        failed = [reason for item in found for one in item.judgements for reason in one.reasons]
        assert failed == []
        assert [item.rung.name for item in found] == list(QUANTITIES)
        assert {item.result for item in found} == {Result.PASS}
        assert min(len(item.judgements) for item in found) >= 10

    def test_a_wrong_intensity_is_found_by_its_convention(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("physics")
        honest = module.intensity
        monkeypatch.setattr(module, "intensity", lambda objects, probe: honest(objects, probe) * (1 + 1e-6))
        (contract,) = climbed(backend, 1, ["R0"])
        assert [one.tensor for one in contract.judgements if one.reasons] == ["R0/fft.dc_per_energy"]

    def test_a_rolled_intensity_falls_at_the_forward_rung(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("physics")
        honest = module.intensity

        def rolled(objects: Any, probe: Any) -> Any:
            return backend.tensor(np.roll(backend.array(honest(objects, probe)), 1, axis=-1))

        monkeypatch.setattr(module, "intensity", rolled)
        (forward,) = climbed(backend, 1, ["R4"])
        assert [one.tensor for one in forward.judgements if one.reasons] == ["R4/intensity"]
        assert forward.guilty == (backend.package,)

    def test_a_wrong_sign_of_the_offsets_shows_for_groups_only(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("assembly")
        honest = module.placements
        monkeypatch.setattr(module, "placements", lambda relative, *rest: honest(-relative, *rest))
        (one,), (four,) = climbed(backend, 1, ["R4"]), climbed(backend, 2, ["R4"])
        assert one.result is Result.PASS
        assert {"R4/canvas", "R4/consistent"} <= {item.tensor for item in four.judgements if item.reasons}

    def test_a_loss_that_is_off_in_the_tenth_digit_falls_at_its_rung(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("loss")
        honest = module.poisson_nll
        monkeypatch.setattr(module, "poisson_nll", lambda *given: honest(*given) * (1 + 1e-10))
        forward, loss = climbed(backend, 1, ["R4", "R5"])
        assert forward.result is Result.PASS
        assert {"R5/plain.nll", "R5/plain.total"} <= {item.tensor for item in loss.judgements if item.reasons}

    @pytest.mark.slow
    @pytest.mark.parametrize("term", ["amplitude_mae", "total_variation"])
    def test_an_optional_term_without_a_gradient_falls_at_the_gradients_alone(
        self, term: str, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("loss")
        honest = getattr(module, term)
        monkeypatch.setattr(module, term, lambda *given: backend.tensor(backend.array(honest(*given))))
        loss, gradients = climbed(backend, 1, ["R5", "R6"])
        assert loss.result is Result.PASS
        wrong = {one.tensor for one in gradients.judgements if one.reasons}
        assert {"R6/weighted.encoder.0.0.weight", "R6/weighted.amplitude.inner.bias"} <= wrong
        assert all(name.startswith("R6/weighted.") for name in wrong)

    def test_another_epsilon_falls_at_the_contract_and_at_the_optimiser(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend.module("optimizer"), "EPSILON", 1e-7)
        contract, optimiser = climbed(backend, 1, ["R0", "R7"])
        assert [one.tensor for one in contract.judgements if one.reasons] == ["R0/optimiser.epsilon"]
        assert optimiser.result is Result.FAIL

    def test_a_layer_that_lost_its_bias_is_named(self, backend: BackendUnderTest) -> None:
        weights = dict(request_of(1).weights)
        weights["phase.1.0.bias"] = np.zeros_like(weights["phase.1.0.bias"])
        (layers,) = climbed(backend, 1, ["R3"], weights=weights)
        assert [one.tensor for one in layers.judgements if one.reasons] == ["R3/phase.1", "R3/phase.1.loud"]

    @pytest.mark.slow
    def test_an_optional_term_that_is_off_shows_in_its_value_and_in_its_gradient(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("loss")
        honest = module.amplitude_mae
        monkeypatch.setattr(module, "amplitude_mae", lambda *given: honest(*given) * (1 + 1e-6))
        loss, gradients = climbed(backend, 1, ["R5", "R6"])
        fallen = {one.tensor for one in loss.judgements if one.reasons}
        assert fallen == {f"R5/{way}.{name}" for way in ("weighted", "masked") for name in ("mae", "total")}
        fallen = {one.tensor for one in gradients.judgements if one.reasons}
        assert {"R6/weighted.amplitude.inner.weight"} <= fallen
        assert all(name.startswith(("R6/weighted.", "R6/masked.")) for name in fallen)

    def test_predictions_that_skip_what_training_does_fall_at_the_forward_rung(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("engine")
        honest = module.create_engine.predict

        def dimmed(engine: Any, batches: Any) -> Any:
            return (0.5 * patches for patches in honest(engine, batches))

        monkeypatch.setattr(module.create_engine, "predict", dimmed)
        (forward,) = climbed(backend, 1, ["R4"])
        assert {one.tensor for one in forward.judgements if one.reasons} == {"R4/predicted.0", "R4/predicted.1"}

    def test_a_float32_engine_is_no_float64_engine(self, backend: BackendUnderTest) -> None:
        (layers,) = climbed(backend, 1, ["R3"], precision="f32")
        assert {item.result for item in layers.judgements} == {Result.FAIL}
        assert "has type float32, expected float64" in layers.judgements[0].reasons[0]

    def test_the_command_answers_the_request_that_it_was_given(self, backend: BackendUnderTest, tmp_path: Path) -> None:
        path = tmp_path / "request.npz"
        replace(request_of(1), quantities=("R0", "R3"), steps=()).save(path)
        backend.module("adapter").main(["--request", str(path), "--out", str(tmp_path / "out")])
        read = response.read(tmp_path / "out", path, backend.package)
        assert read.refusals == ()
        assert {name[:3] for name in read.arrays} == {"R3/"}
        other = {"ptycho_torch": "ptycho_tf", "ptycho_tf": "ptycho_torch"}[backend.package]
        foreign = response.read(tmp_path / "out", path, other).refusals
        assert any(text.startswith(f"its backend is {backend.package!r}") for text in foreign)

    def test_a_broken_request_ends_with_usage(self, backend: BackendUnderTest, tmp_path: Path) -> None:
        ladder_request.write_arrays(tmp_path / "request.npz", {"spec": np.array("{}")})
        with pytest.raises(SystemExit) as ended:
            backend.module("adapter").main(["--request", str(tmp_path / "request.npz"), "--out", str(tmp_path / "out")])
        assert ended.value.code == 2
