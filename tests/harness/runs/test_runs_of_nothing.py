"""No command leaves a run of nothing: after bad input and after short commands, there is nothing to sweep or report."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.record import directory, log, state
from ptycho.verdict import Verdict
from tests.support import sample_log
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = "/no/such/interpreter"

SHORT = {
    "run": (["run"], ["run", "torch", "--fixture", "no.npz"], ["run", "--target", "no.toml"]),
    "clean": (["clean"], ["clean", "--check"], ["clean", "--keep-runs", "0"]),
    "fixtures": (["fixtures"], ["fixtures", "nonsense"]),
    "target": (["target"], ["target", "check", "no.toml"], ["target", "init", "no-folder"], ["target", "schema"]),
    "report": (["report"], ["report", "no-run"], ["report", "rebuild"], ["report", "rebuild", "no-run"]),
    "verdict": (["verdict"], ["verdict", "torch-cpu", "parity"]),
    "parity": (
        ["parity"],
        ["parity", "--python", "nobody=x"],
        ["parity", f"--python=torch={NOWHERE}", f"--python=tf={NOWHERE}", "--steps", "0"],
        ["parity", f"--python=torch={NOWHERE}", f"--python=tf={NOWHERE}", "--scan", "no.npz"],
        ["parity", "replay", "no.npz"],
    ),
    "mutation": (["mutation", "no-such-mutant"], ["mutation", "--list"], ["mutation", "--jobs", "0"]),
    "benchmark": (
        ["benchmark", "--bogus"],
        ["benchmark", "compare", "no-such-revision"],
        ["benchmark", "scale", "--bogus"],
        ["benchmark", "overhead", "no-run"],
        ["benchmark", "quality-curve", "--epochs", "0"],
    ),
    "kill-test": (["kill-test", "--count", "0"], ["kill-test", "--victims", "nobody"]),
    "attach": (["attach"], ["attach", "no.py", "no.py"], ["attach", "physics"], ["attach", "physics", "no.py"]),
    "gpu-check": (["gpu-check", "--minutes", "0"], ["gpu-check", "--python-version", "3.12"]),
    "ci": (["ci"], ["ci", "nonsense"], ["ci", "faults"], ["ci", "install"], ["ci", "install", "nothing"]),
}
"""Calls that end at once, by command: refused, for the most part, or stopped by an interpreter that is not there."""


def nothing(root: Path) -> list[Path]:
    """Runs whose log lacks its beginning, and with it the kind of run, or its end."""
    told = {
        run.path: state.tell(log.parse(run.events.read_bytes() if run.has_begun else b""))
        for run in directory.find(root)
    }
    return [path for path, found in told.items() if not (found.kind and found.complete)]


def test_every_command_is_here() -> None:
    (commands,) = [
        action.choices for action in main.command_line()._actions if action.dest == "command" or action.choices
    ]
    assert set(commands or ()) == set(SHORT)


@pytest.mark.deep
@pytest.mark.parametrize("arguments", [call for calls in SHORT.values() for call in calls], ids=" ".join)
def test_a_short_command_leaves_no_run(arguments: list[str], tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", "harness", *arguments]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    # An adapter's own traceback may be quoted, whichever of the two dies first; the harness has none.
    before, traceback, _ = done.stderr.partition("Traceback")
    assert not traceback or "error: the adapter " in before
    # What was refused leaves nothing; what began says what it is and how it ended.
    assert [] == nothing(tmp_path / ".harness")
    assert done.returncode == Verdict.INFRA or not list(tmp_path.glob(".harness/runs/*"))


def test_a_run_of_nothing_would_be_seen(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    bites(run.path.is_dir(), "a folder of a run is there")
    assert [run.path] == nothing(tmp_path)
    run.events.write_bytes(sample_log.content([sample_log.end()]))
    assert [run.path] == nothing(tmp_path)
    run.events.write_bytes(sample_log.content(sample_log.whole()))
    assert [] == nothing(tmp_path)
