"""Describes the machine of a run, as plain values for JSON: enough to tell two runs' machines and versions apart."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ptycho import git

ROOT = Path(__file__).resolve().parents[1]
"""The checkout, or the folder that the package is installed in."""


def collect(
    *, packages: Sequence[str] = (), device: str | None = None, seed: int | None = None, lock: Path | None = None
) -> dict[str, Any]:
    """
    Versions, platform, processor, device, commit and seed.

    Args:
        packages: distributions whose versions count, besides NumPy: the framework's.
        device: where the network computes.
        seed: seed of the run.
        lock: the file of pinned versions that the environment was installed from.

    Returns:
        A dictionary of text, numbers and None; None is what could not be found out.
    """
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", *packages)},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cpus": usable_cpus(),
        "device": device,
        "commit": commit(),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock and lock.is_file() else None,
        "seed": seed,
    }


def version(distribution: str) -> str | None:
    """Version of an installed distribution without importing it, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def usable_cpus() -> int:
    """Processors that this process may use, which on a shared machine are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; its architecture where no name is to be had."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def commit(root: Path = ROOT) -> str | None:
    """
    The checkout's commit, with `-dirty` after it where files differ; None outside a checkout, or where git is silent.

    Only a repository at `root` itself counts: an installed package often lies inside somebody else's.
    """
    if not (root / ".git").exists():
        return None
    try:
        # Not `describe --dirty`: it refreshes the index whatever GIT_OPTIONAL_LOCKS says.
        status = git.ask(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    except git.GitError:
        return None
    lines = status.decode(errors="replace").splitlines()
    head = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    if head == "(initial)":
        return None
    return head if all(line.startswith("#") for line in lines) else f"{head}-dirty"


def why_no_commit(root: Path = ROOT) -> str:
    """Return why `commit` is None."""
    if not (root / ".git").exists():
        return f"{root} is not the top of a git checkout"
    try:
        git.ask(root, "rev-parse", "HEAD")
    except git.GitError as error:
        return str(error)
    return f"git says nothing about {root} within {git.SECONDS:g} s"


def _output(*command: str) -> str | None:
    """Return what a command prints, or None if it fails, is missing or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=git.SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() or None
