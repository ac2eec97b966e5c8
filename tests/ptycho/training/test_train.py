"""A whole training with a fake backend: what it refuses, when, and every file that it leaves."""

import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import params
from ptycho.config import RuntimeConfig, TrainingConfig, flatten
from ptycho.data import prepare
from ptycho.errors import CheckpointError, ContractError, PtychoError, SuspicionError, UsageError, exit_on_error
from ptycho.physics import weights
from ptycho.training import checkpoint, history
from ptycho.training import train as core_training
from tests.support import crafted_npz
from tests.support.fakes.fake_backend import engine as fake
from tests.support.fakes.fake_runs import plant_backend, train, train_config

SCAN = crafted_npz.scan(m=12)
LEFT = ["checkpoint.safetensors", "config.json", "history.csv", "loss_curve.png", "model.safetensors", "summary.json"]
LEFT += ["train.log"]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return crafted_npz.write(tmp_path / "scan.npz", SCAN)


@pytest.fixture
def config(scan: Path, tmp_path: Path) -> TrainingConfig:
    return train_config(scan, tmp_path / "out")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR of this test alone."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("gridsize", [1, 2])
def test_what_a_training_leaves(config: TrainingConfig, scratch: Path, gridsize: int) -> None:
    config = train_config(config.data.path, config.output_dir, gridsize=gridsize)
    result = train(config)
    assert names(config.output_dir) == LEFT
    assert names(scratch) == []
    assert result.summary == json.loads((config.output_dir / "summary.json").read_text())
    assert json.loads((config.output_dir / "config.json").read_text()) == flatten(config)
    assert [row.epoch for row in history.read(config.output_dir / "history.csv")] == [1, 2]
    assert result.history == history.read(config.output_dir / "history.csv")
    tensors, meta = checkpoint.load(result.model_path)
    assert set(tensors) == {fake.BIAS, weights.LOG_SCALE}
    assert (tensors[fake.BIAS].shape, meta.epoch, meta.config["model"]["gridsize"]) == ((gridsize**2,), 2, gridsize)


def test_the_summary_says_what_went_in_and_what_came_out(config: TrainingConfig) -> None:
    result = train(config)
    dataset = prepare.load(config)
    prepared = prepare.prepare(config, dataset)
    expected = {
        "seed": 42,
        "n_groups": 12,
        "input_sha256": prepared.stages.normalised,
        "stages": {"raw": prepare.digest(dataset.diffraction)}
        | {"normalised": prepared.stages.normalised, "groups": prepared.stages.groups},
        "normalisation": prepared.normalisation,
        "nphotons": 1e9,
        "epochs": 2,
        "train_loss": result.history[-1].train_loss,
        "validation_loss": result.history[-1].validation_loss,
        "engine": {"framework": "none", "device": "cpu", "precision": "f32"},
        "suspicions": [],
        "test": None,
        "tracking": "disabled",
    }
    assert {key: result.summary[key] for key in expected} == expected
    assert set(result.summary) == {*expected, "fingerprint", "seconds"}
    assert (result.summary["fingerprint"]["seed"], result.summary["fingerprint"]["device"]) == (42, "cpu")
    assert list(result.summary["seconds"]) == ["data", "import", "build", "train", "validate", "checkpoint", "save"]
    assert min(result.summary["seconds"].values()) > 0


@pytest.mark.slow
def test_both_layouts_train_on_the_same_bytes_to_the_same_weights(config: TrainingConfig, tmp_path: Path) -> None:
    canonical = train(config)
    legacy = crafted_npz.write(tmp_path / "legacy.npz", crafted_npz.legacy(SCAN))
    other = train(train_config(legacy, tmp_path / "other"))
    for key in ("input_sha256", "stages", "train_loss", "validation_loss"):
        assert canonical.summary[key] == other.summary[key]
    files = [checkpoint.load(result.model_path)[0] for result in (canonical, other)]
    assert checkpoint.digest(files[0]) == checkpoint.digest(files[1])
    reseeded = train(replace(config, data=replace(config.data, seed=7)))
    assert reseeded.summary["train_loss"] != canonical.summary["train_loss"]


