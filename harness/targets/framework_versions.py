"""
Environments with another version of a framework: a group's lock with one pin changed, made once and kept.

First the lock without the framework is installed, every line checked by its hash. Then the framework is: an installer
leaves alone what fits, and moves the packages with which the other version cannot live.

They lie where the environments of targets lie, under the framework's name, its version and a digest of everything that
they are made from. The lanes' own environments are never touched.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.system.rmtree import remove_tree
from harness.system.signals import Interruption
from harness.targets import environment, install, locks
from ptycho import git
from ptycho.errors import InfrastructureError

FRAMEWORKS: Mapping[str, tuple[str, ...]] = {"torch": ("torch",), "tf": ("tensorflow-cpu", "tensorflow")}
"""Packages that a side's framework may be: TensorFlow's build without CUDA has a name of its own on Linux."""

STAMP = "ptycho-version.json"
TIMEOUT_S = 3600.0
ASK_S = 60.0
NEWEST_S = 600.0
"""An index without metadata beside its files makes pip download the whole wheel to read them."""

CUDA_GIB, CPU_GIB = 12.0, 4.0
"""
Free space that an environment must find. Measured: torch 2.14.1 with CUDA takes 5.2 GiB, its packages are first
downloaded beside that, and the rest of a lock takes 0.9 GiB; TensorFlow 2.20 takes 1.6 GiB in all.
"""

_ASK = """
import importlib.metadata, importlib.util, json, pathlib, re, runpy

def read(package, *file):
    spec = importlib.util.find_spec(package)
    path = spec and pathlib.Path(spec.origin).parent.joinpath(*file)
    return runpy.run_path(str(path)) if path and path.is_file() else {}

