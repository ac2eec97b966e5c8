"""The `benchmark` commands' own arguments, apart from what they do: a command line must start without NumPy."""

import argparse
import os
from pathlib import Path

from harness.cli import options, quality_curve, scale
from harness.cli.options import Commands
from harness.targets import devices
from harness.targets.devices import SIDES
from harness.targets.interpreters import add_option, pythons, require_frameworks
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

BUDGET_S = 120.0
DEVICES = ("cpu", "cuda")
CODES = (
    f"pass {Verdict.PASS:d} · slower, or a benchmark did not report {Verdict.FAIL:d} · "
    f"over budget {Verdict.BUDGET:d} · too busy to judge {Verdict.INCONCLUSIVE:d}"
)


def add_parser(commands: Commands) -> None:
    """Register `benchmark` with its commands."""
    from harness.benchmark import supervision_overhead

    inner = options.add_group(
        commands,
        "benchmark",
        "Hold an epoch to two minutes and measure throughput, memory and regressions.",
        more="Both backends are timed in processes of their own; docs/budgets.md says how they are judged.",
        default="run",
        examples=("benchmark --short", "benchmark compare main", "benchmark scale --patterns 1000 10000"),
    )
    _add_run(inner)
    _add_compare(inner)
    _add_history(inner)
    _add_bisect(inner)
    _add_self_test(inner)
    scale.add_parser(inner)
    quality_curve.add_parser(inner)
    _add_overhead(inner, supervision_overhead.main)


def _add_run(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "run",
        "Time an epoch by phase, steps and loaders, and compare the epoch with its budget.",
        examples=("benchmark run --short", "benchmark run --device cuda", "benchmark run --side torch --device cuda"),
        codes=CODES,
    )
    _add_sides(parser)
    text = "Measure with this fixture or NPZ file; give small ones first."
    parser.add_argument("--fixture", action="append", metavar="NAME", help=text)
    devices.add_option(parser)
    text = "Give the framework this many threads; 0 leaves the choice to it (0)."
    parser.add_argument("--threads", type=int, default=0, metavar="N", help=text)
    text = f"Allow an epoch this many seconds ({BUDGET_S:g})."
    parser.add_argument("--budget", type=float, default=BUDGET_S, metavar="S", help=text)
    text = "Hold an epoch of 1087 patterns to its budget, and measure nothing else."
    parser.add_argument("--short", "--quick", action="store_true", help=text)
    options.add_run_options(parser, "the report")
    parser.set_defaults(run=_run)


def _add_compare(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "compare",
        "Say whether the working tree is slower than a commit.",
        examples=("benchmark compare main", "benchmark compare HEAD~1 --side torch"),
        codes=CODES,
    )
    parser.add_argument("revision", metavar="REV", help="Compare with this commit, branch or tag.")
    _add_sides(parser)
    text = "Take the steps from this fixture or NPZ file (small)."
    parser.add_argument("--fixture", action="append", metavar="NAME", help=text)
    text = "Compute on the CPU; processor time says little of a GPU's work."
    parser.add_argument("--device", choices=DEVICES, default="cpu", help=text)
    options.add_run_options(parser, "the report")
    parser.set_defaults(run=_compare, check=_check_compare)


def _add_history(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "history",
        "Show how the figures of all runs changed over time, and which commits changed them.",
        more="Benchmarks, noise units of the ladder and the quality of the lanes are searched for change points. Each "
        "is a regression, a changed method, other hardware or noise. None of them changes an exit code.",
        examples=("benchmark history", "benchmark history --series cost", "benchmark history --self-test"),
        codes=f"shown {Verdict.PASS:d} · the self-test misses its bars {Verdict.FAIL:d}",
    )
    text = "Show only series that have this text in their name."
    parser.add_argument("--series", action="append", metavar="TEXT", help=text)
    text = "Write the picture to this file (changes.png in the folder of the history)."
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)
    text = "Measure on simulated years how soon a step of 2 %% is found, and how many false alarms there are."
    parser.add_argument("--self-test", action="store_true", help=text)
    text = "Simulate this many years of each kind (20)."
    parser.add_argument("--years", type=int, default=20, metavar="N", help=text)
    options.add_root(parser)
    options.add_json(parser, "the changes")
    options.add_unused(parser, "--python", "--follow")
    parser.set_defaults(run=_history)


def _add_bisect(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "bisect",
        "Find the commit that made the training steps of one backend slower.",
        more="Commits are compared with GOOD by pairs of fresh processes, as `benchmark compare` does it; an undecided "
        "comparison gets more pairs, and what stays undecided is reported as a range.",
        examples=("benchmark bisect v1.2 HEAD --side torch", "benchmark bisect GOOD BAD --side tf --step 0.05"),
        codes=f"found, or no difference {Verdict.PASS:d} · inconclusive {Verdict.INCONCLUSIVE:d}",
    )
    parser.add_argument("good", metavar="GOOD", help="Start from this commit, which is fast.")
    parser.add_argument("bad", metavar="BAD", help="End with this later commit, which is slow.")
    add_option(parser)
    parser.add_argument("--side", choices=SIDES, default=SIDES[0], help=f"Measure this backend ({SIDES[0]}).")
    options.add_fixture(parser, "small", "to take the steps from")
    text = "Compare processor time, or the peak of the memory (cpu)."
    parser.add_argument("--channel", choices=("cpu", "memory"), default="cpu", help=text)
    text = "Take a difference of less than this share for none (0.02)."
    parser.add_argument("--step", type=float, default=0.02, metavar="SHARE", help=text)
    options.add_run_options(parser, "the report")
    parser.set_defaults(run=_bisect)


