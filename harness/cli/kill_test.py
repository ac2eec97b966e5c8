"""The `kill-test` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from harness.targets import interpreters
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

COUNT, JOBS, SEED = 200, 2, 42
VICTIMS = ("harness", "nox", "training")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `kill-test`."""
    codes = (Verdict.PASS, Verdict.FAIL, Verdict.USAGE, Verdict.INFRA, Verdict.INTERRUPTED)
    parser = subparsers.add_parser(
        "kill-test",
        help="kill runs at random moments: is anything left, does the next run pass?",
        description="Start real runs, kill the harness, nox or the training with SIGKILL at a random moment, and look "
        "for processes and bytes that are left, at the log, the last checkpoint and the next run. Every tenth kill "
        "hits a backend that is named with --python; the others hit a stand-in of NumPy.",
        epilog="exit codes: " + " · ".join(f"{code.label} {code.value}" for code in codes),
    )
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help=f"kills (default: {COUNT})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of everything that is drawn (default: {SEED})")
    parser.add_argument("--victim", action="append", default=[], choices=VICTIMS, help="whom to kill; default: each")
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"kills at a time (default: {JOBS})")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON document, and only that")
    interpreters.add_option(parser)
    parser.add_argument("--fixture", default="small", metavar="NAME", help="scan with its object (default: small)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.set_defaults(run=run)


def problems(args: argparse.Namespace) -> list[str]:
    """What cannot be honoured."""
    from importlib.util import find_spec

    found = []
    if args.count < 1 or args.jobs < 1 or args.seed < 0:
        found.append(f"--count {args.count} --jobs {args.jobs} --seed {args.seed}; allowed: from 1, from 1, from 0")
    if "nox" in (args.victim or VICTIMS) and find_spec("nox") is None:
        found.append("nox is to be killed and is not installed here; install it, or name the others: --victim harness")
    return found


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if found := problems(args):
        raise UsageError("\n".join(found))
    named = {text.partition("=")[0] for text in args.python}
    pythons = {side: path for side, path in interpreters.pythons(args.python).items() if side in named}
    from harness.faults.kill import run as kill_run
    from harness.faults.kill.kill import Victim
    from harness.fixtures import locate

    (scan,) = locate.locate([args.fixture]).values()
    options = kill_run.Options(
        count=args.count,
        whole=COUNT,
        seed=args.seed,
        victims=tuple(Victim(name) for name in args.victim or VICTIMS),
        pythons=pythons,
        jobs=args.jobs,
        scan=scan.absolute(),
        root=args.root,
        json=args.json,
    )
    return kill_run.main(options, follow=args.follow)
