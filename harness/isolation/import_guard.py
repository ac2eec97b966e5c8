"""
The harness imports its own `ptycho`, whatever lies in the working directory or on PYTHONPATH.

A checkout that the harness is aimed at may have a package called `ptycho`, too. Started from there, `python -m harness`
would import it in place of ours, since Python looks into the working directory first.
"""

import importlib.util
import sys
from pathlib import Path

OWN = Path(__file__).resolve().parents[2]
"""The folder that holds `harness`, and must hold the `ptycho` that it imports."""


def leave_working_directory() -> None:
    """Take the working directory off the import path, as `python -P` does, unless it is our own."""
    if sys.path and not sys.flags.safe_path and Path(sys.path[0] or ".").resolve() != OWN:
        del sys.path[0]


def stranger() -> str | None:
    """
    Return where `ptycho` would be imported from, in words, if it is not ours; None if it is.

    Text and not an error of the project's tree, which is in the package that is not there.
    """
    spec = importlib.util.find_spec("ptycho")
    origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    if origin is not None and origin.parent.parent == OWN:
        return None
    found = f"comes from {origin.parent}" if origin else "is not to be found"
    return f"the harness in {OWN / 'harness'} needs the ptycho beside it, but ptycho {found}; unset PYTHONPATH"
