"""The noxfile: which sessions there are, which run by themselves, and how the device reaches the harness."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATES = {"torch_integration", "tf_integration", "parity", "benchmark-short", "report"}
REST = {"tests", "torch_tests", "tf_tests", "lint", "typecheck"}
ON_DEMAND = {"benchmark", "lock", "clean", "mutation", "kill-test", "browser", "slurm", "target"}


def _list(*arguments: str) -> dict[str, str]:
    """Descriptions by session; a session that is selected is marked with `*`."""
    argv = [sys.executable, "-m", "nox", "--list", *arguments]
    listed = subprocess.check_output(argv, cwd=ROOT, text=True)
    rows = [line.partition(" -> ") for line in listed.splitlines() if line[:2] in ("* ", "- ")]
    return {head.partition(" [")[0].strip(): description for head, _, description in rows}


def _selected(*arguments: str) -> set[str]:
    return {head.removeprefix("* ") for head in _list(*arguments) if head.startswith("* ")}


def test_the_sessions_are_complete_and_described() -> None:
    listed = _list()
    assert {head[2:] for head in listed} == GATES | REST | ON_DEMAND
    assert [head for head, description in listed.items() if not description] == []


def test_bare_nox_runs_the_gates_and_the_tag_the_rest_of_what_must_hold() -> None:
    assert (GATES, REST) == (_selected(), _selected("-t", "test"))


def test_the_noxfile_is_short_and_without_numerics() -> None:
    text = (ROOT / "noxfile.py").read_text()
    assert len(text.splitlines()) < 200
    assert [word for word in ("import numpy", "subprocess", "import torch", "import ptycho") if word in text] == []


BAD = (
    ("torch_integration", "--bogus --fixture nonsense", "unknown: --bogus"),
    ("torch_integration", "--device tpu", "invalid choice: 'tpu'"),
    ("torch_integration", "--device", "expected one argument"),
    ("torch_integration", "--device=", "expected a value after ="),
    ("torch_integration", "--device cpu --device cuda", "given twice"),
    ("torch_integration", "--fixture nonsense", "--fixture 'nonsense'; allowed: small, "),
    ("torch_integration", "--targ x.toml", "unknown: --targ"),
    ("tf_integration", "-k resume", "nox -s torch_integration -- -- -k resume"),
    ("tf_integration", "-- tests/tf/absent.py", "tests/tf/absent.py, after the second --, is not a file"),
    ("parity", "--stepz 3", "did you mean --steps?"),
    ("parity", "-- -k x", "unknown: -- -k x"),
    ("parity", "--device tpu", "invalid choice: 'tpu'; allowed: DEVICE or SIDE=DEVICE"),
    ("benchmark", "--device cuda --device cpu", "--device 'cpu'; allowed: DEVICE or SIDE=DEVICE"),
    ("benchmark", "compare HEAD --device cuda", "--device cuda; allowed: cpu"),
    ("benchmark", "--root=", "expected a value after ="),
    ("benchmark-short", "--root=", "expected a value after ="),
    ("tests", "--fats", "did you mean --fast?"),
    ("torch_tests", "--fast --deep", "not allowed with"),
    ("tf_tests", "--workers 0", "--workers 0; allowed: 1 or more"),
    ("browser", "--changd", "did you mean --changed?"),
    ("slurm", "--dep", "did you mean --deep?"),
    ("mutation", "--sampel 3", "did you mean --sample?"),
    ("kill-test", "--cuont 3", "did you mean --count?"),
    ("report", "--opne", "did you mean --open?"),
    ("target", "check a.toml --jsn", "did you mean --json?"),
    ("target", "chek a.toml", "invalid choice: 'chek'"),
    ("clean", "--chek", "did you mean --check?"),
    ("lint", "--fix", "unknown: --fix; allowed: no option"),
    ("typecheck", "x", "unknown: x; allowed: no option"),
    ("lock", "--upgrde", "unknown: --upgrde; allowed: --upgrade"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("session", "words", "says"), BAD)
def test_a_word_that_nobody_knows_ends_nox_with_2_before_anything_is_installed(
    session: str, words: str, says: str, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "nox", "-s", session, "--envdir", str(tmp_path), "--no-venv", "--"]
    done = subprocess.run([*argv, *words.split()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert says in done.stdout + done.stderr
    assert list(tmp_path.rglob("site-packages")) == []


def test_every_session_refuses_a_word_that_it_does_not_know() -> None:
    assert {session for session, _, _ in BAD} == GATES | REST | ON_DEMAND


STAND_IN = """
import json, subprocess, sys
from pathlib import Path
import noxfile

class Session:
    name, cache_dir = "a session", Path("/workspace/.nox/.cache")
    def __init__(self, words):
        self.posargs, self.locks, self.commands = words, [], []
    def run_install(self, *argv, **_):
        if "harness/targets/install.py" in argv:
            self.locks.append(argv[2])
            return ""
        if "check-options" in argv:
            return ""
        return subprocess.check_output(argv, text=True)
    def run(self, *argv, **_):
        self.commands.append([word for word in argv if not word.isdigit()])

found = {}
for name, words in json.loads(sys.argv[1]):
    session = Session(words.split())
    getattr(noxfile, name)(session)
    found[f"{name} {words}"] = [session.locks, session.commands]
print(json.dumps(found))
"""
"""Runs sessions without nox: what they install is listed, and what they start."""


def stood_in(*calls: tuple[str, str]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Locks and commands of sessions, by session and words."""
    argv = [sys.executable, "-c", STAND_IN, json.dumps(calls)]
    found = json.loads(subprocess.check_output(argv, cwd=ROOT, text=True))
    return {name: (locks, commands) for name, (locks, commands) in found.items()}


@pytest.mark.slow
def test_a_device_decides_which_locks_a_session_installs() -> None:
    wanted = {
        "torch_integration --device cuda": ["torch-gpu"],
        "torch_integration --device=cuda -- -k x": ["torch-gpu"],
        "tf_integration ": ["tf-cpu"],
        "parity ": ["torch-cpu", "tf-cpu", "tests"],
        "parity --device cuda": ["torch-gpu", "tf-gpu", "tests"],
        "parity quality --device torch=cuda": ["torch-gpu", "tf-cpu", "tests"],
        "benchmark --device torch=cpu --device tf=cuda": ["torch-cpu", "tf-gpu", "tests"],
        "benchmark_short --device cuda": ["torch-gpu", "tf-gpu", "tests"],
        "kill_test --count 3": ["torch-cpu", "tf-cpu", "tests"],
    }
    found = stood_in(*(tuple(name.split(" ", 1)) for name in wanted))  # type: ignore[arg-type]
    assert {name: locks for name, (locks, _) in found.items()} == wanted


@pytest.mark.slow
def test_the_command_is_given_the_device_and_the_interpreters_of_its_locks() -> None:
    found = stood_in(("parity", "--device torch=cuda"))
    ((_, [command]),) = found.values()
    place = "/workspace/.nox"
    assert command[:4] == [f"{place}/tests/bin/python", "-m", "harness", "parity"]
    assert f"--python=torch={place}/torch-gpu/bin/python" in command
    assert f"--python=tf={place}/tf-cpu/bin/python" in command
    assert command[-2:] == ["--device", "torch=cuda"]
