"""Bad pixels in a backend: loss and deviance over good pixels alone, no gradient under the mask, no bit of rubbish."""

from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, RuntimeConfig, TrainingConfig
from ptycho.physics import forward
from ptycho.physics.weights import LOG_SCALE, intensity_scale
from ptycho.training import checkpoint, train
from ptycho.training.engine import Batch
from tests.support import crafted_npz
from tests.support.pipeline import DEVICE
from tests.support.small_problem import FOUR, NPHOTONS, ONE, lively_weights, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import new_engine

MODELS = pytest.mark.parametrize("model", [ONE, FOUR], ids=["gridsize 1", "gridsize 2"])


def masked(batch: Batch, *, each: bool) -> Batch:
    """A batch with some bad pixels: the same for all patterns, or others for each."""
    shape = batch.diffraction.shape
    good = np.array(np.broadcast_to(np.random.default_rng(6).random(shape if each else shape[-2:]) > 0.1, shape))
    return replace(
        batch, good=good, good_share=float(good.mean()), diffraction=np.where(good, batch.diffraction, np.float32(0))
    )


def by_hand(batch: Batch, rate: NDArray[Any], scale: float, epsilon: float) -> tuple[float, float, float]:
    """Likelihood, deviance and amplitude error: the oracle's, over good pixels picked out one by one."""
    assert batch.good is not None
    counts = (batch.diffraction.astype(np.float64) * scale) ** 2
    lam, k = rate[batch.good], counts[batch.good]
    share = lam.size / rate.size / batch.good_share
    error = np.abs(np.sqrt(lam + 1e-12) / scale - batch.diffraction.astype(np.float64)[batch.good]).mean()
    nll, deviance = forward.poisson_nll(lam, k, epsilon), forward.poisson_deviance(lam, k, epsilon)
    return share * nll, share * deviance, share * float(error)


