"""What pytest is given for each tier; and every tier is chosen by its mark alone, so that no test is in none."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.ci import changed_tests, run_tests
from harness.ci.run_tests import Choice

ROOT = Path(__file__).resolve().parents[3]
TESTS = """
import pytest
def test_plain(): ...
@pytest.mark.slow
def test_slow(): ...
@pytest.mark.deep
def test_deep(): ...
@pytest.mark.integration
def test_pipeline(): ...
@pytest.mark.integration
@pytest.mark.deep
def test_deep_pipeline(): ...
"""


def test_no_example_of_hypothesis_has_a_limit_of_time() -> None:
    chosen = settings()
    assert chosen.deadline is None
    assert HealthCheck.too_slow in chosen.suppress_health_check


@pytest.mark.parametrize(
    ("tier", "runs"),
    [
        ("fast", ["test_plain"]),
        ("whole", ["test_plain", "test_slow"]),
        ("deep", ["test_deep", "test_deep_pipeline"]),
    ],
)
def test_a_tier_is_chosen_by_its_mark(tmp_path: Path, tier: str, runs: list[str]) -> None:
    (tmp_path / "test_tiers.py").write_text(TESTS)
    marks = "\n".join(f"    {name}: x" for name in ("slow", "deep", "integration"))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers =\n{marks}\n")
    argv = run_tests.arguments(tmp_path, Choice(folders=("test_tiers.py",), tier=tier))
    assert argv is not None
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:benchmark", *argv]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [line.partition("::")[2].split()[0] for line in said.splitlines() if " PASSED" in line] == runs


def test_paths_of_the_caller_s_take_the_place_of_the_folders() -> None:
    words = ("tests/harness/ci/test_jobs.py::x", "-x")
    named = run_tests.arguments(ROOT, Choice(folders=("tests/ptycho",), words=words))
    assert named is not None
    assert tuple(named[-2:]) == words
    assert "tests/ptycho" not in named


def test_a_shard_runs_in_one_process_and_the_rest_on_every_processor() -> None:
    shard = run_tests.arguments(ROOT, Choice(folders=("tests",), shard="1/2"))
    spread = run_tests.arguments(ROOT, Choice(folders=("tests",), workers=3))
    assert shard is not None
    assert spread is not None
    assert ("--shard=1/2" in shard, "-n" in shard) == (True, False)
    assert spread[spread.index("-n") + 1] == "3"


def test_every_deep_file_has_its_turn(tmp_path: Path) -> None:
    seconds = {"a": 50.0, "b": 30.0, "c": 40.0, "d": 90.0}
    for name in seconds:
        (tmp_path / f"test_{name}.py").write_text("@pytest.mark.deep\n")
    (tmp_path / "test_plain.py").write_text("")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "durations.json").write_text(json.dumps({f"test_{k}.py": v for k, v in seconds.items()}))
    choice = Choice(folders=(".",), tier="deep", within_s=40.0, workers=2)
    turns = [run_tests.in_turn(tmp_path, ["."], replace(choice, turn=turn)) for turn in range(4)]
    assert turns == [["test_a.py", "test_b.py"], ["test_c.py"], ["test_d.py"], ["test_a.py", "test_b.py"]]


def test_where_no_file_is_of_the_tier_nothing_runs_and_not_everything(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "durations.json").write_text("{}")
    assert run_tests.arguments(tmp_path, Choice(folders=(".",), tier="deep", within_s=40.0)) is None


def test_a_change_that_touches_nothing_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(changed_tests, "changed_files", lambda *_: ["docs/other.md"])
    assert run_tests.run(tmp_path, Choice(folders=("tests",), base="HEAD")) == 0
    assert "1 files differ from HEAD; they touch 0 test files" in capsys.readouterr().out
