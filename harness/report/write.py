"""`python -m harness report`: gather, judge, draw, write one file."""

import json
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.report import load_runs, overall_status, trouble
from harness.report.overall_status import OverallStatus
from harness.report.trouble import Trouble
from ptycho import packages
from ptycho.errors import InfrastructureError, UsageError
from ptycho.files import write_text
from ptycho.verdict import Verdict

FOLDER, FILE = "report", "index.html"
SWEEP = "`python -m harness clean` removes what is left"
LARGEST = 5_000_000
"""Bytes of a report that a phone still opens at once."""


@dataclass(frozen=True, kw_only=True)
class WrittenReport:
    """
    A report that was written.

    Attributes:
        path: its file.
        bytes: its size.
        standing: what it says first.
        unbegun: names of runs that were killed before their first event, and therefore not in it.
        troubles: what is wrong with each run that did not pass, by the name of its folder.
    """

    path: Path
    bytes: int
    standing: OverallStatus
    unbegun: tuple[str, ...] = ()
    troubles: Mapping[str, Trouble] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = self.standing
        return {
            "report": str(self.path),
            "bytes": self.bytes,
            "verdict": found.verdict.label,
            "word": found.word,
            "sentence": found.sentence,
            "exit_code": int(found.verdict),
            "runs": [
                {
                    "name": entry.run.name,
                    "run": str(entry.run.path),
                    "verdict": entry.verdict.label,
                    "exit_code": int(entry.verdict),
                    "partial": entry.run.partial,
                    "stale": list(entry.stale),
                    "counts": entry.counts,
                    "sentence": entry.sentence,
                    "trouble": asdict(self.troubles[entry.run.path.name])
                    if entry.run.path.name in self.troubles
                    else None,
                }
                for entry in found.entries
            ],
            "killed_before_their_first_event": list(self.unbegun),
            "did_not_run": [] if found.chosen else [kind.title for kind in found.absent],
        }


def write(
    folders: Sequence[Path], *, root: Path, out: Path | None = None, against: Path | None = None
) -> WrittenReport:
    """
    Write a report.

    Args:
        folders: runs to show; none for the newest run of everything.
        root: the workspace's folder for runs.
        out: file to write; by default `report/index.html` of the run, or of the workspace.
        against: an earlier run that is put beside those of its kind.

    Raises:
        UsageError: no run is to be found, a folder is none, or no shown run is of the kind of `against`.
        InfrastructureError: the file cannot be written, or what draws it is not installed.
    """
    try:
        from harness.report import page
    except ImportError as error:  # of a bare runner: only the page needs Jinja
        raise InfrastructureError(f"the page cannot be drawn: {packages.explain(error) or error}") from error
    runs = [load_runs.load(folder) for folder in folders] if folders else load_runs.newest(root)
    if not runs:
        raise UsageError(f"no run in {root}/runs; make one, for example with: nox -s torch_integration")
    old = None if against is None else load_runs.load(against)
    if old is not None and old.name not in {run.name for run in runs}:
        names = ", ".join(sorted({run.name for run in runs}))
        raise UsageError(f"--against {against} is a run of {old.name}; allowed here: {names}")
    running = [] if folders else [path.name for path in load_runs.under_way(root)]
    unbegun = [] if folders else [path.name for path in load_runs.unbegun(root)]
    judged = overall_status.judge(runs, chosen=bool(folders))
    # Figures of other runs have no place in the report of one.
    troubles = {run.path.name: trouble.of(run) for run in runs if run.verdict is not Verdict.PASS}
    history = None if folders else root
    shown = page.make(judged, root=history, running=running, unbegun=unbegun, troubles=troubles, against=old)
    path = out or (folders[0] if len(folders) == 1 else root) / FOLDER / FILE
    text = page.render(shown)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfrastructureError(f"{path.parent} cannot be made: {error.strerror}; choose another --out") from error
    write_text(path, text)
    return WrittenReport(
        path=path, bytes=len(text.encode()), standing=judged, unbegun=tuple(unbegun), troubles=troubles
    )


def main(
    folders: Sequence[Path], *, root: Path, out: Path | None, show: bool, as_json: bool, against: Path | None = None
) -> int:
    """
    The `report` command.

    Returns:
        The exit code: the verdict that the report says first.
    """
    made = write(folders, root=root, out=out, against=against)
    found = made.standing
    if as_json:
        print(json.dumps(made.as_dict(), indent=1))
    else:
        for entry in found.entries:
            marks = (", not current" if entry.stale else "") + (", does not count" if not entry.counts else "")
            ended = f"{entry.verdict.label} (exit {int(entry.verdict)}{marks})"
            print(f"{entry.run.name}: {ended}: {entry.sentence}")
            if (found_trouble := made.troubles.get(entry.run.path.name)) is not None:
                print("".join(f"  {line}\n" for line in found_trouble.lines()), end="")
        if made.unbegun:
            print(f"killed before the first event, and not in this report: {', '.join(made.unbegun)}; {SWEEP}")
        print(f"{found.word} (exit {int(found.verdict)}): {found.sentence}")
        print(f"report: {made.path}")
    if made.bytes > LARGEST:
        print(f"warning: the report has {made.bytes} bytes, more than {LARGEST}", file=sys.stderr)
    if show:
        webbrowser.open(made.path.absolute().as_uri())
    return int(found.verdict)
