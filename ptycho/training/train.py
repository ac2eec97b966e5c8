"""
Training, shared by both backends: data path, epochs, schedule, checkpoints, history, tracking.

Everything that can be refused is refused before the backend is imported. A checkpoint is written after every epoch,
before its row of the history, so that a run killed at any moment resumes with the epoch that it had not finished.
"""

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from ptycho import files, fingerprint, params
from ptycho.config import TrainingConfig, flatten, update_legacy_dict
from ptycho.data import prepare
from ptycho.data.dataset import Dataset
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import SuspicionError
from ptycho.metrics import suspicions as suspicion_checks
from ptycho.phase_timer import Clock
from ptycho.physics import weights
from ptycho.store.store import Store
from ptycho.training import batches, checkpoint, collective, epochs, history, inference, tracking
from ptycho.training.collective import Group
from ptycho.training.engine import Engine
from ptycho.training.ranks import ALONE, Ranks

log = logging.getLogger(__name__)

SUMMARY = "summary.json"
CONFIG = "config.json"
LOSS_CURVE = "loss_curve.png"
INFERENCE_BATCH = 64

FRAMEWORKS = {"ptycho_torch": ("torch",), "ptycho_tf": ("tensorflow", "tensorflow-cpu")}
"""Distributions whose version a backend's results depend on: TensorFlow goes by two names."""


