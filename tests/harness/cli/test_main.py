"""The command line as a process: start-up, exit codes, signals, and what a killed harness leaves to the next."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.record import directory
from harness.system import identity
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[3]
HEAVY = (
    *("torch", "tensorflow", "numpy", "rich", "scipy", "matplotlib", "psutil", "pydantic"),
    *("ptycho_torch", "ptycho_tf"),
)


def _environment(workspace: Any) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.tmp),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _harness(workspace: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(
        argv, env=_environment(workspace), cwd=workspace.cwd, capture_output=True, text=True, check=False
    )


def _run_arguments(workspace: Any, **settings: Any) -> list[str]:
    target = fake_target.write(workspace.path / "target", **{"suite": None, **settings})
    return ["run", "--target", str(target), "--fixture", str(workspace.scan)]


@pytest.mark.slow
def test_importing_and_asking_for_help_is_quick_and_imports_nothing_heavy() -> None:
    code = f"import sys; import harness, harness.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "[]\n"
    seconds = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-m", "harness", "--help"], cwd=ROOT, capture_output=True, check=True)
        after = os.times()
        # Processor time: what the wall clock says on a busy machine is somebody else's.
        used = after.children_user - before.children_user + after.children_system - before.children_system
        seconds.append(used)
    assert min(seconds) < 0.2


def test_help_imports_nothing_heavy() -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "harness", "run", "--help"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "harness.cli.main" in imported
    assert imported & set(HEAVY) == set()
    assert "interrupted 130" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "torch", "--fixture", "small"], ""),
        (["run", "torch", "--fixture", "smal"], "error: --fixture 'smal'; allowed: small, "),
        (["run", "--target", "harness/targets/torch.toml"], ""),
        (["run", "--target", "no.toml"], "error: --target no.toml is not a file"),
    ],
)
def test_a_command_line_is_looked_at_without_pydantic(words: list[str], said: str) -> None:
    # The session's interpreter asks before an environment is built, and may have nothing but nox.
    code = "import sys; sys.modules['pydantic'] = None; from harness.cli.main import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", code, "check-options", *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[: len(said)]) == (2 if said else 0, said)
    assert bool(done.stderr) == bool(said)


def test_without_pydantic_a_target_is_not_read_and_the_package_is_named() -> None:
    code = "import sys; sys.modules['pydantic'] = None; from harness.cli.main import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", code, "run", "torch"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == Verdict.INFRA
    assert done.stderr.startswith("error: the package pydantic")


@pytest.mark.deep
def test_json_is_the_whole_output_and_the_exit_code_is_the_verdict(workspace: Any) -> None:
    done = _harness(workspace, *_run_arguments(workspace), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (outcome,) = json.loads(done.stdout)
    assert (outcome["verdict"], outcome["lane"]) == ("pass", "fake-cpu")
    failed = _harness(workspace, *_run_arguments(workspace, fault="nothing"), "--json")
    assert failed.returncode == Verdict.FAIL
    assert json.loads(failed.stdout)[0]["exit_code"] == Verdict.FAIL


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run"], 2, "nothing to run; name a lane"),
        (["run", "jax"], 2, "no target 'jax'"),
        (["run", "--device", "tpu", "torch"], 2, "invalid choice: 'tpu'"),
        (["run", "--target", "absent.toml"], 2, "No such file"),
        (["nonsense"], 2, "invalid choice: 'nonsense'"),
        (["clean", "--check"], 0, ""),
        (["ci", "install", "jax-cpu"], 2, "no lock 'jax-cpu'"),
    ],
)
def test_wrong_usage_has_its_own_code_and_one_screen(
    workspace: Any, arguments: list[str], code: int, said: str
) -> None:
    done = _harness(workspace, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_required_gpu_that_is_not_there_is_13(workspace: Any) -> None:
    done = _harness(workspace, *_run_arguments(workspace), "--device", "cuda")
    assert done.returncode == Verdict.INFRA
    assert "no GPU computes" in done.stdout


@pytest.mark.deep
def test_arguments_after_the_dashes_are_pytests(workspace: Any) -> None:
    suite = "def test_one() -> None: ...\ndef test_two() -> None: ...\n"
    done = _harness(workspace, *_run_arguments(workspace, suite=suite), "--json", "--", "-k", "two")
    assert json.loads(done.stdout)[0]["suite"]["passed"] == 1


@pytest.fixture
def hanging(workspace: Any) -> Iterator[tuple[Any, list[str]]]:
    """A workspace whose pipeline hangs, and the arguments that run it."""
    yield workspace, _run_arguments(workspace, fault="hang", timeout_s=120)
    for run in directory.find(workspace.root):
        identity.end(lambda token=run.token: identity.with_token(token), grace_s=0, hurry=lambda: True)  # type: ignore[misc]


def _started(workspace: Any, argv: list[str]) -> tuple["subprocess.Popen[bytes]", directory.RunRoot]:
    """Start a harness and wait until its child hangs."""
    process = subprocess.Popen(argv, env=_environment(workspace), cwd=workspace.cwd, stdout=subprocess.PIPE)
    for _ in range(600):
        for run in directory.find(workspace.root):
            log = run.logs / "scan-train.log"
            if log.exists() and "hanging" in log.read_text():
                return process, run
        time.sleep(0.05)
    process.kill()
    raise AssertionError("the injection did not bite: nothing hangs")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_signal_ends_the_run_with_130_and_leaves_nothing(
    hanging: tuple[Any, list[str]], number: signal.Signals, ignored: bool
) -> None:
    workspace, arguments = hanging
    argv = [sys.executable, "-m", "harness", *arguments]
    if ignored:
        argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
    process, run = _started(workspace, argv)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == Verdict.INTERRUPTED
    assert f"interrupted: {number.name}" in said.decode()
    assert identity.with_token(run.token) == []
    assert not run.scratch.exists()
    assert json.loads((run.path / "outcome.json").read_text())["verdict"] == "interrupted"


@pytest.mark.slow
@pytest.mark.fault("harness-killed")
def test_a_killed_harness_is_swept_up_after_by_clean(hanging: tuple[Any, list[str]]) -> None:
    workspace, arguments = hanging
    process, run = _started(workspace, [sys.executable, "-m", "harness", *arguments])
    assert _harness(workspace, "clean", "--check").returncode == Verdict.PASS
    process.kill()
    process.communicate(timeout=30)
    assert len(identity.with_token(run.token)) == 1
    bites(process.returncode == -signal.SIGKILL and run.scratch.exists(), "the harness was killed and left its scratch")
    assert _harness(workspace, "clean", "--check").returncode == Verdict.FAIL
    assert _harness(workspace, "clean").returncode == Verdict.PASS
    assert identity.with_token(run.token) == []
    assert not run.scratch.exists()


@pytest.mark.slow
@pytest.mark.fault("harness-killed")
def test_the_next_run_sweeps_up_after_a_killed_one_and_passes(hanging: tuple[Any, list[str]]) -> None:
    workspace, arguments = hanging
    process, run = _started(workspace, [sys.executable, "-m", "harness", *arguments])
    process.kill()
    process.communicate(timeout=30)
    bites(process.returncode == -signal.SIGKILL and run.scratch.exists(), "the harness was killed and left its scratch")
    outcome = workspace.run()
    assert (outcome.verdict, outcome.notes[0]) == (Verdict.PASS, f"swept the dead run {run.path.name}")
    assert identity.with_token(run.token) == []
    assert not run.scratch.exists()


@pytest.mark.slow
@pytest.mark.fault("harness-killed")
def test_the_end_of_the_followed_parent_ends_the_run(hanging: tuple[Any, list[str]]) -> None:
    workspace, arguments = hanging
    command = " ".join([sys.executable, "-m", "harness", *arguments])
    process, run = _started(workspace, ["sh", "-c", f"{command} --follow $$ & wait"])
    process.kill()
    bites(process.wait() == -signal.SIGKILL, "the parent was killed")
    for _ in range(200):
        if (run.path / "outcome.json").exists():
            break
        time.sleep(0.05)
    outcome = json.loads((run.path / "outcome.json").read_text())
    assert outcome["problems"][0]["message"].startswith("interrupted: parent process ")
    assert not run.scratch.exists()
    process.communicate()
