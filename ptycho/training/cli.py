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

from ptycho.command_line import Parser
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
    from ptycho.data.prepare import Prepared


def _default(owner: type, name: str) -> Any:
    """The default of a configuration's field, for the help text and the parser alike."""
    value = next(item.default for item in fields(owner) if item.name == name)
    return None if value is MISSING else value


def _parser(prog: str, description: str, batch_size: int) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"python -m {prog}", description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of everything that the run leaves")
    parser.add_argument("--n_images", type=int, help="groups to draw from the file; all where not given")
    parser.add_argument("--batch_size", type=int, default=batch_size, help="groups per batch")
    parser.add_argument("--seed", type=int, default=_default(DataConfig, "seed"), help="seed of all that is drawn")
    parser.add_argument("--device", choices=DEVICES, default=_default(RuntimeConfig, "device"), help="where to compute")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=_default(RuntimeConfig, "precision"),
        help="bf16 is mixed: convolutions in bfloat16, all else in float32",
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of the framework; 0: its own choice, 1: repeatable bit for bit"
    )
    parser.add_argument("--num_workers", type=int, default=0, help="threads that read batches ahead; 0: in line")
    parser.add_argument(
        "--layout", choices=LAYOUTS, help="order of the file's axes, needed only where it is ambiguous (M = N)"
    )
    parser.add_argument("--measurement_domain", choices=DOMAINS, help="what the file holds, where it does not say")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no table; warnings stay")
    parser.add_argument(
        "--dry-run",
        "--dry_run",
        action="store_true",
        help="read and check everything that is read before the first step, say what it is, and stop; writes nothing",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit code 1 for suspicious data or a result no better than flat",
    )
    return parser


def training_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of `python -m ptycho_torch.train` and its twin."""
    parser = _parser(
        prog,
        "Train the network on one scan; leaves weights, history, log and effective configuration in --output_dir.",
        _default(TrainingConfig, "batch_size"),
    )
    model, training = ModelConfig, TrainingConfig
    add = parser.add_argument
    add("--train_data_file", type=Path, required=True, help="NPZ scan, canonical or legacy layout (DATA-001)")
    add("--test_data_file", type=Path, help="NPZ scan whose loss is reported after training")
    add("--nepochs", "--max_epochs", type=int, default=_default(training, "nepochs"), help="number of epochs")
    add("--gridsize", type=int, default=_default(model, "gridsize"), help=f"g of g×g groups; one of {GRIDSIZES}")
    add("--N", type=int, dest="side", help=f"patch side, one of {PATCH_SIDES}; the file's own where not given")
    add(
        "--learning_rate",
        type=float,
        default=_default(training, "learning_rate"),
        help="Adam's, before schedule and warm-up",
    )
    add("--schedule", choices=SCHEDULES, default=_default(training, "schedule"), help="how the learning rate falls")
    add("--warmup_steps", type=int, default=_default(training, "warmup_steps"), help="steps until the full rate")
    add("--nphotons", type=float, help="mean photons per pattern; the file's own, else 1e9, where not given")
    add("--mae_weight", type=float, default=_default(training, "mae_weight"), help="weight of the amplitude's MAE")
    add("--tv_weight", type=float, default=_default(training, "tv_weight"), help="weight of the total variation")
    add("--probe_mask", action="store_true", help="cut the probe to the disk r < N/4")
    add("--intensity_scale_trainable", action="store_true", help="train the log intensity scale, too")
    add("--disable_mlflow", action="store_true", help="no tracking; MLflow is not even imported")
    add("--resume", action="store_true", help="continue from the checkpoint in --output_dir")
    add("--stitch", action="store_true", help="reconstruct the test scan (else the training scan) after training")
    add("--store_dir", type=Path, help="keep the memory-map store here and reuse it; else it is temporary")
    return parser


def inference_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of `python -m ptycho_torch.inference` and its twin."""
    parser = _parser(
        prog,
        "Reconstruct a scan with trained weights; leaves reconstruction.npz and pictures in --output_dir.",
        _default(InferenceConfig, "batch_size"),
    )
    parser.add_argument("--model_path", type=Path, required=True, help="weights file, or the folder of a training")
    parser.add_argument("--test_data", type=Path, required=True, help="NPZ scan, canonical or legacy layout (DATA-001)")
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


def show_dry_run(dataset: "Dataset", prepared: "Prepared") -> None:
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
