"""A whole lane on a target without training, with a conversion, a configuration file and a folder that must exist."""

import os
from pathlib import Path
from typing import Any

import pytest

from harness.lanes import lane
from harness.system.signals import Interruption
from harness.targets import check_options, loader
from ptycho.verdict import Verdict
from tests.support.fakes import iterative_engine, zoo


def _run(tmp_path: Path, workspace: Any, target: Path) -> Any:
    os.chdir(workspace.cwd)
    scan = zoo.scan(tmp_path / "scan.npz")
    options = lane.LaneOptions(device="cpu", fixtures={"scan": scan}, root=workspace.root, quiet=True)
    return lane.run(loader.load(target), options, Interruption())


@pytest.mark.deep
def test_an_engine_is_driven_and_judged_like_any_training(tmp_path: Path, workspace: Any) -> None:
    outcome = _run(tmp_path, workspace, iterative_engine.write(tmp_path / "engine"))
    assert (Verdict.PASS, []) == (outcome.verdict, [problem.message for problem in outcome.problems])
    (result,) = outcome.fixtures
    assert result.scores is not None
    assert (True, None) == (result.scores["phase_correlation"] > 0.9, result.train_s)
    made = {check["check"] for check in outcome.findings.checks()}
    # Rounds and seed come from the configuration file, and their effect is looked for all the same.
    assert {"repeat", "epochs", "seed", "budget", "quality"} <= made


@pytest.mark.slow
def test_one_whose_folder_nobody_makes_fails_and_leaves_nothing(tmp_path: Path, workspace: Any) -> None:
    outcome = _run(tmp_path, workspace, iterative_engine.write(tmp_path / "engine", make_output=False))
    assert Verdict.FAIL == outcome.verdict
    assert ["exit-code"] == [finding.id for finding in outcome.findings]
    assert "object.npz" in outcome.problems[0].message


def test_a_configuration_file_counts_for_what_a_command_is_told(tmp_path: Path) -> None:
    path = iterative_engine.write(tmp_path / "engine")
    target = loader.load(path)
    assert (True, True, "infer") == (target.working.takes("seed"), target.working.takes("nepochs"), target.working_step)
    assert ((), ()) == (check_options.lacking(target, "infer"), check_options.lacking(target, "convert"))
    path.write_text(path.read_text().replace('"out": "{output}", ', "").replace('"{test}"', '"x"'))
    lacks = check_options.lacking(loader.load(path), "infer")
    assert ["[infer] has no {output}", "[infer] has no {test}"] == [sentence.partition(":")[0] for sentence in lacks]
