"""Whole trainings through the core's own workflow, with the oracle as their engine, and faults planted in the core."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare import comparison
from harness.parity.reference import problem, workflow
from ptycho.data import grouping
from ptycho.parity import workflow as parity_workflow
from ptycho.parity.request import Request
from ptycho.physics.stitching import Reconstruction, Stitcher
from ptycho.training import checkpoint, epochs, inference, schedule
from tests.support.golden_step0 import FIXTURE

Array = NDArray[Any]
Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def request_of_one() -> Request:
    return problem.request(gridsize=1, seed=5, scan=FIXTURE, steps=0)


@pytest.fixture(scope="module")
def expected(request_of_one: Request) -> dict[str, Array]:
    return {name: np.asarray(value) for name, value in workflow.figures(request_of_one)}


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here looks at pictures, and drawing them is half of the time."""
    from ptycho.metrics import figures

    monkeypatch.setattr(figures, "save_loss_curve", lambda *_: None)
    monkeypatch.setattr(figures, "save_reconstruction", lambda *_: None)


def differing(found: Mapping[str, Array], expected: Mapping[str, Array]) -> set[str]:
    names = {*found, *expected}
    judged = {name: comparison.judge(name, {"core": found.get(name)}, expected.get(name), 1e-9) for name in names}
    return {name for name, judgement in judged.items() if judgement.result is not comparison.Result.PASS}


def scripted(request: Request, folder: Path) -> dict[str, Array]:
    return dict(parity_workflow.scripted(parity_workflow.script(request, folder / "scripted")))


@pytest.mark.deep
@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_workflow_leaves_what_the_oracle_says(gridsize: int) -> None:
    request = problem.request(gridsize=gridsize, seed=6, scan=FIXTURE, steps=0)
    found = dict(parity_workflow.measure(request, "tests.support.fakes.oracle_backend"))
    expected = {name: np.asarray(value) for name, value in workflow.figures(request)}
    assert set() == differing(found, expected)
    assert len(expected) > 100


def _reversed_order(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = grouping.epoch_order
    monkeypatch.setattr(grouping, "epoch_order", lambda *given, **named: honest(*given, **named)[::-1])


def _same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = grouping.epoch_order
    monkeypatch.setattr(grouping, "epoch_order", lambda train, *, seed, **_: honest(train, seed=seed, epoch=0))


def _one_more_bad_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "Plateau", lambda **fields: schedule.Plateau(**{**fields, "patience": 3}))


def _late_warmup(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = schedule.Ramp.factors
    monkeypatch.setattr(schedule.Ramp, "factors", lambda self, first, count: honest(self, first + 1, count))


def _weights_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity_workflow.RecordingEngine, "load_state", lambda *_: None)


@pytest.mark.parametrize(
    ("plant", "seen"),
    [
        (_reversed_order, {"script.trained"}),
        (_same_order, {"script.trained"}),
        (_one_more_bad_epoch, {"script.rates", "script.learning_rate"}),
        (_late_warmup, {"script.rates"}),
        (_weights_not_loaded, {"script.resumed"}),
    ],
)
def test_a_fault_in_the_epochs_shows_in_the_scripted_training(
    plant: Plant,
    seen: set[str],
    request_of_one: Request,
    expected: dict[str, Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    wanted = {name: value for name, value in expected.items() if name.startswith("script.")}
    assert seen <= differing(scripted(request_of_one, tmp_path), wanted)


def test_the_scripted_training_is_clean_without_a_fault(
    request_of_one: Request, expected: dict[str, Array], tmp_path: Path
) -> None:
    wanted = {name: value for name, value in expected.items() if name.startswith("script.")}
    assert set() == differing(scripted(request_of_one, tmp_path), wanted)
    rates = wanted["script.learning_rate"]
    assert rates[0] == 2 * rates[-1]  # the script makes the rate drop


def _moments_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = checkpoint.load

    def forgetful(path: Path) -> tuple[dict[str, Any], checkpoint.Meta]:
        tensors, meta = honest(path)
        return {n: np.zeros_like(v) if n.startswith("adam.m") else v for n, v in tensors.items()}, meta

    monkeypatch.setattr(checkpoint, "load", forgetful)


def _weights_of_another_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = checkpoint.weights_only
    monkeypatch.setattr(
        checkpoint, "weights_only", lambda state: {n: np.multiply(v, 1 + 1e-8) for n, v in honest(state).items()}
    )


def _stitched_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Stitcher.add

    def mirrored(self: Stitcher, patches: Array, x: Array, y: Array) -> None:
        honest(self, patches.swapaxes(-1, -2), x, y)

    monkeypatch.setattr(Stitcher, "add", mirrored)


def _written_conjugated(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = inference.save

    def conjugated(folder: Path, made: Reconstruction) -> None:
        honest(folder, replace(made, obj=made.obj.conj()))

    monkeypatch.setattr(inference, "save", conjugated)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("plant", "seen", "unseen"),
    [
        (_moments_lost, {"model.amplitude.inner.weight", "validation_loss"}, {"normalisation"}),
        (_weights_of_another_scale, {"model.amplitude.inner.weight"}, {"checkpoint.amplitude.inner.weight"}),
        (_stitched_elsewhere, {"object"}, {"overlap", "crop"}),
        (_written_conjugated, {"written_otherwise"}, {"object"}),
    ],
)
def test_a_fault_on_the_way_through_the_files_shows(
    plant: Plant,
    seen: set[str],
    unseen: set[str],
    request_of_one: Request,
    expected: dict[str, Array],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    found = differing(dict(parity_workflow.measure(request_of_one, "tests.support.fakes.oracle_backend")), expected)
    assert seen <= found
    assert set() == unseen & found
