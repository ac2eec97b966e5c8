"""A backend's own operations on R2, R2b and R2c: clean they pass, and each planted fault fails where it must."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.parity.compare.comparison import Judgement, Result
from harness.parity.judge import operation_bounds
from harness.parity.reference import invariants, operations, problem, subgradients
from ptycho.parity import measure
from ptycho.parity import operations as parity_operations
from ptycho.parity.request import Request
from tests.support.golden_step0 import FIXTURE
from tests.support.suites.backend import BackendUnderTest

Benches = dict[tuple[int, str], Any]


@cache
def request_of(gridsize: int, precision: str = "f64") -> Request:
    return problem.request(gridsize=gridsize, seed=5, scan=FIXTURE, steps=1, precision=precision)


@cache
def bench_of(backend: BackendUnderTest, gridsize: int, precision: str = "f64") -> Any:
    return backend.module("adapter").BackendAdapter(request_of(gridsize, precision))


def failed(found: list[Judgement]) -> set[str]:
    return {item.tensor.partition("/")[2] for item in found if item.result is Result.FAIL}


def wrong_operations(backend: BackendUnderTest, gridsize: int = 2, precision: str = "f64") -> set[str]:
    """Names of the cases of R2 that fail now."""
    request, bench = request_of(gridsize, precision), bench_of(backend, gridsize, precision)
    given = {f"R2/{name}": value for name, value in parity_operations.measure(request, bench)}
    return failed(operation_bounds.judge(operations.expected(request), {backend.package: given}))


def wrong_corners(backend: BackendUnderTest, precision: str = "f64") -> set[str]:
    """Names of the questions of R2b that are answered otherwise now."""
    request = request_of(1, precision)
    found = parity_operations.classes(request, bench_of(backend, 1, precision))
    return {name for name, wanted in subgradients.expected(request).items() if found[name] != wanted}


def broken_laws(backend: BackendUnderTest, gridsize: int = 2) -> set[str]:
    """Names of the laws that are broken now."""
    request = request_of(gridsize)
    found = measure.sides_of_laws(request, bench_of(backend, gridsize))
    given = {f"R2c/{name}": value for name, value in found}
    return failed(invariants.judge(invariants.laws(request), {backend.package: given}))


def conjugate(backend: BackendUnderTest, tensor: Any) -> Any:
    """The framework's own, so that gradients flow."""
    if backend.package == "ptycho_torch":
        return tensor.conj()
    return backend.module("runtime").tf.math.conj(tensor)


