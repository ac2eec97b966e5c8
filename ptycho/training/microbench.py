"""
Measurements inside one process, the same for both backends: blocks of work that take turns, timed apart.

What is compared runs alternately, A B B A, so that a processor which slows down, or another process which comes and
goes, meets both alike. Only sums of wall and CPU time leave this process; whoever reads the file judges them. Kinds:

- `overhead`: an epoch of the engine out of a store (`epoch`) against the bare network's forward pass, backward pass
  and optimiser step on one tensor that never changes (`bare`), with the framework's own fused Adam. What is left of
  the ratio is the data path, the physics, the loss and the loop;
- `step`: the engine's optimiser steps on batches in memory;
- `predict`: object patches of a store, batch by batch;
- `stitch`: patches onto a canvas, which is the core's and needs no framework.

Every block runs once before it counts: the first call traces, compiles, chooses kernels and fills the caches.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from itertools import repeat
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho import files, fingerprint
from ptycho.command_line import Parser
from ptycho.config import (
    DEVICES,
    GRIDSIZES,
    PATCH_SIDES,
    PRECISIONS,
    DataConfig,
    ModelConfig,
    RuntimeConfig,
    TrainingConfig,
)
from ptycho.data import grouping, prepare
from ptycho.errors import UsageError, exit_on_error
from ptycho.physics import stitching, weights
from ptycho.simulation import simulate, synthetic
from ptycho.store.store import Store
from ptycho.training import batches, train

SCHEMA = "ptycho-bench/1"

Work = Callable[[], object]
Bare = Callable[[Any, NDArray[np.float32]], Callable[[int], object]]
"""A backend's bare network: of its engine and frames `(B, C, N, N)`, a function that takes so many steps."""


@dataclass(frozen=True, kw_only=True)
class MicrobenchKind:
    """
    A measurement.

    Attributes:
        names: its blocks, which take turns.
        batch_size: groups per batch where none is asked for.
        steps: batches a block where none are asked for.
    """

    names: tuple[str, ...]
    batch_size: int
    steps: int


