"""
`python -m harness.benchmark.scaling.reader`: one scan from its file to an epoch's last batch, in its own process.

It does what a training does before and between its steps, and no step: contract, groups, store, batches in the order
of an epoch. Beside every part of the epoch the same bytes are read plainly, one after the other, so that both see the
same machine. Times are of the processor; what it prints is one line of JSON.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ptycho import params
from ptycho.command_line import Parser
from ptycho.config import DataConfig, ModelConfig, TrainingConfig, update_legacy_dict
from ptycho.data import grouping, mapped_arrays, prepare
from ptycho.data.grouping import Indices
from ptycho.errors import exit_on_error
from ptycho.store.store import Store
from ptycho.training import batches

PARTS, COLD_ROUNDS = 10, 5
"""In how many turns an epoch is read, and how often a whole one from the disk itself."""

_STATUS = Path("/proc/self/status")
_PERIOD_S = 0.005


@dataclass(kw_only=True)
class Memory:
    """
    Resident memory of this process at its largest, MiB.

    Attributes:
        own: anonymous pages, or None where the system does not tell them apart.
        mapped: pages of mapped files, or None as above.
        both: of the two together.
    """

    own: float | None = None
    mapped: float | None = None
    both: float = 0.0

    def look(self) -> None:
        """Take note of the present state."""
        if _STATUS.exists():
            lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
            own, mapped = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
            self.own, self.mapped = max(own, self.own or 0.0), max(mapped, self.mapped or 0.0)
            self.both = max(self.both, own + mapped)
            return
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.both = largest / (2**20 if sys.platform == "darwin" else 2**10)


@dataclass(kw_only=True)
class ReadCost:
    """
    Cost of reading one scan.

    Attributes:
        patterns: M.
        side: N.
        gridsize: g.
        groups: G.
        bytes_read: of diffraction in one epoch.
        seconds: processor time by phase: `load`, `prepare`, `store`, `order`, `epoch` and, beside it, `plain`.
        wall: the same of the clock on the wall.
        cold: wall time of each `epoch` and each `plain` reading from the disk itself; empty where the set is small.
        start: resident memory before the scan, MiB.
        peak: and at its largest, MiB.
    """

    patterns: int
    side: int
    gridsize: int
    groups: int = 0
    bytes_read: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    cold: dict[str, list[float]] = field(default_factory=dict)
    start: Memory = field(default_factory=Memory)
    peak: Memory = field(default_factory=Memory)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the block's time to a phase."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - cpu
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall


def read(scan: Path, folder: Path, *, gridsize: int, side: int, batch_size: int) -> ReadCost:
    """
    Take a scan through an epoch of reading.

    Args:
        scan: the file.
        folder: place of the store, which stays there.
        gridsize: g.
        side: N.
        batch_size: groups a batch.
    """
    config = TrainingConfig(
        data=DataConfig(path=scan, gridsize=gridsize),
        model=ModelConfig(side=side, gridsize=gridsize),
        output_dir=folder,
        batch_size=batch_size,
    )
    update_legacy_dict(params.cfg, config)
    _warm_up()
    found = ReadCost(patterns=0, side=side, gridsize=gridsize)
    found.start.look()
    with _watched(found.peak):
        with found.phase("load"):
            dataset = prepare.load(config)
        with found.phase("prepare"):
            prepared = prepare.prepare(config, dataset)
        with found.phase("store"):
            store = Store.create(folder / "store", dataset, prepared)
    found.patterns, found.groups = dataset.n_patterns, prepared.n_groups
    with found.phase("order"):
        order = grouping.epoch_order(np.arange(prepared.n_groups), seed=config.data.seed, epoch=0)
    groups = batches.iterate(store, order, batch_size=batch_size)
    steps = -(-len(order) // batch_size)
    at_once = batch_size * gridsize**2 * side * side * 4
    file = os.open(store.directory / "diffraction.npy", os.O_RDONLY)
    try:
        for part in range(PARTS):
            count = steps * (part + 1) // PARTS - steps * part // PARTS
            with found.phase("epoch"):
                size = sum(next(groups).diffraction.nbytes for _ in range(count))
            found.bytes_read += size
            found.peak.look()
            with found.phase("plain"):
                _plain(file, size, at_once)
        if store.diffraction.nbytes >= mapped_arrays.MAPPED_FROM_BYTES and hasattr(os, "posix_fadvise"):
            found.cold = _cold(store, order, batch_size, file, at_once)
    finally:
        os.close(file)
    return found


def _cold(store: Store, order: Indices, batch_size: int, file: int, at_once: int) -> dict[str, list[float]]:
    """
    Whole epochs from the disk itself, in turns with plain readings of the file.

    Several of each, because the host of a virtual disk keeps parts of it in a cache of its own.
    """
    os.fsync(file)  # or what was written just now would stay

    def epoch() -> None:
        for _ in batches.iterate(store, order, batch_size=batch_size):
            pass

    def plain() -> None:
        os.lseek(file, 0, os.SEEK_SET)
        _plain(file, store.diffraction.nbytes, at_once)

    ways: dict[str, Callable[[], None]] = {"plain": plain, "epoch": epoch}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(COLD_ROUNDS):
        for name in sorted(ways, reverse=turn % 2 == 0):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            started = time.perf_counter()
            ways[name]()
            found[name].append(time.perf_counter() - started)
    return found


def _plain(file: int, size: int, at_once: int) -> None:
    """Read as many bytes in order, a batch's worth at a time into its own array; after the end, from the start."""
    while size > 0:
        array = np.empty(min(at_once, size), dtype=np.uint8)
        got = os.readv(file, [array.data])
        if got == 0:
            os.lseek(file, 0, os.SEEK_SET)
        size -= got


def _warm_up() -> None:
    """Import what is imported late, so that the first scan does not pay for it."""
    grouping.nearest(np.random.default_rng(0).random((16, 2)), np.arange(16))


@contextmanager
def _watched(peak: Memory) -> Iterator[None]:
    """Look at the memory all the time, from a thread of its own."""
    stop = threading.Event()
    look: Callable[[], None] = peak.look

    def watch() -> None:
        while not stop.wait(_PERIOD_S):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        look()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read one scan and print what it cost."""
    parser = Parser(prog="python -m harness.benchmark.scaling.reader", description=__doc__.splitlines()[1])
    parser.add_argument("scan", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gridsize", type=int, default=1)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    args: dict[str, Any] = vars(parser.parse_args(arguments))
    with exit_on_error():
        print(json.dumps(asdict(read(**args))))


if __name__ == "__main__":
    main()
