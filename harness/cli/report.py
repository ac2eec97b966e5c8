"""
`python -m harness report page | rebuild` and `verdict` on the command line.

Registered without importing what the commands need: a command line must start at once.
"""

import argparse
import json
import sys
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands


def add_parser(commands: Commands) -> None:
    """Add the commands to the harness's parser."""
    inner = options.add_group(
        commands,
        "report",
        "Write an HTML page about the newest run of every kind, or about the runs that you name.",
        more="The exit code is the verdict at the top of the page.",
        default="page",
        examples=("report --open", "report .harness/runs/RUN", "report rebuild .harness/runs/RUN"),
    )
    _add_page(inner)
    _add_rebuild(inner)
    _add_verdict(commands)


def _add_page(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "page",
        "Write the page.",
        more="It is one file, which loads nothing. Without RUN it shows the newest run of every lane and kind.",
        examples=("report page --open", "report page .harness/runs/NEW --against .harness/runs/OLD"),
    )
    text = "Show this run, a folder below .harness/runs."
    parser.add_argument("folders", type=Path, nargs="*", metavar="RUN", help=text)
    text = "Put this earlier run beside the named or newest run of the same kind."
    parser.add_argument("--against", type=Path, metavar="RUN", help=text)
    options.add_root(parser)
    text = "Write the page to this file (report/index.html below the run or the root)."
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)
    parser.add_argument("--open", action="store_true", help="Open the page in the browser.")
    options.add_json(parser, "the verdicts")
    parser.set_defaults(run=_report)


def _add_rebuild(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "rebuild",
        "Write the reports of a run again, from its event log.",
        more="junit.xml, ctrf.json, verdict.json, the summaries and report/index.html are replaced. Reports of a "
        "killed run say that they are partial. The exit code is the verdict of the log.",
        examples=("report rebuild .harness/runs/RUN",),
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="Read the log of this run, below .harness/runs.")
    text = "Also write the tests that reported into this file, as those that must report from now on."
    parser.add_argument("--expect", type=Path, metavar="FILE", help=text)
    options.add_json(parser, "the verdict")
    parser.set_defaults(run=_rebuild)


def _add_verdict(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "verdict",
        "Say whether every lane passed for this commit, these locks and these data sets.",
        more="The newest run of each lane is judged. A lane that did not run fails, and so does a run of another "
        "commit, lock or data set, or of a part of its tests. Parity and benchmark are named by their kind, and judged "
        "as well where they ran in this state. The exit code is the worst verdict.",
        examples=("verdict torch-cpu tf-cpu parity benchmark",),
    )
    text = "Require a result of this lane or kind, for example torch-cpu or parity."
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=text)
    options.add_root(parser)
    options.add_json(parser, "the verdicts")
    parser.set_defaults(run=_verdict)


def _report(args: argparse.Namespace) -> int:
    from harness.report import write

    return write.main(
        args.folders, root=args.root, out=args.out, show=args.open, as_json=args.json, against=args.against
    )


def _rebuild(args: argparse.Namespace) -> int:
    return rebuild(args.folder, manifest=args.expect, as_json=args.json)


def rebuild(folder: Path, *, manifest: Path | None = None, as_json: bool = False) -> int:
    """
    The `report rebuild` command: write the reports and the page, print the summary.

    Args:
        folder: the run's folder.
        manifest: also write the tests that reported as the list of those that must.
        as_json: print what `verdict.json` holds, and nothing else, instead of the summary.

    Returns:
        The exit code: the verdict of the log.

    Raises:
        UsageError: there is no log, or a manifest was asked of a run that did not pass.
    """
    from harness.record import log, state
    from harness.record.directory import LOG
    from harness.runs import artifacts, summary

    judged = artifacts.write(folder)
    told = state.tell(log.parse(log.content(folder / LOG)))
    print(json.dumps(artifacts.verdict(told, judged), indent=1) if as_json else summary.text(told, judged).rstrip("\n"))
    _write_page(folder)
    if manifest is not None:
        artifacts.write_manifest(told, judged, manifest)
        print(f"manifest: {manifest}", file=sys.stderr if as_json else sys.stdout)
    return int(judged.verdict)


def _write_page(folder: Path) -> None:
    """The HTML report; without its packages, which the reports of a log do not need, it is said and not made."""
    from harness.report import write
    from ptycho.errors import InfrastructureError

    try:
        write.write([folder], root=folder)
    except InfrastructureError as error:
        print(f"report/index.html was not made: {error}", file=sys.stderr)


def _verdict(args: argparse.Namespace) -> int:
    from harness.runs import freshness

    return freshness.main(args.root, args.lanes, as_json=args.json)
