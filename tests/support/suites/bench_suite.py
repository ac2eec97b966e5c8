"""The bare network that an epoch is held against: it really trains, and it is not the engine's own."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.pipeline import DEVICE
from tests.support.small_problem import ONE, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import engine_at_start


class BenchSuite:
    def test_the_bare_network_trains_a_copy(self, backend: BackendUnderTest) -> None:
        engine = engine_at_start(backend, ONE, "f32")
        before = {name: value.tobytes() for name, value in engine.state().items()}
        step = backend.module("bench").bare(engine, make_batch(ONE, 2).diffraction)
        missed = [step(count) for count in (1, 30)]
        assert {name: value.tobytes() for name, value in engine.state().items()} == before
        assert np.isfinite(missed).all()
        assert missed[1] < 0.8 * missed[0]

    def test_an_epoch_is_measured_beside_it(self, backend: BackendUnderTest, tmp_path: Path) -> None:
        out = tmp_path / "bench.json"
        words = ["overhead", "--out", str(out), "--blocks", "2", "--steps", "1", "--batch_size", "2", "--threads", "1"]
        backend.module("bench").main([*words, "--device", DEVICE])
        found: dict[str, Any] = json.loads(out.read_text())
        assert [block["name"] for block in found["blocks"]] == ["epoch", "bare", "bare", "epoch"]
        assert min(block["cpu_s"] for block in found["blocks"]) > 0
        assert (found["backend"], found["fingerprint"]["engine"]["threads"]) == (backend.package, 1)
        versions = found["fingerprint"]["packages"]
        assert [name for name in versions if versions[name] and name != "numpy"]
