"""
The environment of a target, from what its file says: an interpreter, a lock, or requirements.

An environment lies in the workspace's folder for runs, under the target's name and a digest of everything that it was
made from: what changed gets another one, and what did not is found again. Nothing is written to the target's checkout;
a requirement that would install the checkout itself (`-e .`) is refused, since building it leaves files there, and the
packages are imported from `root` anyway. Our own packages are in no such environment.

A stamp is written last: an environment that was left half-built has none, is removed and made again.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.process import result, supervise
from harness.system.identity import TOKEN_VARIABLE
from harness.system.rmtree import remove_tree
from harness.system.signals import Interruption
from harness.targets import install, torch_build
from harness.targets.loader import Target
from harness.targets.model import Install
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict

FOLDER = "environments"
STAMP = "ptycho-target.json"
ASK_S = 60.0
EVERY_S = 30.0
_OWN = re.compile(r"\s*(?:-e\b|--editable\b|\.{1,2}(?:/|\[|\s|$)|file:)")
_ASK = "import json, platform, sys; print(json.dumps([platform.python_implementation(), sys.version_info[:3]]))"


def environments(root: Path) -> Path:
    """Return where the environments of a workspace lie."""
    return root.absolute() / FOLDER


def ask_version(python: Path | str) -> str:
    """
    Return what an interpreter is, by running it.

    Raises:
        InfrastructureError: it is not there or does not run.
    """
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=ASK_S
        )
        kind, version = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None) or error
        raise InfrastructureError(
            f"the interpreter {python} does not run: {str(said).strip()}; name another in [install]"
        ) from error
    return f"{kind} {'.'.join(map(str, version))}"


def requirements(target: Target, given: Install) -> tuple[list[str], list[Path]]:
    """
    Return what is to be installed: single requirements, and files of them.

    A `pyproject.toml` counts for its dependencies: building the project would write to the checkout.

    Raises:
        UsageError: a file is missing, is of no known kind, or installs the checkout itself; all of it at once.
    """
    single, files, problems = list(given.packages), list[Path](), list[str]()
    for path in (*given.requirements, *((given.lock,) if given.lock else ())):
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            problems.append(f"{path}: {error.strerror}; paths in [install] are relative to root")
            continue
        if path.name == "pyproject.toml":
            single += _dependencies(path, text, problems)
        elif path.suffix not in (".txt", ".in", ".lock") or path.name in ("uv.lock", "poetry.lock", "conda.lock"):
            problems.append(
                f"{path.name}: allowed are requirements files (.txt, .in, .lock) and pyproject.toml; export it "
                "(`uv export --no-emit-project`, `pip freeze`), or name an interpreter in [install] python"
            )
        else:
            files.append(path)
            problems += [
                f"{path.name}, line {number}: {line.strip()!r} installs a folder, which writes to the checkout; take "
                "the line out (root is on the import path), or name an interpreter in [install] python"
                for number, line in enumerate(text.splitlines(), 1)
                if _OWN.match(line)
            ]
    if problems:
        listed = "\n".join(f"  - {sentence}" for sentence in problems)
        raise UsageError(f"target {target.file}: its environment cannot be made:\n{listed}")
    return single, files


def _dependencies(path: Path, text: str, problems: list[str]) -> list[str]:
    try:
        project = tomllib.loads(text).get("project", {})
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return []
    if "dependencies" in project.get("dynamic", ()) or "dependencies" not in project:
        problems.append(f"{path} lists no [project] dependencies; write them to [install] packages")
    return list(project.get("dependencies", ()))


def digest(target: Target, given: Install, version: str) -> str:
    """Digest of everything that an environment is made from."""
    single, files = requirements(target, given)
    parts = [version, sys.platform, given.torch_backend, str(given.lock is not None), *single]
    parts += [path.read_text(encoding="utf-8") for path in files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def steps(
    folder: Path,
    base: str,
    given: Install,
    single: Sequence[str],
    files: Sequence[Path],
    uv: str | None,
    *,
    constraint: Path | None = None,
) -> list[list[str]]:
    """
    Commands that make an environment.

    Args:
        folder: folder of the environment.
        base: interpreter to make it from.
        given: what the target says.
        single: requirements.
        files: files of requirements.
        uv: path of uv, or None for pip.
        constraint: file that holds torch to a CPU build of a wheelhouse, or None.
    """
    python = str(folder / "bin" / "python")
    hashed = any("--hash=" in path.read_text(encoding="utf-8") for path in files)
    what = [*(word for path in files for word in ("-r", str(path))), *single]
    if hashed:
        what.append("--require-hashes")
    links = [word for house in install.wheelhouses() for word in ("--find-links", house)]
    if constraint is not None:
        links += ["--constraint", str(constraint)]
    if uv is not None:
        backend = ["--torch-backend", "cpu"] if given.torch_backend == "cpu" and constraint is None else []
        return [
            [uv, "venv", "--quiet", "--no-project", "--python", base, str(folder)],
            [uv, "pip", "install", "--python", python, *links, *backend, *what],
        ]
    return [
        [base, "-I", "-m", "venv", str(folder)],
        [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", *links, *what],
    ]


@contextmanager
def _held(path: Path, interruption: Interruption) -> Iterator[None]:
    """One maker at a time; whoever waits finds the environment made. The lock goes with the process."""
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                interruption.check()
                time.sleep(0.1)
        yield


class _InstallProgress:
    """Says every half minute that an installation goes on: it prints nothing itself, and may take many minutes."""

    def __init__(self, name: str, log: Path) -> None:
        self._name, self._log, self._start, self._next_s = name, log, time.monotonic(), EVERY_S

    def __call__(self) -> None:
        """Say it if it is time to."""
        if (passed := time.monotonic() - self._start) >= self._next_s:
            self._next_s += EVERY_S
            print(f"{self._name}: installing for {passed:.0f} s; {self._log}", file=sys.stderr, flush=True)


def carry_out(
    argv: Sequence[str], name: str, what: str, log: Path, timeout_s: float, interruption: Interruption
) -> None:
    """
    Run one step of an installation.

    Args:
        argv: the command.
        name: of the environment, for a line every half minute.
        what: is done, for the message.
        log: file for what it prints; it stays beside the environment.
        timeout_s: limit of the step.
        interruption: asked while waiting.

    Raises:
        InfrastructureError: it did not pass; the message has the end of its output.
        KeyboardInterrupt: the run was asked to end.
    """
    token = secrets.token_hex(6)
    finished = supervise.run(
        argv,
        env=install.surroundings() | {TOKEN_VARIABLE: token},
        cwd=log.parent,
        log=log,
        timeout_s=timeout_s,
        token=token,
        interruption=interruption,
        meanwhile=_InstallProgress(name, log),
    )
    if result.verdict_of(finished) is not Verdict.PASS:
        raise InfrastructureError(result.complaint(what, finished, timeout_s))


def _constraint(given: Install, folder: Path, version: str, files: Sequence[Path]) -> Path | None:
    """Write the version of the CPU torch that a wheelhouse has, where one is asked for and nothing pins it by hash."""
    if given.torch_backend != "cpu" or any("--hash=" in path.read_text(encoding="utf-8") for path in files):
        return None
    if (wheel := torch_build.cpu_wheel(install.wheelhouses(), version)) is None:
        return None
    path = folder.with_name(f"{folder.name}.constraint.txt")
    path.write_text(f"{wheel}\n", encoding="utf-8")
    return path


def _make(target: Target, given: Install, folder: Path, base: str, version: str, interruption: Interruption) -> str:
    """Make an environment from nothing; returns what was done. The logs stay beside the environment."""
    uv = install.find_uv()
    if given.torch_backend == "cpu" and uv is None and not install.wheelhouses():
        raise InfrastructureError(
            f'target {target.file}: torch_backend = "cpu" needs uv, or a wheelhouse in PIP_FIND_LINKS; install uv'
        )
    if left := remove_tree(folder):
        raise InfrastructureError(f"a half-built environment cannot be removed: {'; '.join(left)}")
    single, files = requirements(target, given)
    constraint = _constraint(given, folder, version, files)
    print(f"{target.name}: making its environment, which is then kept …", file=sys.stderr, flush=True)
    for number, argv in enumerate(steps(folder, base, given, single, files, uv, constraint=constraint)):
        log = folder.with_name(f"{folder.name}.{number}.log")
        what = f"target {target.file}: {' '.join(argv[:3])} …"
        carry_out(argv, target.name, what, log, given.timeout_s, interruption)
    try:
        build = torch_build.require_cpu(folder / "bin" / "python", target.file) if given.torch_backend == "cpu" else ""
    except InfrastructureError:
        remove_tree(folder)  # gigabytes that nobody asked for
        raise
    return ("uv" if uv else "pip") + (f"; {build}" if build else "")


def _warning(stamp: Path) -> str:
    """Return the warning from when an environment was made, for those who find it made; empty without one."""
    _, mark, text = str(json.loads(stamp.read_text(encoding="utf-8")).get("installer", "")).partition("; warning: ")
    return mark + text


def prepare(target: Target, root: Path, interruption: Interruption) -> tuple[Target, str]:
    """
    Settle a target's interpreter, making its environment if it is not there yet.

    Args:
        target: the pipeline.
        root: the workspace's folder for runs.
        interruption: asked while waiting.

    Returns:
        The target with its interpreter, and what was done, in words.

    Raises:
        UsageError: what the target names cannot be installed in isolation.
        InfrastructureError: an interpreter does not run, or a step failed.
        KeyboardInterrupt: the run was asked to end.
    """
    given = target.install
    if given is None:
        return target, f"{target.name}: the harness's own interpreter"
    if given.python is not None:
        version = ask_version(given.python)
        return replace(target, interpreter=given.python), f"{target.name}: {version}, {given.python}"
    base = given.base or sys.executable
    version = ask_version(base)
    safe = re.sub(r"[^\w.-]", "_", target.name)
    folder = environments(root) / f"{safe}-{digest(target, given, version)}"
    made = replace(target, interpreter=folder / "bin" / "python")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _held(folder.with_name(f"{folder.name}.lock"), interruption):
        if (folder / STAMP).is_file():
            return made, f"{target.name}: environment {folder.name} is there{_warning(folder / STAMP)}"
        installer = _make(target, given, folder, base, version, interruption)
        stamp = {"version": version, "installer": installer, "target": os.fspath(target.file)}
        (folder / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
    return made, f"{target.name}: environment {folder.name} made with {installer}"
