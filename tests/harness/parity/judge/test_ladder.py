"""The climb: the lowest rung that fails is the verdict, silence is not evidence, a known failure must stay one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.comparison import Result
from harness.parity.compare.floors import DERIVED, DRAWN, SINGLE_TO_DOUBLE, Floors
from harness.parity.compare.response import Answer
from harness.parity.compare.rungs import (
    DOUBLE_IN_SINGLE,
    ENVELOPE,
    ERROR_RATIO,
    HORIZON,
    RUNGS,
    WORKFLOW_TOLERANCE,
    KnownDifference,
)
from harness.parity.judge import ladder
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from ptycho.physics.weights import LOG_SCALE
from ptycho.verdict import Verdict

RNG = np.random.default_rng(4)
ARRAYS: dict[str, NDArray[Any]] = {f"{rung.name}/a": RNG.normal(size=20) for rung in RUNGS if rung.tolerance}
EXACT: dict[str, dict[str, Any]] = {rung.name: {"epsilon": 1e-8} for rung in RUNGS if rung.tolerance is None}
NAMES = [rung.name for rung in RUNGS]
FLOOR = 1e-7
FLOORS = Floors(values={"f32": {1: dict.fromkeys([*ARRAYS, "R8/losses", "R8/1.weights"], FLOOR)}})


def climbed(
    torch: dict[str, Any],
    tf: dict[str, Any],
    *,
    exact: Mapping[str, Any] = EXACT,
    known: tuple[KnownDifference, ...] = (),
) -> list[JudgedRung]:
    answers = {
        "torch": Answer(exact=EXACT, arrays=ARRAYS | torch, refusals=(), manifest={}),
        "tf": Answer(exact=exact, arrays=ARRAYS | tf, refusals=(), manifest={}),
    }
    wanted = OracleAnswer(exact={"torch": EXACT, "tf": EXACT}, arrays=ARRAYS)
    return ladder.climb(1, answers, wanted, NAMES, known)


def test_a_clean_pair_stands_on_every_rung() -> None:
    found = climbed({}, {})
    assert [item.rung.name for item in found] == NAMES
    assert {item.result for item in found} == {Result.PASS}
    assert ladder.first_failure(found) is None
    assert ladder.verdict(found, {}) is Verdict.PASS


def test_the_lowest_rung_that_fails_is_the_verdict() -> None:
    found = climbed({"R8/a": ARRAYS["R8/a"] * 2}, {"R4/a": ARRAYS["R4/a"] * 2, "R6/a": ARRAYS["R6/a"] * 2})
    failed = ladder.first_failure(found)
    assert failed is not None
    assert (failed.rung.name, failed.guilty) == ("R4", ("tf",))
    assert ladder.verdict(found, {}) is Verdict.FAIL


def test_the_lower_rung_comes_before_the_smaller_gridsize() -> None:
    four = [
        JudgedRung(rung=item.rung, gridsize=2, judgements=item.judgements)
        for item in climbed({"R3/a": ARRAYS["R3/a"] + 1}, {})
    ]
    failed = ladder.first_failure([*climbed({"R5/a": ARRAYS["R5/a"] + 1}, {}), *four])
    assert failed is not None
    assert (failed.rung.name, failed.gridsize) == ("R3", 2)


def test_a_value_that_drifted_fails_the_exact_rung() -> None:
    failed = ladder.first_failure(climbed({}, {}, exact={**EXACT, "R0": {"epsilon": 1e-7}}))
    assert failed is not None
    assert (failed.rung.name, failed.guilty) == ("R0", ("tf",))


def test_a_rung_about_which_nothing_was_said_is_unverified_and_no_pass() -> None:
    silent = Answer(exact={}, arrays={}, refusals=(), manifest={})
    nothing = OracleAnswer(exact={}, arrays={})
    found = ladder.climb(1, {"torch": silent, "tf": silent}, nothing, ["R3"])
    assert [item.result for item in found] == [Result.UNVERIFIED]
    assert ladder.verdict(found, {}) is Verdict.FAIL


def test_a_silent_side_fails_every_rung() -> None:
    silent = Answer(exact={}, arrays={}, refusals=(), manifest={})
    whole = Answer(exact=EXACT, arrays=ARRAYS, refusals=(), manifest={})
    wanted = OracleAnswer(exact={"torch": EXACT, "tf": EXACT}, arrays=ARRAYS)
    found = ladder.climb(1, {"torch": whole, "tf": silent}, wanted, NAMES)
    assert {(item.result, item.guilty) for item in found} == {(Result.FAIL, ("tf",))}


def test_nothing_climbed_is_no_pass() -> None:
    assert ladder.verdict([], {}) is Verdict.FAIL


def test_a_refused_answer_is_no_pass() -> None:
    assert ladder.verdict(climbed({}, {}), {"tf": ("its nonce is old",)}) is Verdict.FAIL


def test_a_known_failure_fails_nothing_as_long_as_it_fails() -> None:
    known = (KnownDifference(rung="R5", tensor="a", id="K1", reason="waits for a release"),)
    found = climbed({"R5/a": ARRAYS["R5/a"] * 2}, {}, known=known)
    assert {item.rung.name: item.result for item in found}["R5"] is Result.KNOWN_FAILURE
    assert ladder.verdict(found, {}) is Verdict.PASS


def test_a_known_failure_that_passes_fails() -> None:
    known = (KnownDifference(rung="R5", tensor="a", id="K1", reason="waits for a release"),)
    failed = ladder.first_failure(climbed({}, {}, known=known))
    assert failed is not None
    assert failed.judgements[0].reasons == (
        "known failure K1 passes: remove its entry from harness/parity/compare/rungs.py",
    )


def test_the_worst_of_a_rung_is_its_gravest_judgement() -> None:
    (layers,) = (item for item in climbed({"R3/b": ARRAYS["R3/a"]}, {}) if item.rung.name == "R3")
    assert layers.worst is not None
    assert layers.worst.tensor == "R3/b"


SINGLE = {
    **{name: value for name, value in ARRAYS.items() if not name.startswith("R8/")},
    "R8/losses": RNG.normal(size=5),
    "R8/1.weights": RNG.normal(size=50),
    "R8/1.encoder.0.0.bias": RNG.normal(size=4),
}


def in_single(
    torch: dict[str, Any], tf: dict[str, Any], *, floors: Floors = FLOORS, known: tuple[KnownDifference, ...] = ()
) -> dict[str, JudgedRung]:
    """The rungs with figures in float32, of sides that round and have faults to order."""
    rounded = {n: v if n.startswith(DOUBLE_IN_SINGLE) else v.astype(np.float32) for n, v in SINGLE.items()}
    answers = {
        side: Answer(exact={}, arrays=rounded | spoilt, refusals=(), manifest={})
        for side, spoilt in (("torch", torch), ("tf", tf))
    }
    names = [rung.name for rung in RUNGS if rung.tolerance]
    wanted = OracleAnswer(exact={}, arrays=SINGLE)
    found = ladder.climb(1, answers, wanted, names, known, precision="f32", floors=floors)
    return {item.rung.name: item for item in found}


def off(name: str, units: float) -> dict[str, Any]:
    """A tensor that is so many floors from the oracle."""
    moved = SINGLE[name] * (1 + units * FLOOR)
    return {name: moved if name.startswith(DOUBLE_IN_SINGLE) else moved.astype(np.float32)}


def test_a_clean_pair_stands_in_float32() -> None:
    found = in_single({}, {})
    assert {item.result for item in found.values()} == {Result.PASS}
    assert {item.precision for item in found.values()} == {"f32"}
    assert found["R3"].noise_units is not None
    assert 0 < found["R3"].noise_units < 1
    assert ladder.verdict(list(found.values()), {}) is Verdict.PASS


@pytest.mark.parametrize("rung", ["R3", "R4", "R5", "R6", "R7"])
def test_float32_allows_multiples_of_the_floor(rung: str) -> None:
    name = f"{rung}/a"
    assert in_single(off(name, 20), off(name, 20))[rung].result is Result.PASS
    failed = in_single({}, off(name, 40))[rung]
    assert (failed.result, failed.guilty) == (Result.FAIL, ("tf",))
    assert failed.worst is not None
    assert failed.worst.noise_units["tf"] == pytest.approx(40, rel=0.1)


def test_one_side_that_errs_much_more_than_the_other_fails_the_forward_pass() -> None:
    failed = in_single(off("R4/a", 2), off("R4/a", 20))["R4"]
    assert (failed.result, failed.guilty) == (Result.FAIL, ("tf",))
    assert "times as much as torch; allowed 8" in failed.judgements[0].reasons[0]
    assert failed.judgements[0].minimum_tolerance is None
    # Below a floor, errors are chance and not compared.
    assert in_single(off("R4/a", 0.01), off("R4/a", ERROR_RATIO - 1))["R4"].result is Result.PASS
    assert in_single(off("R3/a", 2), off("R3/a", 20))["R3"].result is Result.PASS


@pytest.mark.parametrize(("rung", "allowed"), [("R3", 5e-4), ("R4", 5e-3), ("R6", 5e-3), ("R7", 5e-6)])
def test_a_device_without_floors_is_judged_by_float64_s_limits_in_units_of_float32(rung: str, allowed: float) -> None:
    name = f"{rung}/a"
    assert {item.result for item in in_single({}, {}, floors=DERIVED).values()} == {Result.PASS}
    near, far = (off(name, share * allowed / FLOOR) for share in (0.9, 1.5))
    assert in_single(near, {}, floors=DERIVED)[rung].result is Result.PASS
    failed = in_single(far, {}, floors=DERIVED)[rung]
    assert (failed.result, failed.guilty, failed.noise_units) == (Result.FAIL, ("torch",), None)


def test_a_tensor_without_a_floor_is_unverified_and_no_pass() -> None:
    found = in_single({}, {}, floors=Floors())
    assert {name: item.result for name, item in found.items()} == dict.fromkeys(found, Result.UNVERIFIED)
    assert ladder.verdict(list(found.values()), {}) is Verdict.FAIL
    spoilt = in_single({"R3/a": SINGLE["R3/a"].astype(np.float32) * np.nan}, {}, floors=Floors())
    assert spoilt["R3"].result is Result.FAIL


def test_the_trajectory_is_judged_as_a_whole_and_inside_its_envelope() -> None:
    found = in_single({}, off("R8/1.encoder.0.0.bias", 1e6))["R8"]
    assert (found.result, found.not_gated) == (Result.PASS, 1)
    for name in ("R8/1.weights", "R8/losses"):
        assert in_single({}, off(name, ENVELOPE - 0.5))["R8"].result is Result.PASS
        failed = in_single({}, off(name, ENVELOPE + 0.5))["R8"]
        assert (failed.result, failed.guilty) == (Result.FAIL, ("tf",))


def test_a_single_weight_must_still_be_there_and_finite() -> None:
    nan = {"R8/1.encoder.0.0.bias": np.full(4, np.nan, np.float32)}
    assert in_single({}, nan)["R8"].guilty == ("tf",)


def test_beyond_the_horizon_nothing_is_judged_and_that_is_no_pass() -> None:
    far = {"R8/losses": 2 * HORIZON, "R8/1.weights": 2 * HORIZON}
    found = in_single({}, off("R8/losses", 1e4), floors=Floors(values={"f32": {1: far}}))["R8"]
    assert {item.result for item in found.judgements} == {Result.NOT_GATED}
    assert found.result is Result.UNVERIFIED


def test_float64_has_noise_units_by_the_ratio_of_the_roundoffs() -> None:
    name = "R3/a"
    moved = {name: ARRAYS[name] * (1 + 5 * FLOOR * SINGLE_TO_DOUBLE)}
    answers = {
        side: Answer(exact={}, arrays=given, refusals=(), manifest={})
        for side, given in (("torch", {name: ARRAYS[name]}), ("tf", moved))
    }
    wanted = OracleAnswer(exact={}, arrays={name: ARRAYS[name]})
    (found,) = ladder.climb(1, answers, wanted, ["R3"], floors=FLOORS)
    assert found.noise_units == pytest.approx(5, rel=0.3)
    assert found.result is Result.PASS


def test_float64_comes_before_float32() -> None:
    single = in_single({}, off("R3/a", 40))["R3"]
    double = climbed({}, {"R3/a": ARRAYS["R3/a"] + 1})
    failed = ladder.first_failure([single, *double])
    assert failed is not None
    assert failed.precision == "f64"


def test_sides_that_err_alike_point_at_what_they_share() -> None:
    shared = climbed({"R4/a": ARRAYS["R4/a"] * 2}, {"R4/a": ARRAYS["R4/a"] * 2})
    failed = ladder.first_failure(shared)
    assert failed is not None
    assert failed.suspect == "both (what they share: the core, or the oracle)"
    apart = ladder.first_failure(climbed({"R4/a": ARRAYS["R4/a"] * 2}, {"R4/a": ARRAYS["R4/a"] * -2}))
    assert apart is not None
    assert (apart.guilty, apart.suspect) == (("tf", "torch"), "tf and torch")


def test_a_known_failure_can_be_one_of_a_precision_and_a_gridsize() -> None:
    entry = KnownDifference(rung="R5", tensor="a", id="K1", reason="waits for a release", precision="f32", gridsize=1)
    assert in_single({}, off("R5/a", 40), known=(entry,))["R5"].result is Result.KNOWN_FAILURE
    assert in_single({}, {}, known=(entry,))["R5"].result is Result.FAIL
    assert ladder.verdict(climbed({}, {}, known=(entry,)), {}) is Verdict.PASS
    elsewhere = replace(entry, gridsize=2)
    assert in_single({}, off("R5/a", 40), known=(elsewhere,))["R5"].result is Result.FAIL
    assert in_single({}, {}, known=(elsewhere,))["R5"].result is Result.PASS


def test_a_training_as_users_run_it_and_a_number_alone_have_limits_of_their_own() -> None:
    rungs = {rung.name: rung for rung in RUNGS}
    floors = Floors.load()
    limits = {
        name: ladder.limit(rungs[name.partition("/")[0]], name, 1, precision, floors).tolerance
        for precision, name in (
            ("f64", "R8/200.encoder.0.0.weight"),
            ("f64", "R8/workflow.model.encoder.0.0.weight"),
        )
    }
    assert list(limits.values()) == [1e-9, WORKFLOW_TOLERANCE]
    (scale, kernel) = (f"R6/{name}" for name in (LOG_SCALE, "encoder.0.0.weight"))
    allowed = {name: ladder.limit(rungs["R6"], name, 1, "f32", floors) for name in (scale, kernel)}
    multiples = {name: (limit.tolerance or 0) / (limit.floor or 1) for name, limit in allowed.items()}
    assert multiples == {scale: pytest.approx(4 * multiples[kernel]), kernel: pytest.approx(32)}


@pytest.mark.parametrize(("rung", "wanted"), [("R5", 1e-12), ("R6", 1e-9)])
def test_a_drawn_problem_has_limits_of_its_own_where_it_is_worse_conditioned(rung: str, wanted: float) -> None:
    of = next(item for item in RUNGS if item.name == rung)
    assert ladder.limit(of, f"{rung}/object", 1, "f64", DRAWN).tolerance == wanted
    assert ladder.limit(of, f"{rung}/object", 1, "f64", Floors.load()).tolerance == of.tolerance
