"""The laws: an honest side fulfils them all; each fault that two backends could share breaks the law that names it."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from harness.parity.compare.comparison import Judgement, Result
from harness.parity.output.artifacts import relations
from harness.parity.reference import invariants, problem
from harness.parity.reference.invariant import Law
from ptycho.parity import core
from ptycho.parity import invariants as parity_invariants
from ptycho.parity.request import Request
from tests.support.fakes.honest_bench import Array, Given, HonestBench
from tests.support.golden_step0 import FIXTURE


@cache
def request_of(gridsize: int) -> Request:
    return problem.request(gridsize=gridsize, seed=7, scan=FIXTURE, steps=1, quantities=("R2c",))


@cache
def laws_of(gridsize: int) -> list[Law]:
    return invariants.laws(request_of(gridsize))


@cache
def core_of(gridsize: int) -> dict[str, Array]:
    return {f"R2c/core.{name}": np.asarray(value) for name, value in core.measure(request_of(gridsize))}


@cache
def honest_of(gridsize: int) -> dict[str, Array]:
    bench = HonestBench(request_of(gridsize))
    return {f"R2c/{case.name}": bench.operate(case) for case in parity_invariants.cases(request_of(gridsize))}


def answered(gridsize: int) -> dict[str, Array]:
    """The answers of an honest side."""
    return {**honest_of(gridsize), **core_of(gridsize)}


def judged(gridsize: int, arrays: dict[str, Array]) -> dict[str, Judgement]:
    return {item.tensor: item for item in invariants.judge(laws_of(gridsize), {"a": arrays})}


def broken(gridsize: int, operation: str, fault: Callable[[Any, Given], Any], *, pull: bool = False) -> set[str]:
    """Names of the laws that break when an operation of the honest bench has a fault."""
    bench = HonestBench(request_of(gridsize))
    honest = getattr(bench, operation)
    if pull:
        setattr(bench, operation, lambda given, upstream, to: fault(honest(given, upstream, to), given))
    else:
        setattr(bench, operation, lambda given: fault(honest, given))
    affected = {operation.removesuffix("_pull"), *(("consistent",) if operation in ("assemble", "extract") else ())}
    again = [case for case in parity_invariants.cases(request_of(gridsize)) if case.operation in affected]
    found = judged(gridsize, answered(gridsize) | {f"R2c/{case.name}": bench.operate(case) for case in again})
    return {name.removeprefix("R2c/") for name, item in found.items() if item.result is Result.FAIL}


@pytest.mark.parametrize("gridsize", [1, 2])
def test_an_honest_side_fulfils_every_law_with_room(gridsize: int) -> None:
    found = judged(gridsize, answered(gridsize))
    assert [reason for item in found.values() for reason in item.reasons] == []
    assert len(found) == len(laws_of(gridsize)) >= 90
    assert all(item.figures["a"] <= (item.tolerance or 0.0) / 2 for item in found.values())


FIELD = {"light.formula", "light.probe_ramp", "light.object_ramp"}


@pytest.mark.parametrize(
    ("fault", "laws_that_break"),
    [
        (lambda honest, g: honest({**g, "probe": g["probe"].conj()}), {"light.formula", "light.probe_ramp"}),
        (lambda honest, g: honest({**g, "probe": g["probe"].swapaxes(-1, -2)}), {"light.formula", "light.probe_ramp"}),
        (lambda honest, g: honest({**g, "objects": g["objects"].conj()}), {"light.formula", "light.object_ramp"}),
        (lambda honest, g: honest({n: v.conj() for n, v in g.items()}), FIELD),
        (lambda honest, g: np.roll(honest(g), 1, axis=-1), {"light.formula", "light.conjugate"}),
        (lambda honest, g: np.fft.ifftshift(honest(g), axes=-1), {"light.formula"}),
        (lambda honest, g: honest(g) * g["probe"].shape[-1], {"light.formula", "light.parseval"}),
        (lambda honest, g: honest({**g, "probe": g["probe"] / 4}), {"light.formula", "light.parseval"}),
        (lambda honest, g: honest({**g, "probe": g["probe"].sum(0, keepdims=True)}), {"light.formula", "light.modes"}),
        (lambda honest, g: np.sqrt(honest(g)), {"light.formula", "light.brighter", "light.objects.adjoint"}),
        (lambda honest, g: honest(g) + 1e-9, {"light.formula", "light.parseval", "light.modes"}),
        (lambda honest, g: honest(g).astype(np.float32), {"light.formula"}),
    ],
)
def test_a_fault_in_the_far_field_breaks_its_laws(fault: Callable[..., Any], laws_that_break: set[str]) -> None:
    assert laws_that_break <= broken(1, "intensity", fault)


@pytest.mark.parametrize(
    ("operation", "law"),
    [
        ("intensity_pull", "light.objects.adjoint"),
        ("convolve_pull", "convolve.x.adjoint"),
        ("upsampled_pull", "upsampled.kernel.adjoint"),
        ("assemble_pull", "assemble.any.adjoint"),
        ("extract_pull", "extract.whole.adjoint"),
        ("consistent_pull", "consistent.any.adjoint"),
    ],
)
@pytest.mark.parametrize(
    "fault",
    [
        lambda made, _given: made * (1 + 1e-9),
        lambda made, _given: made[..., ::-1],
        lambda made, _given: made * (1j if np.iscomplexobj(made) else -1),
        lambda made, _given: made * np.nan,
    ],
)
def test_a_gradient_that_is_not_the_adjoint_breaks_its_law(operation: str, law: str, fault: Callable[..., Any]) -> None:
    assert law in broken(2, operation, fault, pull=True)


@pytest.mark.parametrize(
    ("operation", "fault", "laws_that_break"),
    [
        (
            "assemble",
            lambda honest, g: honest({**g, "coords_relative": -g["coords_relative"]}),
            {"assemble.whole.formula", "true.assembled"},
        ),
        (
            "assemble",
            lambda honest, g: honest({**g, "coords_relative": g["coords_relative"][:, :, ::-1]}),
            {"assemble.whole.formula", "true.assembled"},
        ),
        (
            "assemble",
            lambda honest, g: honest({**g, "patches": g["patches"][:, ::-1]}),
            {"assemble.whole.formula", "true.assembled"},
        ),
        ("assemble", lambda honest, g: honest(g) * 1.001, {"assemble.any.formula", "true.assembled"}),
        ("assemble", lambda honest, g: honest(g)[..., 5:-5, 5:-5], {"assemble.any.formula", "assemble.any.adjoint"}),
        (
            "extract",
            lambda honest, g: honest({**g, "coords_relative": -g["coords_relative"]}),
            {"extract.whole.formula", "consistent.whole.formula", "true.agreed"},
        ),
        (
            "extract",
            lambda honest, g: honest({**g, "coords_relative": np.rint(g["coords_relative"])}),
            {"extract.any.formula"},
        ),
        ("amplitude", lambda honest, g: honest(g) + 1e-9, {"root"}),
        ("illumination", lambda honest, g: honest(g) / 4, {"illumination.given", "illumination.scale"}),
        ("illumination", lambda honest, g: honest(g)[:, :, :1], {"illumination.given", "illumination.scale"}),
        ("illumination", lambda honest, g: honest(g).conj(), {"illumination.given"}),
    ],
)
def test_a_fault_in_assembly_or_probe_breaks_its_laws(
    operation: str, fault: Callable[..., Any], laws_that_break: set[str]
) -> None:
    assert laws_that_break <= broken(2, operation, fault)


def with_term(index: int, change: Callable[[Any], Any]) -> Callable[..., Any]:
    def fault(honest: Any, given: Given) -> Any:
        made = np.array(honest(given))
        made[index] = change(made[index])
        return made

    return fault


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        (with_term(0, lambda value: value + 1), "terms.nll"),
        (with_term(4, lambda value: value + 1e-3), "terms.perfect"),
        (with_term(4, lambda value: value**2), "terms.deviance"),
        (with_term(3, lambda value: value * 2), "terms.total"),
        (lambda honest, g: honest({**g, "scale": g["scale"] ** 2}), "terms.mae"),
        (lambda honest, g: honest({**g, "log_scale": g["log_scale"] * 2}), "terms.perfect"),
        (lambda honest, g: honest({name: value for name, value in g.items() if name != "good"}), "masked.other"),
        (lambda honest, g: honest({**g, "good_share": 1.0}), "masked.sum"),
        (lambda honest, g: honest({**g, "good": 1 - g["good"]} if "good" in g else g), "masked.other"),
    ],
)
def test_a_fault_in_the_loss_breaks_a_law_of_the_flux(fault: Callable[..., Any], law: str) -> None:
    assert law in broken(1, "terms", fault)


def test_what_was_not_given_or_not_asked_for_fails() -> None:
    arrays = answered(1)
    del arrays["R2c/root"]
    arrays["R2c/more"] = np.zeros(3)
    found = judged(1, arrays)
    failed = {name: item.reasons for name, item in found.items() if item.result is Result.FAIL}
    assert failed == {
        "R2c/root": ("a did not give root",),
        "R2c/more": ("a gave an answer that nobody asked for",),
    }
    assert found["R2c/root"].minimum_tolerance is None


def test_the_guilty_side_is_named_and_the_core_is_what_both_share() -> None:
    honest, wrong = answered(1), answered(1)
    wrong["R2c/root"] = wrong["R2c/root"] * 2
    for arrays in (honest, wrong):
        arrays["R2c/core.nll"] = arrays["R2c/core.nll"] + 1
    found = {item.tensor: item for item in invariants.judge(laws_of(1), {"torch": honest, "tf": wrong})}
    assert (found["R2c/root"].guilty, found["R2c/root"].shared) == (("tf",), False)
    assert (found["R2c/core.nll"].guilty, found["R2c/core.nll"].shared) == (("torch", "tf"), True)


@pytest.mark.parametrize("value", [np.float32, np.complex64])
def test_single_precision_is_refused_however_close(value: Any) -> None:
    arrays = answered(1)
    arrays["R2c/core.intensity_scale"] = arrays["R2c/core.intensity_scale"].astype(value)
    assert judged(1, arrays)["R2c/core.intensity_scale"].result is Result.FAIL


@pytest.mark.slow
def test_nan_in_any_element_breaks_a_law_that_needs_the_answer() -> None:
    honest = answered(1)
    for name, value in honest.items():
        if value.dtype.kind in "fc" and value.size:
            spoilt = value.copy()
            spoilt.flat[-1] = np.nan
            found = [item for item in judged(1, {**honest, name: spoilt}).values() if item.result is Result.FAIL]
            assert any(name.removeprefix("R2c/") in " ".join(item.reasons) for item in found), name


def test_a_law_that_is_broken_shows_where_and_what_it_resembles() -> None:
    name = "R2c/assemble.any"
    arrays = answered(2)
    found = judged(2, {**arrays, name: -arrays[name]})[f"{name}.formula"]
    assert found.worst[0].name.startswith("group ")
    assert list(found.worst[0].values) == ["a", "law"]
    (law,) = (law for law in laws_of(2) if law.name == "assemble.any.formula")
    made = invariants.pair(law, {"assemble.any": -arrays[name]})
    assert made is not None
    assert relations(found, {"a": made[0]}, made[1]) == ("a is −1 × what is expected",)


def test_of_a_law_of_counting_and_of_answers_that_do_not_fit_there_are_no_elements() -> None:
    name = "R2c/core.split.9.2.train"
    arrays = answered(1)
    assert judged(1, {**arrays, name: arrays[name][:-1]})["R2c/core.split.9.2"].worst == ()
    name = "R2c/assemble.any"
    assert judged(1, {**arrays, name: arrays[name][:1]})[f"{name}.formula"].worst == ()


def test_a_conjugated_probe_of_the_engine_is_recognised_under_the_object() -> None:
    request, arrays = request_of(1), answered(1)
    law = next(law for law in laws_of(1) if law.name == "illumination.given")
    honest = invariants.pair(law, {"illumination": arrays["R2c/illumination"]})
    assert honest is not None
    objects = arrays["R2c/illumination"] / (honest[0] + (honest[0] == 0))
    wrong = np.where(honest[0] == 0, 0, objects * request.probe.conj())
    found = judged(1, {**arrays, "R2c/illumination": wrong})["R2c/illumination.given"]
    made = invariants.pair(law, {"illumination": wrong})
    assert made is not None
    assert relations(found, {"a": made[0]}, made[1]) == ("a is the complex conjugate of what is expected",)
