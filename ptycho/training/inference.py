"""
Inference, shared by both backends: weights and a scan in, a stitched object out.

The file is read and checked before the backend is imported; patterns go through the network in bounded batches and
straight into the stitcher, so that memory does not grow with the scan.
"""

import json
import logging
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho import files, params
from ptycho.config import InferenceConfig, ModelConfig, update_legacy_dict
from ptycho.data import prepare
from ptycho.data.dataset import Dataset
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import CheckpointError, PtychoError, SuspicionError
from ptycho.metrics import flat_comparison
from ptycho.metrics import suspicions as suspicion_checks
from ptycho.physics.stitching import Reconstruction, Stitcher
from ptycho.store.store import Store
from ptycho.training import batches, checkpoint
from ptycho.training.engine import Engine

RECONSTRUCTION = "reconstruction.npz"
PICTURES = ("reconstructed_amplitude.png", "reconstructed_phase.png")


@dataclass(frozen=True, kw_only=True)
class InferenceResult:
    """
    Result of an inference.

    Attributes:
        reconstruction: the stitched object.
        output_dir: where `reconstruction.npz`, the pictures and `inference.json` are.
        summary: what `inference.json` holds.
    """

    reconstruction: Reconstruction
    output_dir: Path
    summary: dict[str, Any]


def run(config: InferenceConfig, backend: str) -> InferenceResult:
    """
    Reconstruct a scan with trained weights.

    Args:
        config: the inference, complete.
        backend: package of the backend, imported late: `"ptycho_torch"` or `"ptycho_tf"`.

    Raises:
        CheckpointError: weights that are missing, damaged or of an unknown kind.
        ContractError, ConfigurationError, UsageError: as the data path does, before the backend is imported.
        DeviceError: the device is not there.
        SuspicionError: with `strict`, for data that look wrong, before the backend is imported, or, once everything
            is written, for a reconstruction that is no better than a flat object.
    """
    started = perf_counter()
    tensors, meta = checkpoint.load(checkpoint.find_model(config.model_path))
    model, normalisation, nphotons = _training_of(meta, config.model_path)
    config = replace(config, model=model, data=replace(config.data, gridsize=model.gridsize))
    files.prepare(config.output_dir)
    dataset, suspicions = _read(config)
    prepared = prepare.prepare_for_inference(
        config.data,
        model,
        dataset,
        normalisation=normalisation,
        nphotons=nphotons,
    )
    loaded = perf_counter()
    create_engine = import_module(f"{backend}.engine").create_engine
    imported = perf_counter()
    with Store.for_run(None, dataset, prepared) as store:
        engine = create_engine(
            model=model, runtime=config.runtime, probe=prepared.probe, weights=tensors, nphotons=prepared.nphotons
        )
        reconstruction = reconstruct(
            engine, store, batch_size=config.batch_size, num_workers=config.runtime.num_workers
        )
    predicted = perf_counter()
    save(config.output_dir, reconstruction)
    saved = perf_counter()
    against_flat, warning = compare_with_flat(
        reconstruction, dataset, prepared.groups, epochs=meta.epoch, suspicious=bool(suspicions)
    )
    summary = {
        "backend": backend,
        "patterns": int(store.groups.size),
        "input_sha256": prepared.stages.normalised,
        "engine": engine.fingerprint(),
        "suspicions": suspicions,
        "against_flat": against_flat,
        "scores": None if config.runtime.quiet else _scores(reconstruction, dataset),
        "seconds": {
            "data": loaded - started,
            "import": imported - loaded,
            "predict": predicted - imported,
            "save": saved - predicted,
            "judge": perf_counter() - saved,
        },
    }
    files.write_text(config.output_dir / "inference.json", json.dumps(summary, indent=2) + "\n")
    if config.runtime.strict and warning is not None:
        raise SuspicionError(f"{warning}\n{config.output_dir} is complete; --strict makes this an error")
    return InferenceResult(reconstruction=reconstruction, output_dir=config.output_dir, summary=summary)


