"""
The two command lines that both backends share: `train` and `inference`.

Defaults come from the configuration classes, so that a command line cannot disagree with a program that builds the
configuration itself. Nothing is imported here that makes a wrong option slow to refuse.
"""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptycho.command_line import DefaultsFormatter, Parser
from ptycho.config import (
    DEVICES,
    DOMAINS,
    GRIDSIZES,
    LAYOUTS,
    PATCH_SIDES,
    PRECISIONS,
    SCHEDULES,
    DataConfig,
    InferenceConfig,
    ModelConfig,
    RuntimeConfig,
    TrainingConfig,
)
from ptycho.data import preflight
from ptycho.data.formats import recognise

if TYPE_CHECKING:
    from ptycho.data.dataset import Dataset
    from ptycho.data.prepare import PreparedDataset


def _default(owner: type, name: str) -> Any:
    """The default of a configuration's field, for the help text and the parser alike."""
    value = next(item.default for item in fields(owner) if item.name == name)
    return None if value is MISSING else value


def _parser(prog: str, description: str, batch_size: int) -> argparse.ArgumentParser:
    parser = Parser(prog=f"python -m {prog}", description=description, formatter_class=DefaultsFormatter)
    parser.add_argument("--output_dir", type=Path, required=True, help="Write everything into this folder.")
    parser.add_argument("--n_images", type=int, help="Draw this many groups from the file; without it all.")
    parser.add_argument("--batch_size", type=int, default=batch_size, help="Take this many groups per batch.")
    parser.add_argument(
        "--seed", type=int, default=_default(DataConfig, "seed"), help="Draw everything random with this seed."
    )
    parser.add_argument(
        "--device", choices=DEVICES, default=_default(RuntimeConfig, "device"), help="Compute on this device."
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=_default(RuntimeConfig, "precision"),
        help="Compute in this precision; bf16 is mixed: convolutions in bfloat16, the rest in float32.",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        help="Give the framework this many threads; 0: its own choice, 1: the result repeats bit for bit.",
    )
    parser.add_argument(
        "--num_workers",
        type=int,
        default=0,
        help="Read batches ahead with this many threads; 0 reads in the main thread.",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        help="Read the file's axes in this order; needed only where it is ambiguous (M = N).",
    )
    parser.add_argument(
        "--measurement_domain", choices=DOMAINS, help="Read the frames as this, if the file does not say."
    )
    parser.add_argument("--quiet", action="store_true", help="Print warnings only, without progress and table.")
    parser.add_argument(
        "--dry-run",
        "--dry_run",
        action="store_true",
        help="Read and check everything that is read before the first step, describe it, and stop.",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="End with 1 for suspicious data or a result no better than a flat object.",
    )
    return parser


def training_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of `python -m ptycho_torch.train` and its twin."""
    parser = _parser(
        prog,
        "Train the network on one scan; leaves weights, history, log and effective configuration in --output_dir.",
        _default(TrainingConfig, "batch_size"),
    )
    parser.epilog = f"example: python -m {prog} --train_data_file scan.npz --output_dir out --nepochs 4 --batch_size 8"
    model, training = ModelConfig, TrainingConfig
    add = parser.add_argument
    add("--train_data_file", type=Path, required=True, help="Train on this scan, in canonical or legacy layout.")
    add("--test_data_file", type=Path, help="Report the loss on this scan after training.")
    add(
        "--nepochs", "--max_epochs", type=int, default=_default(training, "nepochs"), help="Train for this many epochs."
    )
    add("--gridsize", type=int, default=_default(model, "gridsize"), help=f"Group patterns g×g, one of {GRIDSIZES}.")
    add("--N", type=int, dest="side", help=f"Require this patch side, one of {PATCH_SIDES}.")
    add(
        "--learning_rate",
        type=float,
        default=_default(training, "learning_rate"),
        help="Start Adam with this rate, before schedule and warm-up.",
    )
    add(
        "--schedule",
        choices=SCHEDULES,
        default=_default(training, "schedule"),
        help="Lower the learning rate like this.",
    )
    add(
        "--warmup_steps",
        type=int,
        default=_default(training, "warmup_steps"),
        help="Reach the full rate after this many steps.",
    )
    add(
        "--nphotons",
        type=float,
        help="Assume this mean number of photons per pattern; without it the file's, else 1e9.",
    )
    add(
        "--mae_weight",
        type=float,
        default=_default(training, "mae_weight"),
        help="Weigh the amplitude's mean absolute error like this.",
    )
    add("--tv_weight", type=float, default=_default(training, "tv_weight"), help="Weigh the total variation like this.")
    add("--probe_mask", action="store_true", help="Cut the probe to the disk r < N/4.")
    add("--intensity_scale_trainable", action="store_true", help="Train the log intensity scale too.")
    add("--disable_mlflow", action="store_true", help="Track nothing and do not import MLflow.")
    add("--resume", action="store_true", help="Continue from the checkpoint in --output_dir.")
    add("--stitch", action="store_true", help="Reconstruct the test scan, else the training scan, after training.")
    add(
        "--store_dir", type=Path, help="Keep the memory-map store here and reuse it; without it the store is temporary."
    )
    return parser


def inference_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of `python -m ptycho_torch.inference` and its twin."""
    parser = _parser(
        prog,
        "Reconstruct a scan with trained weights; leaves reconstruction.npz and pictures in --output_dir.",
        _default(InferenceConfig, "batch_size"),
    )
    parser.epilog = f"example: python -m {prog} --model_path out --test_data scan.npz --output_dir out/reconstruction"
    parser.add_argument(
        "--model_path", type=Path, required=True, help="Take the weights from this file or folder of a training."
    )
    parser.add_argument(
        "--test_data", type=Path, required=True, help="Reconstruct this scan, in canonical or legacy layout."
    )
    return parser


