"""The arguments of `benchmark quality-curve`, apart from what it does: a command line must start without NumPy."""

import argparse

from harness.cli import options
from harness.cli.options import Commands
from ptycho.verdict import Verdict

EPOCHS, BATCH_SIZE, WARMUP_STEPS, SEED = (1, 2, 3, 4, 6), 8, 50, 42
LEARNING_RATE = 1e-3
WITHIN_S = 120.0


def add_parser(commands: Commands) -> None:
    """Register `benchmark quality-curve`."""
    from harness.targets import interpreters

    parser = options.add_command(
        commands,
        "quality-curve",
        "Show which quality both backends reach in how many seconds of training.",
        more="Each number of epochs is a training of its own; the best one that fits the time is judged.",
        examples=("benchmark quality-curve --epochs 1 2 4", "benchmark quality-curve --fixture scan.npz --measured"),
        codes=f"pass {Verdict.PASS:d} · a backend does not reach the bar in time {Verdict.FAIL:d}",
    )
    interpreters.add_option(parser)
    add = parser.add_argument
    options.add_fixture(parser, "synthetic", "with its object")
    text = "Judge how much of the data is explained, because the object is a reconstruction and not the truth."
    add("--measured", action="store_true", help=text)
    text = f"Train for each of these numbers of epochs ({' '.join(map(str, EPOCHS))})."
    add("--epochs", type=int, nargs="+", default=list(EPOCHS), metavar="N", help=text)
    add(
        "--batch-size",
        type=int,
        default=BATCH_SIZE,
        metavar="N",
        help=f"Take this many groups per step ({BATCH_SIZE}).",
    )
    text = f"Train with this learning rate ({LEARNING_RATE:g})."
    add("--learning-rate", type=float, default=LEARNING_RATE, metavar="X", help=text)
    text = f"Reach the full learning rate after this many steps ({WARMUP_STEPS})."
    add("--warmup-steps", type=int, default=WARMUP_STEPS, metavar="N", help=text)
    text = "Train the intensity scale too, which objects with an amplitude near 1 need."
    add("--intensity-scale-trainable", action="store_true", help=text)
    options.add_seed(parser, SEED, "all trainings")
    text = f"Judge the best training that takes at most this many seconds ({WITHIN_S:g})."
    add("--within", type=float, default=WITHIN_S, metavar="SECONDS", help=text)
    options.add_run_options(parser, "quality-curve.json")
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
    chosen = interpreters.pythons(args.python)
    interpreters.require_frameworks(chosen, args.python)
    asked = quality_curve_run.QualityCurveOptions(
        pythons=chosen,
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
    return quality_curve_run.main(asked, follow=args.follow)
