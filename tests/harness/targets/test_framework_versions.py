"""Environments with other versions, with a stand-in for the installer: made once, kept, never half."""

import fcntl
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.system.signals import Interruption
from harness.targets import framework_versions, install
from harness.targets.framework_versions import InstalledFramework
from ptycho.errors import InfrastructureError

TORCH_LOCK = """numpy==2.4.0 \\
    --hash=sha256:00
torch==2.13.0 \\
    --hash=sha256:02
"""
TF_LOCK = """keras==3.12.0 \\
    --hash=sha256:00
tensorflow==2.21.0 ; sys_platform == 'darwin' \\
    --hash=sha256:01
tensorflow-cpu==2.21.0 ; sys_platform == 'linux' \\
    --hash=sha256:02
"""
USAGE = "harness.targets.framework_versions.shutil.disk_usage"
BUILD_INFO = "tensorflow/python/platform/build_info.py"
UV = """#!{python}
import json, os, pathlib, sys
record = pathlib.Path({record!r})
words = sys.argv[1:]
listed = next((pathlib.Path(words[n + 1]).read_text() for n, word in enumerate(words) if word == "-r"), "")
with record.open("a") as file:
    file.write(json.dumps([words, listed]) + "\\n")
if any(word in words for word in json.loads(pathlib.Path({refused!r}).read_text())):
    print("the index refuses"); raise SystemExit(1)
if words[0] == "venv":
    folder = pathlib.Path(words[-1]) / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
"""


