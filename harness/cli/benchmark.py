"""The `benchmark` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
import os
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from harness.targets.interpreters import SIDES, add_option, pythons
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

BUDGET_S = 120.0
DEVICES = ("cpu", "cuda")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `benchmark`."""
    epilog = (
        f"exit codes: pass {int(Verdict.PASS)} · regression or silent {int(Verdict.FAIL)} · "
        f"over budget {int(Verdict.BUDGET)} · too busy to judge {int(Verdict.INCONCLUSIVE)}"
    )
    parser = subparsers.add_parser(
        "benchmark",
        help="hold an epoch to two minutes; measure throughput, memory and regressions",
        description="Time both backends in processes of their own, by phase; docs/budgets.md says how it is judged.",
        epilog=epilog,
    )
    add_option(parser)
    parser.add_argument("--side", action="append", metavar="SIDE", help="torch or tf (default: both)")
    parser.add_argument("--fixture", action="append", metavar="NAME", help="scans, smallest first, or NPZ files")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="default: cpu")
    parser.add_argument("--threads", type=int, default=0, help="of the framework; 0: its own choice (default)")
    parser.add_argument("--budget", type=float, default=BUDGET_S, metavar="S", help=f"of an epoch ({BUDGET_S:g} s)")
    parser.add_argument(
        "--short", "--quick", action="store_true", help="the budget only; with --self-test: a few trials"
    )
    parser.add_argument("--against", metavar="REV", help="compare the working tree with a commit instead")
    parser.add_argument("--self-test", action="store_true", help="measure the gate's false alarms and power instead")
    parser.add_argument("--trials", type=int, metavar="N", help="with --self-test: of A/A and of +10 %% each")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON document, and only that")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    # Before NumPy is imported: what is measured here is small, and its threads would wait by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _refuse(args)
    if args.self_test:
        from harness.benchmark import self_test

        trials = dict(self_test.QUICK if args.short else self_test.TRIALS)
        if args.trials is not None:
            trials |= dict.fromkeys((0.0, 0.10), args.trials)
        return self_test.main(trials, args.root, follow=args.follow, as_json=args.json)
    wanted = args.side or list(SIDES)
    chosen = {side: python for side, python in pythons(args.python).items() if side in wanted}
    from harness.fixtures import locate

    if args.against is not None:
        from harness.benchmark import compare

        (scan,) = locate.locate((args.fixture or ["small"])[:1]).values()
        compared = compare.Options(pythons=chosen, scan=scan, root=args.root, base=args.against, quiet=args.json)
        return compare.main(compared, follow=args.follow, as_json=args.json)
    from harness.benchmark import plan
    from harness.benchmark import run as benchmark_run

    options = benchmark_run.Options(
        pythons=chosen,
        scans=locate.locate(args.fixture or plan.scans(short=args.short)),
        root=args.root,
        device=args.device,
        threads=args.threads,
        budget_s=args.budget,
        short=args.short,
        quiet=args.json,
    )
    return benchmark_run.main(options, follow=args.follow, as_json=args.json)


def _refuse(args: argparse.Namespace) -> None:
    """
    Refuse what cannot be honoured, all of it at once.

    Raises:
        UsageError: listing it.
    """
    found = []
    if unknown := sorted(set(args.side or ()).difference(SIDES)):
        found.append(f"--side {', '.join(unknown)}; allowed: {', '.join(SIDES)}")
    if args.threads < 0 or not args.budget > 0:
        found.append(f"--threads {args.threads} --budget {args.budget:g}; allowed: threads from 0, a budget above 0")
    if args.against is not None and args.self_test:
        found.append("--against and --self-test; allowed: one of them")
    if args.trials is not None and (not args.self_test or args.trials < 1):
        found.append(f"--trials {args.trials}; allowed: 1 or more, with --self-test")
    if args.against is not None and args.device != "cpu":
        found.append(f"--against --device {args.device}; allowed: cpu: processor time says little of a GPU's work")
    if found:
        raise UsageError("\n".join(found))
