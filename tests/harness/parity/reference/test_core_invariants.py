"""The core's laws, with faults planted in the core itself: each is one that backends and oracle would share."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from harness.parity.reference import core_invariants, problem
from harness.parity.reference.invariant import Law
from ptycho.data import grouping, prepare, values
from ptycho.parity import core, invariants
from ptycho.parity.request import Request
from ptycho.physics import forward, patches, stitching, weights
from ptycho.store import store
from tests.support.golden_step0 import FIXTURE


@cache
def request_of(gridsize: int) -> Request:
    return problem.request(gridsize=gridsize, seed=7, scan=FIXTURE, steps=1, quantities=("R2c",))


@cache
def laws_of(gridsize: int) -> list[Law]:
    request = request_of(gridsize)
    return core_invariants.laws(request, {case.name: case for case in invariants.cases(request)})


def broken(gridsize: int) -> set[str]:
    """Names of the laws that the core as it is now breaks, without `core.`."""
    arrays = {f"core.{name}": np.asarray(value) for name, value in core.measure(request_of(gridsize))}
    found = set()
    for law in laws_of(gridsize):
        try:
            holds = law.residual(arrays) <= law.limit
        except (ValueError, TypeError):
            holds = False
        if not holds:
            found.add(law.name.removeprefix("core."))
    return found


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_core_keeps_its_laws(gridsize: int) -> None:
    assert broken(gridsize) == set()
    assert len(laws_of(gridsize)) >= 50


def test_every_answer_is_needed_by_a_law() -> None:
    given = {f"core.{name}" for name, _ in core.measure(request_of(2))}
    assert given == {name for law in laws_of(2) for name in law.needs}


Fault = Callable[..., Any]


@pytest.mark.parametrize(
    ("module", "name", "fault", "laws_that_break"),
    [
        (forward, "normalise_probe", lambda honest, p, **o: honest(p, **o) / 4, {"probe.64", "loaded.probe"}),
        (forward, "normalise_probe", lambda honest, p, **o: honest(p, **{**o, "masked": True}), {"probe.64"}),
        (forward, "normalise_probe", lambda honest, p, **o: np.conj(honest(p, **o)), {"probe.33", "probe.single"}),
        (forward, "normalise_probe", lambda honest, p, **o: honest(p, **o) * np.abs(p).max(), {"probe.brighter"}),
        (forward, "disk", lambda honest, n: honest(n) * 0 + forward.central_mask(n), {"probe.64", "probe.masked"}),
        (forward, "normalisation", lambda honest, x: honest(x) ** 2, {"normalisation", "loaded.normalisation"}),
        (forward, "normalisation", lambda _honest, x: np.sqrt(8 / np.mean(x * x)), {"normalisation"}),
        (
            prepare,
            "_normalised",
            lambda _honest, x, f: x * np.nextafter(np.float32(f), np.float32(1)),
            {"normalised"},
        ),
        (values, "amplitude_of_counts", lambda _honest, x: np.sqrt(x.astype(np.float32)), {"roots"}),
        (weights, "intensity_scale", lambda _honest, n, side: n / side, {"intensity_scale", "initial.scale"}),
        (forward, "intensity", lambda honest, objects, probe: honest(objects, np.conj(probe)), {"light"}),
        (forward, "intensity", lambda honest, objects, probe: np.roll(honest(objects, probe), 1, axis=-1), {"light"}),
        (
            forward,
            "assemble",
            lambda honest, coords_relative, **k: honest(coords_relative=-coords_relative, **k),
            {"assemble.any"},
        ),
        (
            forward,
            "extract",
            lambda honest, coords_relative, **k: honest(coords_relative=-coords_relative, **k),
            {"extract.any"},
        ),
        (forward, "translation_matrix", lambda honest, m, n, s: honest(m, n, np.rint(s)), {"extract.any"}),
        (forward, "canvas_side", lambda _honest, n, g: n + 4 * g, {"assemble.any"}),
        (forward, "MASK_FLOOR", 0.01, {"assemble.any"}),
        (forward, "poisson_nll", lambda honest, r, k, _e=1e-12: honest(r, k, 1e-8), {"nll"}),
        (forward, "poisson_deviance", lambda honest, r, k, e=1e-12: honest(r, k, e) / 2, {"deviance"}),
        (patches, "extract", lambda honest, o, x, y, n, **k: honest(o, y, x, n, **k), {"windows.whole.8"}),
        (patches, "extract", lambda honest, o, x, y, n, **k: honest(o, x + 0.5, y, n, **k), {"windows.between.7"}),
        (
            patches,
            "extract",
            lambda honest, o, x, y, n, **_k: honest(o, x, y, n, sampling="nearest"),
            {"windows.between.8"},
        ),
        (grouping, "group_coordinates", lambda honest, x, y, g: honest(y, x, g), {"groups.all.offsets"}),
        (
            grouping,
            "group_coordinates",
            lambda honest, x, y, g: (honest(x, y, g)[0], -honest(x, y, g)[1]),
            {"groups.all.relative", "groups.some.relative"},
        ),
        (grouping, "nearest", lambda honest, p, s: honest(p, s)[:, ::-1], {"groups.all", "groups.some"}),
        (grouping, "nearest", lambda honest, p, s: honest(p * [1, 9], s), {"groups.all"}),
        (grouping, "split", lambda honest, n, b, s: swapped(honest(n, b, s)), {"split.40.16", "split.400.64"}),
        (grouping, "split", lambda honest, n, b, s: leaking(honest(n, b, s)), {"split.9.2", "split.400.4"}),
        (grouping, "split", lambda honest, n, b, s: unshuffled(honest(n, b, s)), {"split.40.16", "split.400.4"}),
        (grouping, "VALIDATION_FRACTION", 0.5, {"split.400.4", "split.400.64"}),
        (grouping, "epoch_order", lambda honest, t, **k: honest(t, **{**k, "epoch": 0}), {"orders.differ"}),
        (grouping, "epoch_order", lambda honest, t, **k: honest(t, **{**k, "seed": 0}), {"orders.differ"}),
        (grouping, "epoch_order", lambda _honest, t, **_k: t, {"orders.differ"}),
        (grouping, "epoch_order", lambda honest, t, **k: honest(t, **k)[::-1] // 6 * 6, {"orders.permuted"}),
        (weights, "initial", lambda honest, m, **k: spoilt(honest(m, **k), 1.05), {"initial.kernels"}),
        (weights, "initial", lambda honest, m, **k: spoilt(honest(m, **k), 0.95), {"initial.kernels"}),
        (weights, "initial", lambda honest, m, **k: normal(honest(m, **k)), {"initial.kernels"}),
        (weights, "initial", lambda honest, m, **k: biased(honest(m, **k)), {"initial.biases"}),
        (weights, "initial", lambda honest, m, **k: honest(m, **{**k, "seed": 3}), {"initial.strangers"}),
        (stitching, "CROP", 20, set()),
    ],
)
def test_a_fault_in_the_core_breaks_its_law(
    module: Any, name: str, fault: Any, laws_that_break: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = getattr(module, name)
    planted = (lambda *given, **named: fault(honest, *given, **named)) if callable(fault) else fault
    monkeypatch.setattr(module, name, planted)
    found = broken(2)
    assert laws_that_break <= found
    assert bool(laws_that_break) == bool(found)


def swapped(made: grouping.Split) -> grouping.Split:
    return grouping.Split(train=made.validation, validation=made.train)


def leaking(made: grouping.Split) -> grouping.Split:
    return replace(made, train=np.sort(np.append(made.train, made.validation[0])))


def unshuffled(made: grouping.Split) -> grouping.Split:
    everyone = np.arange(len(made.train) + len(made.validation))
    return grouping.Split(train=everyone[len(made.validation) :], validation=everyone[: len(made.validation)])


def spoilt(drawn: dict[str, Any], factor: float) -> dict[str, Any]:
    return {name: value * factor if name == "phase.0.1.weight" else value for name, value in drawn.items()}


def normal(drawn: dict[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {n: rng.normal(size=v.shape) * v.std() if v.ndim == 4 else v for n, v in drawn.items()}


def biased(drawn: dict[str, Any]) -> dict[str, Any]:
    return {name: value + 1e-3 if name == "amplitude.inner.bias" else value for name, value in drawn.items()}


@pytest.mark.parametrize(
    ("fault", "laws_that_break"),
    [
        ("mirrored", {"stitched.object"}),
        ("channels", {"stitched.object"}),
        ("nominal", {"stitched.object", "stitched.crop"}),
        ("swapped", {"stitched.object", "stitched.crop"}),
        ("shifted", {"stitched.crop"}),
        ("uncropped", {"stitched.overlap"}),
        ("unread", {"stitched.seen"}),
    ],
)
def test_a_fault_between_store_and_canvas_does_not_give_the_object_back(
    fault: str, laws_that_break: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, finish, gather = stitching.Stitcher.add, stitching.Stitcher.finish, store.Store.create
    if fault == "mirrored":
        monkeypatch.setattr(stitching.Stitcher, "add", lambda self, p, x, y: add(self, p[..., ::-1], x, y))
    elif fault == "channels":
        monkeypatch.setattr(stitching.Stitcher, "add", lambda self, p, x, y: add(self, p[:, ::-1], x, y))
    elif fault == "uncropped":
        monkeypatch.setattr(stitching.Stitcher.__init__, "__kwdefaults__", {"crop": 64})
    elif fault == "shifted":

        def moved(self: Any) -> Any:
            made = finish(self)
            return replace(made, origin=(made.origin[0] + 1, made.origin[1]))

        monkeypatch.setattr(stitching.Stitcher, "finish", moved)
    elif fault == "unread":
        honest = np.take
        monkeypatch.setattr(
            "ptycho.training.batches.np.take",
            lambda a, i, axis=None: honest(a, np.zeros_like(i) if a.ndim == 3 else i, axis=axis),
        )
    else:

        def create(directory: Any, dataset: Any, prepared: Any) -> Any:
            nominal = {"xcoords": dataset.xcoords_start, "ycoords": dataset.ycoords_start}
            crossed = {"xcoords": dataset.ycoords, "ycoords": dataset.xcoords}
            return gather(directory, replace(dataset, **(nominal if fault == "nominal" else crossed)), prepared)

        monkeypatch.setattr(store.Store, "create", create)
    assert laws_that_break <= broken(2)
