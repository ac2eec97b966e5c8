"""
Replaces nox in the tasks of an array: `FAKE_NOX` says, as JSON, what each session does, within a second.

The run that a session leaves is a real one: its folder, log, reports and its end on a signal are the harness's own.
"""

import json
import os
import signal
import sys
import time
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from harness.ci import cells
from harness.record import directory
from harness.record.required import RequiredResults
from harness.runs import session as run_session
from harness.system.signals import Interruption
from ptycho.errors import exit_on_error
from ptycho.verdict import Verdict
from tests.support import sample_log

BUSY = "busy"
"""File in a session's workspace while it waits: the test may do its worst to it."""


def session(name: str, root: Path, act: str) -> Verdict:
    """Do what was ordered, as a run with one rung."""
    kept = directory.create(root)
    (kept.scratch / "map.bin").write_bytes(b"0" * 1000)
    with (
        Interruption(follow=os.getppid()).installed() as interruption,
        run_session.logged(
            kept,
            kind="parity",
            name=name,
            origin=sample_log.ORIGIN,
            expected=RequiredResults(rungs=("R3",)),
        ) as (events, ended),
    ):
        if act in ("fail", "fail-and-hang"):
            events.write("rung.end", rung="R3", result="fail")
        if act in ("hang", "fail-and-hang", "deaf"):
            (root / BUSY).write_text(str(os.getpid()))
            while act == "deaf" or not interruption.reason:
                time.sleep(0.05)
            interruption.check()
        if act in ("pass", "slow"):
            time.sleep(8.0 if act == "slow" else 0.0)
            interruption.check()
            events.write("rung.end", rung="R3", result="pass")
        ended(Verdict.FAIL if act == "fail" else Verdict.PASS)
    return Verdict.FAIL if act == "fail" else Verdict.PASS


def mutation(root: Path, act: str) -> Verdict:
    """Try the mutants that are named, without trying them: each gets its line, as `harness mutation --resume` does."""
    words = sys.argv
    ids = tuple(after for word, after in pairwise(words) if word == "--id")
    results = Path(words[words.index("--resume") + 1])
    folder = next(parent for parent in results.parents if (parent / cells.MANIFEST).is_file())
    campaign = cells.load(folder)
    chosen = [cell for cell in campaign.cells if any(fnmatchcase(cell.id, glob) for glob in ids)]
    path = results / cells.RESULTS
    before = {json.loads(line)["id"] for line in path.read_text().splitlines()} if path.is_file() else set()
    kept = directory.create(root)
    names = tuple(f"mutant {cell.id}" for cell in chosen)
    with (
        Interruption(follow=os.getppid()).installed() as interruption,
        run_session.logged(kept, kind="mutation", origin=sample_log.ORIGIN, expected=RequiredResults(rungs=names)) as (
            log,
            ended,
        ),
    ):
        for number, cell in enumerate(chosen):
            while act == "stall" and number == 2 and not interruption.reason:
                (root / BUSY).write_text(str(os.getpid()))
                time.sleep(0.05)
            interruption.check()
            if cell.id not in before:
                row = {"id": cell.id, "mutant": cell.entry, "code": campaign.code, "outcome": "killed"}
                results.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                time.sleep(0.1)
            log.write("rung.end", rung=f"mutant {cell.id}", result="pass")
        log.write("note", message=f"{len(before)} of {len(chosen)} were there")
        ended(Verdict.PASS)
    return Verdict.PASS


def main() -> int:
    """What `python -m nox -s SESSION -- --root ROOT` would do."""
    name, root = sys.argv[2], Path(sys.argv[sys.argv.index("--root") + 1])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    act = json.loads(os.environ["FAKE_NOX"])[name]
    print(f"{name}: {act} on {os.environ.get('SLURMD_NODENAME', 'this machine')}", flush=True)
    if act == "nothing":
        return 0
    with exit_on_error():
        if name == "mutation":
            return int(mutation(root, act) is not Verdict.PASS)
        return int(session(name, root, act) is not Verdict.PASS)


if __name__ == "__main__":
    raise SystemExit(main())
