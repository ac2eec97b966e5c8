"""An engine whose functions are compiled: what shows that they were, and what is said where nothing can be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

from ptycho_torch import compilation
from tests.support.pipeline import ROOT

_CHECK = """
from ptycho.errors import InfrastructureError
from ptycho_torch import compilation
from ptycho_torch.engine import TorchEngine
engine = object.__new__(TorchEngine)
try:
    compilation.compile_engine(engine)
except InfrastructureError as error:
    print(int(error.verdict), error, vars(engine))
"""


@pytest.mark.slow
def test_without_a_compiler_nothing_is_compiled_and_that_is_said(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment |= {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    done = subprocess.run([sys.executable, "-c", _CHECK], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("13 torch.compile compiles nothing here (")
    assert "it needs a C++ compiler: install g++ or clang++ so that it is found through PATH" in done.stdout
    assert done.stdout.endswith(" {}\n")


def test_a_function_that_is_left_for_python_is_counted() -> None:
    counters.clear()
    assert compilation.count_graphs() == {"graphs": 0, "breaks": 0}

    def whole(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    def broken(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        torch._dynamo.graph_break()
        return y * 2

    torch.compile(whole, backend="eager")(torch.zeros(2))
    assert compilation.count_graphs() == {"graphs": 1, "breaks": 0}
    torch.compile(broken, backend="eager")(torch.zeros(2))
    assert compilation.count_graphs() == {"graphs": 3, "breaks": 1}
