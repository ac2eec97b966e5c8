"""The trainings that are asked for: nothing at its default, no even batches, and an engine that only listens."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from harness.parity.reference import problem
from ptycho.config import DataConfig, TrainingConfig
from ptycho.parity import workflow
from ptycho.parity.request import Request
from ptycho.parity.workflow import BATCH, GROUPS, VALIDATION_SCRIPT, RecordingEngine, plan, script
from tests.support.golden_step0 import FIXTURE


def ask(gridsize: int) -> Request:
    return problem.request(gridsize=gridsize, seed=2, scan=FIXTURE, steps=0)


def test_no_option_that_decides_a_figure_is_at_its_default() -> None:
    plain = TrainingConfig(data=DataConfig(path=FIXTURE), output_dir=Path("out"))
    planned = [plan(ask(gridsize), Path("out")) for gridsize in (1, 2)]
    for owner in ("", "data", "model"):
        default = getattr(plain, owner) if owner else plain
        given = [getattr(config, owner) if owner else config for config in planned]
        same = {f.name for f in fields(default) if all(getattr(g, f.name) == getattr(default, f.name) for g in given)}
        # What is left decides no figure of this scan, or is another part of the probe.
        assert {
            "": {"output_dir", "resume", "stitch", "store_dir"},
            "data": {"path", "layout", "measurement_domain"},
            "model": {"side", "probe_big"},
        }[owner] == same


def test_neither_training_nor_prediction_divides_evenly() -> None:
    assert GROUPS % BATCH
    assert GROUPS % workflow.PREDICTED_AT_ONCE


def test_the_script_has_better_equal_and_worse_epochs_and_is_interrupted_before_the_drop() -> None:
    steps = np.sign(np.diff(VALIDATION_SCRIPT))
    assert {-1.0, 0.0, 1.0} == set(steps.tolist())
    assert len(VALIDATION_SCRIPT) > workflow.INTERRUPTED_AFTER
    assert "plateau" == script(ask(2), Path("out")).schedule


def test_the_recorder_gives_back_what_a_resumed_run_loads() -> None:
    engine = RecordingEngine()
    batch = ask(1).first
    losses = engine.train_epoch([batch, replace(batch, indices=batch.indices[:1])], [0.1, 0.2])
    assert [0.1, 0.2] == engine.rates
    assert [9.0, 9.01] == pytest.approx(losses.total.tolist())
    assert [2, 1] == losses.sizes.tolist()
    assert {"weight": [1.1, 1.1], "adam.step": 2} == {name: v.tolist() for name, v in engine.state().items()}
    other = RecordingEngine()
    other.load_state(engine.state())
    assert [1.1, 2.0] == other.loaded
    assert VALIDATION_SCRIPT[workflow.INTERRUPTED_AFTER - 1] == other.evaluate([batch]).total[0]
