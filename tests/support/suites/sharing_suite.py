"""
Several ranks in one process, a thread each: uneven shares of a batch train what one process trains.

Only the framework's own sum over processes is replaced, by one over threads. Batches do not divide by the ranks, the
last one has fewer groups than there are ranks, and masks differ from pattern to pattern.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.training.engine import Batch, BatchShard, Losses
from ptycho.training.ranks import Ranks
from tests.support.distances import distance
from tests.support.small_problem import NPHOTONS, ONE, lively_weights, make_batch, make_probe
from tests.support.suites.backend import BackendUnderTest

SIZES = (5, 3, 1)
RATES = (1e-3, 5e-4, 2e-4)
MODEL = replace(ONE, intensity_scale_trainable=True)
HERE = threading.local()
"""`HERE.group` is the group of the rank whose thread this is."""


class Meeting:
    """
    One rank among threads; the sum over all of them.

    Args:
        ranks: who this is.
        barrier: where all meet.
        board: what each brings, by rank.
    """

    def __init__(self, ranks: Ranks, barrier: threading.Barrier, board: list[Any]) -> None:
        self.ranks, self._barrier, self._board = ranks, barrier, board
        self.strategy = SimpleNamespace(run=lambda function, args: function(*args))
        self.sums = 0

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Elementwise sum over all ranks."""
        self.sums += 1
        self._board[self.ranks.rank] = np.array(values)
        self._barrier.wait(timeout=60)
        result = np.sum(self._board, axis=0)
        self._barrier.wait(timeout=60)
        return np.asarray(result)

    def leave(self) -> None:
        """Nothing to close."""


def on_all(world: int, action: Callable[[Meeting], Any]) -> list[Any]:
    """What an action gives on each of some ranks."""
    barrier, board = threading.Barrier(world), [None] * world

    def act(rank: int) -> Any:
        HERE.group = Meeting(Ranks(rank=rank, world=world), barrier, board)
        try:
            return action(HERE.group)
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(act, range(world)))


def batches(*, masked: bool) -> list[Batch]:
    """Batches of `SIZES` groups, each its own."""
    found = [make_batch(MODEL, size, seed=size) for size in SIZES]
    if not masked:
        return found
    good = [
        np.random.default_rng(k).random(batch.diffraction.shape) > 0.3 * (k + 1) / 3 for k, batch in enumerate(found)
    ]
    return [
        replace(b, good=g, good_share=0.8, diffraction=np.where(g, b.diffraction, np.float32(0)))
        for b, g in zip(found, good, strict=True)
    ]


def share(batch: Batch, ranks: Ranks) -> BatchShard:
    """One rank's part of a batch."""
    rows, counted = ranks.part(np.arange(len(batch.indices)))
    names = ("diffraction", "coords_offsets", "coords_relative", "indices", "good")
    parts = {name: value[rows] for name in names if (value := getattr(batch, name)) is not None}
    return BatchShard(**parts, good_share=batch.good_share, counted=counted, whole=len(batch.indices))


def options(model: ModelConfig = MODEL) -> dict[str, Any]:
    """What an engine is made of."""
    return {
        "model": model,
        "runtime": RuntimeConfig(device="cpu", threads=1, precision="f64"),
        "probe": make_probe(),
        "weights": lively_weights(model),
        "nphotons": NPHOTONS,
    }


class SharingSuite(ABC):
    """What both backends must show; subclasses replace the framework's sum over processes by `HERE.group`'s."""

    @abstractmethod
    def replace_sum(self, monkeypatch: pytest.MonkeyPatch, backend: BackendUnderTest) -> None:
        """Let what the framework adds up over processes be added up over threads."""

    def prepared(self, engine: Any) -> Any:
        """An engine, ready for threads."""
        return engine

    def trained(self, backend: BackendUnderTest, world: int, given: Sequence[Batch]) -> list[tuple[Losses, Any, int]]:
        """Losses, state and number of sums on each rank."""

        def action(group: Meeting) -> tuple[Losses, Any, int]:
            engine = self.prepared(backend.module("distributed").create_engine(group=group, **options()))
            losses = engine.train_epoch([share(batch, group.ranks) for batch in given], RATES)
            return losses, engine.state(), group.sums

        return on_all(world, action)

    @pytest.mark.slow
    @pytest.mark.parametrize("masked", [False, True], ids=["all pixels", "masked"])
    def test_uneven_shares_train_what_one_process_trains(
        self, masked: bool, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = batches(masked=masked)
        alone = backend.module("engine").create_engine(**options())
        expected = alone.train_epoch(given, RATES)
        self.replace_sum(monkeypatch, backend)
        ranks = self.trained(backend, 2, given)
        for losses, state, _ in ranks:
            assert losses.sizes.tolist() == list(SIZES)
            assert losses.total == pytest.approx(expected.total, rel=1e-12)
            assert losses.deviance == pytest.approx(expected.deviance, rel=1e-12)
            apart = {name: distance(state[name], value) for name, value in alone.state().items() if np.any(value)}
            assert max(apart[name] for name in lively_weights(MODEL)) < 1e-9
            assert max(value for name, value in apart.items() if name.startswith("adam.m/")) < 1e-6
            assert int(state["adam.step"]) == len(SIZES)
        one, two = (state for _, state, _ in ranks)
        assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []

    @pytest.mark.slow
    def test_an_evaluation_of_uneven_shares_is_that_of_the_whole(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = batches(masked=False)
        expected = backend.module("engine").create_engine(**options()).evaluate(given)
        self.replace_sum(monkeypatch, backend)

        def action(group: Meeting) -> Losses:
            engine = self.prepared(backend.module("distributed").create_engine(group=group, **options()))
            before = engine.state()
            losses: Losses = engine.evaluate([share(batch, group.ranks) for batch in given])
            after = engine.state()
            assert [name for name in before if before[name].tobytes() != after[name].tobytes()] == []
            assert engine.fingerprint()["ranks"] == 3
            return losses

        for losses in on_all(3, action):
            assert losses.sizes.tolist() == list(SIZES)
            assert losses.total == pytest.approx(expected.total, rel=1e-12)
            assert losses.deviance == pytest.approx(expected.deviance, rel=1e-12)
            assert losses.mean_total == pytest.approx(expected.mean_total, rel=1e-12)

    def test_equal_weights_of_uneven_shares_would_be_noticed(self) -> None:
        given = batches(masked=False)[1]
        parts = [share(given, Ranks(rank=rank, world=2)) for rank in range(2)]
        assert [part.weight for part in parts] == [1 / 3, 2 / 3]
        assert np.concatenate([part.indices for part in parts]).tolist() == given.indices.tolist()
