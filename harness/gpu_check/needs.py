"""
The packages that the steps need besides a framework and NumPy, and those that a machine lacks.

Standard library alone: this runs before there is anything else, and names everything that is missing at once.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from harness.targets.devices import DRIVER
from ptycho.fingerprint import ROOT

PYTHONS = ((3, 11), (3, 12), (3, 13))

DISTRIBUTIONS = {
    "scipy": "scipy",
    "safetensors": "safetensors",
    "scikit-image": "skimage",
    "lazy-loader": "lazy_loader",
    "packaging": "packaging",
    "matplotlib": "matplotlib",
    "contourpy": "contourpy",
    "cycler": "cycler",
    "fonttools": "fontTools",
    "kiwisolver": "kiwisolver",
    "pyparsing": "pyparsing",
    "python-dateutil": "dateutil",
    "pillow": "PIL",
    "rich": "rich",
    "markdown-it-py": "markdown_it",
    "mdurl": "mdurl",
    "pygments": "pygments",
    "psutil": "psutil",
    "jinja2": "jinja2",
    "markupsafe": "markupsafe",
    "pydantic": "pydantic",
    "pydantic-core": "pydantic_core",
    "annotated-types": "annotated_types",
    "typing-extensions": "typing_extensions",
    "typing-inspection": "typing_inspection",
    "pytest": "pytest",
    "iniconfig": "iniconfig",
    "pluggy": "pluggy",
    "pytest-benchmark": "pytest_benchmark",
    "py-cpuinfo2": "cpuinfo",
    "hypothesis": "hypothesis",
    "sortedcontainers": "sortedcontainers",
}
"""Distribution by the name that is imported: what the lane, the ladder, the benchmark and the report import."""

FRAMEWORKS = {"torch": "torch", "tf": "tensorflow"}
"""What is imported, by side."""

PROBES = {
    "torch": "import torch; x = torch.ones(256, 256, device='cuda'); assert (x @ x).sum().item() == 256**3; "
    "print(torch.cuda.get_device_name(0))",
    "tf": "import tensorflow as tf; assert tf.config.list_physical_devices('GPU'), 'TensorFlow sees no GPU'\n"
    "with tf.device('/GPU:0'): x = tf.ones((256, 256)); assert float(tf.reduce_sum(tf.matmul(x, x))) == 256**3\n"
    "print(tf.config.experimental.get_device_details(tf.config.list_physical_devices('GPU')[0])['device_name'])",
}
PROBE_S = 120.0
FREE_GB = 6.0
"""A scan of 100,000 patterns and its memory map."""

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)(?: *; *([^\\]+?))? *\\?$", re.IGNORECASE)
_VERSION = re.compile(r"python_full_version *(<|>=) *'(\d+)\.(\d+)'")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """
    A machine as it was found.

    Attributes:
        python: version and path of the interpreter.
        frameworks: version by side, of those that are installed.
        gpu: name of the GPU by side, of those whose probe computed on it.
        missing: everything that is not there, a sentence each.
        wheels: wheels that are to be unpacked, since the machine lacks what they hold.
    """

    python: str
    frameworks: dict[str, str]
    gpu: dict[str, str]
    missing: tuple[str, ...]
    wheels: tuple[Path, ...] = ()


def pins(python: tuple[int, int], lock: Path = ROOT / "requirements" / "tests.txt") -> dict[str, str]:
    """
    The version of each distribution in a lock, for a Python.

    Args:
        python: major and minor.
        lock: file of pinned versions.
    """
    found: dict[str, str] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if (pin := _PIN.match(line)) is None:
            continue
        name, version, marker = pin[1].lower(), pin[2], pin[3] or ""
        limits = [(sign, (int(major), int(minor))) for sign, major, minor in _VERSION.findall(marker)]
        fits = all(python < limit if sign == "<" else python >= limit for sign, limit in limits)
        if fits and name in DISTRIBUTIONS:
            found[name] = version
    return found


def distribution(wheel: Path) -> str:
    """The distribution in a wheel, by its file's name."""
    return wheel.name.partition("-")[0].lower().replace("_", "-").replace(".", "-")


def look(sides: Sequence[str], wheels: Path | None, out: Path, *, python: Path = Path(sys.executable)) -> Machine:
    """
    Look what a machine has.

    Args:
        sides: of `FRAMEWORKS`; those that are installed if there is none.
        wheels: folder that `bundle` made.
        out: the folder to be written, whose disk must hold a large scan.
        python: the interpreter of this process, by which the probes run.
    """
    missing = []
    if sys.version_info[:2] not in PYTHONS:
        allowed = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        missing.append(f"a Python of {allowed}: this is {sys.version.split()[0]}")
    installed = {side: version for side, name in FRAMEWORKS.items() if (version := _version(name)) is not None}
    missing += [f"{FRAMEWORKS[side]}: it is not installed for {python}" for side in sides if side not in installed]
    if not sides and not installed:
        missing.append(f"a framework: neither torch nor tensorflow is installed for {python}")
    if util.find_spec("numpy") is None:
        missing.append(f"numpy: it is not installed for {python}")
    given = {distribution(path): path for path in sorted(wheels.glob("*.whl"))} if wheels is not None else {}
    absent = [name for name, module in DISTRIBUTIONS.items() if util.find_spec(module) is None]
    missing += [f"{name}: neither installed nor in the folder of wheels" for name in absent if name not in given]
    gpu = dict[str, str]()
    for side in sides or installed:
        if side in installed:
            name, why = _probe(side, python)
            gpu |= {side: name} if name else {}
            missing += [] if name else [f"a GPU that computes in {FRAMEWORKS[side]}: {why}"]
    if not installed and not DRIVER.exists():
        missing.append(f"a GPU with its driver: there is no {DRIVER}")
    free = shutil.disk_usage(_existing(out)).free / 1e9
    if free < FREE_GB:
        missing.append(f"{FREE_GB:g} GB on the disk of {out}: {free:.1f} GB are free")
    return Machine(
        python=f"{sys.version.split()[0]} ({python})",
        frameworks={side: version for side, version in installed.items() if not sides or side in sides},
        gpu=gpu,
        missing=tuple(missing),
        wheels=tuple(given[name] for name in absent if name in given),
    )


def _version(name: str) -> str | None:
    if util.find_spec(name) is None:
        return None
    for distribution_name in (name, f"{name}-cpu"):
        try:
            return metadata.version(distribution_name)
        except metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def _probe(side: str, python: Path) -> tuple[str, str]:
    """Name of the GPU that computed, or why none did."""
    try:
        done = subprocess.run(
            [str(python), "-c", PROBES[side]], capture_output=True, text=True, check=False, timeout=PROBE_S
        )
    except subprocess.TimeoutExpired:
        return "", f"the probe hung for {PROBE_S:g} s"
    if done.returncode == 0:
        return done.stdout.strip().rpartition("\n")[2] or "a GPU", ""
    return "", done.stderr.strip().rpartition("\n")[2] or f"the probe ended with {done.returncode}"


def _existing(path: Path) -> Path:
    return next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