def test_the_engine_gets_the_initial_weights_and_every_option(config: TrainingConfig) -> None:
    train(replace(config, nphotons=1e5, mae_weight=0.5, tv_weight=0.25))
    engine = fake.CREATED[-1]
    expected = weights.initial(config.model, nphotons=1e5, seed=42)
    given: Any = engine.options["weights"]
    assert [name for name in expected if given[name].tobytes() != expected[name].tobytes()] == []
    assert [engine.options[name] for name in ("nphotons", "mae_weight", "tv_weight")] == [1e5, 0.5, 0.25]
    assert engine.options["runtime"] == config.runtime
    assert engine.model == config.model


def test_the_configuration_is_in_the_legacy_dictionary(config: TrainingConfig) -> None:
    params.cfg["gridsize"] = 2
    train(config)
    assert {key: params.cfg[key] for key in flatten(config)} == flatten(config)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_a_test_file_smaller_than_n_images_is_taken_whole(
    config: TrainingConfig, gridsize: int, tmp_path: Path
) -> None:
    small = crafted_npz.write(tmp_path / "test.npz", crafted_npz.scan(m=7, seed=3))
    config = train_config(config.data.path, config.output_dir, gridsize=gridsize, test_path=small)
    result = train(replace(config, data=replace(config.data, n_groups=10)))
    tested = fake.CREATED[-1].evaluated[-1]
    assert [index for batch in tested for index, *_ in batch] == list(range(7))
    assert set(result.summary["test"]) == {"loss", "deviance"}
    assert result.summary["test"]["deviance"] == pytest.approx(result.summary["test"]["loss"] + 5)
    assert "test" in result.summary["seconds"]


