"""What must report comes from the manifest, and every case of the session is in it."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from harness.benchmark import plan
from harness.benchmark.plan import Plan
from harness.benchmark.plugin_options import CASES
from ptycho.errors import UsageError


def test_names_are_spelt_out_for_lanes_and_scans() -> None:
    names = plan.names(["torch", "tf"], ["small", "synthetic"], short=False)
    assert names[:4] == (
        "test_epoch[torch-small]",
        "test_epoch[torch-synthetic]",
        "test_epoch[tf-small]",
        "test_epoch[tf-synthetic]",
    )
    assert "test_inference[tf-synthetic]" in names
    assert "test_inference[tf-small]" not in names
    assert len(names) == len(set(names)) == 16


def test_every_case_is_in_the_manifest_and_the_other_way_round() -> None:
    tree = ast.parse((CASES / "test_lanes.py").read_text())
    cases = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert cases == {name.partition("[")[0] for name in plan.names(["torch"], ["small"], short=False)}


def test_no_lane_is_no_benchmark() -> None:
    with pytest.raises(UsageError, match="needs a lane and a scan"):
        plan.names([], ["small"], short=True)


def test_a_session_that_is_not_whole_says_so() -> None:
    both = ["torch", "tf"]
    assert plan.left_out(both, ["synthetic"], short=True) == ()
    assert plan.left_out(["tf"], ["synthetic"], short=True) == ("a part of the lanes: without torch",)
    assert plan.left_out(both, ["small"], short=True) == ("other scans: small instead of synthetic",)
    (said,) = plan.left_out(both, ["synthetic"], short=True, budget_s=200)
    assert said == "a larger budget: 200 s instead of 120 s"


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = Plan(run="/run", token="t", pythons={"tf": "/python"}, scans={"small": "/small.npz"}, short=True)
    made.write(tmp_path / "plan.json")
    read = plan.read(tmp_path / "plan.json")
    assert (read.names, replace(read, benchmarks=())) == (made.names, made)
    assert plan.scans(short=True) == ["synthetic"]


def test_everything_wrong_with_a_manifest_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(
        '[full]\nscans = []\nbenchmarks = [\n  "a[{side}]",\n  "b[{sied}]",\n]\n[fast]\nscans = ["small"]\n'
    )
    monkeypatch.setattr(plan, "MANIFEST", path)
    with pytest.raises(UsageError) as caught:
        plan.scans(short=False)
    assert str(caught.value).splitlines()[1:] == [
        "  - line 2: full.scans = []; allowed: a list of at least one text (scans of a session that names none)",
        "  - line 5: unknown placeholder {sied} in 'b[{sied}]'; allowed: {side}, {scan}, {last}",
        "  - line 7: unknown table [fast]; allowed: full, short",
        "  - line 8: table [short] is missing: its short form; add it",
    ]
