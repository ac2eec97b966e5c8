"""Epochs with an engine that writes down what it is asked: order, rates, and what a killed or diverged run leaves."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ptycho.config import DataConfig, ModelConfig, RuntimeConfig, TrainingConfig
from ptycho.data import grouping, prepare
from ptycho.errors import CheckpointError, PtychoError
from ptycho.phase_timer import Clock
from ptycho.physics import weights
from ptycho.store.store import Store
from ptycho.training import checkpoint, epochs, history
from ptycho.training.schedule import Ramp
from ptycho.training.tracking import NullTracker
from tests.support.fakes.fake_backend.engine import FakeEngine
from tests.support.scans import make_dataset

Config = TrainingConfig
Rows = tuple[history.EpochRecord, ...]


class Ears(NullTracker):
    """A tracker that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, dict[str, float]]] = []

    def metrics(self, metrics: Any, step: int) -> None:
        self.heard.append((step, dict(metrics)))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """24 groups: 20 train in 5 steps, 4 validate."""
    return TrainingConfig(
        data=DataConfig(path=Path("scan.npz")),
        output_dir=tmp_path,
        model=ModelConfig(filter_scale=1),
        runtime=RuntimeConfig(quiet=True),
        nepochs=4,
        batch_size=4,
    )


def new_engine(config: Config, prepared: prepare.PreparedDataset) -> FakeEngine:
    drawn = weights.initial(config.model, nphotons=prepared.nphotons, seed=config.data.seed)
    return FakeEngine(
        model=config.model, runtime=config.runtime, probe=prepared.probe, weights=drawn, nphotons=prepared.nphotons
    )


def fit(
    config: Config,
    *,
    losses: tuple[float, ...] = (),
    tracker: Ears | None = None,
    clock: Clock | None = None,
    seed: int = 0,
) -> tuple[FakeEngine, Rows]:
    """Run the epochs on a scan in memory, with the validation losses planted where they are given."""
    dataset = make_dataset(seed=seed)
    prepared = prepare.prepare(config, dataset)
    engine = new_engine(config, prepared)
    engine.losses += losses
    resumed = epochs.load(config.output_dir, config, prepared) if config.resume else None
    with ExitStack() as stack:
        store = stack.enter_context(Store.for_run(None, dataset, prepared))
        rows = epochs.fit(
            config, config.output_dir, engine, store, prepared, tracker or Ears(), clock or Clock(), resumed
        )
    return engine, rows


def untimed(rows: Rows) -> list[history.EpochRecord]:
    return [replace(row, seconds=0, patterns_per_second=0) for row in rows]


def on_disk(config: Config) -> tuple[dict[str, Any], checkpoint.Meta, Rows]:
    tensors, meta = checkpoint.load(config.output_dir / checkpoint.CHECKPOINT)
    return tensors, meta, history.read(config.output_dir / history.FILE_NAME)


def test_every_epoch_trains_in_its_own_order_and_validates(config: Config) -> None:
    engine, rows = fit(config)
    split = prepare.prepare(config, make_dataset()).split
    assert (len(split.train), len(split.validation)) == (20, 4)
    for epoch, steps in enumerate(engine.trained, start=0):
        order = grouping.epoch_order(split.train, seed=42, epoch=epoch).tolist()
        assert [index for indices, _ in steps for (index,) in indices] == order
        assert [len(indices) for indices, _ in steps] == [4] * 5
    assert [row.epoch for row in rows] == [1, 2, 3, 4]
    assert engine.evaluated == [[[[index] for index in split.validation.tolist()]]] * 4


def test_rows_hold_what_the_engine_reported(config: Config) -> None:
    ears, clock = Ears(), Clock()
    _, rows = fit(config, losses=(-1.0, -2.0, -1.5, -1.75), tracker=ears, clock=clock)
    assert [row.validation_loss for row in rows] == [-1.0, -2.0, -1.5, -1.75]
    assert [row.validation_deviance for row in rows] == [4.0, 3.0, 3.5, 3.25]
    assert [row.train_loss for row in rows] == pytest.approx([row.train_deviance - 5 for row in rows])
    assert rows == history.read(config.output_dir / history.FILE_NAME)
    assert [(step, values["validation_loss"]) for step, values in ears.heard] == [
        (1, -1.0),
        (2, -2.0),
        (3, -1.5),
        (4, -1.75),
    ]
    assert {tuple(values) for _, values in ears.heard} == {history.COLUMNS[1:]}
    assert list(clock.seconds) == ["train", "validate", "checkpoint"]


