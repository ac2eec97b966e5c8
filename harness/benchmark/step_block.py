"""
`python -m harness.benchmark.step_block`: one block of a comparison of two revisions, in a process of its own.

The packages come from the revision's tree, the calibration kernel and this file from the present one, the same for both
sides. A slice is one optimiser step as a training takes it, from the batch in the store to the loss as a number.
"""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Any

from harness.benchmark import calibrated_timer, null_block
from ptycho.command_line import Parser

BATCH, WARM_UP = 2, 12
UNITS = 250
"""Of the kernel before a step and after it: some milliseconds, as the step takes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line, measure, and write the file."""
    parser = Parser(prog="python -m harness.benchmark.step_block")
    parser.add_argument("package", help="the backend")
    parser.add_argument("--tree", type=Path, required=True, help="where core and backend must come from")
    parser.add_argument("--scan", type=Path, required=True, help="NPZ scan")
    parser.add_argument("--slices", type=int, required=True, help="steps that are counted")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args(arguments)
    for name in ("ptycho", args.package):
        found = Path(str(import_module(name).__file__)).resolve()
        if args.tree.resolve() not in found.parents:
            sys.exit(f"{name} comes from {found}, not from {args.tree}: this would measure something else")
    rows = _rows(args.package, args.scan, args.slices)
    args.out.write_text(json.dumps({"rows": rows, "peak_mib": null_block.peak_mib()}), encoding="utf-8")


def _rows(package: str, scan: Path, count: int) -> list[calibrated_timer.Row]:
    from ptycho import params
    from ptycho.config import DataConfig, ModelConfig, RuntimeConfig, TrainingConfig, update_legacy_dict
    from ptycho.data import grouping, prepare
    from ptycho.physics import weights
    from ptycho.store.store import Store
    from ptycho.training import batches

    config = TrainingConfig(
        data=DataConfig(path=scan),
        output_dir=Path.cwd(),
        model=ModelConfig(),
        runtime=RuntimeConfig(device="cpu", threads=1, quiet=True),
        batch_size=BATCH,
    )
    update_legacy_dict(params.cfg, config)
    dataset = prepare.load(config)
    prepared = prepare.prepare(config, dataset)
    engine: Any = import_module(f"{package}.engine").create_engine(
        model=config.model,
        runtime=config.runtime,
        probe=prepared.probe,
        weights=weights.initial(config.model, nphotons=prepared.nphotons, seed=config.data.seed),
        nphotons=prepared.nphotons,
    )
    with Store.for_run(None, dataset, prepared) as store:
        order = grouping.epoch_order(store.split.train, seed=config.data.seed, epoch=0)

        def step(number: int) -> None:
            first = number * BATCH % (len(order) - BATCH)
            read = batches.iterate(store, order[first : first + BATCH], batch_size=BATCH)
            engine.train_epoch(read, repeat(config.learning_rate))

        return calibrated_timer.measure(step, count, units=UNITS, warm_up=WARM_UP)


if __name__ == "__main__":
    main()
