"""`python -m harness ci test` and `ci changed-tests`: this project's own tests."""

import argparse
import json
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

_ROOT = Path(__file__).resolve().parents[2]


def add_parsers(commands: Commands) -> None:
    """Add both commands."""
    _add_test(commands)
    _add_changed_tests(commands)


def _add_test(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "test",
        "Run the tests of this project with a worker for each processor.",
        more="What follows `--` is handed on to pytest.",
        examples=("ci test --fast tests/ptycho", "ci test --changed", "ci test tests/harness/ci -- -x"),
        codes="those of pytest: pass 0 · a test failed 1 · usage 4 · no test 5",
    )
    text = "Run these test files, folders or node ids."
    parser.add_argument("paths", nargs="*", metavar="PATH", help=text)
    text = "Run only tests whose names match."
    parser.add_argument("-k", dest="keyword", default="", metavar="EXPRESSION", help=text)
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--fast", action="store_true", help="Run only tests that take less than a second.")
    tier.add_argument("--deep", action="store_true", help="Run only tests that train, kill or build environments.")
    parser.add_argument("--changed", action="store_true", help="Run only test files that a change touches.")
    text = "Take what has changed since this commit, with --changed (HEAD)."
    parser.add_argument("--base", default="HEAD", metavar="REV", help=text)
    text = "Run only the K-th of N shares of the test files, in one process."
    parser.add_argument("--shard", default="", metavar="K/N", help=text)
    text = "Run as many test files as take this many seconds by their recorded times."
    parser.add_argument("--within", type=float, metavar="S", help=text)
    text = "Run the files whose turn has this number, with --within (0)."
    parser.add_argument("--turn", type=int, default=0, metavar="N", help=text)
    text = "Use this many processes; without it one for each processor."
    parser.add_argument("--workers", type=int, metavar="N", help=text)
    text = "Look for tests in this folder (tests); give it again for another."
    parser.add_argument("--folder", action="append", metavar="PATH", help=text)
    parser.set_defaults(run=_test, check=_check_test, takes_more=True)


def _add_changed_tests(commands: Commands) -> None:
    text = "Print the test files that a change touches, by the import graph."
    parser = options.add_command(commands, "changed-tests", text, examples=("ci changed-tests --base main",))
    text = "Look for tests in these folders (tests)."
    parser.add_argument("folders", nargs="*", default=["tests"], metavar="FOLDER", help=text)
    parser.add_argument("--base", default="HEAD", metavar="REV", help="Compare with this commit (HEAD).")
    options.add_json(parser, "the files")
    parser.set_defaults(run=_changed_tests)


def _check_test(args: argparse.Namespace) -> int:
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}; allowed: 1 or more")
    if absent := [path for path in args.paths if not (_ROOT / path.partition("::")[0]).exists()]:
        raise UsageError(f"{', '.join(absent)}: no file or folder; allowed: paths relative to {_ROOT}")
    return 0


def _test(args: argparse.Namespace) -> int:
    from harness.ci import run_tests

    _check_test(args)
    return run_tests.run(
        _ROOT,
        run_tests.Choice(
            folders=tuple(args.folder or ("tests",)),
            tier="fast" if args.fast else "deep" if args.deep else "whole",
            base=args.base if args.changed else None,
            workers=1 if args.shard else args.workers or run_tests.processors(),
            shard=args.shard,
            within_s=args.within,
            turn=args.turn,
            words=(*(("-k", args.keyword) if args.keyword else ()), *args.paths, *args.pytest),
        ),
    )


def _changed_tests(args: argparse.Namespace) -> int:
    from harness.ci import changed_tests

    found = changed_tests.select(_ROOT, changed_tests.changed_files(_ROOT, args.base), args.folders)
    print(json.dumps(found, indent=1) if args.json else "\n".join(found))
    return int(Verdict.PASS)
