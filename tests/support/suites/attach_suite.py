"""
Twelve faults planted in a running model of one framework, recorded by the kit's hooks, each named at its place.

The kit is loaded by path, as a foreign process loads it, and records in this process, whose framework is imported
already. The second model of each pair is the first one with one fault.
"""

import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from harness.attach import command, compare, invariants, known_arrays, layer_map, pair_of_runs, physics
from harness.attach.findings import ModelDifference
from harness.attach.recording import Recording, load
from tests.support.suites.backend import BackendUnderTest

KIT = Path(__file__).parents[3] / "harness" / "kit" / "ptycho_attach.py"

PLACES: dict[str, str] = {
    "padding": "conv2.pads",
    "epsilon": "norm.epsilon",
    "momentum": "norm.share kept",
    "activation": "act.kind",
    "layout": "conv2.output",
    "pooling": "pool.kind",
    "dtype": "act.dtype",
    "frozen": "conv2.{weight}.trained",
    "swapped": "norm.order",
    "reduction": "loss",
    "rate": "optimizer.rate",
    "mode": "norm.mode",
}
"""The first finding of each fault."""


@pytest.fixture(scope="module")
def kit() -> Iterator[Any]:
    """The recorder; what it changes of its framework is changed back."""
    spec = importlib.util.spec_from_file_location("ptycho_attach", KIT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ptycho_attach"] = module
    spec.loader.exec_module(module)
    yield module
    for name in ("ptycho_attach_torch", "ptycho_attach_keras"):
        module.beside(name).set_precision("f32")


class AttachSuite(ABC):
    """Tests that both frameworks run."""

    weight: ClassVar[str]
    recorded: ClassVar[dict[type, Recording]] = {}

    @abstractmethod
    def subject(self, fault: str = "") -> SimpleNamespace:
        """A subject with `model`, `batch`, `loss`, `optimizer`: conv1, norm, act, pool, conv2, flatten, dense."""

    @abstractmethod
    def training(self, fault: str = "") -> SimpleNamespace:
        """A subject that also has `train`, with SAMPLES = 8, EPOCHS = 2, STEPS = 4 and LEARNING_RATES."""

    def record(self, kit: Any, folder: Path, subject: Any, first: Recording | None = None, **asked: Any) -> Recording:
        """Record a subject; as the second of a pair if a first is given."""
        given = {}
        if first is not None:
            # Both models name their weights alike.
            given = {f"batch/{number}": array for number, array in enumerate(first.batch)}
            given |= {f"weight/{name}": first.arrays[f"f32/weight/{name}"] for name in first.weights}
        kit.record(subject, {**kit.DEFAULTS, "draws": 1, "steps": 2, **asked}, given, folder / "whole")
        return load(folder / "whole", "one" if first is None else "two")

    @pytest.fixture
    def first(self, kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Recording:
        """The model without a fault, recorded once."""
        if type(self) not in self.recorded:
            self.recorded[type(self)] = self.record(kit, tmp_path_factory.mktemp("first"), self.subject())
        return self.recorded[type(self)]

    def found(self, kit: Any, folder: Path, first: Recording, fault: str) -> list[ModelDifference]:
        """Findings of the first model against the one with a fault."""
        second = self.record(kit, folder, self.subject(fault), first)
        chosen = layer_map.propose(first, second, mode="carry")
        precision, note = pair_of_runs.choose_precision(first, second, chosen)
        assert (precision, note) == ("f64", "") or fault == "dtype"
        return compare.compare(first, second, chosen, precision)

    @pytest.mark.parametrize("fault", PLACES)
    def test_a_fault_is_the_first_finding(self, kit: Any, tmp_path: Path, first: Recording, fault: str) -> None:
        found = self.found(kit, tmp_path, first, fault)
        assert PLACES[fault].format(weight=self.weight) == found[0].name

    def test_the_same_model_twice_has_no_finding(self, kit: Any, tmp_path: Path, first: Recording) -> None:
        assert self.found(kit, tmp_path, first, "") == []

    def test_every_layer_is_recorded_with_its_oracle(self, kit: Any, tmp_path: Path, first: Recording) -> None:
        second = self.record(kit, tmp_path, self.subject(), first)
        chosen = layer_map.propose(first, second, mode="carry")
        rows = command.judge(first, second, chosen).rows
        with_oracle = {row.one.split(".")[0]: row.oracle for row in rows}
        assert with_oracle["conv1"] == with_oracle["conv2"] == with_oracle["norm"] == "agrees agrees"
        assert with_oracle["act"] == with_oracle["pool"] == with_oracle["dense"] == "agrees agrees"

    def test_gradients_of_activations_are_recorded(self, first: Recording) -> None:
        call = next(call for call in first.calls["f64"] if call.layer == "conv2")
        gradient = first.array("f64", f"call/{call.number}/grad/0")
        assert gradient is not None
        assert gradient.any()
        assert call.outputs[0][0] == gradient.shape

    def test_a_training_that_keeps_all_rules_has_no_breach(self, kit: Any, tmp_path: Path) -> None:
        assert self.breaches(kit, tmp_path, "") == []

    @pytest.mark.parametrize("fault", ["samples", "schedule", "mode", "unmoved", "not-finite", "steps"])
    def test_a_breach_of_the_training_is_named(self, kit: Any, tmp_path: Path, fault: str) -> None:
        names = {"mode": "evaluating"}
        assert f"one.{names.get(fault, fault)}" in self.breaches(kit, tmp_path, fault)

    @pytest.mark.parametrize(("factor", "result"), [(1, "pass"), (4, "fail")])
    def test_the_backends_own_diffraction_is_judged(self, backend: BackendUnderTest, factor: int, result: str) -> None:
        known, given = known_arrays.known(64), known_arrays.request()
        one = backend.tensor(np.ones((1, 1, 64, 64)), "complex128")
        answers = {
            case: factor * backend.array(backend.module("physics").intensity(one, backend.tensor(waves)))
            for case in ("one", "two")
            for waves in (given[f"64:diffract/{case}/array"],)
        }
        row = physics.judge("diffract", answers, known)
        assert (result, () if result == "pass" else ("factor",)) == (row.result, row.names)

    def breaches(self, kit: Any, folder: Path, fault: str) -> list[str]:
        """Names of what a training breaks."""
        recorded = self.record(kit, folder, self.training(fault), precisions=["f32"], draws=0)
        return [finding.name for finding in invariants.breaches(recorded)]


def batch(channels_last: bool) -> tuple[Any, Any]:
    """Images and targets, in either layout."""
    random = np.random.default_rng(0)
    images = random.normal(size=(4, 3, 8, 8)).astype(np.float32)
    return (images.transpose(0, 2, 3, 1) if channels_last else images), random.normal(size=(4, 5)).astype(np.float32)