class OperationsSuite:
    @pytest.mark.parametrize("gridsize", [1, 2])
    @pytest.mark.parametrize("precision", ["f64", "f32"])
    def test_every_operation_keeps_its_bound(self, gridsize: int, precision: str, backend: BackendUnderTest) -> None:
        assert wrong_operations(backend, gridsize, precision) == set()

    @pytest.mark.parametrize("precision", ["f64", "f32"])
    def test_every_corner_is_of_its_kind(self, precision: str, backend: BackendUnderTest) -> None:
        assert wrong_corners(backend, precision) == set()

    @pytest.mark.parametrize("gridsize", [1, 2])
    def test_every_law_is_kept(self, gridsize: int, backend: BackendUnderTest) -> None:
        assert broken_laws(backend, gridsize) == set()

    def test_the_engines_own_probe_is_asked_for(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = bench_of(backend, 1).engine
        monkeypatch.setattr(engine, "probe", engine.probe / 4)
        assert broken_laws(backend, 1) == {"illumination.given", "illumination.scale"}

    def test_a_conjugated_probe_breaks_the_ramp_law(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("physics")
        honest = module.exit_wave
        monkeypatch.setattr(module, "exit_wave", lambda o, p: honest(o, conjugate(backend, p)))
        assert {"light.formula", "light.probe_ramp"} <= broken_laws(backend, 1)
        assert {"exit_wave.even", "intensity.even", "intensity.odd"} <= wrong_operations(backend, 1)

    def test_a_coherent_sum_of_modes_breaks_its_law(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("physics")
        honest = module.exit_wave
        monkeypatch.setattr(module, "exit_wave", lambda o, p: honest(o, p[:1] + p[1:] if p.shape[0] == 2 else p))
        assert {"light.modes", "light.formula"} <= broken_laws(backend, 1)

    def test_the_other_sign_of_the_offsets_is_found_for_one_patch_and_for_four(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("assembly")
        honest = module.placements
        monkeypatch.setattr(module, "placements", lambda relative, *rest: honest(-relative, *rest))
        for gridsize in (1, 2):
            assert {"placements.whole", "extract.odd", "assemble.any"} <= wrong_operations(backend, gridsize)
        assert {"true.assembled", "true.agreed", "extract.whole.formula"} <= broken_laws(backend)

    def test_rows_for_columns_are_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        module = backend.module("assembly")
        honest = module.placements
        monkeypatch.setattr(module, "placements", lambda *given: honest(*given)[::-1])
        assert {"placements.whole", "extract.whole", "assemble.whole"} <= wrong_operations(backend)

    def test_another_mask_floor_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backend.module("assembly"), "MASK_FLOOR", 0.0011)
        assert {"assemble.whole", "assemble.any"} <= wrong_operations(backend)

    def test_a_short_pi_is_found_in_the_last_place_only(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend.module("network"), "math", SimpleNamespace(pi=3.1415926))
        assert wrong_operations(backend, 1) == {"phase_head"}
        assert wrong_corners(backend) == set()

    def test_a_kernel_folded_the_wrong_way_is_found(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("network")
        honest = module.upsampling_taps
        monkeypatch.setattr(module, "upsampling_taps", lambda: honest().swapaxes(0, 1))
        assert {"upsampled.odd", "upsampled.tap_side"} <= wrong_operations(backend, 1)

    def test_another_floor_of_the_logarithm_is_another_kind(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("loss")
        honest = module.poisson_nll
        monkeypatch.setattr(module, "poisson_nll", lambda rate, counts, _epsilon: honest(rate, counts, 1e-8))
        assert {"nll.rate", "nll.counts", "terms.intensity"} <= wrong_corners(backend)
        assert {"log", "nll"} <= wrong_operations(backend, 1)

    def test_a_loss_without_a_floor_is_nan(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        module = backend.module("loss")
        honest = module.poisson_nll
        monkeypatch.setattr(module, "poisson_nll", lambda rate, counts, _epsilon: honest(rate, counts, 0.0))
        assert {"nll.rate", "nll.counts", "terms.intensity"} <= wrong_corners(backend)

    def test_a_root_without_a_floor_is_another_kind(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend.module("loss"), "EPSILON_F64", 0.0)
        assert {"mae", "variation.flat", "terms.patches"} <= wrong_corners(backend)

    def test_a_loss_in_single_precision_is_found(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = backend.module("loss")
        honest = module.poisson_nll

        def single(rate: Any, counts: Any, epsilon: float) -> Any:
            made = honest(rate, counts, epsilon)
            return made + backend.tensor(np.array(3e-7)) * abs(made)

        monkeypatch.setattr(module, "poisson_nll", single)
        for precision in ("f64", "f32"):
            assert {"nll", "terms"} <= wrong_operations(backend, 1, precision)

    def test_both_heads_are_the_engines_own(self, backend: BackendUnderTest) -> None:
        asked = {case.name: case for case in parity_operations.cases(request_of(1))}
        bench = bench_of(backend, 1)
        same = replace(asked["amplitude_head"], operation="phase_head")
        amplitude, phase = bench.operate(asked["amplitude_head"]), bench.operate(same)
        assert (0 < amplitude).all()
        assert (amplitude < 1 + 1e-12).all()
        assert 3 < np.abs(phase).max() < 3.2
