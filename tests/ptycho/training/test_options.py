"""Every option with the values that a user can type, 0 and false first: whether the result changes where it must."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho.config import InferenceConfig, ModelConfig, RuntimeConfig, TrainingConfig
from ptycho.errors import CheckpointError, ConfigurationError, UsageError
from ptycho.training import checkpoint, cli, inference
from tests.support import crafted_npz
from tests.support.fakes.fake_backend import engine as fake
from tests.support.fakes.fake_runs import infer, train
from tests.support.golden import golden_files

Signature = dict[str, Any]

PLAIN = ("--nepochs", "3", "--batch_size", "4", "--quiet", "--disable_mlflow")

TRAINING: dict[str, tuple[str, ...]] = {
    # What is typed: what it must change, and nothing else.
    "--seed 42": (),
    "--seed 0": ("drawn", "order", "weights", "losses", "seed", "trained"),
    "--seed 1": ("drawn", "order", "weights", "losses", "seed", "trained"),
    "--n_images 8": ("order", "weights", "losses", "trained", "normalisation", "groups", "rates"),
    "--batch_size 1": ("order", "weights", "losses", "trained", "rates", "normalisation"),
    "--nepochs 1": ("order", "weights", "losses", "rates"),
    "--num_workers 0": (),
    "--num_workers 2": (),
    "--threads 0": (),
    "--threads 1": ("threads",),
    "--precision f64": ("precision",),
    "--precision bf16": ("precision",),
    "--learning_rate 0.25": ("weights", "losses", "rates"),
    "--schedule plateau": (),
    "--schedule cosine": ("weights", "losses", "rates"),
    "--warmup_steps 0": (),
    "--warmup_steps 1": (),
    "--warmup_steps 5": ("weights", "losses", "rates"),
    "--nphotons 1": ("drawn", "nphotons"),
    "--nphotons 1e5": ("drawn", "nphotons"),
    "--mae_weight 0": (),
    "--mae_weight 0.5": ("mae_weight",),
    "--tv_weight 0": (),
    "--tv_weight 0.5": ("tv_weight",),
    "--probe_mask": ("probe",),
    "--intensity_scale_trainable": ("trainable",),
    "--gridsize 1": (),
    "--stitch": ("files",),
    "--measurement_domain amplitude": (),
    "--measurement_domain counts": ("weights", "losses", "normalisation"),
}

REFUSED = {
    "--n_images 0": "n_images = 0; allowed: 1 or more",
    "--batch_size 0": "batch_size = 0; allowed: 1 or more",
    "--nepochs 0": "nepochs = 0; allowed: 1 or more",
    "--gridsize 0": "gridsize = 0; allowed: 1, 2",
    "--N 0": "N = 0; allowed: 64, 128, 256",
    "--learning_rate 0": "learning_rate = 0.0; allowed: more than 0",
    "--nphotons 0": "nphotons = 0.0; allowed: 1 or more",
    "--seed -1": "seed = -1; allowed: 0 or more",
    "--warmup_steps -1": "warmup_steps = -1; allowed: 0 or more",
    "--mae_weight -1": "mae_weight = -1.0; allowed: 0 or more",
    "--tv_weight -1": "tv_weight = -1.0; allowed: 0 or more",
    "--threads -1": "threads = -1; allowed: 0 or more",
    "--num_workers -1": "num_workers = -1; allowed: 0 or more",
}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crafted_npz.write(tmp_path_factory.mktemp("scan") / "scan.npz", crafted_npz.scan(m=12))


def signature(scan: Path, folder: Path, option: str) -> Signature:
    """What a training with an option does, by name."""
    argv = [*PLAIN, *option.split()]
    config = cli.training_config(["--train_data_file", str(scan), "--output_dir", str(folder), *argv], "prog")
    result = train(config)
    engine = fake.CREATED[-1]
    given, tensors = engine.options, checkpoint.load(result.model_path)[0]
    return {
        "drawn": {name: np.asarray(value).tobytes() for name, value in given["weights"].items()},
        "probe": given["probe"].tobytes(),
        "nphotons": given["nphotons"],
        "mae_weight": given["mae_weight"],
        "tv_weight": given["tv_weight"],
        "threads": given["runtime"].threads,
        "precision": given["runtime"].precision,
        "trainable": engine.model.intensity_scale_trainable,
        "order": [[indices for indices, _ in steps] for steps in engine.trained],
        "trained": sorted({index for steps in engine.trained for indices, _ in steps for (index,) in indices}),
        "rates": [[rate for _, rate in steps] for steps in engine.trained],
        "weights": tensors[fake.BIAS].tobytes(),
        "losses": [(row.train_loss, row.validation_loss) for row in result.history],
        "seed": result.summary["seed"],
        "groups": result.summary["n_groups"],
        "normalisation": result.summary["normalisation"],
        "files": sorted(path.name for path in folder.iterdir()),
    }


@pytest.fixture(scope="module")
def plain(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Signature:
    return signature(scan, tmp_path_factory.mktemp("plain"), "--seed 42")


@pytest.mark.slow
@pytest.mark.parametrize("option", TRAINING)
def test_a_value_of_an_option_changes_what_it_must_and_nothing_else(
    option: str, scan: Path, plain: Signature, tmp_path: Path
) -> None:
    found = signature(scan, tmp_path, option)
    changed = {name for name in plain if found[name] != plain[name]}
    if option.startswith("--seed") and option != "--seed 42":
        changed.discard("normalisation")  # other groups train, whose mean may differ
        changed |= {"trained"} & set(TRAINING[option])  # ... or may not
    assert changed == set(TRAINING[option])


@pytest.mark.parametrize("option", REFUSED)
def test_a_value_out_of_range_is_refused_by_name(option: str, tmp_path: Path) -> None:
    argv = ["--train_data_file", "scan.npz", "--output_dir", str(tmp_path), *option.split()]
    if not option.startswith("--N "):
        argv += ["--N", "64"]
    with pytest.raises(ConfigurationError) as caught:
        cli.training_config(argv, "prog")
    assert REFUSED[option] in str(caught.value)


@pytest.mark.parametrize("value", ["False", "false", "True", "0", "", 0, 1, None])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((ModelConfig, name) for name in ("probe_big", "probe_mask", "intensity_scale_trainable")),
        *((RuntimeConfig, name) for name in ("quiet", "strict")),
    ],
)
def test_a_switch_is_true_or_false_and_never_a_text(kind: Any, name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} = {value!r}; allowed: True, False"):
        kind(**{name: value})


@pytest.mark.parametrize("name", ["resume", "stitch", "mlflow"])
def test_a_switch_of_a_training_is_no_text(name: str) -> None:
    config = cli.training_config(["--train_data_file", "s.npz", "--output_dir", "o", "--N", "64"], "prog")
    given = {item.name: getattr(config, item.name) for item in fields(TrainingConfig)}
    with pytest.raises(ConfigurationError, match=f"{name} = 'False'; allowed: True, False"):
        TrainingConfig(**{**given, name: "False"})


def test_every_switch_is_asked() -> None:
    switches = {
        (kind.__name__, item.name)
        for kind in (ModelConfig, RuntimeConfig, TrainingConfig, InferenceConfig)
        for item in fields(kind)
        if item.type in ("bool", bool)
    }
    assert switches == {
        *(("ModelConfig", name) for name in ("probe_big", "probe_mask", "intensity_scale_trainable")),
        *(("RuntimeConfig", name) for name in ("quiet", "strict")),
        *(("TrainingConfig", name) for name in ("resume", "stitch", "mlflow")),
    }


def test_a_weights_file_whose_switch_is_a_text_is_refused(tmp_path: Path) -> None:
    said = golden_files.meta(resumes=False)
    said["config"] = {**said["config"], "model": {**said["config"]["model"], "probe_mask": "False"}}
    path = tmp_path / "m"
    path.write_bytes(golden_files.content({}, said))
    with pytest.raises((ConfigurationError, CheckpointError), match="probe_mask = 'False'"):
        inference._training_of(checkpoint.load(path)[1], path)


@pytest.fixture(scope="module")
def model(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train(cli.training_config(["--train_data_file", str(scan), "--output_dir", str(folder), *PLAIN], "prog"))
    return folder


INFERENCE: dict[str, tuple[str, ...]] = {
    "--seed 42": (),
    "--seed 0": (),
    "--n_images 5 --seed 42": ("patterns", "order", "object"),
    "--batch_size 1": ("batches",),
    "--batch_size 64": (),
    "--num_workers 0": (),
    "--num_workers 2": (),
    "--threads 1": ("threads",),
    "--precision f64": ("precision",),
    "--measurement_domain amplitude": (),
}


def reconstruction(model: Path, scan: Path, folder: Path, option: str) -> Signature:
    """What an inference with an option does, by name."""
    argv = ["--model_path", str(model), "--test_data", str(scan), "--output_dir", str(folder), "--quiet"]
    result = infer(cli.inference_config([*argv, *option.split()], "prog"))
    engine = fake.CREATED[-1]
    return {
        "patterns": result.summary["patterns"],
        "order": [index for batch in engine.predicted for (index,) in batch],
        "batches": len(engine.predicted) if result.summary["patterns"] == 12 else 1,
        "object": (result.reconstruction.obj.shape, np.round(result.reconstruction.obj, 9).tobytes()),
        "threads": engine.options["runtime"].threads,
        "precision": engine.options["runtime"].precision,
    }


@pytest.mark.slow
@pytest.mark.parametrize("option", INFERENCE)
def test_a_value_of_an_inference_option_changes_what_it_must_and_nothing_else(
    option: str, model: Path, scan: Path, tmp_path: Path
) -> None:
    plain = reconstruction(model, scan, tmp_path / "plain", "--seed 42")
    found = reconstruction(model, scan, tmp_path / "out", option)
    assert {name for name in plain if found[name] != plain[name]} == set(INFERENCE[option])


def test_seed_zero_draws_other_groups_than_any_other_seed(model: Path, scan: Path, tmp_path: Path) -> None:
    drawn = [reconstruction(model, scan, tmp_path / str(s), f"--n_images 5 --seed {s}")["order"] for s in (0, 1, 42)]
    assert len({tuple(order) for order in drawn}) == 3


def test_more_groups_than_patterns_are_refused(model: Path, scan: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="n_images = 13"):
        reconstruction(model, scan, tmp_path / "out", "--n_images 13")
