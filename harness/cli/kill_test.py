"""The `kill-test` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse

from harness.cli import options
from harness.cli.options import Commands
from harness.targets import interpreters
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

COUNT, JOBS, SEED = 200, 2, 42
VICTIMS = ("harness", "nox", "training")


def add_parser(commands: Commands) -> None:
    """Register `kill-test`."""
    codes = (Verdict.PASS, Verdict.FAIL, Verdict.USAGE, Verdict.INFRA, Verdict.INTERRUPTED)
    parser = options.add_command(
        commands,
        "kill-test",
        "Kill runs at random moments and check that nothing is left and the next run passes.",
        more="The harness, nox or the training is killed with SIGKILL. Afterwards processes, files, the log, the last "
        "checkpoint and the next run are checked. Every tenth kill hits a backend that is named with --python; the "
        "others hit a small backend of NumPy.",
        examples=("kill-test --count 20 --victim harness", "kill-test --seed 7"),
        codes=" · ".join(f"{code.label} {code.value}" for code in codes),
    )
    add = parser.add_argument
    add("--count", type=int, default=COUNT, metavar="N", help=f"Make this many kills ({COUNT}).")
    options.add_seed(parser, SEED, "jobs and moments")
    text = "Kill only this process; without it each in turn."
    add("--victim", action="append", default=[], choices=VICTIMS, help=text)
    add("--jobs", type=int, default=JOBS, metavar="N", help=f"Make this many kills at a time ({JOBS}).")
    interpreters.add_option(parser)
    options.add_fixture(parser, "small", "with its object")
    options.add_run_options(parser, "the report")
    parser.set_defaults(run=run)


def problems(args: argparse.Namespace) -> list[str]:
    """Options that are out of range or exclude each other."""
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
    asked = kill_run.KillTestOptions(
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
    return kill_run.main(asked, follow=args.follow)
