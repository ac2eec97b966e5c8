"""
The locks: which there are, how each is compiled, and what must never be in them.

Compiling must not see a local wheelhouse: with one, a lock would name `torch==2.13.0+cpu`, which other machines cannot
find. And `torch-cpu` is compiled without the CUDA packages that torch asks for on Linux. A lock names no index.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.targets.install import INFRA, PASS, find_uv
from ptycho.command_line import Parser

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
GROUPS = ("tests", "lint", "browser", "torch-cpu", "tf-cpu", "torch-gpu", "tf-gpu")
"""Dependency groups of `pyproject.toml` that have a lock of the same name."""

CUDA_PACKAGES = Path(__file__).with_name("cuda-packages.txt")
WITHOUT_CUDA = ("torch-cpu",)
PYTHON = "3.11"
HIDDEN = ("PIP_FIND_LINKS", "UV_FIND_LINKS", "UV_TORCH_BACKEND", "UV_PRERELEASE", "UV_RESOLUTION", "UV_NO_CONFIG")
"""Variables that would make one machine's lock differ from another's."""

_REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def command(uv: str, group: str, output: Path) -> list[str]:
    """Argument vector that compiles a group; existing pins in the output are kept where they still fit."""
    without = ["--excludes", str(CUDA_PACKAGES)] if group in WITHOUT_CUDA else []
    return [
        *(uv, "pip", "compile", "--quiet", "--no-config", "--group", group, "--universal", "--python-version", PYTHON),
        *("--generate-hashes", *without, "-o", str(output), "pyproject.toml"),
    ]


def compile_lock(uv: str, group: str, output: Path, *, upgrade: bool = False) -> None:
    """
    Compile a group into a lock.

    Raises:
        RuntimeError: with what uv said.
    """
    env = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    env["UV_CUSTOM_COMPILE_COMMAND"] = "nox -s lock"
    argv = [*command(uv, group, output), *(["--upgrade"] if upgrade else [])]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{group}: {done.stderr.strip()}")


def pins(lock: str) -> list[tuple[str, str]]:
    """Names and versions of a lock's entries, in order."""
    return _REQUIREMENT.findall(lock)


def faults(group: str, lock: str) -> list[str]:
    """Return what must not be in a lock, one sentence each; empty for a good one."""
    found = []
    versions = pins(lock)
    if not versions:
        found.append(f"{group}: names no package")
    found += [f"{group}: {name}=={version} has a local label" for name, version in versions if "+" in version]
    if re.search(r"^\s*(-i|--index-url|--extra-index-url|-f|--find-links)\b|https?://", lock, re.MULTILINE):
        found.append(f"{group}: names an address")
    if group.endswith("-cpu"):
        cuda = [name for name, _ in versions if re.match(r"(nvidia|cuda)-|triton$", name)]
        found += [f"{group}: {name} is a CUDA package" for name in cuda]
    for name in ("torch", "tensorflow", "tensorflow-cpu"):
        if group in ("tests", "lint", "browser") and name in dict(versions):
            found.append(f"{group}: {name} is a framework")
    torches = [version for name, version in versions if name == "torch"]
    if group.startswith("torch-") and len(torches) != 1:
        found.append(f"{group}: names torch {len(torches)} times, not once")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile every lock, or those named; `--upgrade` forgets the pins of before."""
    parser = Parser(description="Compile the locks in requirements/.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--upgrade", action="store_true")
    args = parser.parse_args(arguments)
    if (uv := find_uv()) is None:
        print("error: uv compiles the locks and is not here; pip install uv", file=sys.stderr)
        return INFRA
    for group in args.groups or GROUPS:
        output = REQUIREMENTS / f"{group}.txt"
        try:
            compile_lock(uv, group, output, upgrade=args.upgrade)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return INFRA
        if wrong := faults(group, output.read_text(encoding="utf-8")):
            print("error: " + "\n".join(wrong), file=sys.stderr)
            return 1
        print(f"{output.relative_to(ROOT)}: {len(pins(output.read_text()))} packages", flush=True)
    return PASS


if __name__ == "__main__":
    raise SystemExit(main())
