"""A whole comparison with fake blocks: the planted slow-down is red, equal trees are green, nothing is left behind."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.benchmark import compare
from harness.benchmark.compare import RegressionOptions
from harness.fixtures import locate
from harness.isolation import revision
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict
from tests.support.fakes import fake_lane


def options(tmp_path: Path, *, base: str, head: str, exit_code: int = 0) -> RegressionOptions:
    """A checkout whose commit and working tree cost what they say."""
    root = tmp_path / "checkout"
    for package in revision.PACKAGES:
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text("")
    cost = root / "ptycho" / "cost.txt"
    cost.write_text(base)
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "one")):
        subprocess.run(["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True)
    cost.write_text(head)
    (scan,) = locate.locate(["small"]).values()
    python = fake_lane.write(tmp_path / "python", exit_code=exit_code)
    return RegressionOptions(
        pythons={"torch": str(python)},
        scan=scan,
        root=tmp_path / "harness",
        base="HEAD",
        checkout=root,
        looks=(8,),
        slices=4,
    )


@pytest.mark.deep
def test_a_slower_working_tree_is_a_regression(tmp_path: Path) -> None:
    made, path = compare.run(options(tmp_path, base="1.0", head="1.2"), Interruption())
    assert made.verdict is Verdict.FAIL
    assert [row[-1] for row in made.table()] == ["result", "regression", "no regression"]
    written = json.loads(path.read_text())
    assert written["rulings"]["torch"][0]["second"]["pairs"] == 8
    verdict = json.loads((path.parent / "verdict.json").read_text())
    assert "against[torch]" in json.dumps(verdict)
    assert verdict["verdict"] == "fail"
    assert not (path.parent / "scratch").exists()


@pytest.mark.slow
def test_equal_trees_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, path = compare.run(options(tmp_path, base="1.0", head="1.0"), Interruption())
    assert made.verdict is Verdict.PASS
    assert json.loads((path.parent / "verdict.json").read_text())["verdict"] == "pass"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["torch, base", "torch, head", "torch, base", "torch, head"]
    assert len(lines) == 2 + 16


def test_a_base_that_does_not_run_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="a block of base, torch ended with exit code 3"):
        compare.run(options(tmp_path, base="1.0", head="1.0", exit_code=3), Interruption())
