"""A whole inference with a fake backend: what it leaves, what it takes from the weights, and what it refuses when."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import params
from ptycho.config import InferenceConfig, RuntimeConfig
from ptycho.data import contract
from ptycho.errors import CheckpointError, ContractError, PtychoError, SuspicionError, UsageError
from ptycho.metrics import flat_comparison, metrics
from ptycho.physics import patches, stitching
from ptycho.training import checkpoint, inference
from ptycho.training import train as core_training
from tests.support import crafted_npz
from tests.support.fakes.fake_backend import engine as fake
from tests.support.fakes.fake_runs import BACKEND, infer, infer_config, plant_backend, train, train_config

SCAN = crafted_npz.scan(m=12)
LEFT = ["inference.json", "reconstructed_amplitude.png", "reconstructed_phase.png", "reconstruction.npz"]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crafted_npz.write(tmp_path_factory.mktemp("scan") / "scan.npz", SCAN)


@pytest.fixture(scope="module")
def trained(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, core_training.TrainingResult]:
    """A training for each gridsize."""
    folder = tmp_path_factory.mktemp("trained")
    return {g: train(train_config(scan, folder / str(g), gridsize=g, nphotons=1e5)) for g in (1, 2)}


@pytest.fixture
def config(scan: Path, trained: dict[int, core_training.TrainingResult], tmp_path: Path) -> InferenceConfig:
    return infer_config(trained[1].output_dir, scan, tmp_path / "out")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR of this test alone."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("gridsize", [1, 2])
def test_what_an_inference_leaves(
    config: InferenceConfig, trained: dict[int, core_training.TrainingResult], scratch: Path, gridsize: int
) -> None:
    result = infer(replace(config, model_path=trained[gridsize].model_path))
    assert names(config.output_dir) == LEFT
    assert names(scratch) == []
    found = result.reconstruction
    with np.load(config.output_dir / "reconstruction.npz") as file:
        assert {key: (file[key].dtype.name, file[key].shape) for key in file} == {
            "object": ("complex64", found.obj.shape),
            "overlap": ("float32", found.overlap.shape),
            "crop": ("int64", (4,)),
        }
        assert np.array_equal(file["object"], found.obj.astype(np.complex64))
        row0, row1, col0, col1 = file["crop"].tolist()
        assert file["overlap"].max() >= gridsize**2
    # The central 20 pixels of every patch, on the extent of all positions.
    assert (row0, col0) == (int(SCAN["ycoords"].min()) - 10, int(SCAN["xcoords"].min()) - 10)
    assert (row1, col1) == (int(SCAN["ycoords"].max()) + 10, int(SCAN["xcoords"].max()) + 10)
    assert found.obj.shape == (row1 - row0, col1 - col0)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_inference_json_says_what_was_done(
    config: InferenceConfig, trained: dict[int, core_training.TrainingResult], gridsize: int
) -> None:
    result = infer(replace(config, model_path=trained[gridsize].output_dir))
    summary = json.loads((config.output_dir / "inference.json").read_text())
    assert summary == result.summary
    seconds = summary.pop("seconds")
    dataset = contract.load(config.data.path)
    assert summary == {
        "backend": BACKEND,
        "patterns": 12 * gridsize**2,
        "input_sha256": trained[gridsize].summary["input_sha256"],
        "engine": {"framework": "none", "device": "cpu", "precision": "f32"},
        "suspicions": [],
        "against_flat": {
            **flat_comparison.compare(result.reconstruction, dataset, np.arange(12)).as_dict(),
            "warning": summary["against_flat"]["warning"],
        },
        "scores": None,
    }
    assert list(seconds) == ["data", "import", "predict", "save", "judge"]
    assert min(seconds.values()) > 0


def test_the_object_is_that_of_the_stitched_patches(config: InferenceConfig) -> None:
    result = infer(replace(config, batch_size=5))
    engine = fake.CREATED[-1]
    assert [len(batch) for batch in engine.predicted] == [5, 5, 2]
    tilt = np.exp(1j * np.linspace(-0.5, 0.5, 64)) * (0.5 + engine.bias[0])
    patches = np.broadcast_to(tilt, (12, 64, 64)).astype(np.complex64)
    expected = stitching.stitch(patches, SCAN["xcoords"], SCAN["ycoords"])
    assert result.reconstruction.origin == expected.origin
    assert np.allclose(result.reconstruction.obj, expected.obj, rtol=1e-6)
    assert np.array_equal(result.reconstruction.overlap, expected.overlap)


@pytest.mark.slow
def test_batches_make_no_difference(config: InferenceConfig) -> None:
    whole, single = (infer(replace(config, batch_size=size)).reconstruction.obj for size in (64, 1))
    assert np.allclose(whole, single, rtol=1e-12)


def test_the_network_its_scale_and_photons_come_from_the_weights(
    config: InferenceConfig, trained: dict[int, core_training.TrainingResult], tmp_path: Path
) -> None:
    # Another scan, twice as bright: the input is scaled by the training's factor, not by its own.
    bright = crafted_npz.write(tmp_path / "bright.npz", {**SCAN, "diff3d": 2 * SCAN["diff3d"]})
    result = infer(replace(config, model_path=trained[2].model_path, data=replace(config.data, path=bright)))
    engine = fake.CREATED[-1]
    assert (engine.model.gridsize, engine.model.filter_scale, engine.options["nphotons"]) == (2, 1, 1e5)
    assert result.summary["input_sha256"] != trained[2].summary["input_sha256"]
    given: Any = engine.options["weights"]
    assert checkpoint.digest(given) == checkpoint.digest(checkpoint.load(trained[2].model_path)[0])
    assert (params.cfg["gridsize"], params.cfg["train_data_file"]) == (2, str(bright))


@pytest.mark.slow
def test_both_layouts_are_the_same_scan(config: InferenceConfig, tmp_path: Path) -> None:
    legacy = crafted_npz.write(tmp_path / "legacy.npz", crafted_npz.legacy(SCAN))
    one, two = infer(config), infer(replace(config, data=replace(config.data, path=legacy)))
    assert one.summary["input_sha256"] == two.summary["input_sha256"]
    assert np.array_equal(one.reconstruction.obj, two.reconstruction.obj)


@pytest.mark.slow
def test_n_images_takes_a_part(config: InferenceConfig) -> None:
    result = infer(replace(config, data=replace(config.data, n_groups=5)))
    assert result.summary["patterns"] == 5
    assert sum(len(batch) for batch in fake.CREATED[-1].predicted) == 5


@pytest.mark.slow
def test_scores_stand_beside_the_flat_objects_unless_quiet(config: InferenceConfig) -> None:
    loud = infer(replace(config, runtime=RuntimeConfig()))
    found, truth = loud.reconstruction, SCAN["objectGuess"]
    assert loud.summary["scores"] == {
        "reconstruction": metrics.score(found, truth).as_dict(),
        "flat": metrics.flat_row(found, truth).as_dict(),
    }
    assert infer(config).summary["scores"] is None


def test_without_a_truth_there_are_no_scores(config: InferenceConfig, tmp_path: Path) -> None:
    blind = {key: array for key, array in SCAN.items() if key != "objectGuess"}
    path = crafted_npz.write(tmp_path / "blind.npz", blind)
    result = infer(replace(config, data=replace(config.data, path=path), runtime=RuntimeConfig()))
    assert result.summary["scores"] is None


@pytest.mark.parametrize("quiet", [True, False])
def test_stdout_is_left_to_the_command_line(
    config: InferenceConfig, quiet: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    infer(replace(config, runtime=RuntimeConfig(quiet=quiet)))
    shown = capfd.readouterr()
    assert shown.out == ""
    # The fake network's tilted patches are no better than a flat object, and it says so.
    (line,) = shown.err.splitlines()
    assert line.startswith("warning: the reconstruction is no better than a flat object: its correlation with")


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["object", "no object"])
def test_strict_fails_for_a_result_no_better_than_flat_once_all_is_written(
    config: InferenceConfig, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {key: array for key, array in SCAN.items() if known or key != "objectGuess"}
    path = crafted_npz.write(tmp_path / "scan.npz", arrays)
    config = replace(config, data=replace(config.data, path=path), runtime=RuntimeConfig(quiet=True, strict=True))
    with pytest.raises(SuspicionError, match="no better than a flat object") as failed:
        infer(config)
    assert "train longer than 2 epochs" in str(failed.value)
    assert int(failed.value.verdict) == 1
    assert names(config.output_dir) == LEFT
    summary = json.loads((config.output_dir / "inference.json").read_text())
    assert summary["against_flat"]["better_than_flat"] is False
    assert str(failed.value).startswith(summary["against_flat"]["warning"])

    def true_patches(self: fake.FakeEngine, batches: Any) -> Iterator[Any]:
        for batch in batches:
            x, y = SCAN["xcoords"][batch.indices], SCAN["ycoords"][batch.indices]
            yield patches.extract(SCAN["objectGuess"], x.ravel(), y.ravel(), 64).reshape(batch.diffraction.shape)

    monkeypatch.setattr(fake.FakeEngine, "predict", true_patches)
    summary = infer(config).summary
    assert (summary["against_flat"]["better_than_flat"], summary["against_flat"]["warning"]) == (True, None)


def predicting(change: Any) -> Any:
    real = fake.FakeEngine.predict

    def predict(self: fake.FakeEngine, batches: Any) -> Iterator[Any]:
        yield from change(list(real(self, batches)))

    return predict


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda batches: batches[:-1], PtychoError, "the backend predicted 10 of 12 groups"),
        (lambda _: [], PtychoError, "the backend predicted 0 of 12 groups"),
        (lambda batches: [*batches, batches[0]], UsageError, "do not belong to coordinates"),
        (lambda batches: [batch[:, 0] for batch in batches], UsageError, "do not belong to coordinates"),
        (lambda batches: [abs(batch) for batch in batches], UsageError, "allowed: complex"),
        (lambda batches: [batch * np.nan for batch in batches], PtychoError, "NaN or infinite"),
    ],
)
def test_a_wrong_prediction_is_an_error_and_leaves_nothing(
    config: InferenceConfig,
    change: Any,
    kind: type[PtychoError],
    message: str,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fake.FakeEngine, "predict", predicting(change))
    with pytest.raises(kind, match=message):
        infer(replace(config, batch_size=5))
    assert (names(config.output_dir), names(scratch)) == ([], [])


def test_bad_input_is_refused_before_the_backend_is_imported(
    config: InferenceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant_backend(tmp_path, "planted_inference")
    monkeypatch.syspath_prepend(tmp_path)
    frames = {**SCAN, "diff3d": -SCAN["diff3d"]}
    negative = crafted_npz.write(tmp_path / "bad.npz", frames)
    with pytest.raises(CheckpointError, match="no weights at"):
        inference.run(replace(config, model_path=tmp_path / "none"), planted)
    with pytest.raises(ContractError, match="negative"):
        inference.run(replace(config, data=replace(config.data, path=negative)), planted)
    with pytest.raises(UsageError, match="n_images = 13; the file has 12 patterns"):
        inference.run(replace(config, data=replace(config.data, n_groups=13)), planted)
    with pytest.raises(ImportError, match="the backend was imported"):
        inference.run(config, planted)


@pytest.mark.parametrize("stored", [{}, {"model": {"side": 64, "depth": 9}}])
def test_weights_that_do_not_say_for_which_network_are_refused(
    config: InferenceConfig, stored: dict[str, Any], tmp_path: Path
) -> None:
    tensors, meta = checkpoint.load(config.model_path / checkpoint.MODEL)
    checkpoint.save(tmp_path / "other.safetensors", tensors, replace(meta, config=stored))
    with pytest.raises(CheckpointError, match="does not say which network its weights are for"):
        infer(replace(config, model_path=tmp_path / "other.safetensors"))


def test_a_patch_side_of_another_network_is_refused(config: InferenceConfig, tmp_path: Path) -> None:
    wide = crafted_npz.write(tmp_path / "wide.npz", crafted_npz.scan(m=3, n=128))
    with pytest.raises(ContractError, match="128"):
        infer(replace(config, data=replace(config.data, path=wide)))


def test_no_statistics_is_a_checkpoint_error(config: InferenceConfig, tmp_path: Path) -> None:
    tensors, meta = checkpoint.load(config.model_path / checkpoint.MODEL)
    checkpoint.save(tmp_path / "other.safetensors", tensors, replace(meta, statistics={}))
    with pytest.raises(CheckpointError, match="normalisation"):
        infer(replace(config, model_path=tmp_path / "other.safetensors"))
