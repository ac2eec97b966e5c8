"""The `mutation` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands
from harness.targets.interpreters import add_option, pythons
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

JOBS, SEED, COUNT = 2, 42, 20


def add_parser(commands: Commands) -> None:
    """Register `mutation`."""
    parser = options.add_command(
        commands,
        "mutation",
        "Plant faults into copies of the code and check that the harness finds each.",
        more="Every mutant of the catalogue must be killed at or before its declared rung and be attributed to the "
        "right side (docs/mutation.md).",
        examples=(
            "mutation --list",
            "mutation --id 'loss-*'",
            "mutation --sample 4 --seed 7",
            "mutation --generate --sample 20 --resume generated",
        ),
        codes=f"pass {Verdict.PASS:d} · a mutant survives or is misjudged {Verdict.FAIL:d} · undecided 13",
    )
    add = parser.add_argument
    add("--id", action="append", default=[], metavar="GLOB", help="Try only the mutants with such an id.")
    add("--sample", type=int, metavar="K", help="Try only this many mutants, drawn at random.")
    options.add_seed(parser, SEED, "the sample")
    text = f"Derive changes from the syntax tree, draw --sample of them ({COUNT}), and show those that survive."
    add("--generate", action="store_true", help=text)
    add("--more", action="store_true", help="Also try the near relations of the catalogue's mutants.")
    text = "Try the one-line edits instead and count the steps from the terminal's text to the edited line."
    add("--edits", action="store_true", help=text)
    text = "Keep each result in this folder as it ends, and continue from the results there."
    add("--resume", type=Path, metavar="DIR", help=text)
    add("--no-plain", action="store_true", help="Leave out the comparison with plain allclose.")
    add("--jobs", type=int, default=JOBS, metavar="N", help=f"Make this many trials at a time ({JOBS}).")
    add("--list", action="store_true", help="Show the catalogue and try nothing.")
    add("--write", action="store_true", help="Write the score into docs/mutation-score.md and README.md.")
    add_option(parser)
    options.add_fixture(parser, "small", "for data and lanes")
    options.add_run_options(parser, "the report")
    # Without a seed, generated changes are drawn with the commit's.
    parser.set_defaults(run=run, seed=None)


def problems(args: argparse.Namespace) -> list[str]:
    """Options that are out of range or exclude each other."""
    found = []
    seed = SEED if args.seed is None else args.seed
    if args.jobs < 1 or seed < 0 or (args.sample is not None and args.sample < 1):
        found.append(f"--jobs {args.jobs} --seed {seed} --sample {args.sample}; allowed: from 1, from 0, from 1")
    if args.write and (args.id or args.sample is not None or args.more):
        found.append("--write needs the catalogue, all of it and nothing else; leave out --id, --sample and --more")
    if args.write and args.no_plain and not args.edits:
        found.append("--write shows the plain comparison, too; leave out --no-plain")
    if args.edits and args.more:
        found.append("--edits are a catalogue of their own; leave out --more")
    if args.generate and (args.id or args.more or args.edits or args.list or args.write):
        found.append("--generate has no catalogue; leave out --id, --more, --edits, --list and --write")
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
    resume = None if args.resume is None else args.resume.absolute()
    if args.generate:
        return _generate(args, chosen, scan.absolute(), resume)
    asked = mutation_run.MutationOptions(
        ids=tuple(args.id),
        more=args.more,
        sample=args.sample,
        seed=SEED if args.seed is None else args.seed,
        jobs=args.jobs,
        pythons=chosen,
        scan=scan.absolute(),
        root=args.root,
        json=args.json,
        write=args.write,
        edits=args.edits,
        plain=not args.no_plain,
        resume=resume,
    )
    return mutation_run.main(asked, follow=args.follow)


def _generate(args: argparse.Namespace, chosen: Mapping[str, str], scan: Path, resume: Path | None) -> int:
    """Try generated changes; which tests can see one is asked of the import graph."""
    from functools import cache

    from harness.ci import changed_tests
    from harness.faults.mutation.generated import run as generated_run
    from ptycho.fingerprint import ROOT

    @cache
    def tests_of(file: str) -> tuple[str, ...]:
        return tuple(changed_tests.select(ROOT, [file], ["tests"]))

    asked = generated_run.GeneratedOptions(
        count=COUNT if args.sample is None else args.sample,
        seed=args.seed,
        jobs=args.jobs,
        pythons=chosen,
        scan=scan,
        root=args.root,
        tests_of=tests_of,
        json=args.json,
        resume=resume,
    )
    return generated_run.main(asked, follow=args.follow)
