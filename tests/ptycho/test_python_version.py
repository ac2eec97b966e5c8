"""An old Python gets one sentence from every entry point, and exit code 13."""

import ast
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho.fingerprint import ROOT
from tests.support.injected import bites

MODULES = ["harness", "ptycho"] + [
    f"{package}.{name}"
    for package in ("ptycho_torch", "ptycho_tf")
    for name in ("train", "inference", "adapter", "bench", "probe")
]
FILES = ["noxfile.py", "scripts/simulation/simulate_and_save.py"]
SENTENCE = r"error: this is Python {version} \(.*\); 3\.11 to 3\.13 are needed\n"

PRETEND = """
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
sys.path.insert(0, {root!r})
what = sys.argv[1]
runpy.run_path(what, run_name="__main__") if what.endswith(".py") else runpy.run_module(what, run_name="__main__")
"""


def _old_pythons() -> dict[str, str]:
    """Interpreters of this machine that are too old, by version: of the search path, and those that pyenv keeps."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found: dict[str, str] = {}
    for minor in (8, 9, 10):
        for program in (f"python3.{minor}", *map(str, kept.glob(f"3.{minor}.*/bin/python"))):
            argv = [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            with contextlib.suppress(OSError):
                said = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
                if said == f"3.{minor}":
                    found[said] = program
    return found


def _source(entry: str) -> Path:
    if entry.endswith(".py"):
        return ROOT / entry
    place = ROOT.joinpath(*entry.split("."))
    return place / "__main__.py" if place.is_dir() else place.with_suffix(".py")


@pytest.mark.parametrize("entry", [*MODULES, *FILES])
@pytest.mark.fault("old-python")
def test_an_old_python_is_told_which_one_is_needed(entry: str) -> None:
    argv = [sys.executable, "-c", PRETEND.format(root=str(ROOT)), entry]
    bites("sys.version_info = (3, 9" in argv[2], "the interpreter says that it is an old one")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (13, "")
    assert re.fullmatch(SENTENCE.format(version=r"3\.9"), done.stderr)


@pytest.mark.parametrize("entry", [*MODULES, *FILES])
def test_an_old_python_can_read_what_says_so(entry: str) -> None:
    path = _source(entry)
    packages = [folder / "__init__.py" for folder in path.parents if folder.is_relative_to(ROOT) and folder != ROOT]
    for file in (path, ROOT / "ptycho" / "python_version.py", *filter(Path.exists, packages)):
        assert ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=(3, 8)).body


@pytest.mark.slow
@pytest.mark.fault("old-python")
def test_a_real_old_python_ends_in_the_same_way() -> None:
    old = _old_pythons()
    if not old:
        pytest.skip("no Python 3.8 to 3.10 on this machine; another test has a newer one pretend to be one")
    for version, program in old.items():
        bites(version in ("3.8", "3.9", "3.10"), "it is too old, by its own account")
        for entry in (*MODULES, *FILES):
            argv = [program, "-B", *([entry] if entry.endswith(".py") else ["-m", entry])]
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode, done.stdout) == (13, ""), (argv, done.stderr)
            assert re.fullmatch(SENTENCE.format(version=re.escape(version)), done.stderr), argv


def test_every_entry_point_asks() -> None:
    # A module that is started with `python -m` by a user: each of these packages, at its top.
    started = {
        f"{package}.{path.stem}"
        for package in ("ptycho_torch", "ptycho_tf")
        for path in (ROOT / package).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert started == {name for name in MODULES if "." in name}
