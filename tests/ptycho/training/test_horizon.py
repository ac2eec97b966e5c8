"""Late in a training, asked directly: the state of the epochs before is set, and one epoch or one step is taken."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.parity.reference import sampling, schedules
from ptycho.config import DataConfig, ModelConfig, RuntimeConfig, TrainingConfig
from ptycho.data import prepare
from ptycho.phase_timer import Clock
from ptycho.physics import weights
from ptycho.store.store import Store
from ptycho.training import checkpoint, epochs, history
from ptycho.training.schedule import Plateau, Ramp
from ptycho.training.tracking import NullTracker
from tests.support.fakes.fake_backend.engine import BIAS, FakeEngine
from tests.support.scans import make_dataset

EPOCHS = (1, 2, 11, 100)
RATE, BEST, LOSS = 7e-4, -2.0, -1.0
STEPS = 5


class Heard(NullTracker):
    """A tracker that keeps what it hears."""

    def __init__(self) -> None:
        self.metrics_of: dict[int, dict[str, float]] = {}

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.metrics_of[step] = dict(metrics)


def row(epoch: int) -> dict[str, Any]:
    names = ("train_loss", "validation_loss", "train_deviance", "validation_deviance", "learning_rate", "seconds")
    return {"epoch": epoch, **{name: epoch + k / 8 for k, name in enumerate(names)}, "patterns_per_second": 1.0}


def last_epoch(
    folder: Path, epoch: int, *, total: int | None = None, bad_epochs: int = 1, loss: float = LOSS, **options: Any
) -> tuple[FakeEngine, tuple[history.EpochRecord, ...], Heard]:
    """One epoch of a training whose earlier ones are in a checkpoint: 20 groups train, 4 validate."""
    config = TrainingConfig(
        data=DataConfig(path=Path("scan.npz"), seed=5),
        output_dir=folder,
        model=ModelConfig(filter_scale=1),
        runtime=RuntimeConfig(quiet=True),
        nepochs=epoch if total is None else total,
        batch_size=4,
        learning_rate=RATE,
        resume=epoch > 1,
        **options,
    )
    dataset = make_dataset(seed=0)
    prepared = prepare.prepare(config, dataset)
    engine = FakeEngine(
        model=config.model,
        runtime=config.runtime,
        probe=prepared.probe,
        weights=weights.initial(config.model, nphotons=prepared.nphotons, seed=5),
        nphotons=prepared.nphotons,
    )
    resumed = None
    if config.resume:
        schedule = {"learning_rate": RATE, "best": BEST, "bad_epochs": bad_epochs}
        before = [history.EpochRecord(**row(k)) for k in range(1, epoch)]
        state = {**engine.state(), BIAS: np.array([0.25]), f"adam.m/{BIAS}": np.array([0.5])}
        state["adam.step"] = np.array((epoch - 1) * STEPS)
        meta = epochs.meta(config, prepared, epoch=epoch - 1, schedule=schedule, rows=before)
        checkpoint.save(folder / checkpoint.CHECKPOINT, state, meta)
        resumed = epochs.load(folder, config, prepared)
    engine.losses += [loss] * (config.nepochs - epoch + 1)
    heard = Heard()
    with Store.for_run(None, dataset, prepared) as store:
        rows = epochs.fit(config, folder, engine, store, prepared, heard, Clock(), resumed)
    return engine, rows, heard


@pytest.mark.parametrize("epoch", EPOCHS)
def test_order_rate_counters_and_rows_of_a_late_epoch(epoch: int, tmp_path: Path) -> None:
    engine, rows, heard = last_epoch(tmp_path, epoch)
    (steps,) = engine.trained
    train, _ = sampling.split(24, 4, 5)
    assert [index for indices, _ in steps for (index,) in indices] == sampling.order(train, 5, epoch - 1).tolist()
    assert [rate for _, rate in steps] == [RATE] * STEPS
    tensors, meta = checkpoint.load(tmp_path / checkpoint.CHECKPOINT)
    assert (meta.epoch, int(tensors["adam.step"].item())) == (epoch, epoch * STEPS)
    assert [item.epoch for item in rows] == list(range(1, epoch + 1))
    assert list(rows[:-1]) == [history.EpochRecord(**row(k)) for k in range(1, epoch)]
    assert history.read(tmp_path / history.FILE_NAME) == rows
    assert (rows[-1].validation_loss, rows[-1].learning_rate) == (LOSS, RATE)
    assert list(heard.metrics_of) == [epoch]
    assert len(meta.extra["history"]) == epoch


@pytest.mark.parametrize("epoch", EPOCHS[1:])
@pytest.mark.parametrize(
    ("bad_epochs", "loss", "after"),
    [
        (1, LOSS, {"learning_rate": RATE / 2, "best": BEST, "bad_epochs": 0}),
        (0, LOSS, {"learning_rate": RATE, "best": BEST, "bad_epochs": 1}),
        (1, BEST, {"learning_rate": RATE / 2, "best": BEST, "bad_epochs": 0}),
        (1, math.nextafter(BEST, -9), {"learning_rate": RATE, "best": math.nextafter(BEST, -9), "bad_epochs": 0}),
    ],
    ids=["second bad epoch", "first bad epoch", "as good as the best", "a new best"],
)
def test_the_schedule_knows_the_best_of_all_epochs(
    epoch: int, bad_epochs: int, loss: float, after: dict[str, float], tmp_path: Path
) -> None:
    last_epoch(tmp_path, epoch, bad_epochs=bad_epochs, loss=loss)
    schedule = checkpoint.load(tmp_path / checkpoint.CHECKPOINT)[1].schedule
    assert {name: schedule[name] for name in after} == after


@pytest.mark.parametrize("epoch", EPOCHS)
@pytest.mark.parametrize("warmup_steps", [0, 1, 60])
def test_a_cosine_with_warm_up_goes_on_where_it_was(epoch: int, warmup_steps: int, tmp_path: Path) -> None:
    engine, rows, _ = last_epoch(
        tmp_path, epoch, total=epoch + 1, schedule="cosine", warmup_steps=warmup_steps, bad_epochs=0, loss=-5.0
    )
    made = [rate for steps in engine.trained for _, rate in steps]
    total = (epoch + 1) * STEPS
    expected = [RATE * schedules.ramp(k, total, warmup_steps, True) for k in range((epoch - 1) * STEPS, total)]
    assert made == pytest.approx(expected, rel=1e-12, abs=1e-18)
    assert rows[-1].learning_rate == made[-1]


@pytest.mark.parametrize("step", [1, 2, 1000, 100_000])
@pytest.mark.parametrize("warmup", [0, 1, 999, 1000, 1001, 100_000])
@pytest.mark.parametrize("cosine", [False, True])
def test_a_late_step_has_the_factor_of_the_formula(step: int, warmup: int, cosine: bool) -> None:
    ramp = Ramp(total_steps=100_001, warmup_steps=warmup, cosine=cosine)
    (found,) = ramp.factors(step - 1, 1)
    assert found == pytest.approx(schedules.ramp(step - 1, 100_001, warmup, cosine), rel=1e-12)
    assert list(ramp.factors(step - 1, 3))[-1] == next(iter(ramp.factors(step + 1, 1)))


def test_orders_of_early_and_late_epochs_are_all_different_and_of_all_groups() -> None:
    from ptycho.data import grouping

    train = np.arange(3, 23)
    orders = [grouping.epoch_order(train, seed=5, epoch=epoch - 1).tolist() for epoch in (*EPOCHS, 257, 65_537)]
    assert len({json.dumps(order) for order in orders}) == len(orders)
    assert all(sorted(order) == train.tolist() for order in orders)


def test_the_rate_falls_to_its_minimum_and_stays_for_ever() -> None:
    state, rates = Plateau(learning_rate=1e-3), []
    for _ in range(1000):
        state = state.observe(-1.0)
        rates.append(state.learning_rate)
    assert rates == schedules.plateau([-1.0] * 1000, 1e-3)
    assert (rates[-1], state.best) == (1e-4, -1.0)
    assert state.observe(math.nextafter(-1.0, -2)).best < -1.0


def test_every_validation_group_is_evaluated_where_there_are_more_than_a_batch(tmp_path: Path) -> None:
    config = TrainingConfig(
        data=DataConfig(path=Path("scan.npz")),
        output_dir=tmp_path,
        model=ModelConfig(filter_scale=1),
        runtime=RuntimeConfig(quiet=True),
        nepochs=1,
        batch_size=2,
    )
    dataset = make_dataset(n_patterns=100)
    prepared = prepare.prepare(config, dataset)
    drawn = weights.initial(config.model, nphotons=prepared.nphotons, seed=42)
    engine = FakeEngine(
        model=config.model, runtime=config.runtime, probe=prepared.probe, weights=drawn, nphotons=prepared.nphotons
    )
    with Store.for_run(None, dataset, prepared) as store:
        epochs.fit(config, tmp_path, engine, store, prepared, Heard(), Clock())
    _, validation = sampling.split(100, 2, 42)
    (batches,) = engine.evaluated
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [index for batch in batches for (index,) in batch] == validation.tolist()
