"""The shared suite of uneven shares with the PyTorch backend."""

from typing import Any

import numpy as np
import pytest

from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.sharing_suite import HERE, SharingSuite, on_all


class Replica:
    """DistributedDataParallel for threads: forwards, and remembers that the gradients are to be averaged."""

    def __init__(self, network: Any, **_: Any) -> None:
        self.network, self.called = network, False

    def __call__(self, frames: Any) -> Any:
        self.called = True
        return self.network(frames)


class TestSharing(SharingSuite):
    def replace_sum(self, monkeypatch: pytest.MonkeyPatch, backend: BackendUnderTest) -> None:
        monkeypatch.setattr(backend.module("distributed"), "DistributedDataParallel", Replica)

    def prepared(self, engine: Any) -> Any:
        import torch

        step, group = engine.optimizer.step, HERE.group

        def averaged(gradients: Any, learning_rate: float) -> None:
            # The wrapper means over the ranks, of the gradients of what went through it.
            if engine.replica.called:
                whole = [torch.as_tensor(group.total(part.numpy()) / group.ranks.world) for part in gradients]
                gradients, engine.replica.called = whole, False
            step(gradients, learning_rate)

        engine.optimizer.step = averaged
        return engine

    def test_the_groups_total_is_a_sum(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch
        import torch.distributed as dist

        module = backend.module("distributed")

        def all_reduce(tensor: Any, op: Any = dist.ReduceOp.SUM) -> None:
            assert op == dist.ReduceOp.SUM
            tensor.copy_(torch.from_numpy(HERE.group.total(tensor.numpy())))

        monkeypatch.setattr(dist, "all_reduce", all_reduce)
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
        given = np.array([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]])

        def action(meeting: Any) -> Any:
            group = module.Group(meeting.ranks)
            try:
                return group.total(given[meeting.ranks.rank])
            finally:
                group._cache.cleanup()

        found = on_all(3, action)
        assert [values.tolist() for values in found] == [[21.0, 42.0]] * 3
        assert given[0].tolist() == [1.0, 2.0]
