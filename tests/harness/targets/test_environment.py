"""Environments of targets: made once from what the file says, isolated, outside the checkout, and offline here."""

import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from harness.system.signals import Interruption
from harness.targets import environment, install, loader
from harness.targets.loader import Target
from ptycho.errors import InfrastructureError, UsageError
from tests.support.fakes import foreign_checkout


def wheel(folder: Path, name: str, version: str = "1.0") -> Path:
    """A wheel with one module that says which it is."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return path


def described(tmp_path: Path, lines: str, **files: str) -> Target:
    """The foreign checkout with an `[install]` table, and files in it."""
    path = foreign_checkout.write(tmp_path / "checkout")
    old = f'python = "{sys.executable}"'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, lines))
    for name, text in files.items():
        (tmp_path / "checkout" / name).write_text(text)
    return loader.load(path)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def says(python: Path, code: str) -> str:
    return subprocess.check_output([str(python), "-I", "-c", code], text=True).strip()


STAND_IN = """#!{python}
import pathlib, subprocess, sys, zipfile
words = sys.argv[1:]
if words[0] == "venv":
    base = words[words.index("--python") + 1]
    raise SystemExit(subprocess.call([base, "-I", "-m", "venv", "--without-pip", words[-1]]))
(site,) = pathlib.Path(words[words.index("--python") + 1]).parent.parent.glob("lib/python*/site-packages")
wheels = [w for k, f in enumerate(words) if f == "--find-links" for w in pathlib.Path(words[k + 1]).glob("*.whl")]
listed = [pathlib.Path(words[k + 1]).read_text() for k, word in enumerate(words) if word == "-r"]
if not wheels:
    raise SystemExit("no wheel of " + " ".join([*listed, words[-1]]))
for wheel in wheels:
    zipfile.ZipFile(wheel).extractall(site)
"""


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces uv: environments without pip, and every wheel that is there; a real pip takes ten seconds."""
    program = tmp_path / "uv"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(install, "find_uv", lambda: str(program))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index: whatever is installed here lies in a folder."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


@pytest.mark.deep
@pytest.mark.parametrize("tool", [pytest.param("pip", marks=pytest.mark.slow), "uv"])
@pytest.mark.usefixtures("quick")
def test_requirements_become_an_environment_and_the_checkout_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    if tool == "pip":
        monkeypatch.setattr(install, "find_uv", lambda: None)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    wheel(tmp_path, "tinydep")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    target = described(tmp_path, 'requirements = ["needs.txt"]', **{"needs.txt": "tinydep>=1\n"})
    before = listing(target.root)
    made, said = environment.prepare(target, tmp_path / "runs", Interruption())
    assert said.endswith(f"made with {tool}")
    assert listing(target.root) == before
    assert made.interpreter.is_relative_to(tmp_path / "runs" / "environments")
    assert says(made.interpreter, "import tinydep; print(tinydep.VERSION)") == "1.0"
    # Neither the project's packages nor those that the harness runs with are in it.
    code = "import importlib.util as u; print([n for n in ('harness', 'ptycho', 'numpy') if u.find_spec(n)])"
    assert says(made.interpreter, code) == "[]"
    again, said = environment.prepare(target, tmp_path / "runs", Interruption())
    assert (again.interpreter, said.endswith("is there")) == (made.interpreter, True)


def test_a_changed_requirement_is_another_environment(tmp_path: Path) -> None:
    target = described(tmp_path, 'requirements = ["needs.txt"]', **{"needs.txt": "tinydep==1.0\n"})
    assert target.install is not None
    first = environment.digest(target, target.install, "3")
    (target.root / "needs.txt").write_text("tinydep==1.1\n")
    assert len({first, environment.digest(target, target.install, "3")}) == 2
    assert len({first, environment.digest(target, target.install, "4")}) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_failed_installation_is_13_with_its_last_words_and_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = described(tmp_path, 'packages = ["tinydep"]')
    with pytest.raises(InfrastructureError, match=r"(?s)ended with exit code 1.*tinydep"):
        environment.prepare(target, tmp_path / "runs", Interruption())
    wheel(tmp_path, "tinydep")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    _, said = environment.prepare(target, tmp_path / "runs", Interruption())
    assert said.endswith("made with uv")


