"""Two real runs of pytest over a small checkout: together they run everything once, and a missing one is red."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ci import shard_plugin, shards
from ptycho.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    for name, count in (("long", 1), ("short", 2), ("new", 1)):
        tests = "".join(f"def test_{number}():\n    pass\n" for number in range(count))
        (tmp_path / "tests" / f"test_{name}.py").write_text(tests)
    (tmp_path / shards.DURATIONS).write_text(json.dumps({"tests/test_long.py": 9.0, "tests/test_short.py": 4.0}))
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@t")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    return tmp_path


def run(checkout: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "harness.ci.shard_plugin", "-q", *options]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, cwd=checkout, env=env, capture_output=True, text=True, check=False)


def told(checkout: Path) -> list[shards.ShardRecord]:
    return [shards.read(path) for path in sorted((checkout / ".harness" / "shards").iterdir())]


@pytest.mark.slow
def test_two_shards_run_every_test_once(checkout: Path) -> None:
    assert [run(checkout, "--shard", f"{number}/2").returncode for number in (1, 2)] == [0, 0]
    first, second = told(checkout)
    assert {name.partition("::")[0] for name in first.ran} == {"tests/test_long.py"}
    assert {name.partition("::")[0] for name in second.ran} == {"tests/test_new.py", "tests/test_short.py"}
    assert shards.complaints([first, second], commit=shards.commit(checkout)) == []


@pytest.mark.slow
def test_a_selection_that_leaves_tests_out_of_a_shard_is_red(checkout: Path) -> None:
    run(checkout, "--shard", "1/2")
    assert run(checkout, "--shard", "2/2", "-k", "test_0").returncode == 0
    (complaint, missing) = shards.complaints(told(checkout), commit=shards.commit(checkout))
    assert complaint == "shard 2: 1 tests did not report, tests/test_short.py::test_1 among them"
    assert missing == "1 tests ran in no shard, tests/test_short.py::test_1 among them"


@pytest.mark.slow
def test_a_failing_test_has_reported(checkout: Path) -> None:
    (checkout / "tests" / "test_long.py").write_text("def test_0():\n    raise RuntimeError\n")
    assert run(checkout, "--shard", "1/1").returncode == 1
    (share,) = told(checkout)
    assert "tests/test_long.py::test_0" in share.ran


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "-1/2"])
def test_what_is_no_shard_is_refused(text: str, checkout: Path) -> None:
    with pytest.raises(UsageError, match="allowed: K/N with K from 1 to N"):
        shard_plugin.parse(text)
    done = run(checkout, f"--shard={text}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "allowed: K/N" in done.stderr
