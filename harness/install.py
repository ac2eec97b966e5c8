"""
A lane's environment from its lock, with nothing but the standard library: it runs by path before anything is installed.

Hashes are checked for every line but one: on Linux the lock of `torch-cpu` names `torch` without a local label and
without CUDA packages, and the build that goes with that comes from a local wheelhouse or from the place that uv knows
as its CPU backend. Wheels from a wheelhouse have no hash in a lock.

A stamp with the lock's hash is written last and removed first: an environment that was left half-built has none, and
one whose lock did not change costs a file comparison.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PASS, INFRA, USAGE = 0, 13, 2  # of ptycho.verdict, which a script run by path cannot import
REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
STAMP = ".ptycho-lock"
CPU_BUILD_LANES = ("torch-cpu",)
"""Lanes whose torch must be the build without CUDA."""


class InstallError(Exception):
    """The environment cannot be made; the message says what to do."""


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


def split_torch(lock: str) -> tuple[str, str | None]:
    """
    A lock without its torch entry, and that entry's requirement without hashes (`torch==2.13.0`), or None.

    An entry is an unindented line with the indented lines that follow it.
    """
    kept: list[str] = []
    torch: str | None = None
    inside = False
    for line in lock.splitlines(keepends=True):
        if not line.startswith((" ", "\t")):
            inside = line.startswith("torch==")
            torch = line.split()[0].rstrip("\\;") if inside else torch
        if not inside:
            kept.append(line)
    return "".join(kept), torch


def _attempt(argv: list[str]) -> tuple[bool, str]:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
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


def install(lane: str, python: Path) -> str:
    """
    Bring an environment to the state of a lane's lock.

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
    stamp = python.parent.parent / STAMP
    digest = hashlib.sha256(text.encode()).hexdigest()
    if stamp.is_file() and (held := stamp.read_text().splitlines())[:1] == [digest]:
        return f"{lane}: up to date ({' '.join(held[1:]) or 'unchanged lock'})"
    stamp.unlink(missing_ok=True)
    uv = find_uv()
    if uv is not None:
        common = ["--python", str(python), "--compile-bytecode", "--quiet"]
        base, exact = [uv, "pip", "install", *common], [uv, "pip", "sync", *common, "--require-hashes"]
    else:
        base = [str(python), "-m", "pip", "install", "--quiet"]
        exact = [*base, "--require-hashes", "--no-deps", "-r"]
    special = lane in CPU_BUILD_LANES and sys.platform == "linux"
    hashed, torch = split_torch(text) if special else (text, None)
    with tempfile.TemporaryDirectory(prefix="ptycho-lock-") as folder:
        listed = Path(folder) / lock.name
        listed.write_text(hashed, encoding="utf-8")
        done, said = _attempt([*exact, str(listed)])
    if not done:
        raise InstallError(f"{lane}: the lock could not be installed:\n{said}")
    build = install_torch(base, torch, uv=uv is not None) if torch else ""
    stamp.write_text(f"{digest}\n{build}\n")
    return f"{lane}: installed with {'uv' if uv else 'pip'}" + (f"; {build}" if build else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install a lane's lock; returns the exit code."""
    parser = argparse.ArgumentParser(description="Install a lane's lock into an environment.")
    parser.add_argument("lane")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    args = parser.parse_args(arguments)
    try:
        print(install(args.lane, args.python), flush=True)
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE if str(error).startswith("no lock") else INFRA
    return PASS


if __name__ == "__main__":
    raise SystemExit(main())
