"""The ladder's self-check: green on a clean answer, and red for each way in which a comparator can rot."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.parity.compare import comparison, response, rungs
from harness.parity.compare.comparison import Judgement, Result
from harness.parity.compare.response import Answer
from harness.parity.exchange.backend_client import PACKAGES
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.output import replay
from harness.parity.reference import problem
from harness.parity.selfcheck import selfcheck, tampered
from harness.parity.selfcheck.defects import LIMITS
from ptycho.parity.request import Request
from ptycho.verdict import Verdict
from tests.support.golden_step0 import FIXTURE

SIDES = ("torch", "tf")
QUANTITIES = ("R0", "R3", "R4", "R6")


@cache
def clean() -> tuple[Request, dict[str, Answer], OracleAnswer]:
    """A question, two answers that round differently, and the oracle's."""
    request = replace(problem.request(gridsize=1, seed=7, scan=FIXTURE, steps=2), quantities=QUANTITIES)
    expected = oracle.expected(request, {side: PACKAGES[side] for side in SIDES})
    answers = {}
    for number, side in enumerate(SIDES):
        rng = np.random.default_rng(number)
        arrays = {
            name: value * (1 + 1e-16 * rng.normal(size=value.shape)) if name.startswith("R3/") else value
            for name, value in expected.arrays.items()
        }
        answers[side] = Answer(exact=expected.exact[side], arrays=arrays, refusals=(), manifest={})
    return request, answers, expected


