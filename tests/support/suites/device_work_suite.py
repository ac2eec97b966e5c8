"""The evidence of work on a device: what an engine on the CPU says of itself, and what is counted as a kernel."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.lanes.device import gpu_worked
from ptycho.config import ModelConfig
from tests.support.pipeline import DEVICE
from tests.support.small_problem import FOUR, ONE, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import engine_at_start


class DeviceWorkSuite:
    """Both backends; the kernels of a profile are each framework's own and tested beside this."""

    @pytest.mark.parametrize("model", [ONE, FOUR], ids=["one", "four"])
    def test_an_engine_claims_the_work_of_its_own_device(self, backend: BackendUnderTest, model: ModelConfig) -> None:
        engine = engine_at_start(backend, model)
        if DEVICE == "cuda":
            assert gpu_worked.problems(engine.work()) == []
            return
        # Buffers are not among the weights here, nor are Adam's moments.
        weights = [value for name, value in engine.state().items() if not name.startswith("adam.")]
        size = 8 * sum(value.size for value in weights)
        assert engine.work() == {
            "parameters": ["cpu"],
            "batch": ["cpu"],
            "parameter_bytes": size,
            "peak_bytes": 0,
            "kernels": 0,
        }

    def test_only_a_gpu_s_fingerprint_has_the_evidence(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = engine_at_start(backend, ONE)
        assert ("work" in engine.fingerprint()) == (DEVICE == "cuda")
        module = backend.module("engine")
        monkeypatch.setattr(engine, "device", "cuda")
        monkeypatch.setattr(module, "fingerprint", lambda device, _: {"device": device})
        monkeypatch.setattr(module.device_work, "collect", lambda *_: {"kernels": 7})
        assert engine.fingerprint() == {"device": "cuda", "work": {"kernels": 7}}

    def test_a_batch_without_light_has_the_shapes_of_one_with(self) -> None:
        from ptycho.training.device_work import blank_batch

        for model in (ONE, FOUR, replace(ONE, side=128)):
            assert _shapes(blank_batch(model)) == _shapes(make_batch(model, 1))


def _shapes(batch: Any) -> dict[str, Any]:
    # A batch in which all pixels count has no mask, and a share of 1.
    arrays = {name: value for name, value in vars(batch).items() if isinstance(value, np.ndarray)}
    assert {name: value for name, value in vars(batch).items() if name not in arrays} == {
        "good": None,
        "good_share": 1.0,
    }
    return {name: (value.shape, value.dtype) for name, value in arrays.items()}
