"""`python -m harness ci …` on the command line; nothing here imports NumPy, so that a bare checkout can run it."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from ptycho.verdict import Verdict

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
    _add_durations(commands)
    _add_annotate(commands)
    _add_summary(commands)
    _add_slurm(commands)


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
        description="One task of an array for each session, through submitit; waits, and rebuilds the reports.",
    )
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="of the noxfile, for example torch_integration")
    parser.add_argument("--cluster", default="slurm", help="slurm, or local for this machine (default: slurm)")
    parser.add_argument("--folder", type=Path, default=DEFAULT_ROOT / "slurm", help="for the tasks' files, shared")
    parser.add_argument("--partition", metavar="NAME")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="of each task; with any, --device cuda")
    parser.add_argument("--cpus", type=int, default=2, metavar="N", help="of each task (default: 2)")
    parser.add_argument("--minutes", type=int, default=60, metavar="N", help="limit of each task (default: 60)")
    parser.add_argument("--json", action="store_true", help="print what came back as one JSON document, and only that")
    parser.set_defaults(run=_slurm)


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

    return slurm.main(
        slurm.Wanted(
            sessions=tuple(args.sessions),
            cluster=args.cluster,
            folder=args.folder.absolute(),
            partition=args.partition,
            gpus=args.gpus,
            cpus=args.cpus,
            minutes=args.minutes,
        ),
        root=_ROOT,
        as_json=args.json,
    )
