"""Batches cover an order exactly, the same bytes for any number of workers, and leave no thread behind."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data import grouping, mapped_arrays, prepare
from ptycho.data.grouping import Indices
from ptycho.errors import ConfigurationError
from ptycho.store.store import Store
from ptycho.training import batches
from ptycho.training.engine import Batch
from tests.support.scans import make_dataset

PROPERTY = settings(database=None, max_examples=25, derandomize=True)


@pytest.fixture(scope="module", params=[1, 2])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    config = TrainingConfig(
        data=DataConfig(path=Path("scan.npz"), gridsize=request.param),
        model=ModelConfig(gridsize=request.param),
        output_dir=Path("out"),
    )
    dataset = make_dataset(n_patterns=20)
    return Store.create(tmp_path_factory.mktemp("stores") / "store", dataset, prepare.prepare(config, dataset))


def reader_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


def wait_for(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Wait until another thread has done something; on a busy machine that takes its time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@PROPERTY
@given(size=st.integers(0, 20), batch_size=st.integers(1, 25), num_workers=st.integers(0, 3))
def test_batches_cover_the_order_exactly(store: Store, size: int, batch_size: int, num_workers: int) -> None:
    order = np.random.default_rng(size).permutation(20)[:size]
    seen = list(batches.iterate(store, order, batch_size=batch_size, num_workers=num_workers))
    full, rest = divmod(size, batch_size)
    assert [batch_size] * full + [rest] * (rest > 0) == [len(batch.indices) for batch in seen]
    assert store.groups[order].tolist() == [row for batch in seen for row in batch.indices.tolist()]
    for batch in seen:
        np.testing.assert_array_equal(store.diffraction[batch.indices], batch.diffraction)


def test_a_batch_is_contiguous_and_its_own(store: Store) -> None:
    channels = store.groups.shape[1]
    batch = next(batches.iterate(store, store.split.train, batch_size=3))
    assert (3, channels, 64, 64) == batch.diffraction.shape
    dtypes = [array.dtype.str for array in (batch.diffraction, batch.coords_relative, batch.indices)]
    assert dtypes == ["<f4", "<f8", "<i8"]
    assert np.ndarray is type(batch.diffraction)
    assert batch.diffraction.flags.c_contiguous
    assert not np.shares_memory(batch.diffraction, store.diffraction)


def test_coordinates_are_those_of_the_groups(store: Store) -> None:
    batch = next(batches.iterate(store, np.array([5, 2]), batch_size=2))
    offsets, relative = grouping.group_coordinates(store.xcoords, store.ycoords, store.groups[[5, 2]])
    np.testing.assert_array_equal(offsets, batch.coords_offsets)
    np.testing.assert_array_equal(relative, batch.coords_relative)


@pytest.mark.parametrize("num_workers", [1, 2, 5])
def test_workers_change_no_byte(store: Store, num_workers: int) -> None:
    order = grouping.epoch_order(store.split.train, seed=1, epoch=0)
    in_line = batches.iterate(store, order, batch_size=3)
    ahead = batches.iterate(store, order, batch_size=3, num_workers=num_workers)
    for expected, actual in zip(in_line, ahead, strict=True):
        for name, array in vars(expected).items():
            other = getattr(actual, name)
            assert array.tobytes() == other.tobytes() if isinstance(array, np.ndarray) else array == other
    assert reader_threads() == []


def test_a_consumer_that_stops_early_leaves_no_thread(store: Store) -> None:
    reading = batches.iterate(store, np.arange(20), batch_size=1, num_workers=2)
    next(reading)
    assert reader_threads() != []
    reading.close()
    assert reader_threads() == []


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_masks_of_a_large_store_are_read_like_those_of_a_small_one(
    each: bool, streamed: bool, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = np.random.default_rng(3).random((20, 64, 64) if each else (64, 64)) < 0.2
    gridsize = int(store.groups.shape[1] ** 0.5)
    config = TrainingConfig(
        data=DataConfig(path=Path("scan.npz"), gridsize=gridsize),
        model=ModelConfig(gridsize=gridsize),
        output_dir=Path("out"),
    )
    dataset = make_dataset(n_patterns=20)
    dataset = replace(dataset, frames=np.where(bad, np.float32(0), dataset.diffraction), bad_pixels=bad)
    masked = Store.create(tmp_path / "store", dataset, prepare.prepare(config, dataset))
    order = np.random.default_rng(4).permutation(20)
    small = list(batches.iterate(masked, order, batch_size=3))
    monkeypatch.setattr(mapped_arrays, "MAPPED_FROM_BYTES", 1)
    monkeypatch.setattr(mapped_arrays, "STREAMED_SHARE", float(streamed))
    large = list(batches.iterate(masked, order, batch_size=3))
    for one, other in zip(small, large, strict=True):
        assert one.good is not None
        assert other.good is not None
        np.testing.assert_array_equal(one.good, other.good)
        np.testing.assert_array_equal(one.good, ~bad[one.indices] if each else np.broadcast_to(~bad, one.good.shape))
        np.testing.assert_array_equal(one.diffraction, other.diffraction)
        assert other.good.flags.c_contiguous
        assert other.good.flags.writeable


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], threading.Event]:
    """Groups in the order in which they are read, the first batch at once and later ones once the gate is open."""
    read: list[int] = []
    gate = threading.Event()
    genuine = batches.gather

    def gather(store: Store, chosen: Indices) -> Batch:
        read.append(int(chosen[0]))
        assert chosen[0] == 0 or gate.wait(timeout=10)
        return genuine(store, chosen)

    monkeypatch.setattr(batches, "gather", gather)
    return read, gate


def test_reading_ahead_is_bounded(store: Store, gated: tuple[list[int], threading.Event]) -> None:
    read, gate = gated
    gate.set()
    reading = batches.iterate(store, np.arange(20), batch_size=1, num_workers=2)
    next(reading)
    wait_for(lambda: len(read) == 1 + batches.AHEAD * 2)
    time.sleep(0.1)  # for those that must not be read
    assert sorted(read) == list(range(1 + batches.AHEAD * 2))
    reading.close()


def test_what_waits_when_the_consumer_stops_is_not_read(
    store: Store, gated: tuple[list[int], threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, gate = gated

    class Pool(ThreadPoolExecutor):
        def __exit__(self, *error: Any) -> bool | None:
            gate.set()  # the second read goes on once the consumer has said what is not wanted any more
            return super().__exit__(*error)

    monkeypatch.setattr(batches, "ThreadPoolExecutor", Pool)
    reading = batches.iterate(store, np.arange(20), batch_size=1, num_workers=1)
    next(reading)
    wait_for(lambda: len(read) == 2)
    reading.close()
    assert read == [0, 1]


def test_a_reader_s_error_reaches_the_consumer_in_its_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = batches.gather

    def failing(store: Store, chosen: Indices) -> Batch:
        if chosen[0] == 4:
            raise OSError("the disk is gone")
        return genuine(store, chosen)

    monkeypatch.setattr(batches, "gather", failing)
    reading = batches.iterate(store, np.arange(20), batch_size=2, num_workers=2)
    assert [int(next(reading).indices[0, 0]) for _ in range(2)] == [0, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(reading)
    assert reader_threads() == []


def test_every_option_out_of_range_is_listed_before_the_first_batch(store: Store) -> None:
    with pytest.raises(ConfigurationError) as caught:
        batches.iterate(store, np.array([3, 20]), batch_size=0, num_workers=-1)
    assert str(caught.value).splitlines() == [
        "batch_size = 0; allowed: 1 or more",
        "num_workers = -1; allowed: 0 or more",
        "order runs from 3 to 20; the store has groups 0 to 19",
    ]