KINDS = {
    "overhead": MicrobenchKind(names=("epoch", "bare"), batch_size=16, steps=8),
    "step": MicrobenchKind(names=("step",), batch_size=16, steps=8),
    "predict": MicrobenchKind(names=("predict",), batch_size=64, steps=4),
    "stitch": MicrobenchKind(names=("stitch",), batch_size=64, steps=64),
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """
    One block as it ran.

    Attributes:
        name: one of the kind's.
        wall_s: wall time.
        cpu_s: time of all threads of this process together, in user and system mode.
        patterns: patterns that went through.
        steps: batches that went through.
    """

    name: str
    wall_s: float
    cpu_s: float
    patterns: int
    steps: int


def main(arguments: Sequence[str] | None, *, package: str, bare: Bare) -> None:
    """
    Parse a command line, measure, and write the file.

    Args:
        arguments: command line without the program; None takes the process's own.
        package: the backend, imported late.
        bare: its bare network.
    """
    with exit_on_error():
        args = _arguments(arguments, package)
        config = TrainingConfig(
            data=DataConfig(path=Path("simulation"), gridsize=args.gridsize, seed=args.seed),
            output_dir=args.out.parent,
            model=ModelConfig(side=args.side, gridsize=args.gridsize),
            runtime=RuntimeConfig(device=args.device, precision=args.precision, threads=args.threads, quiet=True),
            batch_size=args.batch_size or KINDS[args.kind].batch_size,
        )
        steps = args.steps or KINDS[args.kind].steps
        with ExitStack() as stack:
            work, device, said = _stitching(config, steps), "cpu", {}
            if args.kind != "stitch":
                store = stack.enter_context(_store(config, steps))
                engine = import_module(f"{package}.engine").create_engine(**_engine_arguments(config, store))
                work, device = _works(config, engine, store, steps, bare), engine.device
                said = engine.fingerprint()
            blocks = measure({name: work[name] for name in KINDS[args.kind].names}, args.blocks, steps, config)
        found = fingerprint.collect(packages=train.FRAMEWORKS.get(package, ()), device=device, seed=args.seed)
        written = {
            "schema": SCHEMA,
            "kind": args.kind,
            "backend": package,
            "settings": {
                "batch_size": config.batch_size,
                "steps": steps,
                "side": args.side,
                "gridsize": args.gridsize,
                "precision": args.precision,
                "threads": args.threads,
            },
            "blocks": [asdict(block) for block in blocks],
            "fingerprint": found | {"engine": said},
        }
        files.write_text(args.out, json.dumps(written, indent=2) + "\n")
        for line in summary(blocks):
            print(line)


def wanted(frames: NDArray[np.float32]) -> NDArray[np.complex64]:
    """
    Patches that the bare network is drawn to: noise, which no weights reproduce, so that its gradients stay ordinary.

    Drawn to a constant, they would decay into denormal numbers, which processors are slow on.

    Args:
        frames: `(B, C, N, N)`.
    """
    rng = np.random.default_rng(0)
    amplitude, phase = rng.uniform(0.4, 1.0, frames.shape), rng.uniform(-2.0, 0.5, frames.shape)
    return np.asarray(amplitude * np.exp(1j * phase), dtype=np.complex64)


def measure(work: dict[str, Work], blocks: int, steps: int, config: TrainingConfig) -> list[Block]:
    """
    Run each work once for nothing, then all in turns: first to last, last to first, and so on.

    Args:
        work: what to run by name; a call runs a whole block and returns when its results are there.
        blocks: counted blocks of each name.
        steps: batches a block.
        config: batch size and gridsize.
    """
    for run in work.values():
        run()
    found = []
    for turn in range(blocks):
        for name in list(work)[:: -1 if turn % 2 else 1]:
            wall, cpu = perf_counter(), process_time()
            work[name]()
            spent = (perf_counter() - wall, process_time() - cpu)
            patterns = steps * config.batch_size * config.model.channels
            found.append(Block(name=name, wall_s=spent[0], cpu_s=spent[1], patterns=patterns, steps=steps))
    return found


def summary(blocks: Sequence[Block]) -> Iterator[str]:
    """A line for each name, medians over its blocks, and the ratio of the first to each other."""
    medians: dict[str, tuple[float, float]] = {}
    for name in dict.fromkeys(block.name for block in blocks):
        mine = [block for block in blocks if block.name == name]
        medians[name] = tuple(  # type: ignore[assignment]  # two of them
            float(np.median([getattr(block, key) / block.patterns for block in mine])) for key in ("wall_s", "cpu_s")
        )
        wall, cpu = medians[name]
        yield f"{name}: {1e3 * wall:.3f} ms a pattern, {1e3 * cpu:.3f} ms of CPU, {1 / wall:.0f} patterns/s"
    first, *others = medians
    for other in others:
        wall, cpu = (one / two for one, two in zip(medians[first], medians[other], strict=True))
        yield f"{first} / {other}: {wall:.3f} in wall time, {cpu:.3f} in CPU time"


def _works(config: TrainingConfig, engine: Any, store: Store, steps: int, bare: Bare) -> dict[str, Work]:
    """Return what the kinds run on an engine; everything that is not measured is made here."""
    order = np.resize(
        grouping.epoch_order(store.split.train, seed=config.data.seed, epoch=0), steps * config.batch_size
    )
    given = list(batches.iterate(store, order[: 2 * config.batch_size], batch_size=config.batch_size))
    step = bare(engine, given[0].diffraction)

    def read() -> Iterator[Any]:
        return batches.iterate(store, order, batch_size=config.batch_size)

    def epoch() -> None:
        engine.train_epoch(read(), repeat(config.learning_rate, steps))

    def steps_in_memory() -> None:
        engine.train_epoch((given[index % 2] for index in range(steps)), repeat(config.learning_rate, steps))

    def predict() -> None:
        for _ in engine.predict(read()):
            pass

    return {"epoch": epoch, "bare": partial(step, steps), "step": steps_in_memory, "predict": predict}


def _stitching(config: TrainingConfig, steps: int) -> dict[str, Work]:
    """Patches at the positions of a scan, on a canvas built again for each block."""
    rng = np.random.default_rng(config.data.seed)
    shape = (config.batch_size, config.model.channels, config.model.side, config.model.side)
    patches = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    count = steps * config.batch_size * config.model.channels
    scan = synthetic.make_scan(count, step_px=simulate.STEP_PX, seed=config.data.seed)
    x, y = (axis.reshape(steps, *shape[:2]) for axis in (scan.x, scan.y))

    def stitch() -> None:
        stitcher = stitching.Stitcher(x, y, side=config.model.side)
        for columns, rows in zip(x, y, strict=True):
            stitcher.add(patches, columns, rows)
        stitcher.finish()

    return {"stitch": stitch}


def _store(config: TrainingConfig, steps: int) -> Any:
    """The store of a simulated scan with enough training groups for a block, in TMPDIR."""
    # Room for the validation groups: a twentieth, or one batch.
    count = max(-(-steps * config.batch_size * 20 // 19), (steps + 1) * config.batch_size) + grouping.NEIGHBOURS
    side, seed = config.model.side, config.data.seed
    probe, obj = simulate.own_probe_and_object(n_images=count, side=side, seed=seed)
    dataset = simulate.simulate(probe=probe, obj=obj, n_images=count, seed=seed)
    return Store.for_run(None, dataset, prepare.prepare(config, dataset))


def _engine_arguments(config: TrainingConfig, store: Store) -> dict[str, Any]:
    drawn = weights.initial(config.model, nphotons=simulate.NPHOTONS, seed=config.data.seed)
    return {
        "model": config.model,
        "runtime": config.runtime,
        "probe": store.probe,
        "weights": drawn,
        "nphotons": simulate.NPHOTONS,
    }


def _arguments(arguments: Sequence[str] | None, package: str) -> argparse.Namespace:
    parser = Parser(
        prog=f"python -m {package}.bench", description="Time blocks of work that take turns in one process."
    )
    parser.add_argument("kind", choices=KINDS, help="Measure this kind of work.")
    parser.add_argument("--out", type=Path, required=True, help="Write this JSON file.")
    parser.add_argument("--blocks", type=int, default=4, help="Time this many blocks of each name (4).")
    parser.add_argument("--steps", type=int, help="Take this many batches per block; without it the kind decides.")
    parser.add_argument("--batch_size", type=int, help="Take this many groups per batch; without it the kind decides.")
    parser.add_argument("--side", type=int, choices=PATCH_SIDES, default=64, help="Use this patch side N (64).")
    parser.add_argument("--gridsize", type=int, choices=GRIDSIZES, default=1, help="Use this gridsize g (1).")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="Compute in this precision (f32).")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="Compute on this device (auto).")
    parser.add_argument(
        "--threads", type=int, default=0, help="Give the framework this many threads; 0 is its own choice."
    )
    parser.add_argument("--seed", type=int, default=42, help="Draw scan, weights and order with this seed (42).")
    args: argparse.Namespace = parser.parse_args(arguments)
    named = (("blocks", args.blocks), ("steps", args.steps), ("batch_size", args.batch_size))
    problems = [f"{name} = {value}; allowed: 1 or more" for name, value in named if value is not None and value < 1]
    if not args.out.parent.is_dir():
        problems.append(f"--out: there is no folder {str(args.out.parent)!r}; make it, or name another")
    if problems:
        raise UsageError("\n".join(problems))
    return args
