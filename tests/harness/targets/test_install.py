"""Environments from locks, with a recorded installer in the place of uv and pip."""

import ast
import ensurepip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from harness.targets import install
from tests.support.injected import bites

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
if "-c" in sys.argv:
    raise SystemExit(0)  # whether the interpreter runs, and what it imports
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


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock without a package, for the real installer."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "tiny.txt").write_text("# nothing\n")
    monkeypatch.setattr(install, "REQUIREMENTS", tmp_path / "requirements")
    return tmp_path


def test_torch_is_taken_out_of_a_lock_with_its_hashes_and_nothing_else() -> None:
    kept, torch = install.split(LOCK, "torch")
    assert torch == "torch==2.13.0"
    assert "torch==" not in kept
    assert "sha256:02" not in kept
    assert "torchless==1.0" in kept
    assert "sha256:03" in kept
    assert install.split("numpy==1 \\\n    --hash=x\n", "torch") == ("numpy==1 \\\n    --hash=x\n", None)


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


@pytest.mark.fault("installer")
def test_without_uv_pip_does_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_uv", lambda: None)
    bites(install.find_uv() is None, "uv is not to be found")
    bench.wheelhouse()
    assert install.install("torch-cpu", bench.python).startswith("torch-cpu: installed with pip; torch==2.13.0")
    assert bench.calls[0][0][:3] == ["-m", "pip", "install"]
    assert {"--require-hashes", "--no-deps"} <= set(bench.calls[0][0])


@pytest.mark.deep
def test_what_sessions_import_has_bytecode_and_the_rest_and_the_home_folder_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "env" / "bin" / "python"
    install.create(python, uv=None)
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "yaml.py").write_text("import pathlib, helper\n(pathlib.Path.home() / 'telemetry').write_text('x')\n")
    (packages / "jinja2.py").write_text("raise RuntimeError\n")
    for name in ("helper", "unused"):
        (packages / f"{name}.py").write_text("")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    install.compile_imports(python)
    compiled = {path.name.partition(".")[0] for path in (packages / "__pycache__").iterdir()}
    assert compiled >= {"yaml", "helper", "jinja2"}
    assert "unused" not in compiled
    assert list((tmp_path / "home").iterdir()) == []


def test_an_environment_that_is_not_there_is_made_and_a_broken_one_again(tmp_path: Path, tiny: Path) -> None:
    python = tmp_path / "env" / "bin" / "python"
    assert install.install("tiny", python).startswith("tiny: installed with")
    version = "import sys; print(*sys.version_info[:2], sys.prefix != sys.base_prefix)"
    said = subprocess.check_output([str(python), "-c", version], text=True)
    assert said.split() == [*map(str, sys.version_info[:2]), "True"]
    assert install.install("tiny", python) == "tiny: up to date (unchanged lock)"
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    assert install.install("tiny", python).startswith("tiny: installed with")


def test_a_python_of_somebody_s_own_that_does_not_run_is_left_alone(tmp_path: Path, tiny: Path) -> None:
    python = tmp_path / "theirs" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/false\n")
    python.chmod(0o755)
    with pytest.raises(install.InstallError, match="does not run, and is not an environment"):
        install.install("tiny", python)
    assert python.read_text() == "#!/bin/false\n"


@pytest.mark.deep
def test_two_installations_into_one_environment_follow_each_other(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = tmp_path / "env"
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[2]); from harness.targets import install\n"
        "with install.held(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    argv = [sys.executable, "-c", code, str(environment), str(Path(install.__file__).parents[2])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        says = f"process {other.pid} installs into .* for more than 0.3 s"
        with pytest.raises(install.InstallError, match=says), install.held(environment, limit_s=0.3):
            pass
        assert f"waiting: process {other.pid} installs into {environment}" in capsys.readouterr().err
        # Whoever dies lets go: the lock is the kernel's, and the file that stays behind means nothing.
        other.kill()
    assert install.install("tiny", environment / "bin" / "python").startswith("tiny: installed with")


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


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        ({"PIP_CERT": "/pip.pem"}, "/pip.pem"),
        ({"PIP_CERT": "/pip.pem", "SSL_CERT_FILE": "/own.pem"}, "/own.pem"),
        ({"PIP_CERT": ""}, None),
        ({}, None),
    ],
)
def test_certificates_that_pip_is_told_are_told_to_uv(caller: dict[str, str], told: str | None) -> None:
    assert install.surroundings(caller).get("SSL_CERT_FILE") == told


def test_what_would_send_an_installation_elsewhere_does_not_arrive() -> None:
    caller = dict.fromkeys(install.ELSEWHERE, "/elsewhere") | {"HTTPS_PROXY": "proxy", "UV_HTTP_RETRIES": "9"}
    assert install.surroundings(caller) == {"HTTPS_PROXY": "proxy", "UV_HTTP_RETRIES": "9", "PIP_RETRIES": "2"}


def test_the_installer_gets_these_surroundings(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told = bench.path / "told"
    script = f"#!{sys.executable}\nimport os, pathlib\npathlib.Path({str(told)!r}).write_text(repr(dict(os.environ)))\n"
    (bench.path / "uv").write_text(script)
    monkeypatch.setenv("PIP_CERT", "/pip.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("UV_PYTHON", "2.7")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    bench.wheelhouse()
    install.install("torch-cpu", bench.python)
    found = ast.literal_eval(told.read_text())
    names = ("SSL_CERT_FILE", "UV_PYTHON", "PYTHONPATH")
    assert [found.get(name) for name in names] == ["/pip.pem", None, None]


def test_uv_is_looked_for_beside_the_interpreter_and_on_path_and_may_be_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert install.find_uv() is None
    for folder in ("path", "bin"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "uv").touch(0o755)
        assert install.find_uv() == str(tmp_path / folder / "uv")


PIPS = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
"""The pip that Python itself carries."""

REAL = [name for name, there in (("uv", install.find_uv()), ("pip", PIPS)) if there]


def test_a_real_installer_is_here_to_be_tried() -> None:
    assert REAL != []


@pytest.mark.deep
@pytest.mark.fault("installer")
@pytest.mark.parametrize("tool", REAL)
@pytest.mark.parametrize("trouble", ["offline", "dead proxy"])
def test_without_an_index_it_is_13_within_ten_seconds_and_names_the_package(
    tmp_path: Path, tool: str, trouble: str
) -> None:
    folder = _checkout(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    if tool == "pip":
        # From a wheel that is unpacked: zipped it takes seconds to start, an environment with pip takes longer to make.
        zipfile.ZipFile(PIPS[-1]).extractall(tmp_path / "pip")
        shell = f'#!/bin/sh\n[ "$1" = -m ] && shift 2 && exec {sys.executable} {tmp_path}/pip/pip "$@"\nexit 9\n'
        python.unlink()
        python.write_text(shell)
        python.chmod(0o755)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    # Nobody listens there any more.
    proxy = f"http://127.0.0.1:{port}"
    env = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    env |= {"HOME": str(tmp_path), "PATH": str(Path(install.find_uv() or "/").parent) if tool == "uv" else "/nowhere"}
    if trouble == "offline":
        env |= {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    beside = tmp_path / "bin" / "python"
    beside.parent.mkdir()
    beside.symlink_to(sys.executable)
    with socket.socket() as caller:
        bites(caller.connect_ex(("127.0.0.1", port)) != 0, "nobody answers at the proxy's address")
    started = time.monotonic()
    done = subprocess.run(
        [str(beside), "-I", str(folder / "harness" / "targets" / "install.py"), "tiny", "--python", str(python)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, "tiny-absent-package" in done.stderr) == (13, True), done.stderr
    assert "tiny: the lock could not be installed:" in done.stderr
    assert time.monotonic() - started < 10
    assert not (tmp_path / "env" / install.STAMP).exists()


def _checkout(tmp_path: Path) -> Path:
    """The installer by itself, with a lock of a package that no cache has."""
    folder = tmp_path / "checkout"
    (folder / "harness" / "targets").mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copyfile(install.__file__, folder / "harness" / "targets" / "install.py")
    entry = f"tiny-absent-package==1.0 \\\n    --hash=sha256:{'0' * 64}\n"
    (folder / "requirements" / "tiny.txt").write_text(entry)
    return folder


@pytest.mark.fault("installer")
def test_an_installation_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    folder = _checkout(tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    uv = tmp_path / "path" / "uv"
    uv.parent.mkdir()
    begun, installed = tmp_path / "begun", tmp_path / "installed"
    script = "#!/bin/sh\n[ -e {flag} ] && : > {end} && exit 0\n: > {flag}\nexec sleep 600\n"
    uv.write_text(script.format(flag=begun, end=installed))
    uv.chmod(0o755)
    beside = tmp_path / "bin" / "python"
    beside.parent.mkdir()
    beside.symlink_to(sys.executable)
    argv = [str(beside), "-I", str(folder / "harness" / "targets" / "install.py"), "tiny", "--python", str(python)]
    env = {"PATH": f"{uv.parent}:/usr/bin:/bin", "PIP_FIND_LINKS": ""}
    process = subprocess.Popen(argv, env=env, start_new_session=True)
    for _ in range(600):
        if begun.exists():
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    bites(process.wait() == -signal.SIGKILL and begun.exists(), "the installation was killed after it had begun")
    assert not installed.exists()
    assert not (tmp_path / "env" / install.STAMP).exists()
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, installed.exists()) == ("tiny: installed with uv\n", True)
    assert "up to date" in subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
