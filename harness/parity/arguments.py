"""The `parity` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
import os
import sys
from pathlib import Path

from harness.runroot import DEFAULT_ROOT
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

SIDES = ("torch", "tf")
GRIDSIZES = (1, 2)
STEPS, SEED = 200, 42


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `parity`."""
    epilog = f"exit codes: pass {int(Verdict.PASS)} · a rung fails {int(Verdict.FAIL)} · a probe dies {Verdict.INFRA:d}"
    parser = subparsers.add_parser(
        "parity",
        help="prove that the two backends agree, or name the step where they part",
        description="Ask both backends and a NumPy oracle the same; compare rung by rung, in float64.",
        epilog=epilog,
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SIDE=PATH",
        help="interpreter that has a side's framework (torch=…, tf=…); default: this one",
    )
    parser.add_argument("--gridsize", type=int, action="append", choices=GRIDSIZES, help="default: both")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the problem (default: {SEED})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"length of the trajectory (default: {STEPS})")
    parser.add_argument("--fixture", default="small", metavar="NAME", help="canonical scan for R1 (default: small)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.add_argument("--replay", type=Path, metavar="NPZ", help="judge one kept comparison again, and nothing else")
    parser.set_defaults(run=run)


def pythons(given: list[str]) -> dict[str, str]:
    """
    Interpreter by side.

    Raises:
        UsageError: listing what is not `SIDE=PATH`, names no side, or is no file.
    """
    found = dict.fromkeys(SIDES, sys.executable)
    problems = []
    for text in given:
        side, _, path = text.partition("=")
        if side not in SIDES or not Path(path).is_file():
            problems.append(f"--python {text!r}; allowed: SIDE=PATH with SIDE of {', '.join(SIDES)} and a file as PATH")
        found[side] = os.path.abspath(path)  # noqa: PTH100  # resolving a link would leave the environment
    if problems:
        raise UsageError("\n".join(problems))
    return found


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    # Before NumPy is imported: the oracle's products are small, and its threads would wait by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from harness.parity import command

    if args.replay is not None:
        return command.again(args.replay)
    if args.steps < 1 or args.seed < 0:
        raise UsageError(f"--steps {args.steps} --seed {args.seed}; allowed: steps from 1, seed from 0")
    chosen = pythons(args.python)
    from harness import fixtures

    (scan,) = fixtures.locate([args.fixture]).values()
    options = command.Options(
        pythons=chosen,
        scan=scan,
        gridsizes=tuple(sorted(set(args.gridsize or GRIDSIZES))),
        seed=args.seed,
        steps=args.steps,
        root=args.root,
        quiet=args.quiet,
    )
    return command.main(options, follow=args.follow)