@pytest.fixture(autouse=True)
def _no_forgeries(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged files have tests of their own, and take a second."""
    if "forgeries" not in request.node.name:
        monkeypatch.setattr(tampered, "check", lambda *_given: [])


def check(tmp_path: Path) -> list[str]:
    return selfcheck.run(*clean(), tmp_path)


@pytest.mark.slow
def test_a_clean_ladder_with_forgeries_is_relied_upon_and_nothing_is_left(tmp_path: Path) -> None:
    assert check(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_answer_is_no_clean_one(tmp_path: Path) -> None:
    request, answers, expected = clean()
    arrays = {**answers["tf"].arrays, "R6/probe": -answers["tf"].arrays["R6/probe"]}
    found = selfcheck.run(request, {**answers, "tf": replace(answers["tf"], arrays=arrays)}, expected, tmp_path)
    assert found == ["a clean answer fails at R6, R6/probe"]


def test_nan_that_is_overlooked_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = comparison.mismatches

    def overlooked(*given: Any) -> list[str]:
        return [sentence for sentence in honest(*given) if not sentence.startswith("has NaN")]

    monkeypatch.setattr(comparison, "mismatches", overlooked)
    assert any("with one NaN from" in sentence for sentence in check(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rotten", "noticed"),
    [
        ("distance", lambda a, b: abs(float(np.mean(np.abs(a)) / np.mean(np.abs(b))) - 1), "rolled"),
        ("distance", lambda a, b: float(np.abs(a - b).max(initial=0)), "small, with the other sign"),
        ("distance", lambda a, b: float(np.linalg.norm(np.abs(a) - np.abs(b)) / np.linalg.norm(b)), "conjugated"),
        ("distance", lambda a, b: 0.0 if np.allclose(a, b) else 1.0, "3 limits away"),
        ("distance", lambda a, b: 1e-20 * np.size(a) + (0.0 if np.array_equal(a, b) else 1.0), "0.33 limits away"),
        ("is_laundered", lambda _a, _b: False, "cast to float32 and back"),
        ("_positive_infinity", lambda a: np.zeros(a.shape, bool), "infinity"),
        ("mismatches", lambda *_given: [], "missing"),
    ],
)
def test_a_rotten_comparison_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rotten: Any, noticed: str
) -> None:
    with np.errstate(all="ignore"):
        monkeypatch.setattr(comparison, name, rotten)
        try:
            found = check(tmp_path)
        except (AttributeError, TypeError, ValueError) as crash:
            found = [f"missing: {crash}"]
    assert any(noticed in sentence for sentence in found)


def test_a_raised_tolerance_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = tuple(replace(rung, tolerance=1e-9) if rung.name == "R4" else rung for rung in rungs.RUNGS)
    monkeypatch.setattr(ladder, "RUNGS", raised)
    found = check(tmp_path)
    assert any(sentence.startswith("planted R4/") and "3 limits away" in sentence for sentence in found)
    assert not any(sentence.startswith("planted R6/") for sentence in found)


def test_a_ladder_that_looks_at_the_first_tensor_only_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ladder._closely
    monkeypatch.setattr(ladder, "_closely", lambda *given: honest(*given)[:1])
    found = check(tmp_path)
    assert "R6/probe is not compared" in found


@pytest.mark.slow
def test_a_wrong_order_of_the_rungs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "RUNGS", tuple(reversed(rungs.RUNGS)))
    assert any("at gridsize 2 is not the first failure" in sentence for sentence in check(tmp_path))


def test_an_accusation_of_everybody_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = comparison.judge

    def loud(*given: Any) -> Judgement:
        made = honest(*given)
        return replace(made, guilty=("tf", "torch")) if made.guilty else made

    monkeypatch.setattr(ladder, "judge", loud)
    assert any("at fault ('tf', 'torch'); expected" in sentence for sentence in check(tmp_path))


@pytest.mark.slow
def test_values_that_may_be_missing_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = comparison.judge_exact

    def forgiving(tensor: str, sides: Mapping[str, Any], expected: Mapping[str, Any]) -> Judgement:
        return honest(tensor, sides, {side: value for side, value in expected.items() if side in sides})

    monkeypatch.setattr(ladder, "judge_exact", forgiving)
    assert any(sentence.startswith("planted R0: ") and "missing" in sentence for sentence in check(tmp_path))


@pytest.mark.slow
def test_silence_as_a_pass_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ladder.fallen

    def kind(climbed: Any) -> Any:
        return honest([item for item in climbed if item.result is not Result.UNVERIFIED])

    monkeypatch.setattr(ladder, "fallen", kind)
    assert any(sentence.startswith("nobody says anything at") for sentence in check(tmp_path))


@pytest.mark.slow
def test_a_verdict_that_is_always_a_pass_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "verdict", lambda _climbed, _refused: Verdict.PASS)
    found = check(tmp_path)
    assert "nothing climbed, or a refused answer, is a pass" in found
    assert len(found) > 100


@pytest.mark.slow
def test_a_known_failure_that_covers_its_rung_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ladder._mark

    def wide(judgement: Judgement, known: Any, *rest: Any) -> Judgement:
        covering = [replace(entry, tensor=judgement.tensor.partition("/")[2]) for entry in known]
        return honest(judgement, covering, *rest) if judgement.result is Result.FAIL else judgement

    monkeypatch.setattr(ladder, "_mark", wide)
    found = check(tmp_path)
    assert any("is covered by a known failure" in sentence for sentence in found)
    assert any("a known failure that passes is not noticed" in sentence for sentence in found)


@pytest.mark.slow
def test_a_replay_that_forgives_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = comparison.judge
    monkeypatch.setattr(replay, "judge", lambda tensor, sides, oracle, _limit: honest(tensor, sides, oracle, 0.1))
    assert any("once it was kept" in sentence for sentence in check(tmp_path))


@pytest.mark.slow
def test_forgeries_that_are_not_looked_at_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = response.read
    monkeypatch.setattr(response, "read", lambda *given: replace(honest(*given), refusals=()))
    found = check(tmp_path)
    assert "an answer that is older than the code is accepted" in found
    assert "an answer that is of another nonce is accepted" in found


def test_a_self_check_without_defects_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_cases", lambda *_given: iter(()))
    assert check(tmp_path) == ["only 0 defects were planted for 4 rungs"]


def test_limits_are_those_of_the_rungs() -> None:
    assert {rung.name: rung.tolerance for rung in rungs.RUNGS if rung.name in LIMITS} == LIMITS
