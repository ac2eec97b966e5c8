"""
Expected values of `ptycho.parity.workflow`: the oracle's own training, and its own stitched object.

Data, draws, schedule, optimiser and stitching are written here again. Only the question, which options are set,
is the probe's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import objective, sampling
from harness.parity.reference.adam import ReferenceAdam
from harness.parity.reference.sampling import Indices
from harness.parity.reference.training import Course, course, rates
from ptycho.parity.request import Request
from ptycho.parity.workflow import INTERRUPTED_AFTER, VALIDATION_SCRIPT, plan, script
from ptycho.physics.weights import LOG_SCALE
from ptycho.training.engine import Batch

Array = NDArray[Any]
Real = NDArray[np.float64]
Named = Iterator[tuple[str, Array]]

CROP = 20


def figures(request: Request) -> Named:
    """All that `ptycho.parity.workflow` measures."""
    followed = course(request, plan(request, Path("unused")))
    yield from _trained(followed)
    yield from _scripted(course(request, script(request, Path("unused"))))


def _mean(values: Sequence[float], sizes: Sequence[int]) -> float:
    return float(np.dot(values, sizes) / np.sum(sizes))


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """A batch under some weights: its groups, the objective with its optional terms, the deviance."""

    groups: int
    loss: float
    deviance: float
    evaluation: objective.Evaluation


def _scored(followed: Course, batch: Batch, weights: Mapping[str, Real]) -> ScoredBatch:
    config, request = followed.config, followed.request
    found = objective.evaluate(request, batch, weights)
    terms = objective.terms(request, batch, found, config.mae_weight, config.tv_weight)
    return ScoredBatch(groups=len(batch.indices), loss=terms["total"], deviance=terms["deviance"], evaluation=found)


def _all(followed: Course, chosen: Indices, weights: Mapping[str, Real]) -> list[ScoredBatch]:
    return [_scored(followed, batch, weights) for batch in followed.batches(chosen)]


def _means(parts: Sequence[ScoredBatch]) -> tuple[float, float]:
    """Loss and deviance over groups."""
    sizes = [part.groups for part in parts]
    return _mean([part.loss for part in parts], sizes), _mean([part.deviance for part in parts], sizes)


def _trained(followed: Course) -> Named:
    config, request, model = followed.config, followed.request, followed.config.model
    start = sampling.weights(model.filter_scale, model.channels, request.nphotons, config.data.seed)
    adam = ReferenceAdam(
        {name: value for name, value in start.items() if name != LOG_SCALE or model.intensity_scale_trainable}
    )
    fixed = {name: value for name, value in start.items() if name not in adam.values}
    training: list[tuple[float, float]] = []
    validation: list[tuple[float, float]] = []
    last, watched = [], list[float]()
    steps = -(-len(followed.train) // config.batch_size)
    for order, epoch_rates in zip(followed.orders(), rates(config, steps, watched), strict=True):
        parts = []
        for batch, rate in zip(followed.batches(order), epoch_rates, strict=True):
            weights = {**fixed, **adam.values}
            parts.append(_scored(followed, batch, weights))
            gradients = objective.gradients(
                request,
                batch,
                weights,
                parts[-1].evaluation,
                mae_weight=config.mae_weight,
                tv_weight=config.tv_weight,
            )
            adam.step({name: gradients[name] for name in adam.values}, rate)
        training.append(_means(parts))
        validation.append(_means(_all(followed, followed.validation, {**fixed, **adam.values})))
        watched.append(validation[-1][0])
        last.append(epoch_rates[-1])
    for part, reported in (("train", training), ("validation", validation)):
        yield f"{part}_loss", np.array([loss for loss, _ in reported])
        yield f"{part}_deviance", np.array([deviance for _, deviance in reported])
    yield "learning_rate", np.array(last)
    final = {**fixed, **adam.values}
    for name, value in final.items():
        yield f"model.{name}", value
        yield f"checkpoint.{name}", value
    for name in adam.values:
        yield f"checkpoint.adam.m/{name}", adam.first[name]
        yield f"checkpoint.adam.v/{name}", adam.second[name]
    yield "checkpoint.adam.step", np.array(adam.count)
    yield "normalisation", np.array(followed.normalisation)
    yield "nphotons", np.array(request.nphotons)
    yield "epoch", np.array(config.nepochs)
    tested = _all(followed, np.arange(len(followed.groups)), final)
    yield "test_loss", np.array(_means(tested)[0])
    yield "test_deviance", np.array(_means(tested)[1])
    yield from _reconstructed(followed, np.concatenate([part.evaluation.patches for part in tested]))


def _reconstructed(followed: Course, patches: NDArray[np.complex128]) -> Named:
    """Every patch's central square, shared out among four pixels each, over how much lies on each pixel."""
    x, y = followed.x[followed.groups].ravel(), followed.y[followed.groups].ravel()
    side = patches.shape[-1]
    kept = patches.reshape(-1, side, side)[:, side // 2 - CROP // 2 :, side // 2 - CROP // 2 :][:, :CROP, :CROP]
    top, left = math.floor(y.min()) - CROP // 2, math.floor(x.min()) - CROP // 2
    bottom, right = math.ceil(y.max()) + CROP // 2, math.ceil(x.max()) + CROP // 2
    total = np.zeros((bottom - top + 1, right - left + 1), np.complex128)
    count = np.zeros(total.shape)
    for patch, row, column in zip(kept, y - CROP // 2 - top, x - CROP // 2 - left, strict=True):
        for down in (0, 1):
            for across in (0, 1):
                share = (1 - abs(row - math.floor(row) - down)) * (1 - abs(column - math.floor(column) - across))
                window = np.s_[
                    math.floor(row) + down : math.floor(row) + down + CROP,
                    math.floor(column) + across : math.floor(column) + across + CROP,
                ]
                total[window] += share * patch
                count[window] += share
    total, count = total[:-1, :-1], count[:-1, :-1]
    yield "object", np.where(count > 0, total / np.where(count > 0, count, 1), 0)
    yield "overlap", count
    yield "crop", np.array([top, bottom, left, right])
    yield "written_otherwise", np.array(0)
    yield "written_crop", np.array([top, bottom, left, right])


def _scripted(followed: Course) -> Named:
    """Rates, order and what is handed over, of the training whose losses are scripted."""
    config, orders = followed.config, followed.orders()
    sizes = [len(batch.indices) for batch in followed.batches(followed.train)]
    steps = len(sizes)
    bits = _mean([0.01 * index for index in range(steps)], sizes)
    validating = [len(batch.indices) for batch in followed.batches(followed.validation)]
    validation = [loss + _mean([0.01 * k for k in range(len(validating))], validating) for loss in VALIDATION_SCRIPT]
    made = list(rates(config, steps, validation))
    yield "script.rates", np.concatenate(made)
    yield "script.resumed", np.array([INTERRUPTED_AFTER + 0.1, INTERRUPTED_AFTER * steps])
    yield "script.train_loss", np.array([10.0 - epoch + bits for epoch in range(1, config.nepochs + 1)])
    yield "script.validation_loss", np.array(validation)
    yield "script.learning_rate", np.array([epoch[-1] for epoch in made])
    yield "script.trained", np.concatenate([followed.groups[order] for order in orders])
    yield "script.validated", np.concatenate([followed.groups[followed.validation]] * config.nepochs)