class TracingEngine(FakeEngine):
    """One that says when it was traced."""

    traced_after: list[int]

    def trace(self, *, masked: bool = False) -> None:
        assert not masked
        self.traced_after = [*getattr(self, "traced_after", []), len(self.trained)]


def test_an_engine_that_traces_does_so_once_before_its_first_step_and_never_for_nothing(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "FakeEngine", TracingEngine)
    clock = Clock()
    engine, rows = fit(config, clock=clock)
    assert list(clock.seconds) == ["trace", "train", "validate", "checkpoint"]
    assert isinstance(engine, TracingEngine)
    assert (engine.traced_after, len(rows)) == ([0], 4)
    again, _ = fit(replace(config, resume=True))
    assert not hasattr(again, "traced_after")


def test_the_plateau_of_the_validation_loss_lowers_the_rate(config: Config) -> None:
    engine, rows = fit(config, losses=(-2.0, -1.0, -1.0, -1.0))
    assert [row.learning_rate for row in rows] == [1e-3, 1e-3, 1e-3, 5e-4]
    assert [{rate for _, rate in steps} for steps in engine.trained] == [{1e-3}, {1e-3}, {1e-3}, {5e-4}]
    assert on_disk(config)[1].schedule["bad_epochs"] == 1


def test_warm_up_and_cosine_run_over_the_whole_training(config: Config) -> None:
    engine, _ = fit(replace(config, schedule="cosine", warmup_steps=8))
    rates = [rate for steps in engine.trained for _, rate in steps]
    ramp = Ramp(total_steps=20, warmup_steps=8, cosine=True)
    assert rates == [1e-3 * factor for factor in ramp.factors(0, 20)]


def test_a_new_training_forgets_the_history_of_an_old_one(config: Config) -> None:
    fit(config)
    _, rows = fit(replace(config, nepochs=2))
    assert history.read(config.output_dir / history.FILE_NAME) == rows
    assert [row.epoch for row in rows] == [1, 2]


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize(
    ("owner", "name", "kept"),
    [
        pytest.param(checkpoint, "save", 1, id="before the checkpoint"),
        pytest.param(history, "append", 2, id="between checkpoint and row"),
    ],
)
def test_a_killed_training_resumes_as_if_nothing_had_been(
    config: Config, schedule: str, owner: Any, name: str, kept: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = replace(config, schedule=schedule, warmup_steps=7)
    losses = (-2.0, -1.0, -1.0, -1.0)
    expected, expected_rows = fit(replace(config, output_dir=made(tmp_path / "whole")), losses=losses)
    real, calls = getattr(owner, name), []

    def killed(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(KeyboardInterrupt):
            fit(config, losses=losses)
    _, meta, rows = on_disk(config)
    assert (meta.epoch, len(rows)) == (kept, 1)

    engine, resumed_rows = fit(replace(config, resume=True), losses=losses[kept:])
    assert engine.trained == expected.trained[kept:]
    assert untimed(resumed_rows) == untimed(expected_rows)
    assert history.read(config.output_dir / history.FILE_NAME) == resumed_rows
    assert states(engine) == states(expected)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def states(engine: FakeEngine) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in engine.state().items()}


def test_a_lost_moment_would_show(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected, _ = fit(replace(config, output_dir=made(tmp_path / "whole")))
    fit(replace(config, nepochs=2))
    real = FakeEngine.load_state
    monkeypatch.setattr(FakeEngine, "load_state", lambda self, state: real(self, state | {moment_of(state): 0.0}))
    engine, _ = fit(replace(config, resume=True))
    assert states(engine) != states(expected)


def moment_of(state: dict[str, Any]) -> str:
    return next(name for name in state if name.startswith("adam.m/"))


def test_a_finished_training_resumed_has_nothing_to_do(config: Config) -> None:
    _, rows = fit(config)
    (config.output_dir / history.FILE_NAME).unlink()
    engine, again = fit(replace(config, resume=True))
    assert (engine.trained, again) == ([], rows)
    assert history.read(config.output_dir / history.FILE_NAME) == rows


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_divergence_keeps_the_last_good_checkpoint(config: Config, broken: float) -> None:
    with pytest.raises(PtychoError, match=r"loss of epoch 3 is not finite.*lower --learning_rate"):
        fit(config, losses=(-1.0, -2.0, broken))
    _, meta, rows = on_disk(config)
    assert (meta.epoch, [row.epoch for row in rows]) == (2, [1, 2])


def test_divergence_within_the_training_is_noticed_too(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "_loss", lambda self, _: float("nan") if self.step == 7 else -1.0)
    with pytest.raises(PtychoError, match="loss of epoch 2 is not finite"):
        fit(config)
    assert on_disk(config)[1].epoch == 1


def retrained(config: Config, **model: Any) -> Config:
    return replace(config, model=replace(config.model, **model))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: replace(c, batch_size=2), ["batch_size: the checkpoint has 4, this run 2"]),
        (lambda c: replace(c, learning_rate=0.5), ["learning_rate: the checkpoint has 0.001, this run 0.5"]),
        (lambda c: replace(c, schedule="cosine"), ["schedule: the checkpoint has 'plateau', this run 'cosine'"]),
        (lambda c: replace(c, warmup_steps=3), ["warmup_steps: the checkpoint has 0, this run 3"]),
        (lambda c: replace(c, nphotons=5.0), ["nphotons: the checkpoint has None, this run 5.0"]),
        (lambda c: replace(c, mae_weight=1.0), ["mae_weight: the checkpoint has 0.0, this run 1.0"]),
        (lambda c: replace(c, tv_weight=1.0), ["tv_weight: the checkpoint has 0.0, this run 1.0"]),
        (lambda c: retrained(c, filter_scale=2), ["'filter_scale': 1", "'filter_scale': 2"]),
        (lambda c: retrained(c, probe_mask=True), ["'probe_mask': False", "'probe_mask': True"]),
        (lambda c: replace(c, data=replace(c.data, seed=7)), ["seed: the checkpoint has 42, this run 7"]),
        (lambda c: replace(c, data=replace(c.data, n_groups=20)), ["groups_sha256: ", "input_sha256: "]),
    ],
)
def test_another_training_is_refused_by_name(
    config: Config, change: Callable[[Config], Config], named: list[str]
) -> None:
    fit(replace(config, nepochs=1))
    with pytest.raises(CheckpointError) as caught:
        fit(change(replace(config, resume=True)))
    assert [name for name in named if name not in str(caught.value)] == []
    assert "resume with that training's options, or give another --output_dir" in str(caught.value)


