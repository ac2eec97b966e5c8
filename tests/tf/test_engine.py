"""The engine as a whole: one trace, repeatable bits, resumable state, the oracle's loss."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy_network as reference
import pytest
from numpy.typing import NDArray

from ptycho import physics as oracle
from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.engine import Batch, Engine
from ptycho.weights import LOG_SCALE, intensity_scale

pytestmark = pytest.mark.usefixtures("one_thread")

NPHOTONS = 1e6
ONE = ModelConfig(filter_scale=1)
FOUR = ModelConfig(filter_scale=1, gridsize=2)
Make = Callable[..., Any]
MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="module")
def make_engine(lively_weights: Make, probe: NDArray[np.complex128]) -> Make:
    def make(model: ModelConfig = ONE, precision: str = "f64", **options: Any) -> Any:
        from ptycho_tf.engine import create_engine

        runtime = RuntimeConfig(device="cpu", precision=precision, threads=1)
        weights = lively_weights(model)
        return create_engine(model=model, runtime=runtime, probe=probe, weights=weights, nphotons=NPHOTONS, **options)

    return make


@pytest.fixture(scope="module")
def engine(make_engine: Make) -> Any:
    """One float64 engine for the tests that leave it as it was."""
    return make_engine()


@pytest.mark.parametrize("model", [ONE, FOUR], ids=["gridsize 1", "gridsize 2"])
def test_loss_of_the_first_step_is_the_oracles(
    model: ModelConfig, make_engine: Make, make_batch: MakeBatch, lively_weights: Make, probe: NDArray[np.complex128]
) -> None:
    batch, weights = make_batch(model, 2), lively_weights(model)
    scale = intensity_scale(NPHOTONS, model.side)
    frames = batch.diffraction.astype(np.float64)
    patches = reference.forward(frames, weights, model, scale)
    if model.gridsize > 1:
        canvas = oracle.assemble(patches, batch.coords_relative, model.gridsize)
        patches = oracle.extract(canvas, batch.coords_relative, model.side)
    rate = oracle.intensity(patches, probe) * np.exp(2 * weights[LOG_SCALE])
    counts = (frames * scale) ** 2
    engine: Engine = make_engine(model)
    losses = engine.evaluate([batch])
    (predicted,) = engine.predict([batch])
    assert reference.distance(predicted, patches) < 1e-12
    assert losses.total == pytest.approx([oracle.poisson_nll(rate, counts)], rel=1e-12)
    assert losses.deviance == pytest.approx([oracle.poisson_deviance(rate, counts)], rel=1e-12)


def test_batches_of_any_size_share_one_trace(make_engine: Make, make_batch: MakeBatch) -> None:
    engine = make_engine(precision="f32")
    batches = [make_batch(ONE, size) for size in (3, 1, 2)]
    losses = engine.train_epoch(batches, 1e-3)
    engine.train_epoch(batches[:1], 5e-4)
    assert losses.sizes.tolist() == [3, 1, 2]
    assert engine._train.experimental_get_tracing_count() == 1


def test_training_lowers_the_loss(make_engine: Make, make_batch: MakeBatch) -> None:
    engine, batch = make_engine(precision="f32"), make_batch(ONE, 2)
    losses = engine.train_epoch([batch] * 12, 1e-3)
    assert losses.total[-1] < losses.total[0]
    assert losses.deviance[-1] < 0.9 * losses.deviance[0]


def test_two_runs_are_equal_bit_for_bit_and_resume_joins_them(make_engine: Make, make_batch: MakeBatch) -> None:
    batches = [make_batch(FOUR, 2, seed) for seed in (1, 2)]
    whole, again = make_engine(FOUR, "f32"), make_engine(FOUR, "f32")
    first = whole.train_epoch(batches, 1e-3)
    repeated = again.train_epoch(batches, 1e-3)
    assert first.total.tolist() == repeated.total.tolist()
    resumed = make_engine(FOUR, "f32")
    resumed.load_state(again.state())
    second, continued = whole.train_epoch(batches, 5e-4), resumed.train_epoch(batches, 5e-4)
    assert second.total.tolist() == continued.total.tolist()
    state, other = whole.state(), resumed.state()
    assert list(state) == list(other)
    assert all(np.array_equal(state[name], other[name]) for name in state)
    assert int(state["adam.step"]) == 4


def test_gradients_are_finite_in_the_dark_and_complete(engine: Any, make_batch: MakeBatch) -> None:
    batch = make_batch(ONE, 2)
    dark = replace(batch, diffraction=np.zeros_like(batch.diffraction))
    gradients = engine.gradients(dark)
    assert set(gradients) == set(engine.network.parameters) - {LOG_SCALE}
    assert all(np.isfinite(value).all() for value in gradients.values())
    lit = engine.gradients(batch)
    assert [name for name, value in lit.items() if not value.any()] == []


def test_one_nan_reaches_the_loss(engine: Any, make_batch: MakeBatch) -> None:
    batch = make_batch(ONE, 2)
    broken = batch.diffraction.copy()
    broken[1, 0, 40, 3] = np.nan
    losses = engine.evaluate([batch, replace(batch, diffraction=broken)])
    assert np.isnan(losses.total).tolist() == [False, True]


def test_gradient_is_the_slope_of_the_loss(make_engine: Make, make_batch: MakeBatch) -> None:
    model = replace(ONE, intensity_scale_trainable=True)
    engine, batch = make_engine(model, mae_weight=10.0, tv_weight=10.0), make_batch(ONE, 1)
    gradients, start = engine.gradients(batch), engine.network.export()
    rng = np.random.default_rng(9)
    for prefix in ("encoder", "phase", LOG_SCALE):
        names = [name for name in start if name.startswith(prefix)]
        # Along the gradient, where there is most to see, and across it, where a detached branch would show.
        drawn = {name: np.asarray(rng.normal(size=start[name].shape)) for name in names}
        lengths = [np.sqrt(sum(np.sum(table[name] ** 2) for name in names)) for table in (gradients, drawn)]
        direction = {name: gradients[name] / lengths[0] + drawn[name] / lengths[1] for name in names}
        step, ends = 1e-6, []
        for sign in (1, -1):
            engine.network.load(start | {name: start[name] + sign * step * direction[name] for name in names})
            ends.append(float(engine.evaluate([batch]).total[0]))
        slope = sum(float(np.sum(gradients[name] * direction[name])) for name in names)
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)
    engine.network.load(start)


@pytest.mark.parametrize("trainable", [False, True])
def test_w_moves_only_when_trainable(trainable: bool, make_engine: Make, make_batch: MakeBatch) -> None:
    engine = make_engine(replace(ONE, intensity_scale_trainable=trainable), "f32")
    before = float(engine.state()[LOG_SCALE])
    engine.train_epoch([make_batch(ONE, 1)], 1e-3)
    assert abs(float(engine.state()[LOG_SCALE]) - before) == pytest.approx(1e-3 if trainable else 0.0, rel=1e-2)
    assert (f"adam.m/{LOG_SCALE}" in engine.state()) is trainable


def test_float64_weights_keep_their_digits_through_training(make_engine: Make, make_batch: MakeBatch) -> None:
    engine = make_engine()
    engine.train_epoch([make_batch(ONE, 1)], 1e-3)
    # Exact zeros are those of units that no input has woken.
    state = {name: value[value != 0] for name, value in engine.state().items() if np.count_nonzero(value) > 100}
    assert {value.dtype.name for value in state.values()} == {"float64"}
    assert max(np.mean(value == value.astype(np.float32)) for value in state.values()) < 0.5


def test_consistent_patches_are_the_oracles(make_engine: Make, make_batch: MakeBatch, patches: Make) -> None:
    given, batch = patches(2, 4), make_batch(FOUR, 2)
    canvas = oracle.assemble(given, batch.coords_relative, 2)
    expected = oracle.extract(canvas, batch.coords_relative, 64)
    actual = make_engine(FOUR).consistent_patches(given, batch.coords_relative)
    assert reference.distance(actual, expected) < 1e-14


def test_bfloat16_stays_near_float32(make_engine: Make, make_batch: MakeBatch) -> None:
    batch = make_batch(ONE, 2)
    single, mixed = (make_engine(precision=name).train_epoch([batch] * 2, 1e-3) for name in ("f32", "bf16"))
    assert mixed.total == pytest.approx(single.total, rel=2e-2)
    assert mixed.total.tolist() != single.total.tolist()


def test_fingerprint_says_what_decides_the_rounding(engine: Any) -> None:
    found = engine.fingerprint()
    version = found.pop("version")
    assert version.count(".") == 2
    assert found == {
        "framework": "tensorflow",
        "device": "cpu",
        "device_name": "cpu",
        "threads": 1,
        "precision": "f64",
    }
