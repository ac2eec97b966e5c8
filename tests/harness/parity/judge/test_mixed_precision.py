"""A backend in bf16: a hidden cast is seen behind the noise of the convolutions, and precision that is ignored."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from harness.parity.compare.comparison import SINGLE, Array, Result
from harness.parity.compare.floors import DERIVED, SINGLE_TO_DOUBLE, Floors
from harness.parity.compare.response import Answer
from harness.parity.compare.rungs import DOUBLE_IN_SINGLE, PRECISIONS
from harness.parity.compare.rungs import RUNGS as RUNG_TABLE
from harness.parity.judge import ladder, mixed_precision, oracle
from harness.parity.judge.in_situ import WIDTH
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from harness.parity.output import code_places
from harness.parity.reference import problem
from harness.parity.reference.rounding_noise import BFLOAT16_UNIT, RoundingNoise, to_bfloat16
from ptycho.parity.request import Request
from ptycho.physics.network import MixedRounding
from tests.support.golden_step0 import FIXTURE

Arrays = Mapping[str, Array]
RUNGS = ("R3", "R4", "R5", "R6", "R7", "R8")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[1])
def request_(request: pytest.FixtureRequest) -> Request:
    return problem.request(
        gridsize=request.param, seed=5, scan=FIXTURE, steps=5, precision="bf16", quantities=RUNGS, masked=False
    )


@pytest.fixture(scope="module")
def expected(request_: Request) -> OracleAnswer:
    return OracleAnswer(exact={}, arrays=oracle.arrays(request_), beside=oracle.beside(request_))


@pytest.fixture(scope="module")
def honest(expected: OracleAnswer) -> Arrays:
    """The oracle's own figures in the types of a backend."""
    return {name: _in_single(name, value) for name, value in expected.arrays.items()}


def _in_single(name: str, value: Array) -> Array:
    if name.startswith(DOUBLE_IN_SINGLE):
        return value
    return value.astype(SINGLE.get(value.dtype, value.dtype))


def climb(request: Request, expected: OracleAnswer, torch: Arrays, tf: Arrays) -> dict[str, JudgedRung]:
    arrays = {"torch": torch, "tf": tf}
    answers = {side: Answer(exact={}, arrays=given, refusals=(), manifest={}) for side, given in arrays.items()}
    climbed = ladder.climb(request.model.gridsize, answers, expected, RUNGS, precision="bf16")
    return {item.rung.name: item for item in climbed}


def failed(climbed: Mapping[str, JudgedRung]) -> dict[str, tuple[str, ...]]:
    """Tensors that fail and sides at fault."""
    return {j.tensor: j.guilty for item in climbed.values() for j in item.judgements if j.result is Result.FAIL}


@pytest.mark.parametrize("request_", [1, 2], indirect=True)
def test_honest_backends_pass_and_every_rung_is_judged(
    request_: Request, expected: OracleAnswer, honest: Arrays
) -> None:
    climbed = climb(request_, expected, honest, honest)
    assert failed(climbed) == {}
    assert {name: str(item.result) for name, item in climbed.items()} == dict.fromkeys(RUNGS, "pass")
    for rung in RUNGS[1:]:
        assert any(WIDTH in item.tensor for item in climbed[rung].judgements) or rung == "R5"
    own = [item.tensor for item in climbed["R5"].judgements if "in_situ" in item.tensor]
    assert len(own) == 20


def narrow(value: Array) -> Array:
    parts = np.ascontiguousarray(value).view(np.float32)
    return to_bfloat16(parts).view(value.dtype).reshape(value.shape)


@pytest.mark.parametrize("name", ["amplitude", "phase", "patches", "exit_wave", "intensity", "predicted.1"])
@pytest.mark.parametrize("part", [slice(None), slice(1)])
def test_a_narrow_tensor_behind_the_convolutions_is_named(
    name: str, part: slice, request_: Request, expected: OracleAnswer, honest: Arrays
) -> None:
    given = honest[f"R4/{name}"].copy()
    given[part] = narrow(given[part])
    found = failed(climb(request_, expected, {**honest, f"R4/{name}": given}, honest))
    assert found[f"R4/width.{name}"] == ("torch",)
    assert all(guilty == ("torch",) for guilty in found.values())


@pytest.mark.parametrize("name", ["code", "encoder.1.out", "phase.0.out"])
def test_convolutions_in_float32_are_no_mixed_precision(
    name: str, request_: Request, expected: OracleAnswer, honest: Arrays
) -> None:
    clean = oracle.arrays(request_, lambda value: value)[f"R4/{name}"].astype(np.float32)
    found = failed(climb(request_, expected, honest, {**honest, f"R4/{name}": clean}))
    assert found[f"R4/width.{name}"] == ("tf",)


@pytest.mark.parametrize(
    ("changed", "tensor"),
    [
        ({"R4/intensity": 1e-3}, "R4/in_situ.intensity.torch"),
        ({"R4/exit_wave": 1e-3}, "R4/in_situ.exit_wave.torch"),
        ({"R4/patches": 1e-3}, "R4/in_situ.patches.torch"),
        ({"R5/plain.nll": 1e-4, "R5/plain.total": 1e-4}, "R5/in_situ.plain.nll.torch"),
        ({"R5/weighted.variation": 1e-3}, "R5/in_situ.weighted.variation.torch"),
        ({"R6/object": 2e-2}, "R6/in_situ.object.torch"),
        ({"R6/probe": 2e-2}, "R6/in_situ.probe.torch"),
    ],
)
def test_a_small_error_behind_the_network_is_named(
    changed: Mapping[str, float], tensor: str, request_: Request, expected: OracleAnswer, honest: Arrays
) -> None:
    spoilt = {name: (honest[name] * (1 + by)).astype(honest[name].dtype) for name, by in changed.items()}
    found = failed(climb(request_, expected, {**honest, **spoilt}, honest))
    assert found[tensor] == ("torch",)
    assert all(guilty == ("torch",) for guilty in found.values())


