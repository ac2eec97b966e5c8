"""The climb: the lowest rung that fails is the verdict, silence is no evidence, a known failure must stay one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity import ladder
from harness.parity.answer import Answer
from harness.parity.comparison import Result
from harness.parity.ladder import Climbed, Expected
from harness.parity.rungs import RUNGS, Known
from ptycho.verdict import Verdict

RNG = np.random.default_rng(4)
ARRAYS: dict[str, NDArray[Any]] = {f"{rung.name}/a": RNG.normal(size=20) for rung in RUNGS if rung.tolerance}
EXACT: dict[str, dict[str, Any]] = {"R0": {"epsilon": 1e-8}, "R1": {"raw": "ab"}}
NAMES = [rung.name for rung in RUNGS]


def climbed(
    torch: dict[str, Any], tf: dict[str, Any], *, exact: Mapping[str, Any] = EXACT, known: tuple[Known, ...] = ()
) -> list[Climbed]:
    answers = {
        "torch": Answer(exact=EXACT, arrays=ARRAYS | torch, refusals=(), manifest={}),
        "tf": Answer(exact=exact, arrays=ARRAYS | tf, refusals=(), manifest={}),
    }
    wanted = Expected(exact={"torch": EXACT, "tf": EXACT}, arrays=ARRAYS)
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
        Climbed(rung=item.rung, gridsize=2, judgements=item.judgements)
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
    nothing = Expected(exact={}, arrays={})
    found = ladder.climb(1, {"torch": silent, "tf": silent}, nothing, ["R3"])
    assert [item.result for item in found] == [Result.UNVERIFIED]
    assert ladder.verdict(found, {}) is Verdict.FAIL


def test_a_silent_side_fails_every_rung() -> None:
    silent = Answer(exact={}, arrays={}, refusals=(), manifest={})
    whole = Answer(exact=EXACT, arrays=ARRAYS, refusals=(), manifest={})
    wanted = Expected(exact={"torch": EXACT, "tf": EXACT}, arrays=ARRAYS)
    found = ladder.climb(1, {"torch": whole, "tf": silent}, wanted, NAMES)
    assert {(item.result, item.guilty) for item in found} == {(Result.FAIL, ("tf",))}


def test_nothing_climbed_is_no_pass() -> None:
    assert ladder.verdict([], {}) is Verdict.FAIL


def test_a_refused_answer_is_no_pass() -> None:
    assert ladder.verdict(climbed({}, {}), {"tf": ("its nonce is old",)}) is Verdict.FAIL


def test_a_known_failure_fails_nothing_as_long_as_it_fails() -> None:
    known = (Known(rung="R5", tensor="a", id="K1", reason="waits for a release"),)
    found = climbed({"R5/a": ARRAYS["R5/a"] * 2}, {}, known=known)
    assert {item.rung.name: item.result for item in found}["R5"] is Result.KNOWN_FAILURE
    assert ladder.verdict(found, {}) is Verdict.PASS


def test_a_known_failure_that_passes_fails() -> None:
    known = (Known(rung="R5", tensor="a", id="K1", reason="waits for a release"),)
    failed = ladder.first_failure(climbed({}, {}, known=known))
    assert failed is not None
    assert failed.judgements[0].reasons == ("known failure K1 passes: remove its entry from harness/parity/rungs.py",)


def test_the_worst_of_a_rung_is_its_gravest_judgement() -> None:
    (layers,) = (item for item in climbed({"R3/b": ARRAYS["R3/a"]}, {}) if item.rung.name == "R3")
    assert layers.worst is not None
    assert layers.worst.tensor == "R3/b"
