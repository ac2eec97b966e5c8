"""`python -m harness ci …` on the command line; nothing here imports NumPy, so that a bare checkout can run it."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import options, testing
from harness.cli.options import Commands
from harness.record.directory import DEFAULT_ROOT
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from harness.ci.array import ArrayOptions

_ROOT = Path(__file__).resolve().parents[2]


def add_parser(commands: Commands) -> None:
    """Add the commands to the harness's parser."""
    inner = options.add_group(
        commands,
        "ci",
        "Serve a continuous-integration service or a Slurm cluster (docs/ci.md).",
        examples=("ci matrix --occasion nightly", "ci slurm torch_integration parity --local"),
    )
    _add_matrix(inner)
    _add_install(inner)
    _add_plan(inner)
    _add_check(inner)
    testing.add_parsers(inner)
    _add_durations(inner)
    _add_annotate(inner)
    _add_summary(inner)
    _add_comment(inner)
    _add_propose(inner)
    _add_faults(inner)
    _add_slurm(inner)
    _add_campaign(inner)


def _add_matrix(commands: Commands) -> None:
    text = "Print the jobs, made from the noxfile's sessions."
    parser = options.add_command(commands, "matrix", text, examples=("ci matrix --occasion nightly --gpu",))
    add = parser.add_argument
    add("--occasion", default="push", help="Print the jobs of this occasion, push or nightly (push).")
    add("--gpu", action="store_true", help="Add the lanes that need a GPU.")
    add("--format", choices=("github", "gitlab"), default="github", help="Print for this service (github).")
    add("--json", action="store_true", help="Print the same, because every format is JSON.")
    parser.set_defaults(run=_matrix)


def _add_install(commands: Commands) -> None:
    text = "Install the lock of a lane into an environment."
    parser = options.add_command(commands, "install", text, examples=("ci install torch-cpu --python env/bin/python",))
    text = "Install this lock of requirements/, for example torch-cpu."
    parser.add_argument("lane", help=text)
    text = "Install for this interpreter (this one)."
    parser.add_argument("--python", type=Path, default=Path(sys.executable), metavar="PATH", help=text)
    options.add_json(parser)
    parser.set_defaults(run=_install)


def _add_plan(commands: Commands) -> None:
    text = "Show how the test files are shared out and how long each shard takes."
    parser = options.add_command(commands, "plan", text, examples=("ci plan --shards 2",))
    parser.add_argument(
        "--shards", type=int, required=True, metavar="N", help="Share the files out to this many shards."
    )
    text = "Read the seconds of each file from here (tests/durations.json)."
    parser.add_argument("--durations", type=Path, metavar="FILE", help=text)
    options.add_json(parser, "the plan")
    parser.set_defaults(run=_plan)


def _add_check(commands: Commands) -> None:
    text = "Check that the shards together ran every test once."
    parser = options.add_command(commands, "check-plan", text, examples=("ci check-plan .harness/shards",))
    text = "Read the records of the shards from this folder (.harness/shards)."
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT_ROOT / "shards", metavar="FOLDER", help=text)
    options.add_json(parser, "what is wrong")
    parser.set_defaults(run=_check)


def _add_durations(commands: Commands) -> None:
    text = "Record how long each test file took."
    parser = options.add_command(commands, "durations", text, examples=("ci durations junit.xml",))
    parser.add_argument("files", type=Path, nargs="+", metavar="XML", help="Read this JUnit file of pytest.")
    text = "Write the seconds of each file to here (tests/durations.json)."
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)
    parser.add_argument("--json", action="store_true", help="Print the seconds and write nothing.")
    parser.set_defaults(run=_durations)


def _add_annotate(commands: Commands) -> None:
    text = "Print failures of JUnit files as GitHub's workflow commands."
    parser = options.add_command(commands, "annotate", text, examples=("ci annotate",))
    text = "Read this JUnit file; without it those of the runs."
    parser.add_argument("files", type=Path, nargs="*", metavar="XML", help=text)
    options.add_root(parser)
    options.add_json(parser, "the annotations")
    parser.set_defaults(run=_annotate)


def _add_summary(commands: Commands) -> None:
    text = "Print the summaries of the runs as one page of Markdown of at most 1 MB."
    parser = options.add_command(commands, "summary", text, examples=("ci summary >> $GITHUB_STEP_SUMMARY",))
    options.add_root(parser)
    parser.add_argument("--json", action="store_true", help='Print the page as {"markdown": …}.')
    parser.set_defaults(run=_summary)


def _add_comment(commands: Commands) -> None:
    text = "Write the state of the runs into one comment on a pull request of GitHub, or replace it."
    parser = options.add_command(
        commands,
        "comment",
        text,
        more="It needs GITHUB_REPOSITORY, GITHUB_TOKEN and PULL_REQUEST in the environment.",
        examples=("ci comment", "ci comment --print  # shows it and asks nobody"),
    )
    options.add_root(parser)
    parser.add_argument("--print", action="store_true", help="Print the comment, and write it nowhere.")
    options.add_json(parser)
    parser.set_defaults(run=_comment)


