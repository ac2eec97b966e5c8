"""The `mutation` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
import os
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from harness.targets.interpreters import add_option, pythons
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

JOBS, SEED = 2, 42


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `mutation`."""
    epilog = f"exit codes: pass {int(Verdict.PASS)} · a mutant lives, or the like {int(Verdict.FAIL)} · undecided 13"
    parser = subparsers.add_parser(
        "mutation",
        help="plant faults into copies of the code: does the harness find them?",
        description="Try every mutant of the catalogue: it must die at or before its declared rung, and be laid at the "
        "right side's door.",
        epilog=epilog,
    )
    parser.add_argument("--id", action="append", default=[], metavar="GLOB", help="only mutants with such an id")
    parser.add_argument("--sample", type=int, metavar="K", help="only K mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the sample (default: {SEED})")
    parser.add_argument("--more", action="store_true", help="near relations of the catalogue's mutants, too")
    parser.add_argument(
        "--edits", action="store_true", help="the one-line edits instead: does the terminal lead to the edited line?"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="DIR", help="write each result there as it ends, and go on from what is there"
    )
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain comparison")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"trials at a time (default: {JOBS})")
    parser.add_argument("--list", action="store_true", help="show the catalogue, and try nothing")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON document, and only that")
    parser.add_argument("--write", action="store_true", help="write the score into docs/ and README.md")
    add_option(parser)
    parser.add_argument("--fixture", default="small", metavar="NAME", help="scan for data and lanes (default: small)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.set_defaults(run=run)


def problems(args: argparse.Namespace) -> list[str]:
    """What cannot be honoured."""
    found = []
    if args.jobs < 1 or args.seed < 0 or (args.sample is not None and args.sample < 1):
        found.append(f"--jobs {args.jobs} --seed {args.seed} --sample {args.sample}; allowed: from 1, from 0, from 1")
    if args.write and (args.id or args.sample is not None or args.more):
        found.append("--write needs the catalogue, all of it and nothing else; leave out --id, --sample and --more")
    if args.write and args.no_plain and not args.edits:
        found.append("--write shows the plain comparison, too; leave out --no-plain")
    if args.edits and args.more:
        found.append("--edits are a catalogue of their own; leave out --more")
    if args.json and args.list:
        found.append("--list prints no JSON; leave out one of the two")
    return found


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    # Before NumPy is imported: two trials share two cores, and threads of BLAS would wait by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if found := problems(args):
        raise UsageError("\n".join(found))
    from harness.faults.mutation import run as mutation_run

    if args.list:
        return mutation_run.listing(args.id, more=args.more, edits=args.edits)
    chosen = pythons(args.python)
    from harness.fixtures import locate

    (scan,) = locate.locate([args.fixture]).values()
    options = mutation_run.Options(
        ids=tuple(args.id),
        more=args.more,
        sample=args.sample,
        seed=args.seed,
        jobs=args.jobs,
        pythons=chosen,
        scan=scan.absolute(),
        root=args.root,
        json=args.json,
        write=args.write,
        edits=args.edits,
        plain=not args.no_plain,
        resume=None if args.resume is None else args.resume.absolute(),
    )
    return mutation_run.main(options, follow=args.follow)
