"""The shared engine suite with PyTorch, and what its start must not import."""

import json
import subprocess
import sys

from engine_suite import EngineSuite
from pipeline import ROOT

_FIRST_STEP = """
import json, sys
sys.path[:0] = ["tests/shared"]
from engine_suite import new_engine, ONE, make_batch
import importlib
class Plain:
    def module(self, name):
        return importlib.import_module(f"ptycho_torch.{name}")
engine = new_engine(Plain(), ONE, "f32")
engine.train_epoch([make_batch(ONE, 1)], [1e-3])
print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]))
"""


class TestEngine(EngineSuite):
    def test_a_first_step_does_not_load_the_compiler_stack(self) -> None:
        # Each costs a part of a second at start-up; the last one is there and shows that the test can see.
        heavy = ["torch._dynamo", "torch._inductor", "sympy", "torch.nn"]
        done = subprocess.run(
            [sys.executable, "-c", _FIRST_STEP, *heavy], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["torch.nn"]