def _add_self_test(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "self-test",
        "Measure how often `benchmark compare` gives a false alarm and misses a slower tree.",
        examples=("benchmark self-test --quick", "benchmark self-test --trials 50"),
        codes=CODES,
    )
    parser.add_argument("--quick", action="store_true", help="Make a few trials only.")
    text = "Make this many trials of equal trees, and of trees 10 %% slower."
    parser.add_argument("--trials", type=int, metavar="N", help=text)
    options.add_run_options(parser, "the report")
    options.add_unused(parser, "--python")
    parser.set_defaults(run=_self_test)


def _add_overhead(commands: Commands, run: object) -> None:
    parser = options.add_command(
        commands,
        "overhead",
        "Measure what supervision costs, in a run or on this machine.",
        examples=("benchmark overhead", "benchmark overhead .harness/runs/RUN"),
        codes=f"pass {Verdict.PASS:d} · too expensive {Verdict.FAIL:d}",
    )
    text = "Read the cost from the log of this run; without it a trial measures the machine."
    parser.add_argument("folder", nargs="?", type=Path, metavar="RUN", help=text)
    text = "Let the trial last this many seconds (10)."
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help=text)
    options.add_json(parser, "the measurements")
    options.add_unused(parser, "--python", "--follow")
    parser.set_defaults(run=run)


def _add_sides(parser: argparse.ArgumentParser) -> None:
    add_option(parser)
    text = "Time only this backend, torch or tf; without it both."
    parser.add_argument("--side", action="append", metavar="SIDE", help=text)


def _chosen(args: argparse.Namespace) -> dict[str, str]:
    """Interpreter of each side that is timed."""
    # Before NumPy is imported: what is measured here is small, and its threads would wait by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    wanted = args.side or list(SIDES)
    return {side: python for side, python in pythons(args.python).items() if side in wanted}


def _unknown(args: argparse.Namespace) -> list[str]:
    unknown = sorted(set(args.side or ()).difference(SIDES))
    return [f"--side {', '.join(unknown)}; allowed: {', '.join(SIDES)}"] if unknown else []


def _run(args: argparse.Namespace) -> int:
    problems = _unknown(args)
    if args.threads < 0 or not args.budget > 0:
        problems.append(f"--threads {args.threads} --budget {args.budget:g}; allowed: threads from 0, a budget above 0")
    options.refuse(problems)
    chosen = _chosen(args)
    on = devices.requested(args.device, list(chosen))
    require_frameworks(chosen, args.python, on)
    from harness.benchmark import plan
    from harness.benchmark import run as benchmark_run
    from harness.fixtures import locate

    asked = benchmark_run.BenchmarkOptions(
        pythons=chosen,
        scans=locate.locate(args.fixture or plan.scans(short=args.short)),
        root=args.root,
        devices=on,
        threads=args.threads,
        budget_s=args.budget,
        short=args.short,
        quiet=args.json,
    )
    return benchmark_run.main(asked, follow=args.follow, as_json=args.json)


def _check_compare(args: argparse.Namespace) -> int:
    problems = _unknown(args)
    if args.device != "cpu":
        problems.append(f"--device {args.device}; allowed: cpu: processor time says little of a GPU's work")
    options.refuse(problems)
    return 0


def _compare(args: argparse.Namespace) -> int:
    _check_compare(args)
    chosen = _chosen(args)
    from harness.benchmark import compare
    from harness.fixtures import locate

    (scan,) = locate.locate((args.fixture or ["small"])[:1]).values()
    asked = compare.RegressionOptions(pythons=chosen, scan=scan, root=args.root, base=args.revision, quiet=args.json)
    return compare.main(asked, follow=args.follow, as_json=args.json)


def _history(args: argparse.Namespace) -> int:
    if args.years < 1:
        raise UsageError(f"--years {args.years}; allowed: 1 or more")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if args.self_test:
        from harness.benchmark.trend import simulate

        return simulate.main(args.years, as_json=args.json)
    from harness.benchmark.trend import command

    return command.main(args.root, out=args.out, only=args.series or (), as_json=args.json)


def _bisect(args: argparse.Namespace) -> int:
    if not 0 < args.step < 1:
        raise UsageError(f"--step {args.step:g}; allowed: a share between 0 and 1, for example 0.02")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    python = pythons(args.python)[args.side]
    from harness.benchmark.trend import bisect
    from harness.fixtures import locate

    (scan,) = locate.locate([args.fixture]).values()
    asked = bisect.BisectOptions(
        side=args.side,
        python=python,
        scan=scan,
        root=args.root,
        good=args.good,
        bad=args.bad,
        channel=args.channel,
        step=args.step,
        quiet=args.json,
    )
    return bisect.main(asked, follow=args.follow, as_json=args.json)


def _self_test(args: argparse.Namespace) -> int:
    if args.trials is not None and args.trials < 1:
        raise UsageError(f"--trials {args.trials}; allowed: 1 or more")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from harness.benchmark import self_test

    trials = dict(self_test.QUICK if args.quick else self_test.TRIALS)
    if args.trials is not None:
        trials |= dict.fromkeys((0.0, 0.10), args.trials)
    return self_test.main(trials, args.root, follow=args.follow, as_json=args.json)