def test_a_test_file_that_is_the_training_file_is_read_once(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    real = prepare.load

    def load(*args: Any, **options: Any) -> Any:
        read.append(args)
        return real(*args, **options)

    monkeypatch.setattr(prepare, "load", load)
    result = train(replace(config, test_path=config.data.path))
    assert len(read) == 1
    assert [index for batch in fake.CREATED[-1].evaluated[-1] for (index,) in batch] == list(range(12))
    # At the scale of the training: the fake's loss is its distance from the mean of each batch of four.
    means = (result.summary["normalisation"] * SCAN["diff3d"]).reshape(3, -1).mean(axis=1)
    expected = np.mean((fake.CREATED[-1].bias - means) ** 2) - 5
    assert result.summary["test"]["loss"] == pytest.approx(expected, rel=1e-6)


def test_stitch_leaves_a_reconstruction(config: TrainingConfig) -> None:
    result = train(replace(config, stitch=True))
    pictures = ["reconstructed_amplitude.png", "reconstructed_phase.png", "reconstruction.npz"]
    assert names(config.output_dir) == sorted(LEFT + pictures)
    assert [index for batch in fake.CREATED[-1].predicted for (index,) in batch] == list(range(12))
    assert result.summary["seconds"]["stitch"] > 0


@pytest.mark.slow
def test_a_stitched_object_no_better_than_flat_is_said_to_be_so(
    config: TrainingConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    # The fake network predicts the same tilted patch for every pattern.
    config = replace(config, stitch=True)
    found = train(config).summary["against_flat"]
    assert found["better_than_flat"] is False
    assert "train longer than 2 epochs" in found["warning"]
    assert capsys.readouterr().err.count(f"warning: {found['warning']}") == 1
    assert found["warning"] in (config.output_dir / "train.log").read_text()
    with pytest.raises(SuspicionError, match="no better than a flat object"):
        train(replace(config, runtime=RuntimeConfig(quiet=True, strict=True)))
    assert json.loads((config.output_dir / "summary.json").read_text())["against_flat"] == found
    assert "against_flat" not in train(replace(config, stitch=False)).summary


def test_a_store_of_its_own_place_is_kept_and_reused(config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(config, store_dir=tmp_path / "store")
    first = train(config)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    second = train(config)
    assert times == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert first.summary["train_loss"] == second.summary["train_loss"]


def test_quiet_prints_nothing_and_the_log_has_it_all(config: TrainingConfig, capfd: pytest.CaptureFixture[str]) -> None:
    result = train(config)
    assert tuple(capfd.readouterr()) == ("", "")
    log = (config.output_dir / "train.log").read_text()
    assert f"seed 42, 12 groups, input sha256 {result.summary['input_sha256']}" in log
    assert [log.count(f"epoch {epoch}/2  loss ") for epoch in (1, 2)] == [1, 1]


def test_without_quiet_stdout_stays_empty_too(config: TrainingConfig, capfd: pytest.CaptureFixture[str]) -> None:
    train(replace(config, runtime=RuntimeConfig()))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "epoch 2/2  loss " in captured.err


def diverge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake.FakeEngine, "_loss", lambda self, _: float("nan") if self.step >= 3 else -1.0)


def test_a_diverged_training_leaves_its_last_good_epoch(
    config: TrainingConfig, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge(monkeypatch)
    with pytest.raises(PtychoError, match="loss of epoch 2 is not finite"):
        train(config)
    assert names(config.output_dir) == ["checkpoint.safetensors", "config.json", "history.csv", "train.log"]
    assert checkpoint.load(config.output_dir / "checkpoint.safetensors")[1].epoch == 1
    assert names(scratch) == []
    assert logging.getLogger("ptycho").handlers == []


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_weights(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scratch: Path
) -> None:
    whole = train(replace(config, output_dir=tmp_path / "whole"))

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(history, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    assert names(scratch) == []
    resumed = train(replace(config, resume=True))
    tensors = [checkpoint.load(result.model_path)[0] for result in (whole, resumed)]
    assert checkpoint.digest(tensors[0]) == checkpoint.digest(tensors[1])
    assert [row.epoch for row in resumed.history] == [1, 2]
    assert resumed.summary["epochs"] == 2


def broken(name: str) -> Callable[[TrainingConfig, Path], TrainingConfig]:
    """A training whose file, or test file, is missing, empty of photons or too short."""

    def change(config: TrainingConfig, folder: Path) -> TrainingConfig:
        if name == "missing":
            return replace(config, data=replace(config.data, path=folder / "none.npz"))
        if name == "missing test":
            return replace(config, test_path=folder / "none.npz")
        if name == "n_images":
            return replace(config, data=replace(config.data, n_groups=13))
        if name == "resume":
            return replace(config, resume=True)
        arrays = {**SCAN, "diff3d": np.full_like(SCAN["diff3d"], np.nan if name == "nan" else 0)}
        path = crafted_npz.write(folder / "bad.npz", arrays)
        return replace(config, data=replace(config.data, path=path))

    return change


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("missing", ContractError, "none.npz"),
        ("missing test", ContractError, "none.npz"),
        ("nan", ContractError, "finite|NaN"),
        ("dark", ContractError, "zero"),
        ("n_images", UsageError, "n_images = 13; the file has 12 patterns"),
        ("resume", CheckpointError, "cannot be read"),
    ],
)
def test_bad_input_is_refused_before_the_backend_is_imported(
    config: TrainingConfig,
    name: str,
    kind: type[PtychoError],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = plant_backend(tmp_path, f"planted_{name.replace(' ', '_')}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(kind, match=message):
        core_training.run(broken(name)(config, tmp_path), planted)
    with pytest.raises(ImportError, match="the backend was imported"):
        core_training.run(config, planted)


def test_another_training_is_refused_before_the_backend_is_imported(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(config)
    before = {path.name: path.read_bytes() for path in config.output_dir.iterdir() if path.name != "train.log"}
    planted = plant_backend(tmp_path, "planted_resume_other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CheckpointError, match=r"learning_rate: the checkpoint has 0\.001, this run 0.5"):
        core_training.run(replace(config, resume=True, learning_rate=0.5), planted)
    assert before == {name: (config.output_dir / name).read_bytes() for name in before}


def ended(action: Callable[[], object]) -> int | str | None:
    with pytest.raises(SystemExit) as caught, exit_on_error():
        action()
    return caught.value.code


def test_a_command_ends_with_the_code_of_its_error(
    config: TrainingConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("missing", "n_images", "resume"):
        assert ended(partial(train, broken(name)(config, tmp_path))) == 2
    (tmp_path / "file").touch()
    assert ended(partial(train, replace(config, output_dir=tmp_path / "file"))) == 13
    diverge(monkeypatch)
    assert ended(partial(train, config)) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 5


def test_a_checkpoint_says_what_it_belongs_to(config: TrainingConfig) -> None:
    result = train(config)
    statistics = {key: result.summary[key] for key in ("normalisation", "nphotons", "input_sha256")}
    statistics["groups_sha256"] = result.summary["stages"]["groups"]
    for name in (checkpoint.CHECKPOINT, checkpoint.MODEL):
        meta = checkpoint.load(config.output_dir / name)[1]
        assert (meta.statistics, meta.epoch) == (statistics, 2)
