"""
The epochs of a training: batch order, steps, validation, schedule, checkpoint, history.

A checkpoint is written after every epoch and before the epoch's row in the history, and holds the rows so far: a run
killed at any moment, the one between the two writes included, resumes with the epoch that it had not finished, and
its history then has one row for each epoch, once.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import TrainingConfig
from ptycho.data import grouping
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import CheckpointError, PtychoError
from ptycho.phase_timer import Clock
from ptycho.store.store import Store
from ptycho.training import batches, checkpoint, history
from ptycho.training.engine import Engine, Losses, SupportsTracing
from ptycho.training.progress import Progress
from ptycho.training.ranks import ALONE, Ranks
from ptycho.training.schedule import Plateau, Ramp
from ptycho.training.tracking import Tracker

Resumed = tuple[dict[str, NDArray[np.generic]], checkpoint.Meta]

MAY_CHANGE = ("output_dir", "nepochs", "runtime", "resume", "stitch", "mlflow", "store_dir", "test_path")
"""
Fields that a resumed training may give again: none of them changes the weights but for rounding. A cosine schedule
depends on the number of epochs, which then must stay.
"""


def fit(
    config: TrainingConfig,
    folder: Path,
    engine: Engine,
    store: Store,
    prepared: PreparedDataset,
    tracker: Tracker,
    clock: Clock,
    resumed: Resumed | None = None,
    ranks: Ranks = ALONE,
) -> tuple[history.EpochRecord, ...]:
    """
    Train until `config.nepochs` epochs are done.

    Args:
        config: the training.
        folder: output folder, prepared.
        engine: the network; it is left trained.
        store: the training's data.
        prepared: what was decided about the data.
        tracker: hears of every epoch.
        clock: gets the phases `train`, `validate` and `checkpoint`, and before them `trace` where there is one.
        resumed: checkpoint to continue from.
        ranks: who this process is; only the one that leads writes and reports.

    Returns:
        One row an epoch, those before a resume included.

    Raises:
        PtychoError: the loss is not finite any more.
    """
    plateau, done = Plateau(learning_rate=config.learning_rate), 0
    rows: list[history.EpochRecord] = []
    if ranks.leads:
        history.truncate(folder / history.FILE_NAME, 0)
    if resumed is not None:
        engine.load_state(resumed[0])
        plateau, done = Plateau(**resumed[1].schedule), resumed[1].epoch
        rows += [history.EpochRecord(**row) for row in resumed[1].extra["history"]]
        for row in rows if ranks.leads else ():
            history.append(folder / history.FILE_NAME, row)
    train, validation = store.split.train, store.split.validation
    steps = -(-len(train) // config.batch_size)
    # Several ranks trace their common step in it: it waits for the others.
    if isinstance(engine, SupportsTracing) and ranks.world == 1 and done < config.nepochs:
        with clock.phase("trace"):
            engine.trace(masked=store.bad_pixels is not None)
    cosine = config.schedule == "cosine"
    ramp = Ramp(total_steps=config.nepochs * steps, warmup_steps=config.warmup_steps, cosine=cosine)
    with Progress(config.nepochs, steps, config.runtime.quiet or not ranks.leads) as progress:
        for epoch in range(done + 1, config.nepochs + 1):
            progress.epoch(epoch)
            started = perf_counter()
            order = grouping.epoch_order(train, seed=config.data.seed, epoch=epoch - 1)
            with clock.phase("train"):
                rates = [plateau.learning_rate * factor for factor in ramp.factors((epoch - 1) * steps, steps)]
                trained = engine.train_epoch(progress.wrap(_batches(config, store, order, ranks)), rates)
            seconds = perf_counter() - started
            with clock.phase("validate"):
                validated = engine.evaluate(_batches(config, store, validation, ranks))
            _refuse_divergence(epoch, trained, validated)
            row = history.EpochRecord(
                epoch=epoch,
                train_loss=trained.mean_total,
                validation_loss=validated.mean_total,
                train_deviance=trained.mean_deviance,
                validation_deviance=validated.mean_deviance,
                learning_rate=rates[-1],
                seconds=seconds,
                patterns_per_second=len(train) * config.model.channels / seconds,
            )
            rows.append(row)
            plateau = plateau.observe(row.validation_loss)
            if not ranks.leads:
                continue
            with clock.phase("checkpoint"):
                state = meta(config, prepared, epoch=epoch, schedule=asdict(plateau), rows=rows)
                checkpoint.save(folder / checkpoint.CHECKPOINT, engine.state(), state)
                history.append(folder / history.FILE_NAME, row)
            progress.finish_epoch(row)
            sys.audit("ptycho.epoch.end", asdict(row))
            tracker.metrics({name: value for name, value in asdict(row).items() if name != "epoch"}, step=epoch)
    return tuple(rows)


def meta(
    config: TrainingConfig,
    prepared: PreparedDataset,
    *,
    epoch: int,
    schedule: dict[str, Any] | None = None,
    rows: Sequence[history.EpochRecord] = (),
) -> checkpoint.Meta:
    """Return what a weights file must say about itself: configuration, data statistics, how far it got."""
    return checkpoint.Meta(
        config=asdict(config),
        statistics={
            "normalisation": prepared.normalisation,
            "nphotons": prepared.nphotons,
            "input_sha256": prepared.stages.normalised,
            "groups_sha256": prepared.stages.groups,
        },
        epoch=epoch,
        schedule=schedule or {},
        extra={"history": [asdict(row) for row in rows]} if rows else {},
    )


def load(folder: Path, config: TrainingConfig, prepared: PreparedDataset) -> Resumed:
    """
    The checkpoint to continue from.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to another training: every difference is listed.
    """
    tensors, found = checkpoint.load(folder / checkpoint.CHECKPOINT)
    may_change = MAY_CHANGE if config.schedule == "plateau" else [name for name in MAY_CHANGE if name != "nepochs"]
    here = json.loads(json.dumps(asdict(meta(config, prepared, epoch=found.epoch)), default=str))
    problems = [
        f"{key}: the checkpoint has {found.config.get(key)!r}, this run {value!r}"
        for key, value in here["config"].items()
        if key not in (*may_change, "data") and found.config.get(key) != value
    ]
    rows, seed = len(found.extra.get("history", ())), found.config.get("data", {}).get("seed")
    if rows != found.epoch:
        problems.append(f"history: the checkpoint has {rows} rows for {found.epoch} epochs")
    if seed != config.data.seed:
        problems.append(f"seed: the checkpoint has {seed!r}, this run {config.data.seed!r}")
    problems += [
        f"{key}: the checkpoint has {found.statistics.get(key)!r}, this run {value!r}"
        for key, value in here["statistics"].items()
        if found.statistics.get(key) != value
    ]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise CheckpointError(
            f"the checkpoint in {folder} is another training's:\n{listed}\n"
            "resume with that training's options, or give another --output_dir"
        )
    return tensors, found


def _batches(config: TrainingConfig, store: Store, order: grouping.Indices, ranks: Ranks) -> Any:
    workers = config.runtime.num_workers
    return batches.iterate(store, order, batch_size=config.batch_size, num_workers=workers, ranks=ranks)


def _refuse_divergence(epoch: int, trained: Losses, validated: Losses) -> None:
    """NaN weights must not overwrite the last good checkpoint."""
    if not (np.isfinite(trained.total).all() and np.isfinite(validated.total).all()):
        raise PtychoError(
            f"the loss of epoch {epoch} is not finite: the training diverged; lower --learning_rate. "
            "The checkpoint of the epoch before is unchanged"
        )
