"""The engine as a whole: the oracle's loss, repeatable bits, resumable state, gradients, true patches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.data import contract, grouping
from ptycho.metrics import metrics
from ptycho.physics import patches as windows
from ptycho.physics import stitching
from ptycho.physics.weights import LOG_SCALE, Weights, intensity_scale
from ptycho.training.engine import Batch
from tests.support import golden_step0
from tests.support.distances import distance
from tests.support.pipeline import DEVICE
from tests.support.small_problem import (
    FOUR,
    NPHOTONS,
    ONE,
    expected_patches,
    lively_weights,
    make_batch,
    make_patches,
    make_probe,
)
from tests.support.suites.backend import BackendUnderTest

Spoil = Callable[[NDArray[np.complex128]], NDArray[np.complex128]]

PROBE = make_probe()
TRAINABLE = replace(ONE, intensity_scale_trainable=True)


def new_engine(
    backend: BackendUnderTest,
    model: ModelConfig = ONE,
    precision: str = "f64",
    *,
    probe: NDArray[np.complex128] = PROBE,
    weights: Weights | None = None,
    nphotons: float = NPHOTONS,
    **options: float,
) -> Any:
    runtime = RuntimeConfig(device=DEVICE, precision=precision, threads=1)
    return backend.module("engine").create_engine(
        model=model,
        runtime=runtime,
        probe=probe,
        weights=lively_weights(model) if weights is None else weights,
        nphotons=nphotons,
        **options,
    )


@cache
def _kept(backend: BackendUnderTest, model: ModelConfig, precision: str) -> tuple[Any, dict[str, NDArray[Any]]]:
    engine = new_engine(backend, model, precision)
    return engine, engine.state()


def engine_at_start(backend: BackendUnderTest, model: ModelConfig = ONE, precision: str = "f64") -> Any:
    """An engine in its first state, kept between tests: a framework compiles longer than a test runs."""
    engine, start = _kept(backend, model, precision)
    engine.load_state(start)
    return engine


@dataclass(frozen=True, kw_only=True)
class Truth:
    """
    The fixture as its object is meant to come back.

    Bilinear interpolation, once or twice for the cut, the canvas and the stitcher each, is a low-pass: between pixels
    the object returns at 0.999 (the fixture's has no finer detail), where every shift is of whole pixels exactly.
    """

    obj: NDArray[np.complex128]
    xcoords: NDArray[np.float64]
    ycoords: NDArray[np.float64]

    @classmethod
    @cache
    def of(cls, case: str) -> "Truth":
        """The fixture by case: `"whole pixels"` or `"between pixels"`."""
        dataset = contract.load(golden_step0.FIXTURE)
        assert dataset.obj is not None
        obj, x, y = dataset.obj.astype(np.complex128), dataset.xcoords, dataset.ycoords
        if case == "whole pixels":
            # Multiples of 4: the mean of a group of four, from which shifts count, is then a whole pixel too.
            return cls(obj=obj, xcoords=4 * np.rint(x / 4), ycoords=4 * np.rint(y / 4))
        return cls(obj=obj, xcoords=x, ycoords=y)

    def through(self, backend: BackendUnderTest, gridsize: int, spoil: Spoil) -> float:
        """Complex correlation of the object with its true patches, spoilt, seen by the engine and stitched."""
        engine = engine_at_start(backend, replace(ONE, gridsize=gridsize))
        groups = grouping.group(self.xcoords, self.ycoords, gridsize=gridsize, n_groups=None, seed=1)
        x, y = self.xcoords[groups], self.ycoords[groups]
        true = windows.extract(self.obj, x.ravel(), y.ravel(), 64).reshape(*groups.shape, 64, 64)
        _, relative = grouping.group_coordinates(self.xcoords, self.ycoords, groups)
        found = stitching.stitch(engine.consistent_patches(spoil(true), relative), x, y)
        return metrics.score(found, self.obj).complex_correlation


class EngineSuite:
    @pytest.mark.parametrize("gridsize", golden_step0.GRIDSIZES)
    def test_step_zero_is_golden(self, gridsize: int, backend: BackendUnderTest) -> None:
        golden, given = golden_step0.read()["gridsize"][str(gridsize)], golden_step0.problem(gridsize)
        assert given.input_sha256 == golden["input_sha256"]
        assert given.batch.indices.tolist() == golden["patterns"]
        engine = new_engine(backend, given.model, probe=given.probe, weights=given.weights, nphotons=given.nphotons)
        losses = engine.train_epoch([given.batch], repeat(1e-3))
        assert abs(losses.total[0] / golden["total"] - 1) <= 5e-13
        assert abs(losses.deviance[0] / golden["deviance"] - 1) <= 5e-13

    @pytest.mark.parametrize("model", [ONE, FOUR], ids=["gridsize 1", "gridsize 2"])
    def test_loss_and_patches_are_the_oracles(self, model: ModelConfig, backend: BackendUnderTest) -> None:
        batch, engine = make_batch(model, 2), engine_at_start(backend, model)
        patches = expected_patches(model, 2, intensity_scale(NPHOTONS, model.side))
        total, deviance = golden_step0.losses(batch, model, PROBE, lively_weights(model), NPHOTONS, patches)
        losses = engine.evaluate([batch])
        (predicted,) = engine.predict([batch])
        assert distance(predicted, golden_step0.consistent(patches, batch, model)) < 1e-12
        assert losses.total == pytest.approx([total], rel=1e-12)
        assert losses.deviance == pytest.approx([deviance], rel=1e-12)

    @pytest.mark.parametrize("gridsize", [1, 2])
    @pytest.mark.parametrize(("case", "least"), [("whole pixels", 0.999999), ("between pixels", 0.999)])
    def test_true_patches_return_the_object(
        self, case: str, least: float, gridsize: int, backend: BackendUnderTest
    ) -> None:
        assert Truth.of(case).through(backend, gridsize, lambda true: true) > least

    @pytest.mark.parametrize("gridsize", [1, 2])
    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(np.conj, id="conjugated"),
            pytest.param(lambda true: true[..., ::-1], id="mirrored left to right"),
            pytest.param(lambda true: true[..., ::-1, :], id="mirrored top to bottom"),
            pytest.param(lambda true: true.swapaxes(-1, -2), id="transposed"),
            pytest.param(lambda true: np.rot90(true, axes=(-2, -1)), id="rotated"),
        ],
    )
    def test_no_other_orientation_is_accepted(self, spoil: Spoil, gridsize: int, backend: BackendUnderTest) -> None:
        assert Truth.of("whole pixels").through(backend, gridsize, spoil) < 0.95

    def test_channels_in_another_order_are_not_accepted(self, backend: BackendUnderTest) -> None:
        assert Truth.of("whole pixels").through(backend, 2, lambda true: np.roll(true, 1, axis=1)) < 0.95

    def test_consistent_patches_are_the_oracles(self, backend: BackendUnderTest) -> None:
        given, batch = make_patches(2, 4), make_batch(FOUR, 2)
        actual = engine_at_start(backend, FOUR).consistent_patches(given, batch.coords_relative)
        assert distance(actual, golden_step0.consistent(given, batch, FOUR)) < 1e-14

    def test_training_lowers_the_loss(self, backend: BackendUnderTest) -> None:
        losses = engine_at_start(backend, ONE, "f32").train_epoch([make_batch(ONE, 2)] * 12, repeat(1e-3))
        assert losses.total[-1] < losses.total[0]
        assert losses.deviance[-1] < 0.9 * losses.deviance[0]

    def test_two_runs_are_equal_bit_for_bit_and_resume_joins_them(self, backend: BackendUnderTest) -> None:
        batches = [make_batch(FOUR, 2, seed) for seed in (1, 2)]
        whole, other = (new_engine(backend, FOUR, "f32") for _ in range(2))
        start, first, middle = whole.state(), whole.train_epoch(batches, repeat(1e-3)), whole.state()
        second, end = whole.train_epoch(batches, repeat(5e-4)), whole.state()
        other.load_state(middle)
        assert other.train_epoch(batches, repeat(5e-4)).total.tolist() == second.total.tolist()
        _assert_same(other.state(), end)
        other.load_state(start)
        assert other.train_epoch(batches, repeat(1e-3)).total.tolist() == first.total.tolist()
        _assert_same(other.state(), middle)
        assert int(end["adam.step"]) == 4

    def test_losses_come_in_order_with_their_sizes(self, backend: BackendUnderTest) -> None:
        batches = [make_batch(ONE, size, seed=size) for size in (3, 1, 2)]
        engine = engine_at_start(backend, ONE, "f32")
        losses = engine.evaluate(batches)
        assert losses.sizes.tolist() == [3, 1, 2]
        assert losses.total == pytest.approx([engine.evaluate([batch]).total[0] for batch in batches], rel=1e-6)
        assert (losses.total.dtype, losses.deviance.dtype) == (np.float64, np.float64)

    def test_evaluation_changes_nothing(self, backend: BackendUnderTest) -> None:
        engine, batch = engine_at_start(backend, ONE, "f32"), make_batch(ONE, 2)
        before = engine.state()
        engine.evaluate([batch])
        list(engine.predict([batch]))
        engine.gradients(batch)
        _assert_same(engine.state(), before)

    def test_gradients_are_finite_in_the_dark_and_complete(self, backend: BackendUnderTest) -> None:
        engine, batch = engine_at_start(backend), make_batch(ONE, 2)
        dark = engine.gradients(_dark(batch))
        assert set(dark) == set(lively_weights(ONE)) - {LOG_SCALE} == set(engine.optimizer.names)
        assert all(np.isfinite(value).all() for value in dark.values())
        lit = engine.gradients(batch)
        assert [name for name, value in lit.items() if not value.any()] == []

    def test_one_nan_reaches_the_loss(self, backend: BackendUnderTest) -> None:
        batch = make_batch(ONE, 2)
        broken = batch.diffraction.copy()
        broken[1, 0, 40, 3] = np.nan
        losses = engine_at_start(backend).evaluate([batch, replace(batch, diffraction=broken)])
        assert np.isnan(losses.total).tolist() == [False, True]

    def test_gradient_is_the_slope_of_the_loss(self, backend: BackendUnderTest) -> None:
        engine, batch = new_engine(backend, TRAINABLE, mae_weight=10.0, tv_weight=10.0), make_batch(ONE, 1)
        gradients, start = engine.gradients(batch), engine.network.export()
        rng = np.random.default_rng(9)
        # The border's heads by themselves: a swish goes below zero, where a polar form has its modulus' sign to lose.
        for prefix in ("encoder", "amplitude.0", "amplitude.outer", "phase.0", "phase.outer", LOG_SCALE):
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

    @pytest.mark.parametrize("model", [ONE, TRAINABLE], ids=["fixed", "trainable"])
    def test_w_moves_only_when_trainable(self, model: ModelConfig, backend: BackendUnderTest) -> None:
        engine, trainable = engine_at_start(backend, model, "f32"), model.intensity_scale_trainable
        before = float(engine.state()[LOG_SCALE])
        engine.train_epoch([make_batch(ONE, 2)], repeat(1e-3))
        moved = abs(float(engine.state()[LOG_SCALE]) - before)
        assert moved == pytest.approx(1e-3 if trainable else 0.0, rel=1e-2)
        assert (f"adam.m/{LOG_SCALE}" in engine.state()) is trainable

    def test_float64_weights_keep_their_digits_through_training(self, backend: BackendUnderTest) -> None:
        engine = engine_at_start(backend)
        engine.train_epoch([make_batch(ONE, 1)], repeat(1e-3))
        # Exact zeros are those of units that no input has woken.
        state = {name: value[value != 0] for name, value in engine.state().items() if np.count_nonzero(value) > 100}
        assert {value.dtype.name for value in state.values()} == {"float64"}
        assert max(np.mean(value == value.astype(np.float32)) for value in state.values()) < 0.5

    def test_bfloat16_stays_near_float32(self, backend: BackendUnderTest) -> None:
        batch = make_batch(ONE, 2)
        single, mixed = (
            engine_at_start(backend, ONE, name).train_epoch([batch] * 2, repeat(1e-3)) for name in ("f32", "bf16")
        )
        assert mixed.total == pytest.approx(single.total, rel=2e-2)
        assert mixed.total.tolist() != single.total.tolist()

    def test_fingerprint_says_what_decides_the_rounding(self, backend: BackendUnderTest) -> None:
        found = engine_at_start(backend).fingerprint()
        version, modes = found.pop("version"), found.pop("modes")
        assert modes == backend.module("runtime").modes()
        assert (found.pop("device"), found.pop("device_name") == "cpu") == (DEVICE, DEVICE == "cpu")
        found.pop("work", None)
        assert version.count(".") >= 2
        assert found == {
            "framework": backend.framework,
            "threads": 1,
            "precision": "f64",
        }


def _dark(batch: Batch) -> Batch:
    return replace(batch, diffraction=np.zeros_like(batch.diffraction))


def _assert_same(one: dict[str, NDArray[Any]], two: dict[str, NDArray[Any]]) -> None:
    """Two states, bit for bit."""
    assert list(one) == list(two)
    assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []
