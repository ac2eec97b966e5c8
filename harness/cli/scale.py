"""The `scale` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from ptycho.verdict import Verdict

PATTERNS, SIDES, GRIDSIZES = (1_000, 10_000, 100_000), (64, 128, 256), (1, 2)
MAX_GB, STEPS = 3.0, 6


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `scale`."""
    parser = subparsers.add_parser(
        "scale",
        help="what a larger scan costs: memory, reading and steps from 1,000 to 100,000 patterns",
        description="Generate scans, take each through an epoch of reading and, with --python, some steps of training.",
        epilog=f"exit codes: pass {int(Verdict.PASS)} · memory or cost grows with the scan {int(Verdict.FAIL)}",
    )
    parser.add_argument("--patterns", type=int, nargs="+", default=list(PATTERNS), metavar="M", help="sizes of scans")
    parser.add_argument("--side", type=int, nargs="+", choices=SIDES, default=[SIDES[0]], help="default: 64")
    parser.add_argument("--gridsize", type=int, nargs="+", choices=GRIDSIZES, default=list(GRIDSIZES))
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SIDE=PATH",
        help="also train some steps with torch=… or tf=…, an interpreter that has it; default: reading only",
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of each training (default: {STEPS})")
    parser.add_argument("--max-gb", type=float, default=MAX_GB, help=f"leave larger scans out (default: {MAX_GB:g})")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--json", action="store_true", help="print scale.json, and only that")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check what was asked for, then do it."""
    from harness.benchmark.scaling import run as scaling_run
    from harness.targets import interpreters
    from ptycho.errors import UsageError

    problems = [f"--patterns {m}; allowed: 100 or more" for m in args.patterns if m < 100]
    problems += [f"--steps {args.steps}; allowed: 2 or more"] if args.steps < 2 else []
    problems += [f"--max-gb {args.max_gb:g}; allowed: more than 0"] if not args.max_gb > 0 else []
    if problems:
        raise UsageError("\n".join(problems))
    asked = {text.partition("=")[0] for text in args.python}
    options = scaling_run.Options(
        patterns=tuple(sorted(set(args.patterns))),
        sides=tuple(sorted(set(args.side))),
        gridsizes=tuple(sorted(set(args.gridsize))),
        pythons={side: path for side, path in interpreters.pythons(args.python).items() if side in asked},
        steps=args.steps,
        max_bytes=int(args.max_gb * 1e9),
        root=args.root,
        json=args.json,
    )
    return scaling_run.main(options, follow=args.follow)