OF_A_RANK = (
    "output_dir",
    "store_dir",
    "train_data_file",
    "test_data_file",
    "threads",
    "num_workers",
    "quiet",
    "mlflow",
)
"""Legacy names of the fields in which ranks may differ: where things are and how fast."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """
    Result of a training.

    Attributes:
        output_dir: folder of weights, history, log, configuration and summary.
        model_path: the trained weights.
        history: one row an epoch, those before a resume included.
        summary: what `summary.json` holds.
    """

    output_dir: Path
    model_path: Path
    history: tuple[history.EpochRecord, ...]
    summary: dict[str, Any]


def run(config: TrainingConfig, backend: str, ranks: Ranks = ALONE) -> TrainingResult:
    """
    Train a network.

    Args:
        config: the training, complete.
        backend: package of the backend, imported late: `"ptycho_torch"` or `"ptycho_tf"`.
        ranks: who this process is, where several train together (`ptycho.training.collective`). All of them compute;
            the one that leads writes.

    Raises:
        ContractError, ConfigurationError, UsageError: as the data path does, before the backend is imported.
        CheckpointError: `resume` without a checkpoint, or with one of another training.
        DeviceError: the device is not there.
        SuspicionError: with `strict`, for data that look wrong, before the backend is imported, or, once everything
            is written, for a stitched object that is no better than a flat one.
    """
    ranks.admit(config.batch_size)
    with collective.joined(ranks, backend, config.runtime) as others:
        result = (_lead if ranks.leads else _follow)(config, backend, ranks, others)
        with collective.together(others):  # nobody ends well before the one that leads has written everything
            warning = result.summary.get("against_flat", {}).get("warning")
            if config.runtime.strict and warning is not None:
                raise SuspicionError(f"{warning}\n{result.output_dir} is complete; --strict makes this an error")
            return result


def rehearse(config: TrainingConfig) -> tuple[Dataset, PreparedDataset]:
    """
    Read and check what a training reads before its first step; nothing is written, no backend is imported.

    Returns:
        The training scan and what would be decided about it.

    Raises:
        PtychoError: whatever `run` would raise by then.
    """
    update_legacy_dict(params.cfg, config)
    dataset, prepared, test, _ = _read(config, config.output_dir.absolute(), None)
    _suspicions(config, dataset, test, log=None)
    return dataset, prepared


def _lead(config: TrainingConfig, backend: str, ranks: Ranks, others: Group | None) -> TrainingResult:
    """A whole training, with everything that it leaves."""
    clock = Clock()
    folder = files.prepare(config.output_dir)
    update_legacy_dict(params.cfg, config)
    with files.logging_to(folder, quiet=config.runtime.quiet):
        with clock.phase("data"):
            dataset, prepared, test, resumed = _read(config, folder, others)
            with collective.together(others):
                suspicions = _suspicions(config, dataset, test)
        files.write_text(folder / CONFIG, json.dumps(flatten(config), indent=2) + "\n")
        log.info("seed %d, %d groups, input sha256 %s", prepared.seed, prepared.n_groups, prepared.stages.normalised)
        with tracking.open_tracker(folder, enabled=config.mlflow, resume=config.resume) as tracker:
            tracker.params(flatten(config))
            with clock.phase("import"):
                create_engine = _creator(backend, others)
            with clock.phase("build"):
                engine = _build(create_engine, config, prepared)
            _share_store(config, dataset, prepared, others)
            with Store.for_run(config.store_dir, dataset, prepared) as store:
                rows = epochs.fit(config, folder, engine, store, prepared, tracker, clock, resumed, ranks)
            _compare_weights(engine, others)
            with clock.phase("save"):
                model_path = _save(config, folder, engine, prepared, rows)
                tracker.artifact(model_path, "weights")
                tracker.artifact(folder / LOSS_CURVE, "pictures")
            summary: dict[str, Any] = {
                **_summary(prepared, rows),
                **suspicions,
                "fingerprint": fingerprint.collect(
                    packages=FRAMEWORKS.get(backend, ()), device=engine.device, seed=prepared.seed
                ),
                "engine": engine.fingerprint(),
                "test": None if test is None else _evaluate(config, engine, test, prepared, clock, ranks),
            }
            if config.stitch:
                with clock.phase("stitch"):
                    summary["against_flat"] = _stitch(
                        config, folder, engine, test or dataset, prepared, suspicious=any(suspicions.values())
                    )
                for picture in inference.PICTURES:
                    tracker.artifact(folder / picture, "pictures")
        summary |= {"tracking": tracker.summary, "seconds": clock.seconds}
        files.write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return TrainingResult(output_dir=folder, model_path=model_path, history=rows, summary=summary)


def _follow(config: TrainingConfig, backend: str, ranks: Ranks, others: Group | None) -> TrainingResult:
    """The same steps on another rank: nothing is written, tracked or drawn."""
    clock = Clock()
    folder = config.output_dir.absolute()
    update_legacy_dict(params.cfg, config)
    dataset, prepared, test, resumed = _read(config, folder, others)
    with collective.together(others):
        pass  # the one that leads looks for suspicions, and may refuse the data
    engine = _build(_creator(backend, others), config, prepared)
    _share_store(config, dataset, prepared, others)
    with Store.for_run(config.store_dir, dataset, prepared) as store:
        rows = epochs.fit(config, folder, engine, store, prepared, tracking.NullTracker(), clock, resumed, ranks)
    _compare_weights(engine, others)
    if test is not None:
        _evaluate(config, engine, test, prepared, clock, ranks)
    return TrainingResult(output_dir=folder, model_path=folder / checkpoint.MODEL, history=rows, summary={})


def _read(
    config: TrainingConfig, folder: Path, others: Group | None
) -> tuple[Dataset, PreparedDataset, Dataset | None, epochs.Resumed | None]:
    """Everything that is read before the first step, on all ranks or on none, and the same on all."""
    claims: dict[str, Any] = {}
    with collective.together(others, claims):
        dataset = prepare.load(config)
        prepared = prepare.prepare(config, dataset)
        test = _load_test(config, dataset)
        resumed = epochs.load(folder, config, prepared) if config.resume else None
        if others is not None:
            claims |= {name: value for name, value in flatten(config).items() if name not in OF_A_RANK}
            claims |= asdict(prepared.stages)
            claims["test file"] = None if test is None else test.source.sha256
            claims["checkpoint"] = None if resumed is None else prepare.digest(*resumed[0].values())
    return dataset, prepared, test, resumed


def _creator(backend: str, others: Group | None) -> Callable[..., Engine]:
    """Return what makes the engine: the backend's own, or the one whose steps are taken together."""
    if others is None:
        return cast(Callable[..., Engine], import_module(f"{backend}.engine").create_engine)
    return partial(import_module(f"{backend}.distributed").create_engine, group=others)


def _build(create_engine: Callable[..., Engine], config: TrainingConfig, prepared: PreparedDataset) -> Engine:
    return create_engine(
        model=config.model,
        runtime=config.runtime,
        probe=prepared.probe,
        weights=weights.initial(config.model, nphotons=prepared.nphotons, seed=config.data.seed),
        nphotons=prepared.nphotons,
        mae_weight=config.mae_weight,
        tv_weight=config.tv_weight,
    )


