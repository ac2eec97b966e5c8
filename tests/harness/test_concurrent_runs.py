"""
Eight runs in one workspace at once, some of them at fault, while a clean-up runs all the time.

The runs are whole ones, in processes of their own. Each must end as it would alone: what one of them leaves in a place
that all of them watch is that one's, and no clean-up takes a living run for a dead one.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.isolation.sandbox import OBSERVER
from harness.record import directory
from harness.runs import clean
from harness.runs.retention import Policy
from harness.system import identity
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites

OWN = OBSERVER.parents[2]


def _dead(root: Path) -> directory.RunRoot:
    run = directory.create(root)
    record = json.loads((run.path / directory.MARKER).read_text())
    record["owner"]["started"] = "1"
    (run.path / directory.MARKER).write_text(json.dumps(record))
    directory.release(run)
    return run


@pytest.mark.deep
@pytest.mark.fault("concurrent-runs")
def test_each_of_eight_ends_as_it_would_alone(workspace: Any, capsys: pytest.CaptureFixture[str]) -> None:
    faults: Mapping[str, tuple[str, str, Verdict, str]] = {
        **{f"sound-{number}": ("none", "-", Verdict.PASS, "") for number in range(4)},
        "checkout": ("absolute", str(workspace.cwd / "stray.npz"), Verdict.FAIL, "stray.npz"),
        "parent": ("absolute", str(workspace.cwd.parent / "beside.npz"), Verdict.FAIL, "beside.npz"),
        "database": ("cwd", "-", Verdict.FAIL, "mlflow.db"),
        "crash": ("crash", "-", Verdict.FAIL, "planted crash"),
    }
    dead = [_dead(workspace.root) for _ in range(2)]
    runs: dict[str, subprocess.Popen[str]] = {}
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "PYTHONPATH": str(OWN),
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.tmp),
    }
    for name, (fault, absolute, _, _) in faults.items():
        file = fake_target.write(workspace.path / name, fault=fault, absolute=absolute, suite=None, timeout_s=300)
        command = ["run", "--target", str(file), "--fixture", str(workspace.scan), "--brief", "--json"]
        argv = [sys.executable, "-m", "harness", *command]
        runs[name] = subprocess.Popen(argv, cwd=workspace.cwd, env=env, stdout=subprocess.PIPE, text=True)
    codes, most, stop = [], [0], threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            codes.append(
                clean.main(workspace.root, check=False, dry_run=False, everything=False, policy=Policy(runs=1, mib=0))
            )
            most[0] = max(most[0], sum(run.alive for run in directory.find(workspace.root)))
            stop.wait(0.1)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        said = {name: process.communicate(timeout=400)[0] for name, process in runs.items()}
    finally:
        stop.set()
        sweeper.join()
        for process in runs.values():
            process.kill()
    capsys.readouterr()
    bites(most[0] >= 4, "at least four runs met")
    outcomes = {name: json.loads(text)[0] for name, text in said.items()}
    problems = {name: [item["message"] for item in outcome["problems"]] for name, outcome in outcomes.items()}
    for name, (_, _, verdict, named) in faults.items():
        assert (outcomes[name]["verdict"], runs[name].returncode) == (verdict.name.lower(), verdict), problems
        first, *more = problems[name] or [""]
        assert (named in first, bool(first), len(more)) == (True, bool(named), name == "crash"), problems
    notes = [note for outcome in outcomes.values() for note in outcome["notes"] if "swept" in note]
    assert len(notes) <= len(dead), notes
    assert {note.rpartition(" ")[2] for note in notes} <= {run.path.name for run in dead}
    assert set(codes) == {Verdict.PASS}
    assert len({outcome["run_root"] for outcome in outcomes.values()}) == len(faults)
    for run in directory.find(workspace.root):
        assert not run.scratch.exists()
        assert identity.with_token(run.token) == []
