"""The `quality-curve` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from ptycho.verdict import Verdict

EPOCHS, BATCH_SIZE, WARMUP_STEPS, SEED = (1, 2, 3, 4, 6), 8, 50, 42
LEARNING_RATE = 1e-3
WITHIN_S = 120.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `quality-curve`."""
    from harness.targets import interpreters

    parser = subparsers.add_parser(
        "quality-curve",
        help="what both backends reach in how many seconds of training",
        description="Train for each number of epochs, reconstruct, score; judge the best that fits the time.",
        epilog=f"exit codes: pass {int(Verdict.PASS)} · a backend does not reach the bar in time {int(Verdict.FAIL)}",
    )
    interpreters.add_option(parser)
    parser.add_argument("--fixture", default="synthetic", metavar="NAME", help="scan with its object (synthetic)")
    parser.add_argument(
        "--measured",
        action="store_true",
        help="its object is a reconstruction and not the truth: judge how much of the data is explained",
    )
    parser.add_argument("--epochs", type=int, nargs="+", default=list(EPOCHS), metavar="N", help="a training for each")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help=f"groups per step (default: {BATCH_SIZE})")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help=f"(default: {LEARNING_RATE:g})")
    parser.add_argument("--warmup-steps", type=int, default=WARMUP_STEPS, help=f"(default: {WARMUP_STEPS})")
    parser.add_argument(
        "--intensity-scale-trainable", action="store_true", help="as in training: where the object's amplitude nears 1"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all trainings (default: {SEED})")
    parser.add_argument("--within", type=float, default=WITHIN_S, metavar="SECONDS", help=f"(default: {WITHIN_S:g})")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--json", action="store_true", help="print quality-curve.json, and only that")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check what was asked for, then do it."""
    from harness.benchmark.quality_curve import run as quality_curve_run
    from harness.fixtures import locate
    from harness.targets import interpreters
    from ptycho.errors import UsageError

    counts = [*(("--epochs", epochs) for epochs in args.epochs), ("--batch-size", args.batch_size)]
    problems = [f"{name} {value}; allowed: 1 or more" for name, value in counts if value < 1]
    least = (("--warmup-steps", args.warmup_steps), ("--seed", args.seed))
    problems += [f"{name} {value}; allowed: 0 or more" for name, value in least if value < 0]
    problems += [] if args.learning_rate > 0 else [f"--learning-rate {args.learning_rate:g}; allowed: more than 0"]
    problems += [] if args.within > 0 else [f"--within {args.within:g}; allowed: more than 0 seconds"]
    if problems:
        raise UsageError("\n".join(problems))
    options = quality_curve_run.Options(
        pythons=interpreters.pythons(args.python),
        scan=next(iter(locate.locate([args.fixture]).values())),
        epochs=tuple(sorted(set(args.epochs))),
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        warmup_steps=args.warmup_steps,
        intensity_scale_trainable=args.intensity_scale_trainable,
        seed=args.seed,
        within_s=args.within,
        root=args.root,
        measured=args.measured,
        json=args.json,
    )
    return quality_curve_run.main(options, follow=args.follow)
