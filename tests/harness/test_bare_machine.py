"""The plain command on a machine without nox, uv or git, and under whatever its caller has set: the same outcome."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.isolation.sandbox import Sandbox
from harness.record import directory
from harness.record.log import parse
from tests.support.fakes import fake_target
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[2]
SUITE = "def test_one() -> None:\n    assert 4 == 2 + 2\n\n\ndef test_two() -> None:\n    assert 9 == 3 * 3\n"
CODE = """
import atexit, importlib.metadata, json, pathlib, sys
from harness.cli import main
def tell():
    owners = importlib.metadata.packages_distributions()
    names = {name.partition(".")[0] for name in sys.modules} & owners.keys()
    pathlib.Path(sys.argv[1]).write_text(json.dumps(sorted({owner for name in names for owner in owners[name]})))
atexit.register(tell)
raise SystemExit(main.main(sys.argv[2:]))
"""


class Bare:
    """A folder to work in, with a fake target, and an environment of almost nothing."""

    def __init__(self, path: Path, scan: Path) -> None:
        self.cwd, self.home, self.tmp = path / "parent" / "cwd", path / "home", path / "tmp"
        for folder in (self.cwd, self.home, self.tmp):
            folder.mkdir(parents=True)
        self.target = fake_target.write(path / "target", suite=SUITE)
        tools = path / "bin"
        tools.mkdir()
        for name in ("sh", "env"):
            (tools / name).symlink_to(str(shutil.which(name)))
        self.env = {"PATH": str(tools), "HOME": str(self.home), "TMPDIR": str(self.tmp), "PYTHONPATH": str(ROOT)}
        self.words = ["run", "--target", str(self.target), "--fixture", str(scan), "--brief", "--json"]
        # A plugin that makes a folder where it is started, in environments that have it.
        self.words += ["--", "-p", "no:benchmark"]

    def run(self, *before: str, **extra: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, *(before or ("-m", "harness")), *self.words]
        env = self.env | {"PYTHONDONTWRITEBYTECODE": "1"} | extra
        return subprocess.run(argv, env=env, cwd=self.cwd, capture_output=True, text=True, check=False)

    def outcome(self, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        """What must not depend on the caller's environment."""
        assert done.stderr == ""
        (found,) = json.loads(done.stdout)
        kept = ("lane", "device", "verdict", "findings", "problems")
        suite = {key: found["suite"][key] for key in ("passed", "failed", "skipped")}
        scores = [item["scores"] for item in found["fixtures"]]
        return {"code": done.returncode, "suite": suite, "scores": scores} | {key: found[key] for key in kept}


@pytest.fixture
def bare(tmp_path: Path, scan: Path) -> Bare:
    return Bare(tmp_path, scan)


@pytest.mark.deep
def test_without_nox_uv_and_git_a_lane_passes_and_leaves_only_its_run_root(bare: Bare) -> None:
    assert [name for name in ("nox", "uv", "git", "pip") if shutil.which(name, path=bare.env["PATH"])] == []
    found = bare.outcome(bare.run())
    assert (found["code"], found["verdict"], found["problems"]) == (0, "pass", [])
    assert found["suite"] == {"passed": 2, "failed": 0, "skipped": 0}
    (run,) = directory.find(bare.cwd / ".harness")
    assert (run.path / "scratch").exists() is False
    assert [path.name for path in bare.cwd.iterdir()] == [".harness"]
    assert list(bare.home.iterdir()) == []


@pytest.mark.deep
@pytest.mark.parametrize("lane", ["torch-gpu", "tf-gpu"])
def test_the_harness_needs_no_package_that_a_lane_s_lock_has_not(bare: Bare, tmp_path: Path, lane: str) -> None:
    lock = (ROOT / "requirements" / f"{lane}.txt").read_text()
    locked = {_plain(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, flags=re.MULTILINE)}
    used = tmp_path / "used.json"
    assert bare.run("-c", CODE, str(used)).returncode == 0
    names = {_plain(name) for name in json.loads(used.read_text())}
    assert "numpy" in names
    assert sorted(names - locked) == []


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


LEAKS = {
    "PYTEST_ADDOPTS": "-k nothing_of_the_kind",
    "TF_CPP_MIN_LOG_LEVEL": "0",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "UV_PYTHON": "2.7",
    "PYTHONWARNINGS": "error",
    "OMP_NUM_THREADS": "nonsense",
    "CUDA_VISIBLE_DEVICES": "0",
    "PTYCHO_HARNESS_EVENTS": "/nowhere/events.ndjson",
}


@pytest.mark.deep
@pytest.mark.fault("leaked-environment")
@pytest.mark.parametrize("name", [*LEAKS, "PYTHONPATH"])
def test_what_the_caller_has_set_changes_nothing(bare: Bare, tmp_path: Path, name: str) -> None:
    value = LEAKS.get(name, "")
    if name == "PYTHONPATH":
        planted = tmp_path / "planted"
        planted.mkdir()
        code = "import os\nif 'PTYCHO_HARNESS_SCRATCH' in os.environ:\n    raise SystemExit('imported by a child')\n"
        (planted / "sitecustomize.py").write_text(code)
        value = f"{ROOT}{os.pathsep}{planted}"
    bites(value and bare.env.get(name) != value, "the variable has another value than by itself")
    found = bare.outcome(bare.run(**{name: value}))
    assert found == _undisturbed(found)
    (run,) = directory.find(bare.cwd / ".harness")
    rows = parse((run.path / "events.ndjson").read_bytes()).rows
    assert [row["returncode"] for row in rows if row["event"] == "command.end"] == [0, 0, 0]


def _undisturbed(found: dict[str, Any]) -> dict[str, Any]:
    """The outcome of the fake target, whose scores hang on nothing but its scan."""
    suite = {"passed": 2, "failed": 0, "skipped": 0}
    (scores,) = found["scores"]
    assert scores["phase_correlation"] > 0.99
    kept = {"code": 0, "suite": suite, "lane": "fake-cpu", "verdict": "pass", "findings": [], "problems": []}
    return kept | {"scores": [scores], "device": "cpu (every GPU hidden)"}


@pytest.mark.slow
def test_the_leaks_bite_where_they_are_let_in(bare: Bare, cell: Sandbox) -> None:
    """That each of them would do harm: pytest deselects everything, and Python does not start a sound suite."""
    (cell.cwd / "test_it.py").write_text(SUITE)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cell.cwd)]
    codes = {}
    for name, value in {"nothing": "", "PYTEST_ADDOPTS": LEAKS["PYTEST_ADDOPTS"]}.items():
        done = subprocess.run(argv, env=bare.env | {name: value}, cwd=cell.cwd, capture_output=True, check=False)
        codes[name] = done.returncode
    assert codes == {"nothing": 0, "PYTEST_ADDOPTS": 5}