torch = read("torch", "version.py")
tf = read("tensorflow", "python", "platform", "build_info.py").get("build_info", {})
beside = [f"{name} {torch[name]}" for name in ("cuda", "hip", "xpu") if torch.get(name)]
beside += [word for word, key in (("cuda", "is_cuda_build"), ("rocm", "is_rocm_build")) if tf.get(key)]
found = {re.sub("[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps({"packages": found, "beside": ", ".join(beside), "torch": torch.get("__version__")}))
"""
# Read from files that the builds write: to import a framework takes seconds, and on a busy machine a minute.


@dataclass(frozen=True, kw_only=True)
class InstalledFramework:
    """
    Contents of an environment with a framework.

    Attributes:
        version: of the framework, without a local label.
        build: which build it is, in words.
        packages: every package's version by its name.
    """

    version: str
    build: str
    packages: Mapping[str, str]


def package(side: str, platform: str = sys.platform) -> str:
    """The framework's package on this platform."""
    return FRAMEWORKS[side][0 if platform == "linux" else -1]


def lock_of(side: str) -> Path:
    """The lock of a side's group without CUDA."""
    return install.REQUIREMENTS / f"{side}-cpu.txt"


def lock_text(side: str, commit: str | None = None) -> str:
    """
    Text of that lock: the working tree's, or a commit's.

    Raises:
        InfrastructureError: there is none.
    """
    path = lock_of(side)
    try:
        if commit is None:
            return path.read_text(encoding="utf-8")
        name = path.relative_to(locks.ROOT).as_posix()
        return git.ask(locks.ROOT, "show", f"{commit}:{name}").decode("utf-8")
    except (OSError, git.GitError) as error:
        of = f" of commit {commit[:12]}" if commit else ""
        raise InfrastructureError(
            f"the lock {path.name}{of} cannot be read: {error}; `nox -s lock` writes it"
        ) from error


def pinned(side: str, lock: str) -> str:
    """
    The framework's version that a lock pins.

    Raises:
        InfrastructureError: it pins none.
    """
    if (version := dict(locks.pins(lock)).get(package(side))) is None:
        raise InfrastructureError(f"{lock_of(side).name} pins no {package(side)}; `nox -s lock` writes it")
    return version


def is_of(python: str, lock: str) -> bool:
    """
    Whether an interpreter's environment is in the state of a lock, as far as its installer left word of it.

    Args:
        python: interpreter; one that the harness did not install has no stamp, and is believed.
        lock: text of the lock.
    """
    stamp = Path(python).parent.parent / install.STAMP
    digest = hashlib.sha256(lock.encode()).hexdigest()
    return not stamp.is_file() or stamp.read_text(encoding="utf-8").splitlines()[:1] == [digest]


def newest(side: str, python: str) -> str:
    """
    The newest version that the installer would take for an interpreter; nothing is installed.

    Raises:
        InfrastructureError: it does not say.
    """
    name, uv = package(side), install.find_uv()
    quietly = ("--quiet", "--no-deps")
    if uv:
        argv = [uv, "pip", "compile", *quietly, "--no-config", "--no-header", "--no-annotate", "--python", python, "-"]
    else:
        # An environment that uv made has no pip of its own.
        pip = [beside, "--python", python] if (beside := shutil.which("pip")) else [python, "-I", "-m", "pip"]
        argv = [*pip, "install", *quietly, "--dry-run", "--ignore-installed", "--report", "-", name]
    try:
        done = subprocess.run(
            argv,
            input=name,
            capture_output=True,
            text=True,
            check=True,
            timeout=NEWEST_S,
            env=install.surroundings(),
        )
        said = dict(locks.pins(done.stdout)) if uv else json.loads(done.stdout)["install"][0]["metadata"]
        version = said[name if uv else "version"]
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        why = str(getattr(error, "stderr", None) or error).strip()
        raise InfrastructureError(f"the newest version of {name} is not known: {why}; name a version") from error
    return str(version).partition("+")[0]


def ask(python: Path | str, side: str) -> InstalledFramework:
    """
    Return what an environment holds, by running its interpreter.

    Raises:
        InfrastructureError: it does not run, or the framework is not in it.
    """
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=ASK_S
        )
        said: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        why = str(getattr(error, "stderr", None) or error).strip()
        raise InfrastructureError(f"{python} does not say which packages it has: {why}") from error
    packages: dict[str, str] = said["packages"]
    name = next((name for name in FRAMEWORKS[side] if name in packages), None)
    if name is None:
        lacking = " or ".join(FRAMEWORKS[side])
        raise InfrastructureError(f"{python} has no {lacking}; name one that has it with --python {side}=PATH")
    whole = said["torch"] or packages[name] if side == "torch" else packages[name]
    words = f"build for {said['beside']}, used on the CPU" if said["beside"] else "CPU build"
    return InstalledFramework(
        version=packages[name].partition("+")[0], build=f"{name} {whole}, {words}", packages=packages
    )


def moved(base: InstalledFramework, other: InstalledFramework, side: str) -> tuple[str, ...]:
    """Packages besides the framework that two environments have in different versions, `numpy 2.4.0 -> 2.3.5`."""
    return tuple(
        f"{name} {version} -> {other.packages[name]}"
        for name, version in sorted(base.packages.items())
        if name not in FRAMEWORKS[side] and other.packages.get(name, version) != version
    )


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One way to get the framework: what is asked for, and the free space that it needs."""

    words: str
    options: tuple[str, ...]
    gib: float


def _attempts(side: str, version: str, *, uv: bool) -> Iterator[_Attempt]:
    """
    Ways to get a version, the smallest build first.

    A newer torch may be there for CUDA alone: such a build computes on a CPU, and cannot be imported without the CUDA
    libraries, which it links.
    """
    requirement = f"{package(side)}=={version}"
    if side != "torch" or sys.platform != "linux":
        yield _Attempt(words=requirement, options=(requirement,), gib=CPU_GIB)
        return
    for house in install.wheelhouses():
        folder = Path(house.removeprefix("file://"))
        if folder.is_dir() and any(folder.glob(f"torch-{version}+cpu-*.whl")):
            links = ("--find-links", house)
            yield _Attempt(words=f"{requirement}+cpu", options=(*links, f"{requirement}+cpu"), gib=CPU_GIB)
    if uv:
        backend = ("--torch-backend", "cpu")
        yield _Attempt(words=f"{requirement} for the CPU", options=(*backend, requirement), gib=CPU_GIB)
    yield _Attempt(words=f"{requirement} for CUDA", options=(requirement,), gib=CUDA_GIB)


def prepare(
    side: str, version: str, lock: str, base: str, root: Path, interruption: Interruption
) -> tuple[Path, InstalledFramework]:
    """
    Find an environment with a version of a framework, or make it.

    Args:
        side: `torch` or `tf`.
        version: of its framework.
        lock: text of the lock that the other packages are of.
        base: interpreter whose Python the environment gets.
        root: the workspace's folder for runs.
        interruption: asked while waiting.

    Returns:
        The interpreter, and what it has.

    Raises:
        InfrastructureError: it cannot be made; the message says why.
        KeyboardInterrupt: the run was asked to end.
    """
    python = environment.ask_version(base)
    digest = hashlib.sha256("\0".join((python, sys.platform, lock, package(side), version)).encode()).hexdigest()[:16]
    folder = environment.environments(root) / f"{side}-{version}-{digest}"
    made = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with install.held(folder, meanwhile=interruption.check):
            if (found := _kept(folder)) is None:
                found = _make(side, version, base, lock, folder, interruption)
    except install.InstallError as error:
        raise InfrastructureError(str(error)) from error
    return made, found


def _kept(folder: Path) -> InstalledFramework | None:
    """Read what an environment that was made before holds; None where it is not whole."""
    try:
        return InstalledFramework(**json.loads((folder / STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _make(
    side: str, version: str, base: str, lock: str, folder: Path, interruption: Interruption
) -> InstalledFramework:
    """Make an environment from nothing; where that fails, nothing of it stays but the logs beside it."""
    name = f"{side} {version}"
    print(f"{name}: making its environment, which is then kept …", file=sys.stderr, flush=True)
    if left := remove_tree(folder):
        raise InfrastructureError(f"a half-built environment cannot be removed: {'; '.join(left)}")
    python, uv = str(folder / "bin" / "python"), install.find_uv()
    try:
        _require_space(folder.parent, CPU_GIB, name)
        rest, _ = install.split(lock, *FRAMEWORKS[side])
        listed = folder.with_name(f"{folder.name}.txt")
        listed.write_text(rest, encoding="utf-8")
        add = [uv, "pip", "install", "--python", python] if uv else [python, "-I", "-m", "pip", "install"]
        exact = ("--no-deps", "--require-hashes", "-r", str(listed))
        first = [uv, "venv", "--quiet", "--no-project", "--python", base] if uv else [base, "-I", "-m", "venv"]
        for number, argv in enumerate(([*first, str(folder)], [*add, *exact])):
            _carry_out(argv, name, folder, number, interruption)
        _add_framework(side, version, add, folder, interruption)
        found = ask(python, side)
        if found.version != version:
            raise InfrastructureError(f"{name}: the installer took {found.version}")
    except BaseException:
        remove_tree(folder)  # gigabytes that nobody can use
        raise
    (folder / STAMP).write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    return found


def _add_framework(side: str, version: str, add: Sequence[str], folder: Path, interruption: Interruption) -> None:
    """
    Install the framework in the first way that works.

    Raises:
        InfrastructureError: none does; with what each said.
    """
    said = []
    for number, attempt in enumerate(_attempts(side, version, uv="-I" not in add), start=2):
        try:
            _require_space(folder.parent, attempt.gib, attempt.words)
            _carry_out([*add, *attempt.options], f"{side} {version}", folder, number, interruption)
        except InfrastructureError as error:
            said.append(f"{attempt.words}: {error}")
        else:
            return
    raise InfrastructureError("\n".join(said))


def _carry_out(argv: Sequence[str], name: str, folder: Path, number: int, interruption: Interruption) -> None:
    log = folder.with_name(f"{folder.name}.{number}.log")
    environment.carry_out(argv, name, f"{' '.join(argv[:4])} …", log, TIMEOUT_S, interruption)


def _require_space(folder: Path, gib: float, what: str) -> None:
    """
    Refuse to begin what would fill the disk: of the environment, and of what is downloaded and unpacked on its way.

    Raises:
        InfrastructureError: naming the file system, what is free and what is needed.
    """
    for place in (folder, Path(tempfile.gettempdir())):
        free = shutil.disk_usage(place).free / 2**30
        if free < gib:
            raise InfrastructureError(
                f"{what} needs {gib:g} GiB, and {free:.1f} GiB are free on the file system of {place}; make room "
                "(`nox -s clean -- --all`), or put the environment elsewhere (--root, TMPDIR)"
            )
