"""
A folder of wheels for a machine without a network: pinned as in the lock, without frameworks, and small.

What a run never reads (tests of the packages, their sample pictures) is left out, and the rest is compressed better
than on the index.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from harness.gpu_check import needs
from ptycho.errors import InfrastructureError, UsageError

LARGEST_MB = 60.0
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
_UNUSED = ("/tests/", "/test/", "/testing/data/", "/sphinxext/", "/include/")
_SAMPLES = ("png", "jpg", "jpeg", "tif", "tiff", "gif", "npy", "npz")
"""Pictures and arrays that a package shows its functions with."""


def parse(text: str) -> tuple[int, int]:
    """
    A version of Python such as `3.12`.

    Raises:
        UsageError: it is none that the steps run on.
    """
    known = {f"{major}.{minor}": (major, minor) for major, minor in needs.PYTHONS}
    if text not in known:
        raise UsageError(f"--python-version {text!r}; allowed: {', '.join(known)}")
    return known[text]


def make(folder: Path, version: str) -> list[Path]:
    """
    Fetch the wheels, and make them small.

    Args:
        folder: where they go; it may hold those of another Python.
        version: of Python, `3.11` to `3.13`.

    Returns:
        The wheels.

    Raises:
        InfrastructureError: pip is missing, does not get them, or they are too large together.
    """
    found = needs.pins(parse(version))
    if absent := sorted(set(needs.DISTRIBUTIONS).difference(found)):
        raise InfrastructureError(f"requirements/tests.txt pins no {', '.join(absent)}; run `nox -s lock`")
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    argv += ["--implementation=cp", f"--python-version={version}", *(f"--platform={name}" for name in PLATFORMS)]
    argv += ["--dest", str(folder), *(f"{name}=={pin}" for name, pin in found.items())]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.strip().rpartition("\n")[2] or f"pip ended with {done.returncode}"
        raise InfrastructureError(f"the wheels cannot be fetched: {why}")
    wheels = sorted(folder.glob("*.whl"))
    for wheel in wheels:
        slim(wheel)
    require_small(wheels)
    return wheels


def slim(wheel: Path) -> None:
    """Leave out what no run imports, and compress the rest again; the file is replaced whole."""
    smaller = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as old:
        kept = [item for item in old.infolist() if not item.is_dir() and not _is_unused(item.filename)]
        if len(kept) == len(old.infolist()) and {item.compress_type for item in kept} == {zipfile.ZIP_LZMA}:
            return  # it is small already: an earlier call was interrupted behind it
        with zipfile.ZipFile(smaller, "w", zipfile.ZIP_LZMA) as new:
            for item in kept:
                new.writestr(item.filename, old.read(item))
    smaller.replace(wheel)


def _is_unused(name: str) -> bool:
    is_sample = "/data/" in name and name.rpartition(".")[2] in _SAMPLES
    return is_sample or any(part in f"/{name}" for part in _UNUSED)


def require_small(wheels: Iterable[Path]) -> None:
    """
    Refuse a folder that is too large to be carried by hand.

    Raises:
        InfrastructureError: with the largest wheels.
    """
    sizes = sorted(((path.stat().st_size / 1e6, path.name) for path in wheels), reverse=True)
    if (total := sum(size for size, _ in sizes)) > LARGEST_MB:
        largest = ", ".join(f"{name} {size:.1f} MB" for size, name in sizes[:3])
        raise InfrastructureError(f"the wheels have {total:.1f} MB; allowed: {LARGEST_MB:g} MB; the largest: {largest}")


def unpack(wheels: Iterable[Path], site: Path) -> None:
    """
    Put wheels into a folder of packages, without pip: a bare machine may have none.

    Raises:
        InfrastructureError: one is damaged, or names a path outside.
    """
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if not (site / name).resolve().is_relative_to(site.resolve()):
                        raise InfrastructureError(f"{wheel} names {name!r}, a path outside of its folder")
                archive.extractall(site)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise InfrastructureError(f"{wheel} cannot be unpacked ({error}); make the folder again") from error
