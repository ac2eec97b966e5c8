"""
Two code bases with packages of the same names: each imports its own, wherever the harness is started from.

The foreign checkout's `ptycho` has nothing of ours in it, so that a mix-up of either kind ends in an error.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.isolation import import_guard
from tests.support.fakes import foreign_checkout

ROOT = Path(__file__).resolve().parents[3]


def _run(
    workspace: Any, arguments: list[str], *, cwd: Path, path: str = str(ROOT)
) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": path,
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.tmp),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.deep
def test_a_target_with_packages_of_the_same_names_works_beside_the_project_s_own(workspace: Any) -> None:
    checkout = workspace.path / "checkout"
    target = foreign_checkout.write(checkout)
    # From inside the checkout: its `ptycho` is in the working directory of the harness, and ours must win there.
    arguments = ["run", "--target", str(target), "--fixture", str(workspace.scan), "--root", str(workspace.root)]
    done = _run(workspace, [*arguments, "--json"], cwd=checkout)
    (outcome,) = json.loads(done.stdout)
    (fixture,) = outcome["fixtures"]
    assert (fixture["verdict"], fixture["scores"]["phase_correlation"] > 0.99) == ("pass", True)
    (run,) = (workspace.root / "runs").iterdir()
    assert f"core foreign {checkout / 'ptycho' / '__init__.py'}\n" in (run / "logs" / "scan-train.log").read_text()
    assert sorted(path.name for path in checkout.rglob("*") if path.is_file()) == [
        *("__init__.py", "__init__.py", "inference.py", "train.py")
    ]


def test_ours_started_from_a_foreign_checkout_is_ours(workspace: Any) -> None:
    foreign_checkout.write(workspace.path / "checkout")
    done = _run(workspace, ["--help"], cwd=workspace.path / "checkout")
    assert (done.returncode, "Train, reconstruct and score" in done.stdout) == (0, True)


def test_the_guard_can_fail(workspace: Any) -> None:
    checkout = workspace.path / "checkout"
    foreign_checkout.write(checkout)
    done = _run(workspace, ["--help"], cwd=workspace.cwd, path=os.pathsep.join((str(checkout), str(ROOT))))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the harness in {ROOT / 'harness'} needs the ptycho beside it, but ptycho comes from "
        f"{checkout / 'ptycho'}; unset PYTHONPATH\n"
    )


@pytest.mark.parametrize("own", [True, False])
def test_only_a_stranger_s_working_directory_is_taken_off_the_path(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = str(ROOT) if own else str(tmp_path)
    monkeypatch.setattr(sys, "path", [first, "rest"])
    import_guard.leave_working_directory()
    assert sys.path == ([first, "rest"] if own else ["rest"])
