"""
`python -m harness report | rebuild | verdict` on the command line.

Registered without importing what the commands need: a command line must start at once.
"""

import argparse
import json
import sys
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the harness's parser."""
    report = subparsers.add_parser(
        "report",
        help="one HTML page about the newest run of everything, or about chosen runs",
        description="One self-contained HTML file: verdicts, reconstructions, the parity ladder, budgets, what did "
        "not run. Without RUN: the newest run of every lane and kind. Exit code: the verdict it begins with.",
    )
    report.add_argument("folders", type=Path, nargs="*", metavar="RUN", help="folder of a run, below .harness/runs")
    report.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    report.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: report/index.html)")
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.add_argument("--json", action="store_true", help="print the verdicts as one JSON document, and only that")
    report.set_defaults(run=_report)
    again = subparsers.add_parser(
        "rebuild",
        help="make the reports of a run again, from its event log",
        description="Write junit.xml, verdict.json, the summaries and report/index.html of a run again, from its log. "
        "That of a run that was killed gives reports that say that they are partial. Exit code: the log's verdict.",
    )
    again.add_argument("folder", type=Path, metavar="RUN", help="folder of the run, below .harness/runs")
    again.add_argument(
        "--expect", type=Path, metavar="FILE", help="also write the tests that reported as those that must, from now on"
    )
    again.add_argument("--json", action="store_true", help="print the verdict as one JSON document, and only that")
    again.set_defaults(run=_rebuild)
    verdict = subparsers.add_parser(
        "verdict",
        help="do all lanes stand, for this commit, these locks and these data sets?",
        description="Judge the newest run of each lane. A lane that did not run fails, and so does a run of another "
        "commit, lock or data set, or of a part of its tests. Parity and benchmark are named by their kind, and judged "
        "unasked where they ran in this state. Exit code: the gravest verdict.",
    )
    verdict.add_argument("lanes", nargs="*", metavar="LANE", help="what must report, for example torch-cpu parity")
    verdict.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    verdict.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    verdict.set_defaults(run=_verdict)


def _report(args: argparse.Namespace) -> int:
    from harness.report import write

    return write.main(args.folders, root=args.root, out=args.out, show=args.open, as_json=args.json)


def _rebuild(args: argparse.Namespace) -> int:
    return rebuild(args.folder, manifest=args.expect, as_json=args.json)


def rebuild(folder: Path, *, manifest: Path | None = None, as_json: bool = False) -> int:
    """
    The `rebuild` command: write the reports and the page, print the summary.

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
