"""
Batches out of a store: only what a batch needs is copied from the map, in line or read ahead by threads.

Threads and not processes: the copy releases the interpreter lock, and a store is opened once. The order of batches,
and every byte in them, is the same for any number of workers.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data import mapped_arrays, masks
from ptycho.data.grouping import Indices, group_coordinates
from ptycho.errors import ConfigurationError
from ptycho.store.files import array_path
from ptycho.store.store import Store
from ptycho.training.engine import Batch, BatchShard
from ptycho.training.ranks import ALONE, Ranks

AHEAD = 2
"""Batches in flight for each worker: one being read, one waiting. More would only hold memory."""


def iterate(
    store: Store, order: Indices, *, batch_size: int, num_workers: int = 0, ranks: Ranks = ALONE
) -> Generator[Batch, None, None]:
    """
    The batches of some groups, in order, the last one shorter if they do not divide evenly.

    Args:
        store: where the patterns are.
        order: `(n,)` indices of groups, such as `ptycho.data.grouping.epoch_order` draws.
        batch_size: groups per batch.
        num_workers: threads that read ahead; 0 reads each batch when it is asked for.
        ranks: who reads; one of several gets its `BatchShard` of every batch, and reads no more than that.

    Returns:
        A generator; closing it early stops the threads.

    Raises:
        ConfigurationError: at once, if the batch size, the workers or an index is out of range.

    Example:
        >>> for batch in iterate(store, store.split.train, batch_size=16):  # doctest: +SKIP
        ...     print(batch.diffraction.shape)
    """
    total = len(store.groups)
    problems = []
    if batch_size < 1:
        problems.append(f"batch_size = {batch_size}; allowed: 1 or more")
    if num_workers < 0:
        problems.append(f"num_workers = {num_workers}; allowed: 0 or more")
    if len(order) and not 0 <= int(order.min()) <= int(order.max()) < total:
        problems.append(f"order runs from {order.min()} to {order.max()}; the store has groups 0 to {total - 1}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    chosen = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if store.diffraction.nbytes >= mapped_arrays.MAPPED_FROM_BYTES:
        return _from_file(store, chosen, num_workers, ranks)
    read = gather if ranks.world == 1 else partial(_share, ranks)
    reads = [partial(read, store, groups) for groups in chosen]
    return _read_ahead(reads, num_workers) if num_workers else (one() for one in reads)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """
    Readers of the files of a store that is too large to be mapped whole.

    Attributes:
        frames: reads patterns.
        masks: reads their masks; None where there are none, or one holds for all.
    """

    frames: mapped_arrays.Rows
    masks: mapped_arrays.Rows | None

    def announce(self, indices: Indices) -> None:
        """Let the system read these patterns while others are in use."""
        for rows in (self.frames, self.masks):
            if rows is not None:
                rows.announce(indices)


def gather(store: Store, chosen: Indices, reader: Reader | None = None) -> Batch:
    """
    Copy some groups out of the map.

    Args:
        store: where the patterns are.
        chosen: `(B,)` indices of groups.
        reader: reads the patterns of a large store instead.

    Returns:
        A batch whose arrays are contiguous and its own.
    """
    indices = np.asarray(store.groups)[chosen]
    # A view as a plain array: indexing through the memmap class builds a memmap for every result.
    diffraction = (
        np.take(np.asarray(store.diffraction), indices, axis=0) if reader is None else reader.frames.take(indices)
    )
    offsets, relative = group_coordinates(np.asarray(store.xcoords), np.asarray(store.ycoords), indices)
    return Batch(
        diffraction=diffraction,
        coords_offsets=offsets,
        coords_relative=relative,
        indices=indices,
        good=_good_pixels(store, indices, reader),
        good_share=store.good_share,
    )


def _good_pixels(store: Store, indices: Indices, reader: Reader | None) -> NDArray[np.bool_] | None:
    """`(B, C, N, N)`, contiguous and its own; None where the store has no mask."""
    if store.bad_pixels is None:
        return None
    bad = np.asarray(store.bad_pixels)
    good = masks.good_pixels(bad, indices, None if reader is None else reader.masks)
    return good if good.ndim == 4 else np.array(np.broadcast_to(good, (*indices.shape, *bad.shape[-2:])), order="C")


def _share(ranks: Ranks, store: Store, chosen: Indices, reader: Reader | None = None) -> BatchShard:
    """One rank's part of a batch."""
    part, counted = ranks.part(chosen)
    return BatchShard(**vars(gather(store, part, reader)), counted=counted, whole=len(chosen))


def _from_file(store: Store, chosen: Sequence[Indices], num_workers: int, ranks: Ranks) -> Generator[Batch, None, None]:
    """The same batches out of a store that is too large to be mapped whole; each read announces a later one."""
    groups = np.asarray(store.groups)
    wanted = sum(map(len, chosen)) * groups.shape[1] // ranks.world
    ahead = max(1, mapped_arrays.AHEAD_ROWS // max(1, len(chosen[0]) * groups.shape[1])) if chosen else 1
    with ExitStack() as stack:

        def opened(name: str, array: NDArray[Any]) -> mapped_arrays.Rows:
            return stack.enter_context(mapped_arrays.Rows(array_path(store.directory, name), array, wanted=wanted))

        bad = store.bad_pixels
        reader = Reader(
            frames=opened("diffraction", store.diffraction),
            masks=None if bad is None or bad.ndim == 2 else opened("bad_pixels", bad),
        )

        def read(number: int) -> Batch:
            for later in chosen[number + ahead : number + ahead + 1] if number else chosen[1 : ahead + 1]:
                reader.announce(groups[ranks.part(later)[0]])
            mine = chosen[number]
            return gather(store, mine, reader) if ranks.world == 1 else _share(ranks, store, mine, reader)

        reads = [partial(read, number) for number in range(len(chosen))]
        with closing(_read_ahead(reads, num_workers) if num_workers else (one() for one in reads)) as found:
            yield from found


def _read_ahead(reads: Sequence[Callable[[], Batch]], num_workers: int) -> Generator[Batch, None, None]:
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(max_workers=num_workers, thread_name_prefix="batches") as pool:
        try:
            for read in reads:
                waiting.append(pool.submit(read))
                if len(waiting) > AHEAD * num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for unread in waiting:
                unread.cancel()