def rehearse(config: InferenceConfig) -> tuple[Dataset, PreparedDataset]:
    """
    Read and check what an inference reads before its backend; nothing is written.

    Returns:
        The scan and what would be decided about it.

    Raises:
        PtychoError: whatever `run` would raise by then.
    """
    _, meta = checkpoint.load(checkpoint.find_model(config.model_path))
    model, factor, photons = _training_of(meta, config.model_path)
    config = replace(config, model=model, data=replace(config.data, gridsize=model.gridsize))
    dataset, _ = _read(config)
    return dataset, prepare.prepare_for_inference(config.data, model, dataset, normalisation=factor, nphotons=photons)


def _read(config: InferenceConfig) -> tuple[Dataset, list[str]]:
    """The scan, checked, and what looks wrong about it."""
    update_legacy_dict(params.cfg, config)
    dataset = prepare.load(config)
    return dataset, suspicion_checks.warn(dataset, strict=config.runtime.strict)


def compare_with_flat(
    reconstruction: Reconstruction,
    dataset: Dataset,
    groups: NDArray[np.int64],
    *,
    epochs: int,
    suspicious: bool,
    log: logging.Logger | None = None,
) -> tuple[dict[str, Any], str | None]:
    """
    Whether a reconstruction is better than a flat object, with a warning on stderr where it is not.

    Args:
        reconstruction: the stitched object.
        dataset: the scan.
        groups: `(G, C)` indices of the patterns that were stitched.
        epochs: how many the network has been trained for.
        suspicious: whether the file itself looks wrong.
        log: where the warning goes, too.

    Returns:
        The comparison as plain values, its warning among them, and that warning or None.
    """
    found = flat_comparison.compare(reconstruction, dataset, groups)
    warning = found.warning(epochs=epochs, suspicious=suspicious)
    if warning is not None:
        files.warn(warning, log)
    return {**found.as_dict(), "warning": warning}, warning


def reconstruct(engine: Engine, store: Store, *, batch_size: int, num_workers: int = 0) -> Reconstruction:
    """
    Send every group of a store through the network and stitch the patches at their corrected coordinates.

    Args:
        engine: the trained network.
        store: the scan.
        batch_size: groups per forward pass.
        num_workers: threads that read ahead.
    """
    x, y = store.xcoords[store.groups], store.ycoords[store.groups]
    stitcher = Stitcher(x, y, side=store.manifest.side)
    order = np.arange(len(store.groups))
    start = 0
    for patches in engine.predict(batches.iterate(store, order, batch_size=batch_size, num_workers=num_workers)):
        rows = slice(start, start + len(patches))
        stitcher.add(patches, x[rows], y[rows])
        start = rows.stop
    if start != len(order):
        raise PtychoError(f"the backend predicted {start} of {len(order)} groups; it must return one batch for each")
    return stitcher.finish()


def save(output_dir: Path, reconstruction: Reconstruction) -> None:
    """
    Write `reconstruction.npz` and the two pictures.

    The archive holds `object` `(h, w)` complex64, `overlap` `(h, w)` float32 and `crop` `(4,)` int64, the object's
    place as row0, row1, col0, col1 in object pixels.
    """
    from ptycho.metrics import figures

    with files.replacing(output_dir / RECONSTRUCTION) as temporary:
        np.savez(
            temporary,
            object=reconstruction.obj.astype(np.complex64),
            overlap=reconstruction.overlap.astype(np.float32),
            crop=np.array(reconstruction.crop, dtype=np.int64),
        )
    figures.save_reconstruction(output_dir, reconstruction)


def _training_of(meta: checkpoint.Meta, path: Path) -> tuple[ModelConfig, float, float]:
    """The network, the normalisation factor and the photons of the training that left a weights file."""
    try:
        model = ModelConfig(**meta.config["model"])
        return model, float(meta.statistics["normalisation"]), float(meta.statistics["nphotons"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not say which network its weights are for, or at which scale it was trained ({error}); "
            "save it with this version's train"
        ) from error


def _scores(reconstruction: Reconstruction, dataset: Dataset) -> dict[str, Any] | None:
    """Scores against the file's own object and the flat object's beside them, where the file has one."""
    if dataset.obj is None:
        return None
    from ptycho.metrics import metrics

    return {
        "reconstruction": metrics.score(reconstruction, dataset.obj).as_dict(),
        "flat": metrics.flat_row(reconstruction, dataset.obj).as_dict(),
    }
