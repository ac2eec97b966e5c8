"""`python -m harness run` on the command line: registered without importing what it needs."""

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands
from harness.targets.devices import CHOICES
from ptycho.errors import UsageError
from ptycho.verdict import Verdict


def add_parser(commands: Commands) -> None:
    """Add `run` to the harness's parser."""
    parser = options.add_command(
        commands,
        "run",
        "Train, reconstruct and score the fixtures with a pipeline, then run its tests.",
        more="Every command runs in a process and folders of its own, and whatever it leaves elsewhere fails the run.",
        examples=(
            "run torch",
            "run --target mine.toml --device cuda",
            "run torch -- -k resume  # words after -- go to pytest",
        ),
    )
    add = parser.add_argument
    add("lane", nargs="?", help="Run this pipeline, which ships with the harness: torch or tf.")
    text = "Compute on this device; cuda must work, or the run ends with 13 (cpu)."
    add("--device", choices=CHOICES, default="cpu", help=text)
    text = "Run the pipeline that this target file describes."
    add("--target", type=Path, action="append", default=[], metavar="FILE", help=text)
    text = "Use this fixture or NPZ file instead of the target's own."
    add("--fixture", action="append", default=[], metavar="NAME", help=text)
    add("--keep", action="store_true", help="Keep the scratch, to look into it.")
    add("--brief", action="store_true", help="Leave out the further trainings that check the pipeline.")
    add("--strict", action="store_true", help="Fail also on a change that cannot be attributed to the run.")
    text = "Ignore changes of paths like this one, to which other programs write."
    add("--foreign", action="append", default=[], metavar="GLOB", help=text)
    options.add_run_options(parser, "the outcome")
    parser.hint = "pytest's options come after another --, for example: nox -s torch_integration -- -- -k resume"
    parser.set_defaults(run=run, check=_check, takes_more=True)


def _check(args: argparse.Namespace) -> int:
    """Refuse what a run would refuse, before an environment is built for it."""
    from harness.fixtures import inventory

    problems = [f"--fixture {sentence}" for sentence in inventory.complaints(args.fixture)]
    problems += [f"--target {file} is not a file" for file in args.target if not file.is_file()]
    # The interpreter of nox may have no pydantic. The run itself, in its own environment, reads the file in any case.
    if not problems and find_spec("pydantic") is not None:
        from harness.targets import loader

        for file in args.target:
            loader.load(file)
    for word in args.pytest:
        path = word.partition("::")[0]
        if path.endswith(".py") and not Path(path).exists():
            problems.append(f"{path}, after the second --, is not a file")
    if problems:
        raise UsageError("\n".join(problems))
    return 0


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
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
            asked = lane.LaneOptions(
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
            outcomes.append(lane.run(target, asked, interruption, earlier=tuple(outcomes)))
            if not args.json:
                outcome.show(outcomes[-1])
                print(summary.how_to_see(outcomes[-1].run_root), flush=True)
            if interruption.reason is not None:
                break
    if args.json:
        print(json.dumps([item.as_dict() for item in outcomes], indent=1, default=str))
    return int(Verdict.worst(item.verdict for item in outcomes))