def test_weights_without_a_float32_copy_are_named(request_: Request, expected: OracleAnswer, honest: Arrays) -> None:
    stored: dict[str, Array] = {}
    for name, start in request_.weights.items():
        moved = honest[f"R8/5.{name}"]
        stored[f"R8/5.{name}"] = (to_bfloat16(start + moved) - start).astype(np.float32)
    found = failed(climb(request_, expected, {**honest, **stored}, honest))
    assert found["R8/width.5.encoder.0.0.weight"] == ("torch",)


@pytest.mark.parametrize("name", ["R7/3.kernel_0.1", "R7/3.adam.m/kernel_0.1", "R7/3.adam.v/kernel_0.1"])
def test_a_narrow_state_of_the_optimiser_is_named(
    name: str, request_: Request, expected: OracleAnswer, honest: Arrays
) -> None:
    named = name if name in honest else next(one for one in honest if one.startswith(name.partition("_")[0]))
    found = failed(climb(request_, expected, {**honest, named: narrow(honest[named])}, honest))
    assert found[named.replace("/", WIDTH, 1)] == ("torch",)


@pytest.mark.parametrize("spoil", [lambda x: x[..., ::-1, :], lambda x: 1.1 * x, lambda x: np.maximum(x, 0.5)])
def test_a_wrong_layer_in_bf16_is_named(
    spoil: Callable[[Array], Array], request_: Request, expected: OracleAnswer, honest: Arrays
) -> None:
    given = {name: narrow(spoil(honest[name]).astype(np.float32)) for name in ("R3/encoder.1", "R4/encoder.1.out")}
    found = failed(climb(request_, expected, {**honest, **given}, honest))
    assert found["R3/encoder.1"] == ("torch",)


def test_another_rounding_of_convolutions_passes(request_: Request, expected: OracleAnswer) -> None:
    """A backend that rounds a second time: half a unit up or down, and then to bfloat16."""
    noise = RoundingNoise(BFLOAT16_UNIT / 2, 77)
    mixed = MixedRounding(wide=lambda value: value, narrow=lambda value: to_bfloat16(noise(value)))
    given = {name: _in_single(name, value) for name, value in oracle.arrays(request_, mixed).items()}
    found = failed(climb(request_, expected, given, given))
    # Each figure draws signs of its own here, so that loss and patches do not belong together.
    assert [name for name in found if "in_situ" not in name] == []
    assert all(name.startswith(("R5/", "R6/")) for name in found)


def test_a_device_without_floors_is_not_judged_by_those_of_the_cpu() -> None:
    """Neither by the ladder nor by what is judged beside it: what they would judge is unverified."""
    (row,) = (one for one in RUNG_TABLE if one.name == "R4")
    assert ladder.limit(row, "R4/patches", 1, "bf16", Floors.load()).tolerance is not None
    assert ladder.limit(row, "R4/patches", 1, "bf16", DERIVED).tolerance is None
    single = problem.request(gridsize=1, seed=5, scan=FIXTURE, steps=0, precision="f32", quantities=("R3", "R4"))
    arrays = {name: _in_single(name, value) for name, value in oracle.arrays(single).items()}
    allowed = {
        item.tolerance for item in oracle.beside(single)["R3"]({"torch": arrays}, DERIVED) if "in_situ" in item.tensor
    }
    assert allowed == {1e-12 / SINGLE_TO_DOUBLE}


def test_the_width_of_values() -> None:
    rng = np.random.default_rng(1)
    wide = rng.normal(size=100_000).astype(np.float32)
    assert mixed_precision.width(wide) == mixed_precision.WIDE
    assert mixed_precision.width(wide[:64] + 1j * wide[64:128]) == mixed_precision.WIDE
    assert mixed_precision.width(narrow(wide)) == mixed_precision.NARROW
    assert mixed_precision.width(narrow(wide[:100].astype(np.complex64))) == mixed_precision.NARROW
    assert mixed_precision.width(np.concatenate([wide[:80], narrow(wide[:20])])) == f"20% {mixed_precision.NARROW}"
    assert mixed_precision.width(wide[:15]) is None
    assert mixed_precision.width(np.zeros(100, np.float32)) is None
    assert mixed_precision.width(wide.astype(np.float64)) is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1.0, 1.0), (1 + 2**-8, 1.0), (1 + 3 * 2**-8, 1 + 2**-6), (1 + 2**-8 + 2**-20, 1 + 2**-7), (-0.0, -0.0)],
)
def test_bfloat16_rounds_to_the_nearest_and_ties_to_even(value: float, wanted: float) -> None:
    found = to_bfloat16(np.array([value, np.inf, -np.inf]))
    assert (found[0], np.signbit(found[0])) == (wanted, np.signbit(wanted))
    assert found[1:].tolist() == [np.inf, -np.inf]
    assert np.isnan(to_bfloat16(np.array([np.nan]))).all()


def test_every_judgement_leads_to_code(request_: Request, expected: OracleAnswer, honest: Arrays) -> None:
    climbed = climb(request_, expected, honest, honest)
    names = [item.tensor for one in climbed.values() for item in one.judgements]
    assert [name for name in names if code_places.row(name) is None] == []
    assert PRECISIONS[-1] == "bf16"
