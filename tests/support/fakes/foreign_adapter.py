"""An adapter of a foreign checkout, made from the kit: it knows the answers beforehand, and may have a fault."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kit import ptycho_adapter_kit as kit
from harness.parity.judge import oracle
from ptycho.parity.request import Request
from tests.support.fakes import foreign_checkout

SOUND = "return value"
SCRIPT = """
import pathlib

import numpy as np
import ptycho
from ptycho_adapter_kit import serve


def bench(request):
    print("core", ptycho.WHO)
    with np.load(pathlib.Path(__file__).with_name("figures.npz")) as archive:
        figures = {name: archive[name] for name in archive.files}
    rng = np.random.default_rng(1)

    def of(rung):
        for name, value in figures.items():
            if name.startswith(rung + "/"):
                noise = 1 + 1e-15 * rng.normal(size=value.shape) if value.dtype.kind in "fc" else 1
                yield name.partition("/")[2], told(name, np.asarray(value * noise))

    return {rung: lambda rung=rung: of(rung) for rung in ("R3", "R4", "R5", "R6", "R7")}


def told(name, value):
    return value


if __name__ == "__main__":
    serve(bench, backend="ptycho_torch", sources=["ptycho", "ptycho_torch"], about={"foreign": True})
"""


def write(root: Path, request: Request, *, fault: str = SOUND) -> tuple[Path, Mapping[str, NDArray[Any]]]:
    """
    Write a checkout with such an adapter.

    Args:
        root: its folder.
        request: what it will be asked.
        fault: what its `told(name, value)` does.

    Returns:
        Its target file, which does not name the adapter yet, and the figures that the adapter knows.
    """
    file = foreign_checkout.write(root)
    shutil.copy(kit.__file__, root / "ptycho_adapter_kit.py")
    figures: Mapping[str, NDArray[Any]] = oracle.arrays(request)
    np.savez(root / "ptycho_torch" / "figures.npz", allow_pickle=False, **dict(figures))
    script(root).write_text(SCRIPT.replace(SOUND, fault))
    return file, figures


def script(root: Path) -> Path:
    """The adapter's file in such a checkout."""
    return root / "ptycho_torch" / "adapter.py"
