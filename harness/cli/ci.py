"""`python -m harness ci …` on the command line; nothing here imports NumPy, so that a bare checkout can run it."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.record.directory import DEFAULT_ROOT
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from harness.ci.array import ArrayOptions

_ROOT = Path(__file__).resolve().parents[2]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the harness's parser."""
    parser = subparsers.add_parser(
        "ci",
        help="matrix, shards, annotations and summary for a continuous-integration service; Slurm arrays",
        description="What the workflow files call besides nox (docs/ci.md).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_matrix(commands)
    _add_plan(commands)
    _add_check(commands)
    _add_test(commands)
    _add_changed_tests(commands)
    _add_durations(commands)
    _add_annotate(commands)
    _add_summary(commands)
    _add_slurm(commands)
    _add_campaign(commands)


def _add_matrix(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("matrix", help="the jobs, from the noxfile's sessions")
    parser.add_argument("--occasion", default="push", help="push or nightly (default: push)")
    parser.add_argument("--gpu", action="store_true", help="also the lanes that need a GPU")
    parser.add_argument("--format", choices=("github", "gitlab"), default="github", help="default: github")
    parser.add_argument("--json", action="store_true", help="the same: every format is JSON")
    parser.set_defaults(run=_matrix)


def _add_plan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("plan", help="how the test files are shared out, and how long each shard takes")
    parser.add_argument("--shards", type=int, required=True, metavar="N")
    parser.add_argument("--durations", type=Path, metavar="FILE", help="default: tests/durations.json")
    parser.add_argument("--json", action="store_true", help="print the plan as one JSON document, and only that")
    parser.set_defaults(run=_plan)


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("check-plan", help="did the shards together run every test once?")
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT_ROOT / "shards", metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="print what is wrong as one JSON document, and only that")
    parser.set_defaults(run=_check)


def _add_test(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "test",
        help="run this project's tests",
        description="Runs all but the deep tests, a worker for each processor. What follows -- is pytest's.",
        epilog="example: python -m harness ci test --fast tests/ptycho -- -x",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="test files, folders or node ids")
    parser.add_argument("-k", dest="keyword", default="", metavar="EXPRESSION", help="only tests of such names")
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--fast", action="store_true", help="only tests that take less than a second")
    tier.add_argument("--deep", action="store_true", help="only tests that train, kill or build environments")
    parser.add_argument("--changed", action="store_true", help="only test files that a change touches")
    parser.add_argument("--base", default="HEAD", metavar="REV", help="with --changed: since this commit")
    parser.add_argument("--shard", default="", metavar="K/N", help="only the K-th of N shares, in one process")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    parser.add_argument("--folder", action="append", metavar="PATH", help="of tests (default: tests)")
    parser.set_defaults(run=_test, check=_check_test, takes_more=True)


def _add_changed_tests(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("changed-tests", help="the test files that a change touches, by the import graph")
    parser.add_argument("folders", nargs="*", default=["tests"], metavar="FOLDER", help="of tests (default: tests)")
    parser.add_argument("--base", default="HEAD", metavar="REV", help="commit to compare with (default: HEAD)")
    parser.add_argument("--json", action="store_true", help="print them as one JSON document, and only that")
    parser.set_defaults(run=_changed_tests)


def _add_durations(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("durations", help="record what each test file took, from pytest's JUnit files")
    parser.add_argument("files", type=Path, nargs="+", metavar="XML")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: tests/durations.json")
    parser.add_argument("--json", action="store_true", help="print them, and write nothing")
    parser.set_defaults(run=_durations)


def _add_annotate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("annotate", help="failures of JUnit files as GitHub's workflow commands")
    parser.add_argument("files", type=Path, nargs="*", metavar="XML", help="default: those of the runs")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--json", action="store_true", help="print the annotations as one JSON document")
    parser.set_defaults(run=_annotate)


def _add_summary(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("summary", help="the runs' summaries as one page of Markdown, at most 1 MB")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--json", action="store_true", help='print {"markdown": …}')
    parser.set_defaults(run=_summary)


def _add_slurm(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "slurm",
        help="run sessions as a Slurm array and bring their event logs back",
        description="One task of an array for each session; waits, and makes the reports of what they leave.",
    )
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="of the noxfile, for example torch_integration")
    _add_array(parser)
    parser.add_argument("--json", action="store_true", help="print what came back as one JSON document, and only that")
    parser.set_defaults(run=_slurm)


def _add_campaign(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "campaign",
        help="the mutation campaign on several machines, each mutant claimed once; goes on after any kill",
        description="Workers of an array claim the mutants of a manifest; then one verdict over the merged results. "
        "The same command goes on where a campaign stood.",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="tasks of the array (default: 2)")
    parser.add_argument("--id", action="append", default=[], metavar="GLOB", help="only mutants with such an id")
    parser.add_argument("--sample", type=int, metavar="K", help="only K mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=42, help="of the sample (default: 42)")
    for name, what in (("more", "near relations, too"), ("edits", "the one-line edits"), ("no-plain", "no comparison")):
        parser.add_argument(f"--{name}", action="store_true", help=f"as of `harness mutation`: {what}")
    _add_array(parser)
    parser.add_argument("--json", action="store_true", help="print what came of it as one JSON document, and only that")
    parser.set_defaults(run=_campaign, folder=DEFAULT_ROOT / "campaign", minutes=240)


def _add_array(parser: argparse.ArgumentParser) -> None:
    """Options of everything that runs as an array."""
    parser.add_argument("--local", action="store_true", help="processes of this machine instead of a cluster")
    parser.add_argument(
        "--folder",
        type=Path,
        default=DEFAULT_ROOT / "slurm",
        help="for a folder an array, shared (default: %(default)s)",
    )
    parser.add_argument("--partition", metavar="NAME", help="of Slurm (default: the cluster's)")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="of each task; with any, --device cuda")
    parser.add_argument("--cpus", type=int, default=2, metavar="N", help="of each task (default: 2)")
    parser.add_argument("--minutes", type=int, default=60, metavar="N", help="limit of each task (default: 60)")
    parser.add_argument(
        "--pending-minutes", type=float, default=1440, metavar="N", help="limit of the wait for a start (default: 1440)"
    )
    parser.add_argument(
        "--silence-minutes",
        type=float,
        default=5,
        metavar="N",
        help="without a sign of life of a machine, or of Slurm, its tasks are lost (default: 5)",
    )


def _matrix(args: argparse.Namespace) -> int:
    from harness.ci import jobs

    found = jobs.jobs(jobs.sessions(_ROOT), occasion=args.occasion, gpu=args.gpu, root=_ROOT)
    print({"github": jobs.github, "gitlab": jobs.gitlab}[args.format](found).rstrip())
    return int(Verdict.PASS)


def _plan(args: argparse.Namespace) -> int:
    from harness.ci import shards
    from harness.system import tables

    durations = shards.load(args.durations or _ROOT / shards.DURATIONS)
    made = shards.plan(durations, args.shards)
    loads = [sum(durations[name] for name in shard) for shard in made]
    bound = max(sum(loads) / len(loads), *durations.values())
    ratio = shards.makespan(made, durations) / bound
    if args.json:
        print(json.dumps({"shards": made, "seconds": loads, "bound_s": bound, "ratio": ratio}, indent=1))
        return int(Verdict.PASS)
    rows = [(f"{k}/{len(made)}", str(len(shard)), f"{loads[k - 1]:.1f}") for k, shard in enumerate(made, start=1)]
    tables.show([("shard", "files", "seconds"), *rows])
    print(f"the fullest takes {ratio:.3f} times the larger of the mean and the longest file ({bound:.1f} s)")
    return int(Verdict.PASS)


def _check(args: argparse.Namespace) -> int:
    from harness.ci import shards

    found = [shards.read(path) for path in sorted(args.folder.rglob("shard-*.json"))]
    wrong = shards.complaints(found, commit=shards.commit(_ROOT))
    tests = len({test for share in found for test in share.ran})
    if args.json:
        print(json.dumps({"shards": len(found), "tests": tests, "complaints": wrong}, indent=1))
    else:
        print("\n".join(wrong) or f"{len(found)} shards ran every one of {tests} tests once")
    return int(Verdict.FAIL if wrong else Verdict.PASS)


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
            words=(*(("-k", args.keyword) if args.keyword else ()), *args.paths, *args.pytest),
        ),
    )


def _changed_tests(args: argparse.Namespace) -> int:
    from harness.ci import changed_tests

    found = changed_tests.select(_ROOT, changed_tests.changed_files(_ROOT, args.base), args.folders)
    print(json.dumps(found, indent=1) if args.json else "\n".join(found))
    return int(Verdict.PASS)


def _durations(args: argparse.Namespace) -> int:
    from harness.ci import durations, shards

    found = durations.of_junit(args.files, _ROOT)
    if args.json:
        print(json.dumps(found, indent=1))
        return int(Verdict.PASS)
    out = args.out or _ROOT / shards.DURATIONS
    durations.write(found, out)
    print(f"{out}: {len(found)} files, {sum(found.values()):.0f} s")
    return int(Verdict.PASS)


def _annotate(args: argparse.Namespace) -> int:
    from harness.ci import annotations

    files = annotations.of_runs(args.root, args.files)
    found = [item for path in files for item in annotations.read(path, _ROOT)]
    if args.json:
        print(json.dumps([asdict(item) for item in found], indent=1))
    else:
        print("\n".join(annotations.lines(found)) or f"no failure in {len(files)} JUnit files")
    return int(Verdict.PASS)


def _summary(args: argparse.Namespace) -> int:
    from harness.ci import combined_summary

    text = combined_summary.joined(combined_summary.of_runs(args.root))
    sys.stdout.write(json.dumps({"markdown": text}) + "\n" if args.json else text)
    return int(Verdict.PASS)


def _slurm(args: argparse.Namespace) -> int:
    from harness.ci import slurm

    return slurm.main(args.sessions, _array_options(args), checkout=_ROOT, as_json=args.json)


def _array_options(args: argparse.Namespace) -> "ArrayOptions":
    from harness.ci.array import ArrayOptions

    return ArrayOptions(
        folder=args.folder.absolute(),
        local=args.local,
        partition=args.partition,
        gpus=args.gpus,
        cpus=args.cpus,
        minutes=args.minutes,
        pending_minutes=args.pending_minutes,
        silence_minutes=args.silence_minutes,
    )


def _campaign(args: argparse.Namespace) -> int:
    if args.workers < 1 or args.seed < 0 or (args.sample is not None and args.sample < 1):
        given = f"--workers {args.workers} --seed {args.seed} --sample {args.sample}"
        raise UsageError(f"{given}; allowed: from 1, from 0, from 1")
    from harness.ci import campaign

    chosen = campaign.mutants(
        tuple(args.id), sample=args.sample, seed=args.seed, more=args.more, edits=args.edits, checkout=_ROOT
    )
    drawn = ("--sample", str(args.sample), "--seed", str(args.seed)) if args.sample is not None else ()
    flags = [f"--{name.replace('_', '-')}" for name in ("more", "edits", "no_plain") if getattr(args, name)]
    selection = (*(word for glob in args.id for word in ("--id", glob)), *drawn, *flags)
    return campaign.main(
        chosen, _array_options(args), selection=selection, count=args.workers, checkout=_ROOT, as_json=args.json
    )
