"""
The harness's command line. Nothing heavy is imported before a command is known, and no framework ever.

Every command ends with a code of the closed set in `ptycho.verdict`.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.lanes.device.choose import CHOICES
from harness.record.directory import DEFAULT_ROOT
from ptycho import streams
from ptycho.command_line import StrictParser, renamed
from ptycho.errors import UsageError, exit_on_error
from ptycho.verdict import Verdict

CHECK_OPTIONS = "check-options"
"""First word of a command line that is only looked at: a session asks before it builds an environment."""

RENAMED = {"endings": "kill-test"}
"""Commands by the name that they had in the last release."""

EPILOG = "exit codes: " + " · ".join(f"{verdict.label} {verdict.value}" for verdict in Verdict)


def _add_run(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "run",
        help="drive a pipeline over the fixtures, then its tests",
        description="Train and infer in isolated processes, score, run the target's tests, leave nothing behind.",
        epilog=EPILOG,
    )
    parser.add_argument("lane", nargs="?", help="a target that ships with the harness: torch or tf")
    parser.add_argument("--device", choices=CHOICES, default="cpu", help="default: cpu; cuda must work or exit 13")
    parser.add_argument("--target", type=Path, action="append", default=[], metavar="FILE", help="target file")
    parser.add_argument("--fixture", action="append", default=[], metavar="NAME", help="instead of the target's own")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--keep", action="store_true", help="keep the scratch, to look into it")
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON document, and only that")
    parser.add_argument("--brief", action="store_true", help="job and suite only: no further trainings to check")
    parser.add_argument("--strict", action="store_true", help="an unattributed change in a shared place fails, too")
    parser.add_argument("--foreign", action="append", default=[], metavar="GLOB", help="paths that others write to")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    assert isinstance(parser, StrictParser)
    parser.hint = "pytest's options come after another --, for example: nox -s torch_integration -- -- -k resume"
    parser.set_defaults(run=_run, check=_check_run)


def _check_run(args: argparse.Namespace) -> int:
    """Refuse what a run would refuse, before an environment is built for it."""
    from harness.fixtures import inventory

    problems = [f"--fixture {sentence}" for sentence in inventory.complaints(args.fixture)]
    problems += [f"--target {file} is no file" for file in args.target if not file.is_file()]
    # The interpreter of nox may have no pydantic. The run itself, in its own environment, reads the file in any case.
    if not problems and find_spec("pydantic") is not None:
        from harness.targets import loader

        for file in args.target:
            loader.load(file)
    for word in args.pytest:
        path = word.partition("::")[0]
        if path.endswith(".py") and not Path(path).exists():
            problems.append(f"{path}, after the second --, is no file")
    if problems:
        raise UsageError("\n".join(problems))
    return 0


def _add_install(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("install", help="install a lane's lock into an environment", epilog=EPILOG)
    parser.add_argument("lane", help="name of a lock in requirements/, for example torch-cpu")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter of the environment")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    parser.set_defaults(run=_install)


def command_line() -> argparse.ArgumentParser:
    """Every command with its options; what they need is imported when they run."""
    parser = StrictParser(prog="python -m harness", description=__doc__.splitlines()[0], epilog=EPILOG)
    # Commands are added in terms of argparse; each is a `StrictParser`, as the one that they belong to.
    subparsers: Any = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(subparsers)
    _add_install(subparsers)
    from harness.benchmark import supervision_overhead
    from harness.cli import (
        attach,
        benchmark,
        ci,
        fixtures,
        kill_test,
        mutation,
        parity,
        quality_curve,
        report,
        scale,
        schema,
        targets,
    )
    from harness.faults import table
    from harness.runs import clean

    clean.add_parser(subparsers, EPILOG)
    fixtures.add_parser(subparsers)
    targets.add_parser(subparsers)
    schema.add_parser(subparsers)
    report.add_parser(subparsers)
    parity.add_parser(subparsers)
    mutation.add_parser(subparsers)
    scale.add_parser(subparsers)
    benchmark.add_parser(subparsers)
    supervision_overhead.add_parser(subparsers)
    kill_test.add_parser(subparsers)
    table.add_parser(subparsers)
    ci.add_parser(subparsers)
    quality_curve.add_parser(subparsers)
    attach.add_parser(subparsers)
    return parser


def _run(args: argparse.Namespace) -> int:
    from harness.fixtures import locate
    from harness.lanes import lane
    from harness.record import outcome
    from harness.runs import summary
    from harness.system import identity
    from harness.system.signals import Interruption
    from harness.targets import environment, loader, preflight

    files = [*args.target, *([loader.built_in(args.lane)] if args.lane else [])]
    if not files:
        raise UsageError("nothing to run; name a lane (torch, tf) or give --target FILE")
    loaded = [loader.load(file) for file in files]
    for target in loaded:
        preflight.require(target)
    found = [locate.locate(args.fixture or target.fixtures) for target in loaded]
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    outcomes: list[outcome.Outcome] = []
    with Interruption(follow=args.follow).installed() as interruption:
        settled = [environment.prepare(target, args.root, interruption)[0] for target in loaded]
        for target, paths in zip(settled, found, strict=True):
            options = lane.Options(
                device=args.device,
                fixtures=paths,
                root=args.root,
                keep=args.keep,
                strict=args.strict,
                foreign=tuple(args.foreign),
                pytest=tuple(args.pytest),
                quiet=args.json,
                brief=args.brief,
            )
            # What they have in common is part of the later one's log, which is closed last.
            outcomes.append(lane.run(target, options, interruption, earlier=tuple(outcomes)))
            if not args.json:
                outcome.show(outcomes[-1])
                print(summary.how_to_see(outcomes[-1].run_root), flush=True)
            if interruption.reason is not None:
                break
    if args.json:
        print(json.dumps([item.as_dict() for item in outcomes], indent=1, default=str))
    return int(Verdict.worst(item.verdict for item in outcomes))


def _install(args: argparse.Namespace) -> int:
    from harness.targets import install

    return install.main([args.lane, "--python", os.fspath(args.python), *(["--json"] if args.json else [])])


def _current(words: list[str]) -> list[str]:
    """A command line whose command has the name that it has now."""
    if (new := RENAMED.get(words[0] if words else "")) is None:
        return words
    renamed(f"the command {words[0]}", new)
    return [new, *words[1:]]


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Args:
        arguments: instead of the process's own. What follows `--` goes to pytest untouched. After `CHECK_OPTIONS`
            comes a command line that is looked at and not run.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    checked_only = given[:1] == [CHECK_OPTIONS]
    words = given[1:] if checked_only else given
    split = words.index("--") if "--" in words else len(words)
    parser = command_line()
    args = parser.parse_args(_current(words[:split]))
    args.pytest = words[split + 1 :]
    if split < len(words) and args.run is not _run:
        parser.error(f"unknown: {' '.join(words[split:])}; only `run` has tests to hand options on to")
    if getattr(args, "json", False):
        streams.require_output()
    with exit_on_error():
        if checked_only:
            return args.check(args) if "check" in args else 0
        return int(args.run(args))