def _share_store(config: TrainingConfig, dataset: Dataset, prepared: PreparedDataset, others: Group | None) -> None:
    """Build a store that is to be kept one rank after the other: whoever finds it there only opens it."""
    if others is None or config.store_dir is None:
        return
    for turn in range(others.ranks.world):
        with collective.together(others):
            if turn == others.ranks.rank:
                Store.open_or_create(config.store_dir, dataset, prepared)


def _compare_weights(engine: Engine, others: Group | None) -> None:
    """Every rank must have the same bits: sums that differ would let the ranks train apart without a word."""
    if others is not None:
        with collective.together(others, {"weights": prepare.digest(*engine.state().values())}):
            pass


def _load_test(config: TrainingConfig, dataset: Dataset) -> Dataset | None:
    """The test file, read before anything costs time; the training file itself is not read twice."""
    if config.test_path is None:
        return None
    if config.test_path.exists() and config.test_path.samefile(config.data.path):
        return dataset
    return prepare.load(config, path=config.test_path)


def _save(
    config: TrainingConfig,
    folder: Path,
    engine: Engine,
    prepared: PreparedDataset,
    rows: tuple[history.EpochRecord, ...],
) -> Path:
    """The weights that inference reads, and the loss curve beside them."""
    from ptycho.metrics import figures

    path = folder / checkpoint.MODEL
    meta = epochs.meta(config, prepared, epoch=rows[-1].epoch)
    checkpoint.save(path, checkpoint.weights_only(engine.state()), meta)
    figures.save_loss_curve(
        folder / LOSS_CURVE,
        [row.epoch for row in rows],
        [row.train_loss for row in rows],
        [row.validation_loss for row in rows],
    )
    return path


def _summary(prepared: PreparedDataset, rows: tuple[history.EpochRecord, ...]) -> dict[str, Any]:
    """Return what can be compared between two runs: the bytes that went in and the losses that came out."""
    return {
        "seed": prepared.seed,
        "n_groups": prepared.n_groups,
        "input_sha256": prepared.stages.normalised,
        "stages": asdict(prepared.stages),
        "normalisation": prepared.normalisation,
        "nphotons": prepared.nphotons,
        "epochs": len(rows),
        "train_loss": rows[-1].train_loss,
        "validation_loss": rows[-1].validation_loss,
    }


def _evaluate(
    config: TrainingConfig, engine: Engine, test: Dataset, prepared: PreparedDataset, clock: Clock, ranks: Ranks
) -> dict[str, float]:
    """Loss and deviance of the test file, at the scale of the training."""
    with clock.phase("test"), _store_of(config, test, prepared) as store:
        every = np.arange(len(store.groups))
        losses = engine.evaluate(batches.iterate(store, every, batch_size=config.batch_size, ranks=ranks))
    return {"loss": losses.mean_total, "deviance": losses.mean_deviance}


def _suspicions(
    config: TrainingConfig, dataset: Dataset, test: Dataset | None, log: logging.Logger | None = log
) -> dict[str, list[str]]:
    """Return what looks wrong about the files, which is also logged; the test file counts if it is another one."""
    strict = config.runtime.strict
    found = {"suspicions": suspicion_checks.warn(dataset, strict=strict, log=log)}
    if test is not None and test is not dataset:
        found["test_suspicions"] = suspicion_checks.warn(test, strict=strict, log=log)
    return found


def _stitch(
    config: TrainingConfig,
    folder: Path,
    engine: Engine,
    dataset: Dataset,
    prepared: PreparedDataset,
    *,
    suspicious: bool,
) -> dict[str, Any]:
    """
    Reconstruct a scan with the network as it is now, into the training's own folder.

    Returns:
        How the reconstruction compares with a flat object.
    """
    with _store_of(config, dataset, prepared) as store:
        made = inference.reconstruct(engine, store, batch_size=INFERENCE_BATCH)
        inference.save(folder, made)
        found, _ = inference.compare_with_flat(
            made, dataset, store.groups, epochs=config.nepochs, suspicious=suspicious, log=log
        )
    return found


def _store_of(config: TrainingConfig, dataset: Dataset, prepared: PreparedDataset) -> AbstractContextManager[Store]:
    """The store of a scan that does not train; one with fewer patterns than `--n_images` is taken whole."""
    wanted = config.data.n_groups
    other = prepare.prepare_for_inference(
        replace(config.data, n_groups=None if wanted is None else min(wanted, dataset.n_patterns)),
        config.model,
        dataset,
        normalisation=prepared.normalisation,
        nphotons=prepared.nphotons,
    )
    return Store.for_run(None, dataset, other)