class MaskSuite:
    @MODELS
    @pytest.mark.parametrize("each", [False, True], ids=["one mask", "a mask each"])
    def test_loss_and_deviance_are_the_oracles_sum_over_good_pixels(
        self, each: bool, model: ModelConfig, backend: BackendUnderTest
    ) -> None:
        batch, engine = masked(make_batch(model, 2), each=each), new_engine(backend, model)
        (patches,) = engine.predict([batch])
        scale = intensity_scale(NPHOTONS, model.side)
        weights = lively_weights(model)
        rate = forward.intensity(patches, np.asarray(backend.array(engine.probe))) * np.exp(2 * weights[LOG_SCALE])
        nll, deviance, error = by_hand(batch, rate, scale, forward.EPSILON_F64)
        losses = engine.evaluate([batch])
        assert losses.total == pytest.approx([nll], rel=1e-12)
        assert losses.deviance == pytest.approx([deviance], rel=1e-12)
        weighted = new_engine(backend, model, mae_weight=0.3)
        assert weighted.evaluate([batch]).total == pytest.approx([nll + 0.3 * error], rel=1e-12)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_the_gradient_at_a_bad_pixel_is_exactly_zero(self, dtype: str, backend: BackendUnderTest) -> None:
        loss, rng = backend.module("loss"), np.random.default_rng(9)
        shape = (2, 1, 8, 8)
        good = rng.random(shape) > 0.3
        observed = np.where(good, rng.gamma(2.0, size=shape), 0).astype(np.float32)
        rate = rng.gamma(2.0, size=shape).astype(dtype)

        def total(intensity: Any) -> Any:
            return loss.terms(
                intensity=intensity,
                patches=backend.tensor(np.ones(shape, complex)),
                diffraction=backend.tensor(observed),
                log_scale=backend.tensor(np.array(0.5)),
                scale=31.25,
                good=backend.tensor(good),
                good_share=0.7,
                mae_weight=0.3,
            ).total

        (gradient,) = backend.gradients(total, rate)
        assert (gradient[~good] == 0).all()
        assert (gradient[good] != 0).all()

    @MODELS
    def test_a_mask_of_good_pixels_changes_nothing(self, model: ModelConfig, backend: BackendUnderTest) -> None:
        batch = make_batch(model, 2)
        good = replace(batch, good=np.ones(batch.diffraction.shape, bool))
        plain, whole = (
            new_engine(backend, model, mae_weight=0.3, tv_weight=0.1).evaluate([given]) for given in (batch, good)
        )
        assert plain.total == pytest.approx(whole.total, rel=1e-13)
        assert plain.deviance == pytest.approx(whole.deviance, rel=1e-13)

    def test_what_the_mask_hides_must_be_hidden_from_both_sides(self, backend: BackendUnderTest) -> None:
        """Another prediction at bad pixels alone gives the same loss: a sum over pixels shows it."""
        loss, rng = backend.module("loss"), np.random.default_rng(9)
        shape = (1, 1, 8, 8)
        good = rng.random(shape) > 0.3
        observed = np.where(good, rng.gamma(2.0, size=shape), 0).astype(np.float32)
        found = []
        for filled in (0.0, 1.0, 1e6):
            intensity = np.where(good, rng.permuted(np.arange(1.0, 65)).reshape(shape) * 0 + 2.5, filled)
            made = loss.terms(
                intensity=backend.tensor(intensity),
                patches=backend.tensor(np.ones(shape, complex)),
                diffraction=backend.tensor(observed),
                log_scale=backend.tensor(np.array(0.5)),
                scale=31.25,
                good=backend.tensor(good),
                good_share=0.7,
                mae_weight=0.3,
            )
            found.append([float(backend.array(value)) for value in (made.total, made.deviance, made.mae)])
        assert found[0] == found[1] == found[2]

    @pytest.mark.slow
    @pytest.mark.parametrize("gridsize", [1, 2])
    @pytest.mark.parametrize("precision", ["f64", "f32"])
    @pytest.mark.parametrize("each", [False, True], ids=["one mask", "a mask each"])
    def test_rubbish_under_the_mask_changes_no_bit_of_the_weights(
        self, each: bool, precision: str, gridsize: int, backend: BackendUnderTest, tmp_path: Path
    ) -> None:
        scan = crafted_npz.scan(12)
        bad = np.random.default_rng(1).random((12, 64, 64) if each else (64, 64)) < 0.1
        found = []
        for seed in (0, 1):
            rng = np.random.default_rng(seed)
            frames = scan["diff3d"].copy()
            where = np.broadcast_to(bad, frames.shape)
            frames[where] = rng.choice([0.0, 4000.0, -1.0, np.nan], int(where.sum()))
            path = crafted_npz.write(tmp_path / f"{seed}.npz", {**scan, "diff3d": frames, "bad_pixels": bad})
            config = TrainingConfig(
                data=DataConfig(path=path, gridsize=gridsize),
                output_dir=tmp_path / f"out{seed}",
                model=ModelConfig(filter_scale=1, gridsize=gridsize),
                runtime=RuntimeConfig(device=DEVICE, precision=precision, threads=1, quiet=True),
                nepochs=1,
                batch_size=4,
                mlflow=False,
            )
            result = train.run(config, backend.package)
            tensors, _ = checkpoint.load(result.model_path)
            row = result.history[0]
            found.append(({k: v.tobytes() for k, v in tensors.items()}, row.train_loss, row.validation_deviance))
        assert found[0] == found[1]

    @pytest.mark.slow
    def test_a_masked_epoch_steps_as_its_gradients_say(self, backend: BackendUnderTest) -> None:
        batch = masked(make_batch(ONE, 2), each=True)
        engine = new_engine(backend, ONE)
        gradients = engine.gradients(batch)
        before = engine.state()
        engine.train_epoch([batch], repeat(1e-3))
        after = engine.state()
        name = max(gradients, key=lambda key: float(np.abs(gradients[key]).max()))
        moved = after[name] - before[name]
        large = np.abs(gradients[name]) > 1e-3 * np.abs(gradients[name]).max()
        np.testing.assert_array_equal(-np.sign(gradients[name])[large], np.sign(moved)[large])
