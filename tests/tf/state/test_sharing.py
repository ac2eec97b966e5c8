"""The shared suite of uneven shares with the TensorFlow backend."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.sharing_suite import HERE, SharingSuite, on_all


class TestSharing(SharingSuite):
    @pytest.fixture(autouse=True)
    def eagerly(self, backend: BackendUnderTest) -> Iterator[None]:
        """Functions run in the thread that calls them, so that threads can meet in the middle of a step."""
        tf = backend.module("runtime").tf
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)

    def replace_sum(self, monkeypatch: pytest.MonkeyPatch, backend: BackendUnderTest) -> None:
        tf = backend.module("runtime").tf

        def all_reduce(op: Any, values: Any) -> Any:
            whole = HERE.group.total(values.numpy())
            return tf.constant(whole / HERE.group.ranks.world if op == tf.distribute.ReduceOp.MEAN else whole)

        context = SimpleNamespace(all_reduce=all_reduce)
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)

    def test_the_groups_total_is_a_sum(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.replace_sum(monkeypatch, backend)
        module = backend.module("distributed")
        given = np.array([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]])
        found = on_all(3, lambda group: module.Group(group.ranks, group.strategy).total(given[group.ranks.rank]))
        assert [values.tolist() for values in found] == [[21.0, 42.0]] * 3
