"""Environments from locks, with a recorded installer in the place of uv and pip."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import install

LOCK = """# header
numpy==2.4.0 \\
    --hash=sha256:00 \\
    --hash=sha256:01
    # via x
torch==2.13.0 \\
    --hash=sha256:02
torchless==1.0 \\
    --hash=sha256:03
"""
INSTALLER = """#!{python}
import json, pathlib, sys
record = pathlib.Path({record!r})
calls = json.loads(record.read_text()) if record.exists() else []
lock = next((pathlib.Path(argument).read_text() for argument in sys.argv if argument.endswith(".txt")), "")
record.write_text(json.dumps([*calls, [sys.argv[1:], lock]]))
failing = {failing!r}
if failing and failing in sys.argv:
    print("the index refuses"); raise SystemExit(1)
"""


class Bench:
    """An environment folder, a lock, and an installer that writes down how it was called."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.record = path, path / "calls.json"
        self.python = path / "env" / "bin" / "python"
        self.python.parent.mkdir(parents=True)
        (path / "requirements").mkdir()
        (path / "requirements" / "torch-cpu.txt").write_text(LOCK)
        monkeypatch.setattr(install, "REQUIREMENTS", path / "requirements")
        monkeypatch.setattr(install, "find_uv", lambda: str(path / "uv"))
        monkeypatch.setenv("PIP_FIND_LINKS", str(path / "wheels"))
        self.fails_on(None)

    def fails_on(self, argument: str | None) -> None:
        script = INSTALLER.format(python=sys.executable, record=str(self.record), failing=argument)
        for program in (self.path / "uv", self.python):
            program.write_text(script)
            program.chmod(0o755)

    def wheelhouse(self) -> None:
        (self.path / "wheels").mkdir()
        (self.path / "wheels" / "torch-2.13.0+cpu-cp311-none-any.whl").touch()

    @property
    def calls(self) -> list[tuple[list[str], str]]:
        return json.loads(self.record.read_text()) if self.record.exists() else []


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(sys, "platform", "linux")
    return Bench(tmp_path, monkeypatch)


def test_torch_is_taken_out_of_a_lock_with_its_hashes_and_nothing_else() -> None:
    kept, torch = install.split_torch(LOCK)
    assert torch == "torch==2.13.0"
    assert "torch==" not in kept
    assert "sha256:02" not in kept
    assert "torchless==1.0" in kept
    assert "sha256:03" in kept
    assert install.split_torch("numpy==1 \\\n    --hash=x\n") == ("numpy==1 \\\n    --hash=x\n", None)


def test_the_wheelhouse_is_taken_and_every_other_line_is_checked(bench: Bench) -> None:
    bench.wheelhouse()
    said = install.install("torch-cpu", bench.python)
    assert said == f"torch-cpu: installed with uv; torch==2.13.0, CPU build from the wheelhouse {bench.path / 'wheels'}"
    (locked, lock), (torch, _) = bench.calls
    assert locked[:2] == ["pip", "sync"]
    assert "--require-hashes" in locked
    assert "torch==" not in lock
    assert torch[-5:] == ["--no-deps", "--no-index", "--find-links", str(bench.path / "wheels"), "torch==2.13.0"]


def test_without_a_wheelhouse_uv_knows_the_place(bench: Bench) -> None:
    assert "--torch-backend cpu" in install.install("torch-cpu", bench.python)
    assert bench.calls[1][0][-3:] == ["--torch-backend", "cpu", "torch==2.13.0"]


def test_without_either_the_error_names_both_ways(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.fails_on("--torch-backend")
    assert install.main(["torch-cpu", "--python", str(bench.python)]) == 13
    said = capsys.readouterr().err
    assert [word for word in ("PIP_FIND_LINKS", "--torch-backend cpu", "the index refuses") if word not in said] == []


def test_a_gpu_lane_installs_its_lock_whole(bench: Bench) -> None:
    (bench.path / "requirements" / "torch-gpu.txt").write_text(LOCK)
    assert install.install("torch-gpu", bench.python) == "torch-gpu: installed with uv"
    assert [lock for _, lock in bench.calls] == [LOCK]


def test_the_second_time_nothing_is_done_until_the_lock_changes(bench: Bench) -> None:
    bench.wheelhouse()
    install.install("torch-cpu", bench.python)
    assert install.install("torch-cpu", bench.python).startswith("torch-cpu: up to date (torch==2.13.0, CPU build")
    assert len(bench.calls) == 2
    (bench.path / "requirements" / "torch-cpu.txt").write_text(LOCK.replace("2.4.0", "2.4.1"))
    assert install.install("torch-cpu", bench.python).startswith("torch-cpu: installed")
    assert len(bench.calls) == 4


def test_a_half_built_environment_is_not_taken_for_a_whole_one(bench: Bench) -> None:
    bench.wheelhouse()
    install.install("torch-cpu", bench.python)
    (bench.path / "requirements" / "torch-cpu.txt").write_text(LOCK.replace("2.4.0", "2.4.1"))
    bench.fails_on("sync")
    with pytest.raises(install.InstallError, match="could not be installed:\nthe index refuses"):
        install.install("torch-cpu", bench.python)
    (bench.path / "requirements" / "torch-cpu.txt").write_text(LOCK)
    bench.fails_on(None)
    assert install.install("torch-cpu", bench.python).startswith("torch-cpu: installed")


def test_without_uv_pip_does_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_uv", lambda: None)
    bench.wheelhouse()
    assert install.install("torch-cpu", bench.python).startswith("torch-cpu: installed with pip; torch==2.13.0")
    assert bench.calls[0][0][:3] == ["-m", "pip", "install"]
    assert {"--require-hashes", "--no-deps"} <= set(bench.calls[0][0])


def test_an_unknown_lane_lists_the_known_ones(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["jax-cpu", "--python", str(bench.python)]) == 2
    assert "no lock 'jax-cpu'; there are torch-cpu" in capsys.readouterr().err


def test_wheelhouses_come_from_pip_and_an_empty_variable_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    assert install.wheelhouses() == ["/a", "/b"]
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    assert install.wheelhouses() == []
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert install.wheelhouses() == []


def test_it_runs_by_path_with_nothing_but_the_standard_library() -> None:
    argv = [sys.executable, "-S", "-I", install.__file__, "--help"]
    assert "lane" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout
