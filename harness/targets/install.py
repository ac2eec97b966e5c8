"""
A lane's environment, made and filled from its lock; standard library only, since it runs by path before all else.

Hashes are checked for every line but one: on Linux the lock of `torch-cpu` names `torch` without a local label and
without CUDA packages, and the build that goes with that comes from a local wheelhouse or from the place that uv knows
as its CPU backend. Wheels from a wheelhouse have no hash in a lock.

A stamp with the lock's hash is written last and removed first: an environment that was left half-built has none, and
one whose lock did not change costs a file comparison. Sessions share environments, so that whoever installs holds a
file lock beside the environment.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PASS, INFRA, USAGE = 0, 13, 2  # of ptycho.verdict, which a script run by path cannot import
REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
STAMP = ".ptycho-lock"
LOCK_SUFFIX = ".lock"
LOCK_LIMIT_S = 1800.0
"""How long another installation into the same environment is waited for; gigabytes over a slow line take a while."""

CPU_BUILD_LANES = ("torch-cpu",)
"""Lanes whose torch must be the build without CUDA."""

ELSEWHERE = (
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *("UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN"),
)
"""Variables of the caller that would send an installation elsewhere, or nowhere."""

COMPILED = (
    *("torch", "tensorflow", "mlflow", "torch._dynamo", "keras", "skimage.restoration", "sqlalchemy", "hypothesis"),
    *("scipy.stats", "matplotlib.figure", "h5py", "skimage.registration", "alembic", "jinja2", "skimage.metrics"),
    *("torch.distributed", "scipy.io", "hypothesis.extra.numpy", "pytest", "pydantic", "xdist", "rich.progress", "nox"),
    *("safetensors.numpy", "pytest_benchmark", "jsonschema", "yaml", "playwright.sync_api", "importlinter"),
)
"""What sessions import, where it is installed, the slowest first. It and what it imports gets its bytecode with the
installation, since no process of a lane writes any: in the environment of torch 15 s of processor time and 93 MB, where
all modules would be 259 MB."""

IMPORT_LIMIT_S = 300.0
"""Of these imports: an installation does not wait for one that hangs."""

RETRIES = {"UV_HTTP_RETRIES": "2", "PIP_RETRIES": "2"}
"""Unless the caller says otherwise: with uv's three and pip's five, an index that refuses costs 8 s and more."""


class InstallError(Exception):
    """The environment cannot be made; the message says what to do."""


def surroundings(caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Environment of an installer: the caller's, less what would send it elsewhere.

    The certificates of pip (`PIP_CERT`) are given to uv as well, which knows them by another name: behind a
    proxy that reads TLS one would work and the other not.

    Args:
        caller: the caller's environment, this process's own by default.
    """
    given = os.environ if caller is None else caller
    kept = RETRIES | {name: value for name, value in given.items() if name not in ELSEWHERE}
    if kept.get("PIP_CERT") and not kept.get("SSL_CERT_FILE"):
        kept["SSL_CERT_FILE"] = kept["PIP_CERT"]
    return kept


def find_uv() -> str | None:
    """Find uv: beside this interpreter (`pip install nox[uv]` puts it there), else on PATH, else None."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def wheelhouses() -> list[str]:
    """The find-links of pip, which uv does not read: from the environment, else from pip's configuration."""
    if (given := os.environ.get("PIP_FIND_LINKS")) is not None:
        return given.split()
    pip = shutil.which("pip")
    found: list[str] = []
    for key in ("global.find-links", "install.find-links") if pip else ():
        answer = subprocess.run([pip or "pip", "config", "get", key], capture_output=True, text=True, check=False)
        found += answer.stdout.split() if answer.returncode == 0 else []
    return found


def split(lock: str, *names: str) -> tuple[str, str | None]:
    """
    A lock without the entries of some packages, and the last one's requirement without hashes (`torch==2.13.0`).

    An entry is an unindented line with the indented lines that follow it.

    Args:
        lock: its text.
        names: of the packages.

    Returns:
        The rest, and the requirement; None if the lock has no such entry.
    """
    kept: list[str] = []
    requirement: str | None = None
    inside = False
    for line in lock.splitlines(keepends=True):
        if not line.startswith((" ", "\t")):
            inside = line.startswith(tuple(f"{name}==" for name in names))
            requirement = line.split()[0].rstrip("\\;") if inside else requirement
        if not inside:
            kept.append(line)
    return "".join(kept), requirement


def _attempt(argv: list[str]) -> tuple[bool, str]:
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=surroundings()
    )
    return done.returncode == 0, done.stdout


def _has_wheel(house: str, requirement: str) -> bool:
    """Whether a wheelhouse may have a wheel: a local folder is looked into, an address is tried."""
    folder = Path(house.removeprefix("file://"))
    stem = requirement.replace("==", "-")
    return any(folder.glob(f"{stem}[-+]*.whl")) if folder.is_dir() else "://" in house


def install_torch(installer: list[str], requirement: str, *, uv: bool) -> str:
    """
    Install the CPU build of torch.

    Returns:
        Which build was chosen, in words.

    Raises:
        InstallError: naming both ways to get one.
    """
    said = ""
    for house in wheelhouses():
        if _has_wheel(house, requirement):
            done, said = _attempt([*installer, "--no-deps", "--no-index", "--find-links", house, requirement])
            if done:
                return f"{requirement}, CPU build from the wheelhouse {house}"
    if uv:
        done, more = _attempt([*installer, "--no-deps", "--torch-backend", "cpu", requirement])
        if done:
            return f"{requirement}, CPU build by uv's --torch-backend cpu"
        said += more
    raise InstallError(
        f"no CPU build of {requirement} was found; either put its wheel into a folder and name it in PIP_FIND_LINKS, "
        f"or install uv and let it reach its CPU backend (uv pip install --torch-backend cpu {requirement})\n{said}"
    )