class Bench:
    """A workspace, locks, an installer that writes down how it was called, and what the environments say they hold."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.root, self.record = path, path / "harness", path / "calls.ndjson"
        self.refused = path / "refused.json"
        self.refuse()
        uv = path / "uv"
        uv.write_text(UV.format(python=sys.executable, record=str(self.record), refused=str(self.refused)))
        uv.chmod(0o755)
        (path / "requirements").mkdir()
        for side, text in (("torch", TORCH_LOCK), ("tf", TF_LOCK)):
            (path / "requirements" / f"{side}-cpu.txt").write_text(text)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(install, "REQUIREMENTS", path / "requirements")
        monkeypatch.setattr(install, "find_uv", lambda: str(uv))
        monkeypatch.setenv("PIP_FIND_LINKS", str(path / "wheels"))
        self.holds("2.14.1", packages={"numpy": "2.4.0"})
        monkeypatch.setattr(framework_versions, "ask", lambda _python, _side: self.said)

    def refuse(self, *words: str) -> None:
        self.refused.write_text(json.dumps(words))

    def holds(self, version: str, *, packages: dict[str, str]) -> None:
        self.said = InstalledFramework(version=version, build=f"torch {version}, CPU build", packages=packages)

    def prepare(
        self, version: str = "2.14.1", side: str = "torch", lock: str = TORCH_LOCK
    ) -> tuple[Path, InstalledFramework]:
        return framework_versions.prepare(side, version, lock, sys.executable, self.root, Interruption())

    @property
    def calls(self) -> list[tuple[list[str], str]]:
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [tuple(json.loads(line)) for line in lines]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_the_lock_is_checked_by_hash_and_the_framework_follows(bench: Bench) -> None:
    python, found = bench.prepare()
    (made, _), (locked, listed), (framework, _) = bench.calls
    assert made[0] == "venv"
    assert made[-1] == str(python.parents[1])
    assert locked[:5] == ["pip", "install", "--python", str(python), "--no-deps"]
    assert "--require-hashes" in locked
    assert listed == "numpy==2.4.0 \\\n    --hash=sha256:00\n"
    assert framework == ["pip", "install", "--python", str(python), "--torch-backend", "cpu", "torch==2.14.1"]
    assert found == bench.said
    assert python.is_relative_to(bench.root / "environments")


def test_an_environment_is_made_once_for_a_version_and_a_lock(bench: Bench) -> None:
    first = bench.prepare()
    count = len(bench.calls)
    bench.said = InstalledFramework(version="nothing is asked again", build="", packages={})
    assert bench.prepare() == first
    assert len(bench.calls) == count
    bench.holds("2.13.1", packages={})
    assert bench.prepare("2.13.1")[0] != first[0]
    bench.holds("2.14.1", packages={})
    assert bench.prepare(lock=TORCH_LOCK.replace("2.4.0", "2.5.0"))[0] != first[0]
    assert len(bench.calls) == 3 * count


@pytest.mark.parametrize("left", ["", "{", '{"version": 1}'])
def test_one_that_is_not_whole_is_made_again(left: str, bench: Bench) -> None:
    python, _ = bench.prepare()
    stamp = python.parents[1] / framework_versions.STAMP
    stamp.write_text(left)
    (python.parents[1] / "rubbish").touch()
    count = len(bench.calls)
    assert bench.prepare()[1] == bench.said
    assert len(bench.calls) == 2 * count
    assert not (python.parents[1] / "rubbish").exists()


@pytest.mark.parametrize("side", ["torch", "tf"])
def test_a_version_that_cannot_be_had_is_named_and_leaves_logs_alone(side: str, bench: Bench) -> None:
    bench.refuse("torch==9.9.9", "tensorflow-cpu==9.9.9")
    lock = {"torch": TORCH_LOCK, "tf": TF_LOCK}[side]
    with pytest.raises(InfrastructureError) as refused:
        bench.prepare("9.9.9", side, lock)
    said = str(refused.value)
    assert "the index refuses" in said
    names = {"torch": ("torch==9.9.9 for the CPU", "torch==9.9.9 for CUDA"), "tf": ("tensorflow-cpu==9.9.9",)}[side]
    assert [name for name in names if name not in said] == []
    kept = [path for path in (bench.root / "environments").iterdir() if path.is_dir()]
    assert kept == []
    assert any(path.suffix == ".log" for path in (bench.root / "environments").iterdir())


def test_an_installer_that_takes_another_version_is_not_believed(bench: Bench) -> None:
    bench.holds("2.13.0", packages={})
    with pytest.raises(InfrastructureError, match=r"torch 2\.14\.1: the installer took 2\.13\.0"):
        bench.prepare()
    assert not any(path.is_dir() for path in (bench.root / "environments").iterdir())


def test_a_cpu_wheel_is_taken_first_and_a_build_for_cuda_last(bench: Bench) -> None:
    (bench.path / "wheels").mkdir()
    (bench.path / "wheels" / "torch-2.14.1+cpu-cp311-cp311-linux.whl").touch()
    bench.prepare()
    assert bench.calls[-1][0][-3:] == ["--find-links", str(bench.path / "wheels"), "torch==2.14.1+cpu"]
    bench.refuse("torch==2.15.0+cpu", "--torch-backend")
    bench.holds("2.15.0", packages={})
    bench.prepare("2.15.0")
    assert [words[4:] for words, _ in bench.calls[-2:]] == [
        ["--torch-backend", "cpu", "torch==2.15.0"],
        ["torch==2.15.0"],
    ]


def test_a_full_disk_is_said_before_anything_is_downloaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.targets.framework_versions.shutil.disk_usage", lambda _: SimpleNamespace(free=5 * 2**30)
    )
    bench.refuse("--torch-backend")
    with pytest.raises(InfrastructureError) as refused:
        bench.prepare()
    assert "torch==2.14.1 for CUDA needs 12 GiB, and 5.0 GiB are free on the file system of" in str(refused.value)
    assert ["torch==2.14.1"] not in [words[4:] for words, _ in bench.calls]
    monkeypatch.setattr(
        "harness.targets.framework_versions.shutil.disk_usage", lambda _: SimpleNamespace(free=3 * 2**30)
    )
    count = len(bench.calls)
    with pytest.raises(InfrastructureError, match=r"torch 2\.13\.1 needs 4 GiB, and 3\.0 GiB are free"):
        bench.prepare("2.13.1")
    assert len(bench.calls) == count


def test_whoever_makes_it_holds_the_installers_lock(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def ask(python: Path | str, _side: str) -> InstalledFramework:
        folder = Path(python).parents[1]
        with folder.with_name(folder.name + install.LOCK_SUFFIX).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                seen.append(True)
        return bench.said

    monkeypatch.setattr(framework_versions, "ask", ask)
    bench.prepare()
    assert seen == [True]


def test_who_waits_for_the_lock_can_be_interrupted(bench: Bench) -> None:
    python, _ = bench.prepare()
    folder = python.parents[1]
    asked = Interruption()
    asked.signals.append(15)
    with install.held(folder), pytest.raises(KeyboardInterrupt):
        framework_versions.prepare("torch", "2.14.1", TORCH_LOCK, sys.executable, bench.root, asked)


def test_what_a_lock_pins_and_which_packages_moved(bench: Bench) -> None:
    assert framework_versions.pinned("torch", framework_versions.lock_text("torch")) == "2.13.0"
    assert framework_versions.pinned("tf", TF_LOCK) == "2.21.0"
    assert framework_versions.package("tf", "darwin") == "tensorflow"
    with pytest.raises(InfrastructureError, match=r"pins no tensorflow-cpu; `nox -s lock` writes it"):
        framework_versions.pinned("tf", TORCH_LOCK)
    (bench.path / "requirements" / "tf-cpu.txt").unlink()
    with pytest.raises(InfrastructureError, match=r"the lock tf-cpu\.txt cannot be read"):
        framework_versions.lock_text("tf")
    base = InstalledFramework(
        version="2.13.0", build="", packages={"torch": "2.13.0", "numpy": "2.4.0", "scipy": "1.17.0"}
    )
    other = InstalledFramework(
        version="2.14.1", build="", packages={"torch": "2.14.1", "numpy": "2.3.5", "nvidia-nvtx": "13"}
    )
    assert framework_versions.moved(base, other, "torch") == ("numpy 2.4.0 -> 2.3.5",)


def test_the_lock_of_a_commit_is_read_from_git() -> None:
    found = framework_versions.lock_text("torch", "HEAD")
    assert framework_versions.pinned("torch", found)
    with pytest.raises(InfrastructureError, match="of commit nonesuch cannot be read"):
        framework_versions.lock_text("torch", "nonesuch")


def test_an_environment_of_another_lock_is_known_by_its_stamp(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    assert framework_versions.is_of(str(python), TORCH_LOCK)
    (tmp_path / install.STAMP).write_text(hashlib.sha256(TORCH_LOCK.encode()).hexdigest() + "\n\n")
    assert framework_versions.is_of(str(python), TORCH_LOCK)
    assert not framework_versions.is_of(str(python), TF_LOCK)


def _packages(folder: Path, name: str, version: str, file: str, text: str) -> None:
    path = folder / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (path.parents[len(Path(file).parts) - 2] / "__init__.py").write_text("raise ImportError('it is never imported')\n")
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("side", "package", "files", "build"),
    [
        ("torch", "torch", ("torch/version.py", "__version__ = '2.14.1+cu130'\ncuda = '13.0'\nhip = None\n"),
         "torch 2.14.1+cu130, build for cuda 13.0, used on the CPU"),
        ("torch", "torch", ("torch/version.py", "__version__ = '2.14.1+cpu'\ncuda = None\n"),
         "torch 2.14.1+cpu, CPU build"),
        ("tf", "tensorflow-cpu", (BUILD_INFO, "build_info = {'is_cuda_build': False}\n"),
         "tensorflow-cpu 2.14.1, CPU build"),
        ("tf", "tensorflow", (BUILD_INFO, "build_info = {'is_cuda_build': True}\n"),
         "tensorflow 2.14.1, build for cuda, used on the CPU"),
    ],
)  # fmt: skip
def test_an_environment_says_which_build_it_has_and_imports_nothing(
    side: str, package: str, files: tuple[str, str], build: str, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    _packages(site, package, "2.14.1", *files)
    found = framework_versions.ask(venv / "bin" / "python", side)
    assert (found.version, found.build, found.packages[package]) == ("2.14.1", build, "2.14.1")
    other = "tf" if side == "torch" else "torch"
    with pytest.raises(InfrastructureError, match=f"name one that has it with --python {other}=PATH"):
        framework_versions.ask(venv / "bin" / "python", other)


def _answers(monkeypatch: pytest.MonkeyPatch, code: int, out: str) -> list[list[str]]:
    asked: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> Any:
        asked.append(argv)
        if code:
            raise subprocess.CalledProcessError(code, argv, stderr="no index")
        return SimpleNamespace(stdout=out)

    monkeypatch.setattr("harness.targets.framework_versions.subprocess.run", run)
    return asked


def test_the_newest_version_is_asked_of_uv_or_of_pip(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _answers(monkeypatch, 0, "torch==2.15.0\n")
    assert framework_versions.newest("torch", "python") == "2.15.0"
    assert asked[0][1:3] == ["pip", "compile"]
    monkeypatch.setattr(install, "find_uv", lambda: None)
    report = json.dumps({"install": [{"metadata": {"name": "tensorflow-cpu", "version": "2.22.0"}}]})
    asked = _answers(monkeypatch, 0, report)
    assert framework_versions.newest("tf", "python") == "2.22.0"
    assert "--dry-run" in asked[0]
    assert asked[0][-1] == "tensorflow-cpu"
    _answers(monkeypatch, 1, "")
    with pytest.raises(InfrastructureError, match="newest version of torch is not known: no index; name a version"):
        framework_versions.newest("torch", "python")
    _answers(monkeypatch, 0, '{"install": []}')
    with pytest.raises(InfrastructureError, match="newest version of torch is not known"):
        framework_versions.newest("torch", "python")
