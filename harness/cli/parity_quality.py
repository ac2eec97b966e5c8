"""Arguments of `parity quality`, apart from what it does."""

import argparse
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands
from harness.targets import devices
from harness.targets.devices import SIDES
from harness.targets.interpreters import add_option, pythons, require_frameworks
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

CODES = f"pass {Verdict.PASS:d} · not equal {Verdict.FAIL:d} · incomplete {Verdict.INCONCLUSIVE:d} · docs/quality.md"


def add_parser(commands: Commands) -> None:
    """Register `parity quality`."""
    parser = options.add_command(
        commands,
        "quality",
        "Compare the trained quality of the two backends over seeds (rung R9).",
        more="Each seed trains both backends, so a campaign takes hours; docs/quality.md says how it is judged.",
        examples=("parity quality --seeds 10", "parity quality --bf16 torch", "parity quality --resume quality.json"),
        codes=CODES,
    )
    add_option(parser)
    devices.add_option(parser)
    parser.add_argument("--seeds", type=int, metavar="N", help="Train with this many seeds (24).")
    parser.add_argument("--epochs", type=int, metavar="N", help="Train for this many epochs (7).")
    text = "Compare this backend in bfloat16 with itself in float32."
    parser.add_argument("--bf16", choices=SIDES, help=text)
    text = "Continue the campaign that this file holds."
    parser.add_argument("--resume", type=Path, metavar="JSON", help=text)
    options.add_fixture(parser, "small", "for the trainings")
    parser.add_argument("--quiet", action="store_true", help="Print only the result.")
    options.add_run_options(parser, "the report")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare trained quality; returns the exit code."""
    options.use_one_thread()
    if args.seeds is not None and args.seeds < 1:
        raise UsageError(f"--seeds {args.seeds}; allowed: 1 or more")
    chosen = pythons(args.python)
    require_frameworks(chosen, args.python, devices.requested(args.device))
    from harness.fixtures import locate
    from harness.parity.quality import run as quality_run
    from harness.parity.quality import sides

    asked = quality_run.QualityOptions(
        pythons=chosen,
        scan=next(iter(locate.locate([args.fixture]).values())),
        root=args.root,
        seeds=tuple(range(1, (args.seeds or quality_run.SEEDS) + 1)),
        epochs=args.epochs or quality_run.EPOCHS,
        contest=sides.precisions(args.bf16) if args.bf16 else sides.BACKENDS,
        resume=args.resume,
        quiet=args.quiet or args.json,
        json=args.json,
        devices=devices.requested(args.device),
    )
    return quality_run.main(asked, follow=args.follow)
