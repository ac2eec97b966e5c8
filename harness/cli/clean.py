"""`python -m harness clean` on the command line: registered without importing what it needs."""

import argparse

from harness.cli import options
from harness.cli.options import Commands
from ptycho.errors import UsageError

RUNS, MIB = 20, 2048.0
"""How much is kept by default; a test holds it to the policy."""


def add_parser(commands: Commands) -> None:
    """Add `clean` to the harness's parser."""
    parser = options.add_command(
        commands,
        "clean",
        "Remove what killed runs have left, and the oldest finished runs.",
        examples=("clean --check", "clean --dry-run", "clean --all  # also the environments of targets"),
    )
    add = parser.add_argument
    options.add_root(parser)
    add("--check", action="store_true", help="Change nothing, and exit with 1 if a killed run has left something.")
    add("--dry-run", action="store_true", help="Change nothing, and say what would be done.")
    add("--all", action="store_true", help="Also remove every finished run and the environments of targets.")
    add("--keep-runs", type=int, default=RUNS, metavar="N", help=f"Keep this many finished runs ({RUNS}).")
    text = f"Keep at most this size; the oldest runs that passed go first ({MIB:g})."
    add("--keep-mib", type=float, default=MIB, metavar="MIB", help=text)
    options.add_json(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.keep_runs < 1 or not args.keep_mib >= 0:
        raise UsageError(
            f"--keep-runs {args.keep_runs} --keep-mib {args.keep_mib:g}: at least one run and no negative size; "
            "to remove every finished run, give --all"
        )
    from harness.runs import clean
    from harness.runs.retention import Policy

    policy = Policy(runs=args.keep_runs, mib=args.keep_mib)
    return clean.main(
        args.root, check=args.check, dry_run=args.dry_run, everything=args.all, policy=policy, as_json=args.json
    )
