"""
The shared engine suite with PyTorch, what its start must not import, and what its epochs must not wait for.

Without a GPU at hand, a synchronisation is what would be one there: a value fetched, or an array of the host copied.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise, repeat
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ptycho.config import ModelConfig
from ptycho.training.engine import Batch
from tests.support.pipeline import ROOT
from tests.support.small_problem import FOUR, ONE, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import EngineSuite, new_engine

_FIRST_STEP = """
import json, sys
sys.path[:0] = ["."]
from tests.support.suites.engine_suite import new_engine, ONE, make_batch
import importlib
class Plain:
    def module(self, name):
        return importlib.import_module(f"ptycho_torch.{name}")
engine = new_engine(Plain(), ONE, "f32")
engine.train_epoch([make_batch(ONE, 1)], [1e-3])
print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]))
"""


class Waits(TorchDispatchMode):  # type: ignore[misc]  # Any: type checking needs no torch
    """Counts what would make the host wait for a GPU, or the GPU for the host."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.count = 0
        for owner, name in ((torch, "from_numpy"), (torch.Tensor, "cpu"), (torch.Tensor, "numpy")):
            patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        fetching = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.equal)
        self.count += func.overloadpacket in fetching
        return func(*args, **(kwargs or {}))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.count += 1
            return real(*arguments)

        return counted


def waits_of_an_epoch(engine: Any, model: ModelConfig, steps: int) -> list[int]:
    """What was counted between one batch and the next, the last one's aside."""
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        waits = Waits(patch)

        def source() -> Iterator[Batch]:
            for _ in range(steps):
                batch = make_batch(model, 1)
                seen.append(waits.count)
                yield batch

        with waits:
            engine.train_epoch(source(), repeat(1e-3))
    return [after - before for before, after in pairwise(seen)]


class TestEngine(EngineSuite):
    @pytest.mark.parametrize("model", [ONE, FOUR], ids=["gridsize 1", "gridsize 2"])
    def test_an_epoch_waits_for_nothing_but_its_batches(self, model: ModelConfig, backend: BackendUnderTest) -> None:
        engine = new_engine(backend, model, "f32")
        list(engine.predict([make_batch(model, 1)]))
        # Diffraction and coordinates, which on a GPU go through pinned memory, are all that a step takes from the host.
        assert waits_of_an_epoch(engine, model, 4) == [2, 2, 2]

    @pytest.mark.parametrize(
        "planted",
        [
            pytest.param(lambda tensor: tensor.item(), id="item"),
            pytest.param(lambda tensor: tensor.cpu(), id="cpu"),
            pytest.param(lambda tensor: tensor[tensor > 0], id="mask"),
            pytest.param(lambda tensor: bool(tensor > 0), id="branch"),
        ],
    )
    def test_one_that_waits_is_seen(
        self, planted: Any, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = new_engine(backend, ONE, "f32")
        engine.train_epoch([make_batch(ONE, 1)], repeat(1e-3))  # the first step of a process makes what later ones use
        real = engine.optimizer.step

        def step(gradients: Any, rate: float) -> None:
            planted(gradients[0].detach().sum())
            real(gradients, rate)

        monkeypatch.setattr(engine.optimizer, "step", step)
        assert waits_of_an_epoch(engine, ONE, 3) == [3, 3]

    def test_a_first_step_does_not_load_the_compiler_stack(self) -> None:
        # Each costs a part of a second at start-up; the last one is there and shows that the test can see.
        heavy = ["torch._dynamo", "torch._inductor", "sympy", "torch.nn"]
        done = subprocess.run(
            [sys.executable, "-c", _FIRST_STEP, *heavy], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["torch.nn"]
