"""The packages that an environment must bring, and what to do where one is missing."""

import sys
from pathlib import Path

DISTRIBUTIONS = {
    "numpy": "numpy",
    "scipy": "scipy",
    "safetensors": "safetensors",
    "skimage": "scikit-image",
    "matplotlib": "matplotlib",
    "rich": "rich",
    "psutil": "psutil",
    "mlflow": "mlflow-skinny",
    "sqlalchemy": "sqlalchemy",
    "alembic": "alembic",
    "sqlparse": "sqlparse",
    "jinja2": "jinja2",
    "pydantic": "pydantic",
    "pytest": "pytest",
    "hypothesis": "hypothesis",
    "nox": "nox",
    "pytest_benchmark": "pytest-benchmark",
    "yaml": "pyyaml",
    "jsonschema": "jsonschema",
    "playwright": "playwright",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "keras": "keras",
}
"""Name on the package index by the name that is imported. Any other module that is not there was misspelt."""

_LANES = {"torch": "torch", "tensorflow": "tf", "keras": "tf"}
_OWNERS = {"ptycho_torch": "torch", "ptycho_tf": "tf"}


def explain(error: ImportError) -> str | None:
    """
    One sentence about a package that is missing or broken, with the command that repairs it.

    Args:
        error: what an import raised.

    Returns:
        The sentence; None where the error is in code of this project, whose traceback says more.
    """
    package = (error.name or "").partition(".")[0]
    if package not in DISTRIBUTIONS:
        return None
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        what = f"the package {DISTRIBUTIONS[package]} is not installed for {sys.executable}"
    else:
        what = f"the package {DISTRIBUTIONS[package]} of {sys.executable} is broken ({error})"
    lane = _lane(package)
    session = "tests" if lane is None else f"{lane}_integration"
    lock = "tests" if lane is None else f"{lane}-cpu"
    return (
        f"{what}; run this with .nox/{lock}/bin/python, which `nox -s {session} --install-only` makes, "
        f"or install it: {sys.executable} -m pip install -r {Path('requirements', lock)}.txt"
    )


def _lane(package: str) -> str | None:
    """The lane whose environment has a package for the program that runs, or None for the harness's own."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    owner = (spec.name if spec is not None else "").partition(".")[0]
    return _LANES.get(package) or _OWNERS.get(owner)
