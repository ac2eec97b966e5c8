"""
A checkout with an adapter of a few lines, whose backend does at each rung what a test asks for: answer, raise, hang,
die.

The adapter is served by the core's own `ptycho.parity.serve`; only what is measured is replaced.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from ptycho.fingerprint import ROOT
from ptycho.parity.request import QUANTITIES

ADAPTER = """
import numpy as np

from ptycho.parity import measure, serve


class Bench:
    def __init__(self, request):
        from ptycho_torch import engine

        self.engine = engine.Engine()


def values(rung, request, bench, package):
    from ptycho_torch import physics

    yield "first", np.array([1.0, 2.0])
    yield "second", np.array(getattr(physics, rung)())


measure.values = values

if __name__ == "__main__":
    serve.serve(None, package="ptycho_torch", bench=Bench)
"""
ENGINE = """
class Engine:
    def fingerprint(self):
        return {"framework": "none"}
"""


def write(root: Path, behaviour: Mapping[str, str], *, engine: str = ENGINE, adapter: str = ADAPTER) -> Path:
    """
    Write the checkout.

    Args:
        root: its folder.
        behaviour: body of the function of `ptycho_torch/physics.py` for a rung, by its name, one line. Rungs that are
            not named answer `[3.0]`.
        engine: text of `ptycho_torch/engine.py`.
        adapter: text of `ptycho_torch/adapter.py`.
    """
    shutil.copytree(ROOT / "ptycho", root / "ptycho", ignore=shutil.ignore_patterns("__pycache__"))
    package = root / "ptycho_torch"
    package.mkdir()
    bodies = (f"def {name}():\n    {behaviour.get(name, 'return [3.0]')}\n" for name in QUANTITIES)
    package.joinpath("__init__.py").write_text("")
    package.joinpath("physics.py").write_text("import os, signal, sys, time\n" + "".join(bodies))
    package.joinpath("engine.py").write_text(engine)
    package.joinpath("adapter.py").write_text(adapter)
    return root


def line(rung: str) -> int:
    """Number of the line of `ptycho_torch/physics.py` that a rung's behaviour depends on."""
    return 3 + 2 * QUANTITIES.index(rung)
