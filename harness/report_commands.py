"""
`python -m harness rebuild | verdict` on the command line.

Registered without importing what the commands need: a command line must start at once.
"""

import argparse
from pathlib import Path

from harness.runroot import DEFAULT_ROOT


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands to the harness's parser."""
    rebuild = subparsers.add_parser(
        "rebuild",
        help="make the reports of a run again, from its event log",
        description="Write junit.xml, verdict.json and the summaries of a run again, from its event log alone. The log "
        "of a run that was killed gives a report that says that it is partial. Exit code: the log's verdict.",
    )
    rebuild.add_argument("folder", type=Path, metavar="RUN", help="folder of the run, below .harness/runs")
    rebuild.add_argument(
        "--expect", type=Path, metavar="FILE", help="also write the tests that reported as those that must, from now on"
    )
    rebuild.set_defaults(run=_rebuild)
    verdict = subparsers.add_parser(
        "verdict",
        help="do all lanes stand, for this commit, these locks and these data sets?",
        description="Judge the newest run of each lane. A lane that did not run fails, and so does a run of another "
        "commit, lock or data set. Exit code: the gravest verdict.",
    )
    verdict.add_argument("lanes", nargs="*", metavar="LANE", help="lanes that must report, for example torch-cpu")
    verdict.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    verdict.set_defaults(run=_verdict)


def _rebuild(args: argparse.Namespace) -> int:
    from harness import rebuild

    return rebuild.main(args.folder, manifest=args.expect)


def _verdict(args: argparse.Namespace) -> int:
    from harness import lanes

    return lanes.main(args.root, args.lanes)