def training_config(arguments: Sequence[str] | None, prog: str) -> TrainingConfig:
    """
    Parse a command line into a configuration.

    Raises:
        SystemExit: 2, from argparse, for unknown or malformed options.
        ConfigurationError: for values out of range.
        ContractError: if the patch side is left to a file that cannot be read.
    """
    args = training_parser(prog).parse_args(arguments)
    return TrainingConfig(
        data=_data(args, args.train_data_file, args.gridsize),
        test_path=args.test_data_file,
        output_dir=args.output_dir,
        model=ModelConfig(
            side=args.side if args.side is not None else _side_of(args.train_data_file),
            gridsize=args.gridsize,
            probe_mask=args.probe_mask,
            intensity_scale_trainable=args.intensity_scale_trainable,
        ),
        runtime=_runtime(args),
        nepochs=args.nepochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        schedule=args.schedule,
        warmup_steps=args.warmup_steps,
        nphotons=args.nphotons,
        mae_weight=args.mae_weight,
        tv_weight=args.tv_weight,
        resume=args.resume,
        stitch=args.stitch,
        mlflow=not args.disable_mlflow,
        store_dir=args.store_dir,
    )


def inference_config(arguments: Sequence[str] | None, prog: str) -> InferenceConfig:
    """Parse a command line into a configuration; raises as `training_config` does."""
    args = inference_parser(prog).parse_args(arguments)
    return InferenceConfig(
        model_path=args.model_path,
        data=_data(args, args.test_data, None),
        output_dir=args.output_dir,
        runtime=_runtime(args),
        batch_size=args.batch_size,
    )


def is_dry_run(arguments: Sequence[str] | None, parser: argparse.ArgumentParser) -> bool:
    """Whether a command line, which its parser accepts, only wants to be checked."""
    return bool(parser.parse_args(arguments).dry_run)


def show_dry_run(dataset: "Dataset", prepared: "PreparedDataset") -> None:
    """Print what a run would begin with."""
    masked = "" if dataset.bad_pixels is None else f", {dataset.bad_share:.2%} of the pixels masked"
    print(
        f"{dataset.source.path}: {dataset.n_patterns} patterns of {dataset.side}×{dataset.side}{masked}; "
        f"{prepared.n_groups} groups, {prepared.nphotons:g} photons a pattern, "
        f"input sha256 {prepared.stages.normalised}"
    )


def show_reconstruction(summary: dict[str, Any], output_dir: Path) -> None:
    """Print where the reconstruction is and, where the file knows the truth, its scores beside the flat object's."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if summary["scores"]:
        names = ("amplitude_psnr", "amplitude_ssim", "phase_psnr", "phase_ssim", "phase_correlation")
        table = Table("", *(name.replace("_", " ") for name in names))
        for row, figures in summary["scores"].items():
            table.add_row(row, *(f"{figures[name]:.2f}" for name in names))
        console.print(table)
    console.print(f"{summary['patterns']} patterns -> {output_dir}", highlight=False)


def _data(args: argparse.Namespace, path: Path, gridsize: int | None) -> DataConfig:
    return DataConfig(
        path=path,
        n_groups=args.n_images,
        gridsize=_default(DataConfig, "gridsize") if gridsize is None else gridsize,
        seed=args.seed,
        layout=args.layout,
        measurement_domain=args.measurement_domain,
    )


def _runtime(args: argparse.Namespace) -> RuntimeConfig:
    return RuntimeConfig(
        device=args.device,
        precision=args.precision,
        threads=args.threads,
        num_workers=args.num_workers,
        quiet=args.quiet,
        strict=args.strict,
    )


def _side_of(path: Path) -> int:
    """
    The patch side by the probe's header: its axis 1 is N in `(N, N)`, `(N, N, 1)` and `(P, N, N)` alike.

    A side that no network is defined for is left to the contract, which refuses the file with all that is wrong.
    """
    if recognise.is_foreign(path):
        with recognise.opened(path) as opened:
            probe = opened.arrays.members().get("probeGuess")
        shape: tuple[int, ...] = () if probe is None else probe.shape
    else:
        shape = preflight.examine(path).table["probeGuess"].shape
    side = shape[1] if len(shape) > 1 else 0
    return side if side in PATCH_SIDES else int(_default(ModelConfig, "side"))
