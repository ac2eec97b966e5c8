"""The import contracts of pyproject.toml: they hold, and each goes red for an import that it forbids."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness.isolation import source_overlay
from ptycho.fingerprint import ROOT

PROGRAM = Path(sys.executable).with_name("lint-imports")
PACKAGES = ["harness", "ptycho", "ptycho_torch", "ptycho_tf"]
CONTRACTS = ["rooms of the harness", "floors of the ladder", "floors of the core"]


def _checkout(path: Path) -> Path:
    return source_overlay.copy(ROOT, path / "checkout", [*PACKAGES, "pyproject.toml"])


def _lint(checkout: Path) -> tuple[int, dict[str, str]]:
    """The exit code, and what is said of each contract."""
    done = subprocess.run(
        [PROGRAM, "--no-cache"], cwd=checkout, capture_output=True, text=True, check=False, timeout=120
    )
    words = [line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.endswith((" KEPT", " BROKEN"))]
    assert words, done.stdout + done.stderr
    return done.returncode, dict(words)


def test_every_package_is_looked_at_and_nothing_is_excepted() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert tool["root_packages"] == PACKAGES
    assert [contract["name"] for contract in tool["contracts"]] == CONTRACTS
    allowed = {"name", "type", "containers", "layers", "exhaustive"}
    assert [set(contract) - allowed for contract in tool["contracts"]] == [set(), set(), set()]
    assert all(contract["exhaustive"] for contract in tool["contracts"])


def test_the_checkout_keeps_them(tmp_path: Path) -> None:
    assert _lint(_checkout(tmp_path)) == (0, dict.fromkeys(CONTRACTS, "KEPT"))


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("harness/system/tables.py", "from harness.record import findings\n", "rooms of the harness"),
        ("harness/lanes/live.py", "def late():\n    from harness.report import page\n", "rooms of the harness"),
        ("harness/attic/__init__.py", "", "rooms of the harness"),
        ("harness/parity/compare/axes.py", "from harness.parity.judge import ladder\n", "floors of the ladder"),
        ("ptycho/data/values.py", "from ptycho.training import epochs\n", "floors of the core"),
        (
            "ptycho/physics/patches.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ptycho.data.dataset import Dataset\n",
            "floors of the core",
        ),
    ],
    ids=["upwards", "late", "a room without a floor", "in the ladder", "in the core", "for a type only"],
)
def test_a_planted_import_breaks_its_contract_and_no_other(tmp_path: Path, file: str, line: str, broken: str) -> None:
    checkout = _checkout(tmp_path)
    path = checkout / file
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as source:
        source.write(line)
    assert _lint(checkout) == (1, {name: "BROKEN" if name == broken else "KEPT" for name in CONTRACTS})


CIRCLE = f"""
import graphlib, grimp
graph = grimp.build_graph(*{PACKAGES}, cache_dir=None)
try:
    graphlib.TopologicalSorter({{m: graph.find_modules_directly_imported_by(m) for m in graph.modules}}).prepare()
except graphlib.CycleError as error:
    print(*error.args[1])
"""
"""Prints a circle of modules that import each other; contracts of layers say nothing of those within a room."""


def _circle(checkout: Path) -> set[str]:
    argv = [sys.executable, "-c", CIRCLE]
    return set(subprocess.check_output(argv, cwd=checkout, text=True, timeout=120).split())


def test_no_modules_import_each_other() -> None:
    assert _circle(ROOT) == set()


def test_modules_that_import_each_other_are_found(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    with (checkout / "harness/attach/calls.py").open("a", encoding="utf-8") as source:
        source.write("def late():\n    from harness.attach import recording\n")
    assert {"harness.attach.calls", "harness.attach.recording"} <= _circle(checkout)
