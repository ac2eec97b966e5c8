"""Both command lines, generically: an option has the configuration's default and reaches its field, and no other."""

import importlib
import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ptycho_tf.inference
import ptycho_tf.train
import ptycho_torch.inference
import ptycho_torch.train
from ptycho.config import DataConfig, InferenceConfig, ModelConfig, TrainingConfig
from ptycho.errors import ConfigurationError, ContractError
from ptycho.training import cli
from tests.support import crafted_npz

ROOT = Path(__file__).parents[3]
TRAIN = ["--train_data_file", "scan.npz", "--output_dir", "out", "--N", "64"]
INFER = ["--model_path", "model", "--test_data", "scan.npz", "--output_dir", "out"]
TRAINING = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"))
INFERENCE = InferenceConfig(model_path=Path("model"), data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"))

COMMON: dict[str, dict[str, Any]] = {
    "--output_dir there": {"output_dir": Path("there")},
    "--n_images 5": {"data": {"n_groups": 5}},
    "--batch_size 3": {"batch_size": 3},
    "--seed 7": {"data": {"seed": 7}},
    "--device cpu": {"runtime": {"device": "cpu"}},
    "--precision f64": {"runtime": {"precision": "f64"}},
    "--threads 1": {"runtime": {"threads": 1}},
    "--num_workers 2": {"runtime": {"num_workers": 2}},
    "--layout legacy": {"data": {"layout": "legacy"}},
    "--measurement_domain counts": {"data": {"measurement_domain": "counts"}},
    "--quiet": {"runtime": {"quiet": True}},
    "--strict": {"runtime": {"strict": True}},
}
OF_TRAINING = COMMON | {
    "--train_data_file other.npz": {"data": {"path": Path("other.npz")}},
    "--test_data_file test.npz": {"test_path": Path("test.npz")},
    "--nepochs 3": {"nepochs": 3},
    "--max_epochs 3": {"nepochs": 3},
    "--gridsize 2": {"data": {"gridsize": 2}, "model": {"gridsize": 2}},
    "--N 128": {"model": {"side": 128}},
    "--learning_rate 0.25": {"learning_rate": 0.25},
    "--schedule cosine": {"schedule": "cosine"},
    "--warmup_steps 9": {"warmup_steps": 9},
    "--nphotons 1e5": {"nphotons": 1e5},
    "--mae_weight 0.5": {"mae_weight": 0.5},
    "--tv_weight 0.5": {"tv_weight": 0.5},
    "--probe_mask": {"model": {"probe_mask": True}},
    "--intensity_scale_trainable": {"model": {"intensity_scale_trainable": True}},
    "--disable_mlflow": {"mlflow": False},
    "--resume": {"resume": True},
    "--stitch": {"stitch": True},
    "--store_dir kept": {"store_dir": Path("kept")},
}
OF_INFERENCE = COMMON | {
    "--model_path weights": {"model_path": Path("weights")},
    "--test_data other.npz": {"data": {"path": Path("other.npz")}},
}


def training(*options: str) -> TrainingConfig:
    return cli.training_config([*TRAIN, *options], "prog")


def inference(*options: str) -> InferenceConfig:
    return cli.inference_config([*INFER, *options], "prog")


def with_fields(config: Any, changes: dict[str, Any]) -> Any:
    nested = {
        name: with_fields(getattr(config, name), value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return replace(config, **nested)


def options(parser: ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}


def test_left_out_options_are_the_configurations_defaults() -> None:
    assert training() == TRAINING
    assert inference() == INFERENCE


@pytest.mark.parametrize("option", OF_TRAINING)
def test_an_option_of_training_reaches_its_field_and_no_other(option: str) -> None:
    assert training(*option.split()) == with_fields(TRAINING, OF_TRAINING[option])
    assert training(*option.split()) != TRAINING


@pytest.mark.parametrize("option", OF_INFERENCE)
def test_an_option_of_inference_reaches_its_field_and_no_other(option: str) -> None:
    assert inference(*option.split()) == with_fields(INFERENCE, OF_INFERENCE[option])
    assert inference(*option.split()) != INFERENCE


def test_no_option_is_missing_from_the_tables_above() -> None:
    no_field = {"--dry-run", "--dry_run"}
    assert {option.split()[0] for option in OF_TRAINING} | no_field == options(cli.training_parser("prog"))
    assert {option.split()[0] for option in OF_INFERENCE} | no_field == options(cli.inference_parser("prog"))


def test_a_dry_run_says_what_it_would_begin_with_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, out = crafted_npz.write(tmp_path / "scan.npz", crafted_npz.scan(12)), tmp_path / "out"
    for module in (ptycho_torch.train, ptycho_tf.train):
        module.main(["--train_data_file", str(scan), "--output_dir", str(out), "--dry-run"])
        shown = capsys.readouterr().out
        assert shown.startswith(f"{scan}: 12 patterns of 64×64; 12 groups, 1e+09 photons a pattern, input sha256 ")
        assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan.npz"]


DOCUMENTED: dict[Callable[[str], ArgumentParser], str] = {
    cli.training_parser: (
        "train_data_file test_data_file output_dir nepochs max_epochs n_images gridsize batch_size N seed "
        "learning_rate device disable_mlflow quiet precision num_workers resume stitch"
    ),
    cli.inference_parser: "model_path test_data output_dir n_images batch_size device quiet",
}


@pytest.mark.parametrize("parser", DOCUMENTED)
def test_help_lists_what_the_reference_promises(
    parser: Callable[[str], ArgumentParser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = parser("ptycho_torch.train").format_help()
    assert [name for name in DOCUMENTED[parser].split() if f"--{name}" not in shown] == []
    assert shown.startswith("usage: python -m ptycho_torch.train ")


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("--gridsize 3", "gridsize = 3; allowed: 1, 2"),
        ("--N 100", "N = 100; allowed: 64, 128, 256"),
        ("--nepochs 0", "nepochs = 0; allowed: 1 or more"),
        ("--batch_size 0", "batch_size = 0; allowed: 1 or more"),
        ("--n_images -3", "n_images = -3; allowed: 1 or more"),
        ("--seed -1", "seed = -1; allowed: 0 or more"),
        ("--learning_rate 0", "learning_rate = 0.0; allowed: more than 0"),
        ("--learning_rate nan", "learning_rate = nan; allowed: more than 0, and finite"),
        ("--nphotons 0.5", "nphotons = 0.5; allowed: 1 or more"),
        ("--learning_rate inf", "learning_rate = inf; allowed: more than 0, and finite"),
        ("--nphotons nan", "nphotons = nan; allowed: 1 or more, and finite"),
        ("--tv_weight -1", "tv_weight = -1.0; allowed: 0 or more"),
        ("--threads -1", "threads = -1; allowed: 0 or more"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(bad: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        training(*bad.split())
    assert f"  - {named}" in str(caught.value).splitlines()


@pytest.mark.parametrize(
    "bad", ["--device tpu", "--precision f16", "--nepochs many", "--frobnicate", "--layout sideways", "--schedule step"]
)
def test_what_is_no_value_ends_with_the_exit_code_of_usage(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        training(*bad.split())
    assert caught.value.code == 2
    assert bad.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "required"),
    [
        (cli.training_config, "--output_dir, --train_data_file"),
        (cli.inference_config, "--output_dir, --model_path, --test_data"),
    ],
)
def test_what_must_be_given_is_asked_for(
    run: Callable[[list[str], str], object], required: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run([], "prog")
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"required: {required}")


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("probe", ["(N, N)", "(N, N, 1)", "(2, N, N)", "legacy"])
def test_the_side_is_the_files_own_where_not_given(side: int, probe: str, tmp_path: Path) -> None:
    arrays = crafted_npz.scan(m=3, n=side)
    if probe == "legacy":
        arrays = crafted_npz.legacy(arrays)
    elif probe == "(N, N, 1)":
        arrays["probeGuess"] = arrays["probeGuess"][..., None]
    elif probe == "(2, N, N)":
        arrays["probeGuess"] = np.stack([arrays["probeGuess"]] * 2)
    path = crafted_npz.write(tmp_path / "scan.npz", arrays)
    arguments = ["--train_data_file", str(path), "--output_dir", "out"]
    assert cli.training_config(arguments, "prog").model == ModelConfig(side=side)
    assert cli.training_config([*arguments, "--N", "256"], "prog").model == ModelConfig(side=256)


def test_a_side_without_a_network_is_left_to_the_contract(tmp_path: Path) -> None:
    path = crafted_npz.write(tmp_path / "scan.npz", crafted_npz.scan(m=3, n=48))
    config = cli.training_config(["--train_data_file", str(path), "--output_dir", "out"], "prog")
    assert config.model.side == 64


def test_a_file_that_cannot_be_read_is_refused_while_parsing(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="DATA-001"):
        cli.training_config(["--train_data_file", str(tmp_path / "none.npz"), "--output_dir", "out"], "prog")


@pytest.mark.parametrize(
    ("command", "workflow", "given", "expected"),
    [("train", "train", TRAIN, TRAINING), ("inference", "infer", INFER, INFERENCE)],
)
def test_the_two_backends_take_the_same_command_line(
    command: str, workflow: str, given: list[str], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Any] = []
    for package in (ptycho_torch, ptycho_tf):
        module = getattr(package, command)
        workflows = importlib.import_module(f"{package.__name__}.workflows")
        monkeypatch.setattr(workflows, workflow, taken.append)
        module.main([*given, "--seed", "7", "--quiet"])
    assert taken == [with_fields(expected, {"data": {"seed": 7}, "runtime": {"quiet": True}})] * 2


@pytest.mark.parametrize("package", [ptycho_torch, ptycho_tf], ids=lambda package: str(package.__name__))
@pytest.mark.parametrize("command", ["train", "inference"])
def test_each_backend_is_named_in_its_help(package: Any, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        getattr(package, command).main(["--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m {package.__name__}.{command} ")


HEAVY = [
    "torch",
    "tensorflow",
    "keras",
    "mlflow",
    "scipy",
    "skimage",
    "matplotlib",
    "rich",
    "safetensors",
    "psutil",
    "sqlalchemy",
]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from ptycho.training import cli", []),
        ("import ptycho_torch.train, ptycho_torch.inference", []),
        ("import ptycho_tf.train, ptycho_tf.inference", []),
        ("import scipy, ptycho_torch.train", ["scipy"]),
    ],
)
def test_a_command_line_is_parsed_before_anything_heavy_is_imported(statement: str, expected: list[str]) -> None:
    code = f"""
import json, sys
{statement}
from ptycho.training import cli
cli.training_config({[*TRAIN, "--quiet"]!r}, "prog")
cli.inference_config({INFER!r}, "prog")
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == expected


FIGURES = ("amplitude_psnr", "amplitude_ssim", "phase_psnr", "phase_ssim", "phase_correlation")


def test_scores_are_shown_beside_the_flat_objects(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    rows = {"reconstruction": 20.125, "flat": 10.5}
    scores = {row: dict.fromkeys(FIGURES, value) for row, value in rows.items()}
    cli.show_reconstruction({"scores": scores, "patterns": 12}, Path("out"))
    shown = capsys.readouterr().out
    assert [shown.count(figure) for figure in ("20.12", "10.50", "phase correlation")] == [5, 5, 1]
    assert shown.splitlines()[-1] == "12 patterns -> out"


def test_without_a_truth_there_is_only_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    cli.show_reconstruction({"scores": None, "patterns": 3}, Path("out"))
    assert capsys.readouterr().out == "3 patterns -> out\n"