def test_every_difference_is_listed_at_once(config: Config) -> None:
    fit(replace(config, nepochs=1))
    with pytest.raises(CheckpointError) as caught:
        fit(replace(config, resume=True, learning_rate=0.5, mae_weight=1.0, tv_weight=2.0))
    names = [line.split(":")[0].removeprefix("  - ") for line in str(caught.value).splitlines()[1:-1]]
    assert names == ["learning_rate", "mae_weight", "tv_weight"]


def test_every_field_is_either_compared_or_may_change(config: Config) -> None:
    known = {"batch_size", "learning_rate", "schedule", "warmup_steps", "nphotons", "mae_weight", "tv_weight", "model"}
    assert set(asdict(config)) == known | {"data"} | set(epochs.MAY_CHANGE)


def test_other_data_is_refused(config: Config) -> None:
    fit(replace(config, nepochs=1))
    with pytest.raises(CheckpointError, match="input_sha256: the checkpoint has "):
        fit(replace(config, resume=True), seed=1)


def test_a_moved_file_may_be_resumed_with_more_epochs_on_another_device(config: Config) -> None:
    fit(replace(config, nepochs=1))
    moved = replace(config.data, path=Path("elsewhere.npz"), layout="canonical")
    runtime = RuntimeConfig(quiet=True, device="cpu", num_workers=2)
    _, rows = fit(replace(config, resume=True, data=moved, runtime=runtime))
    assert [row.epoch for row in rows] == [1, 2, 3, 4]


def test_a_cosine_keeps_its_number_of_epochs(config: Config) -> None:
    config = replace(config, schedule="cosine")
    fit(config)
    with pytest.raises(CheckpointError, match="nepochs: the checkpoint has 4, this run 5"):
        fit(replace(config, resume=True, nepochs=5))


def test_a_checkpoint_without_its_rows_is_refused(config: Config) -> None:
    fit(config)
    tensors, meta, _ = on_disk(config)
    checkpoint.save(config.output_dir / checkpoint.CHECKPOINT, tensors, replace(meta, extra={}))
    with pytest.raises(CheckpointError, match="history: the checkpoint has 0 rows for 4 epochs"):
        fit(replace(config, resume=True))


def test_nothing_to_resume_is_an_error(config: Config) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint.safetensors' cannot be read"):
        fit(replace(config, resume=True))
