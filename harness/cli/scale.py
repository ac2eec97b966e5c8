"""The `benchmark scale` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse

from harness.benchmark.scaling.masks import MASKS, NONE
from harness.cli import options
from harness.cli.options import Commands
from ptycho.verdict import Verdict

PATTERNS, SIDES, GRIDSIZES = (1_000, 10_000, 100_000), (64, 128, 256), (1, 2)
MAX_GB, STEPS = 3.0, 6


def add_parser(commands: Commands) -> None:
    """Register `benchmark scale`."""
    parser = options.add_command(
        commands,
        "scale",
        "Measure memory, reading and steps for scans of 1,000 to 100,000 patterns.",
        more="Scans are generated and read once each; with --python, some steps of training follow.",
        examples=(
            "benchmark scale",
            "benchmark scale --patterns 1000 --mask none",
            "benchmark scale --side 64 128 --python torch=.nox/torch-cpu/bin/python",
        ),
        codes=f"pass {Verdict.PASS:d} · memory or cost grows with the scan {Verdict.FAIL:d}",
    )
    add = parser.add_argument
    text = "Generate scans with these numbers of patterns (1000 10000 100000)."
    add("--patterns", type=int, nargs="+", default=list(PATTERNS), metavar="M", help=text)
    add("--side", type=int, nargs="+", choices=SIDES, default=[SIDES[0]], help="Use frames of these sides (64).")
    text = "Group the patterns with these gridsizes (1 2)."
    add("--gridsize", type=int, nargs="+", choices=GRIDSIZES, default=list(GRIDSIZES), help=text)
    text = "Give the scans no mask, one mask for all patterns, or one for each (all three, in turns)."
    add("--mask", type=str, nargs="+", choices=MASKS, default=list(MASKS), help=text)
    text = "Also train some steps with this interpreter of torch or tf; without it scans are only read."
    add("--python", action="append", default=[], metavar="SIDE=PATH", help=text)
    add("--steps", type=int, default=STEPS, metavar="N", help=f"Train this many steps ({STEPS}).")
    text = f"Leave out scans larger than this many gigabytes ({MAX_GB:g})."
    add("--max-gb", type=float, default=MAX_GB, metavar="GB", help=text)
    options.add_run_options(parser, "scale.json")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check what was asked for, then do it."""
    from harness.benchmark.scaling import run as scaling_run
    from harness.targets import interpreters
    from ptycho.errors import UsageError

    problems = [f"--patterns {m}; allowed: 100 or more" for m in args.patterns if m < 100]
    problems += [f"--steps {args.steps}; allowed: 2 or more"] if args.steps < 2 else []
    problems += [f"--max-gb {args.max_gb:g}; allowed: more than 0"] if not args.max_gb > 0 else []
    if NONE not in args.mask:
        problems.append(
            f"--mask {' '.join(args.mask)}; allowed: {NONE} among them, with which a mask's cost is compared"
        )
    if problems:
        raise UsageError("\n".join(problems))
    asked = {text.partition("=")[0] for text in args.python}
    asked_for = scaling_run.ScalingOptions(
        patterns=tuple(sorted(set(args.patterns))),
        sides=tuple(sorted(set(args.side))),
        gridsizes=tuple(sorted(set(args.gridsize))),
        masks=tuple(mask for mask in MASKS if mask in args.mask),
        pythons={side: path for side, path in interpreters.pythons(args.python).items() if side in asked},
        steps=args.steps,
        max_bytes=int(args.max_gb * 1e9),
        root=args.root,
        json=args.json,
    )
    return scaling_run.main(asked_for, follow=args.follow)