def create(python: Path, *, uv: str | None) -> None:
    """
    Make an environment with this interpreter's version, unless there is one whose interpreter runs.

    Raises:
        InstallError: it cannot be made, or `python` is not where an environment has its interpreter.
    """
    environment = python.parent.parent
    if python.exists() and _attempt([str(python), "-c", ""])[0]:
        return
    if python.exists() and not (environment / "pyvenv.cfg").is_file():
        raise InstallError(f"{python} does not run, and is not an environment, which could be made again")
    made, said = _attempt(
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)]
        if uv
        else [sys.executable, "-m", "venv", "--clear", str(environment)]
    )
    if not (made and python.exists()):
        raise InstallError(f"no environment could be made in {environment}:\n{said}")


@contextmanager
def held(
    environment: Path, limit_s: float = LOCK_LIMIT_S, *, meanwhile: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """
    Keep other installations out of an environment; the kernel frees the lock of whoever dies.

    Args:
        environment: its folder; the lock lies beside it.
        limit_s: how long another one is waited for.
        meanwhile: called several times a second while waiting.

    Raises:
        InstallError: another one did not end in time; the message says which process it is.
    """
    environment.parent.mkdir(parents=True, exist_ok=True)
    path = environment.with_name(environment.name + LOCK_SUFFIX)
    with path.open("a+", encoding="utf-8") as file:
        deadline, announced = time.monotonic() + limit_s, False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                holder = f"process {file.read().strip() or 'unknown'} installs into {environment} ({path})"
                if time.monotonic() >= deadline:
                    raise InstallError(f"{holder} for more than {limit_s:g} s; end it, or wait") from None
                if not announced:
                    print(f"waiting: {holder}", file=sys.stderr, flush=True)
                announced = True
                meanwhile()
                time.sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def install(lane: str, python: Path) -> str:
    """
    Bring an environment to the state of a lane's lock; make it first if it is not there.

    Args:
        lane: name of a file in `requirements/`.
        python: the environment's interpreter.

    Returns:
        What was done, in words.

    Raises:
        InstallError: no such lock, or a step failed.
    """
    lock = REQUIREMENTS / f"{lane}.txt"
    if not lock.is_file():
        known = ", ".join(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))
        raise InstallError(f"no lock {lane!r}; there are {known}")
    text = lock.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if (ready := _ready(lane, python, digest)) is not None:
        return ready
    with held(python.parent.parent):
        # Whoever had the lock before may have installed the same.
        return _ready(lane, python, digest) or _install(lane, python, text, digest)


def _ready(lane: str, python: Path, digest: str) -> str | None:
    stamp = python.parent.parent / STAMP
    if python.exists() and stamp.is_file() and (kept := stamp.read_text().splitlines())[:1] == [digest]:
        return f"{lane}: up to date ({' '.join(kept[1:]) or 'unchanged lock'})"
    return None


def compile_imports(python: Path) -> None:
    """
    Write the bytecode of what sessions import, by importing it, on every processor.

    A package that cannot be imported is left to whoever needs it and says why. What packages write when they are
    imported (fonts, telemetry) goes to a folder that is removed.
    """
    program = (
        "import contextlib, importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    with contextlib.suppress(Exception):\n"
        "        importlib.import_module(name)\n"
    )
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="ptycho-import-") as folder:
        env = surroundings() | dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"), folder)
        env |= {"CUDA_VISIBLE_DEVICES": "", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        for variable in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"):
            env.pop(variable, None)
        argv = [str(python), "-P", "-c", program]
        running = [
            subprocess.Popen(
                [*argv, *COMPILED[start::workers]],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for start in range(workers)
        ]
        deadline = time.monotonic() + IMPORT_LIMIT_S
        for process in running:
            try:
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _install(lane: str, python: Path, text: str, digest: str) -> str:
    stamp = python.parent.parent / STAMP
    stamp.unlink(missing_ok=True)
    uv = find_uv()
    create(python, uv=uv)
    if uv is not None:
        common = ["--python", str(python), "--quiet"]
        base, exact = [uv, "pip", "install", *common], [uv, "pip", "sync", *common, "--require-hashes"]
    else:
        base = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
        exact = [*base, "--require-hashes", "--no-deps", "-r"]
    special = lane in CPU_BUILD_LANES and sys.platform == "linux"
    hashed, torch = split(text, "torch") if special else (text, None)
    with tempfile.TemporaryDirectory(prefix="ptycho-lock-") as folder:
        listed = Path(folder) / f"{lane}.txt"
        listed.write_text(hashed, encoding="utf-8")
        done, said = _attempt([*exact, str(listed)])
    if not done:
        raise InstallError(f"{lane}: the lock could not be installed:\n{said}")
    build = install_torch(base, torch, uv=uv is not None) if torch else ""
    compile_imports(python)
    stamp.write_text(f"{digest}\n{build}\n")
    return f"{lane}: installed with {'uv' if uv else 'pip'}" + (f"; {build}" if build else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install a lane's lock; returns the exit code."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Install a lane's lock into an environment.")
    parser.add_argument("lane")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    args = parser.parse_args(arguments)
    code = PASS
    try:
        said = install(args.lane, args.python)
    except InstallError as error:
        code, said = USAGE if str(error).startswith("no lock") else INFRA, str(error)
    if args.json:
        print(json.dumps({"lane": args.lane, "python": str(args.python), "exit_code": code, "said": said}), flush=True)
    elif code == PASS:
        print(said, flush=True)
    else:
        print(f"error: {said}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