def _add_propose(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "propose",
        "Open a change with upgraded locks and the table of their comparison, or replace it.",
        more="A job of a service runs it every week (docs/ci.md); nothing of what it reads is run.",
        examples=("ci propose upgrade", "ci propose upgrade --print  # shows it and asks nobody"),
    )
    text = "Read requirements/ and runs/ of the comparison from this folder."
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=text)
    services = ("github", "gitlab")
    parser.add_argument("--service", choices=services, default="github", help="Open it on this service (github).")
    parser.add_argument("--print", action="store_true", help="Print the change, and open none.")
    options.add_json(parser)
    parser.set_defaults(run=_propose)


def _add_faults(commands: Commands) -> None:
    text = "Show which tests inject which fault that the harness must survive."
    parser = options.add_command(
        commands,
        "faults",
        text,
        more="The tests are read: every row of the table must have one that injects the fault, asserts that it was "
        "there, and checks the outcome.",
        examples=("ci faults", "ci faults --write"),
        codes=f"pass {Verdict.PASS:d} · a row has no test {Verdict.FAIL:d}",
    )
    options.add_json(parser, "the table")
    parser.add_argument("--write", action="store_true", help="Write the table into docs/faults.md.")
    parser.set_defaults(run=_faults)


def _add_slurm(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "slurm",
        "Run sessions as a Slurm array and bring their event logs back.",
        more="Each session is one task of the array. The command waits and makes the reports of what they leave.",
        examples=("ci slurm torch_integration tf_integration parity --partition cpu", "ci slurm parity --local"),
    )
    text = "Run this session of the noxfile, for example torch_integration."
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help=text)
    _add_array(parser)
    options.add_json(parser, "the results")
    parser.set_defaults(run=_slurm)


def _add_campaign(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "campaign",
        "Run the mutation campaign on several machines, each mutant once.",
        more="Workers of an array claim the mutants of a manifest; then one verdict is made over the merged results. "
        "After a kill the same command continues.",
        examples=("ci campaign --workers 8 --partition cpu --minutes 240 --folder /shared/campaign",),
    )
    add = parser.add_argument
    add("--workers", type=int, default=2, metavar="N", help="Start this many tasks of the array (2).")
    add("--id", action="append", default=[], metavar="GLOB", help="Try only the mutants with such an id.")
    add("--sample", type=int, metavar="K", help="Try only this many mutants, drawn at random.")
    options.add_seed(parser, 42, "the sample")
    add("--more", action="store_true", help="Also try the near relations of the catalogue's mutants.")
    add("--edits", action="store_true", help="Try the one-line edits instead.")
    add("--no-plain", action="store_true", help="Leave out the comparison with plain allclose.")
    _add_array(parser)
    options.add_json(parser)
    parser.set_defaults(run=_campaign, folder=DEFAULT_ROOT / "campaign", minutes=240)


def _add_array(parser: argparse.ArgumentParser) -> None:
    """Options of everything that runs as an array."""
    add = parser.add_argument
    add("--local", action="store_true", help="Use processes of this machine instead of a cluster.")
    text = "Make the folder of the array in this one, which all machines share (%(default)s)."
    add("--folder", type=Path, default=DEFAULT_ROOT / "slurm", metavar="DIR", help=text)
    add("--partition", metavar="NAME", help="Use this partition of Slurm (the cluster's default).")
    text = "Ask for this many GPUs for each task; with any, --device cuda is used (0)."
    add("--gpus", type=int, default=0, metavar="N", help=text)
    add("--cpus", type=int, default=2, metavar="N", help="Ask for this many cores for each task (2).")
    add("--minutes", type=int, default=60, metavar="N", help="Stop a task after this many minutes (%(default)s).")
    text = "Give up when a task has waited this long for its start (1440)."
    add("--pending-minutes", type=float, default=1440, metavar="N", help=text)
    text = "Count tasks as lost when their machine, or Slurm, is silent this long (5)."
    add("--silence-minutes", type=float, default=5, metavar="N", help=text)


def _install(args: argparse.Namespace) -> int:
    from harness.targets import install

    return install.main([args.lane, "--python", os.fspath(args.python), *(["--json"] if args.json else [])])


def _faults(args: argparse.Namespace) -> int:
    from harness.faults import table

    return table.main(as_json=args.json, write=args.write)


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


def _comment(args: argparse.Namespace) -> int:
    from harness.ci import pull_request

    text = pull_request.of_runs(args.root, os.environ.get("GITHUB_SHA", ""))
    done = "" if args.print else pull_request.publish(*pull_request.service(os.environ), text)
    if args.json:
        print(json.dumps({"markdown": text, "done": done}))
    else:
        print(done or text)
    return int(Verdict.PASS)


def _propose(args: argparse.Namespace) -> int:
    from harness.ci import propose

    propose.require_folder(args.folder)
    change = propose.collect(args.folder, _ROOT)
    if change is None:
        title, text, done = "", "", "no lock differs: there is nothing to propose"
    else:
        title, text = change.title, change.body
        done = "" if args.print else propose.publish(os.environ, change, args.service)
    if args.json:
        files = sorted(change.files) if change else []
        print(json.dumps({"title": title, "markdown": text, "files": files, "done": done}))
    else:
        print(done or f"{title}\n\n{text}")
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