@pytest.mark.usefixtures("quick")
def test_two_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "tinydep")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    target = described(tmp_path, 'packages = ["tinydep"]')
    said: list[str] = []

    def prepare() -> None:
        said.append(environment.prepare(target, tmp_path / "runs", Interruption())[1].rpartition(" ")[2])

    threads = [threading.Thread(target=prepare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["there", "uv"]


def test_an_existing_interpreter_is_taken_as_it_is(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    target = loader.load(foreign_checkout.write(tmp_path / "checkout", python=python))
    made, said = environment.prepare(target, tmp_path / "runs", Interruption())
    # Not resolved: behind the link lies an interpreter without the environment's packages.
    assert made.interpreter == python
    assert said == f"foreign: CPython {sys.version.split()[0]}, {python}"
    assert not (tmp_path / "runs").exists()


def test_without_an_install_table_the_harness_s_own_is_taken(tmp_path: Path) -> None:
    target = loader.load(loader.built_in("torch"))
    made, said = environment.prepare(target, tmp_path, Interruption())
    assert (made, said) == (target, "torch: the harness's own interpreter")


@pytest.mark.parametrize("program", ["/no/such/python", "/bin/false"])
def test_an_interpreter_that_does_not_run_is_13(program: str) -> None:
    with pytest.raises(InfrastructureError, match=f"the interpreter {program} does not run: .*; name another"):
        environment.ask_version(program)


@pytest.mark.parametrize(
    ("lines", "name", "text", "sentence"),
    [
        ('requirements = ["r.txt"]', "r.txt", "numpy\n-e .\n", "r.txt, line 2: '-e .' installs a folder"),
        ('requirements = ["r.txt"]', "r.txt", "./src\n", "line 1: './src' installs a folder"),
        ('requirements = ["r.txt"]', "r.txt", ".[torch]\n", "line 1: '.[torch]' installs a folder"),
        ('requirements = ["gone.txt"]', "r.txt", "", "gone.txt: No such file or directory; paths in"),
        ('lock = "uv.lock"', "uv.lock", "", "uv.lock: allowed are requirements files"),
        (
            'requirements = ["environment.yml"]',
            "environment.yml",
            "",
            "environment.yml: allowed are requirements files",
        ),
        ('requirements = ["pyproject.toml"]', "pyproject.toml", "[project]\nname='x'\n", "lists no [project] depende"),
        ('requirements = ["pyproject.toml"]', "pyproject.toml", "[project", "pyproject.toml: "),
    ],
)
def test_what_cannot_be_installed_in_isolation_is_refused(
    tmp_path: Path, lines: str, name: str, text: str, sentence: str
) -> None:
    target = described(tmp_path, lines, **{name: text})
    with pytest.raises(UsageError) as caught:
        environment.prepare(target, tmp_path / "runs", Interruption())
    assert sentence in str(caught.value)


def test_a_pyproject_counts_for_its_dependencies(tmp_path: Path) -> None:
    text = "[project]\nname = 'x'\ndependencies = ['tinydep>=1', 'other']\n"
    target = described(tmp_path, 'requirements = ["pyproject.toml"]\npackages = ["more"]', **{"pyproject.toml": text})
    assert target.install is not None
    assert environment.requirements(target, target.install) == (["more", "tinydep>=1", "other"], [])


def test_hashes_of_a_lock_are_checked(tmp_path: Path) -> None:
    target = described(tmp_path, 'lock = "r.lock"', **{"r.lock": "tinydep==1.0 --hash=sha256:00\n"})
    assert target.install is not None
    files = [target.root / "r.lock"]
    for uv in (None, "/bin/uv"):
        last = environment.steps(tmp_path / "env", "python3", target.install, [], files, uv)[-1]
        assert last[-3:] == ["-r", str(files[0]), "--require-hashes"]


def test_the_build_of_torch_without_cuda_needs_a_way_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = described(tmp_path, 'packages = ["torch"]\ntorch_backend = "cpu"')
    assert target.install is not None
    monkeypatch.setattr(install, "wheelhouses", list)
    argv = environment.steps(tmp_path / "env", "python3", target.install, ["torch"], [], "/bin/uv")[-1]
    assert argv[argv.index("--torch-backend") + 1] == "cpu"
    monkeypatch.setattr(install, "wheelhouses", lambda: ["/wheels"])
    argv = environment.steps(tmp_path / "env", "python3", target.install, ["torch"], [], "/bin/uv")[-1]
    # A folder alone holds nobody to its version: an unpinned torch would be the newest of the index, with CUDA.
    assert ("--torch-backend" in argv, argv[argv.index("--find-links") + 1]) == (True, "/wheels")
    held = tmp_path / "held.txt"
    argv = environment.steps(tmp_path / "env", "python3", target.install, ["torch"], [], "/bin/uv", constraint=held)[-1]
    assert ("--torch-backend" in argv, argv[argv.index("--constraint") + 1]) == (False, str(held))
    monkeypatch.setattr(install, "wheelhouses", list)
    monkeypatch.setattr(install, "find_uv", lambda: None)
    with pytest.raises(InfrastructureError, match="needs uv, or a wheelhouse in PIP_FIND_LINKS; install uv"):
        environment.prepare(target, tmp_path / "runs", Interruption())


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_an_environment_of_another_run_that_was_killed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, "tinydep")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    target = described(tmp_path, 'packages = ["tinydep"]')
    made, _ = environment.prepare(target, tmp_path / "runs", Interruption())
    folder = made.interpreter.parent.parent
    stamp = json.loads((folder / environment.STAMP).read_text())
    assert stamp["target"] == os.fspath(target.file)
    (folder / environment.STAMP).unlink()
    (folder / "half-built").touch()
    _, said = environment.prepare(target, tmp_path / "runs", Interruption())
    assert (said.endswith("made with uv"), (folder / "half-built").exists()) == (True, False)


@pytest.mark.parametrize(("build", "amiss"), [("0.28.0+cu130", True), ("0.28.0+cpu", False), ("0.28.0", False)])
@pytest.mark.usefixtures("quick")
def test_what_is_compiled_for_another_build_of_torch_is_said_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: str, amiss: bool
) -> None:
    for name, version, shown in (("torch", "2.13.0+cpu", "2.13.0+cpu"), ("torchvision", "0.28.0", build)):
        with zipfile.ZipFile(wheel(tmp_path, name, version), "a") as archive:
            archive.writestr(f"{name}/__init__.py", "raise RuntimeError('operator torchvision::nms does not exist')")
            archive.writestr(f"{name}/version.py", f"__version__ = {shown!r}\ncuda = None\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    target = described(tmp_path, 'packages = ["torch", "torchvision"]\ntorch_backend = "cpu"')
    for _ in range(2):
        _, said = environment.prepare(target, tmp_path / "runs", Interruption())
        assert ("; warning: torchvision 0.28.0+cu130, which cannot be imported beside it: " in said) is amiss


@pytest.mark.parametrize("cuda", ["12.8", ""])
@pytest.mark.usefixtures("quick")
def test_the_build_that_was_installed_must_be_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cuda: str
) -> None:
    version = "2.13.0" if cuda else "2.13.0+cpu"
    path = wheel(tmp_path, "torch", version)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("torch/__init__.py", "raise ImportError('is not imported to be asked')")
        archive.writestr("torch/version.py", f"__version__ = {version!r}\ncuda = {cuda or None!r}\nhip = None\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    target = described(tmp_path, 'packages = ["torch"]\ntorch_backend = "cpu"')
    if cuda:
        with pytest.raises(
            InfrastructureError, match=r"asks for the CPU build of torch, and torch 2.13.0 for cuda 12.8"
        ):
            environment.prepare(target, tmp_path / "runs", Interruption())
        assert [] == [path for path in environment.environments(tmp_path / "runs").iterdir() if path.is_dir()]
    else:
        made, said = environment.prepare(target, tmp_path / "runs", Interruption())
        assert said.endswith("made with uv; torch 2.13.0+cpu, CPU build")
        assert says(made.interpreter, "import sys; print(sys.prefix)") == str(made.interpreter.parents[1])
    assert "foreign: making its environment, which is then kept" in capsys.readouterr().err
