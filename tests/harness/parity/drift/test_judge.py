"""Planted changes of one line, each with its word and its rung; and what is missing is never a pass."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.failure import AnswerFailure, FailureKind
from harness.parity.drift import judge
from harness.parity.drift.words import Drift, Word
from harness.parity.exchange.collect import AnsweredQuestion
from ptycho.verdict import Verdict

from .conftest import ARRAYS, EPSILON, INPUT, KERNEL, RATE, RUNGS, WAVE, Pair, intensity, loss

Array = NDArray[Any]


def judged(heard: AnsweredQuestion, side: str = "torch", *, moved: bool = False) -> dict[str, Drift]:
    """Rows by rung."""
    return {row.climbed.rung.name: row for row in judge.judge(heard, side, oracle_moved=moved)}


def moved_rungs(rows: dict[str, Drift]) -> dict[str, Word]:
    """Rungs that are not identical, with their words."""
    return {name: row.word for name, row in rows.items() if row.word is not Word.IDENTICAL}


def other_order() -> Array:
    """The layer with its terms added up from the last to the first."""
    return np.asarray(KERNEL[:, ::-1] @ INPUT[::-1])


def one_unit(name: str) -> Array:
    """An array with one element moved to the next number that there is."""
    value = ARRAYS[name].copy()
    value[(3,) * value.ndim] = np.nextafter(value[(3,) * value.ndim], np.inf)
    return value


def swapped_axes() -> Array:
    """The transform, first along the other axis."""
    return np.asarray(np.abs(np.fft.fft(np.fft.fft(WAVE, axis=1), axis=2)) ** 2)


PLANTED: dict[str, tuple[str, Callable[[], Any], Word]] = {
    "text alone": ("R3/conv", lambda: KERNEL @ INPUT, Word.IDENTICAL),
    "order of a sum": ("R3/conv", other_order, Word.ROUNDING),
    "order of axes": ("R4/intensity", swapped_axes, Word.ROUNDING),
    "one unit in the last place": ("R6/conv.weight", lambda: one_unit("R6/conv.weight"), Word.ROUNDING),
    "an epsilon": ("R5/plain.nll", lambda: loss(RATE, 10 * EPSILON), Word.REGRESSION),
    "a cast there and back": (
        "R4/exit_wave",
        lambda: ARRAYS["R4/exit_wave"].astype(np.complex64).astype(np.complex128),
        Word.REGRESSION,
    ),
    "a cast": ("R4/exit_wave", lambda: ARRAYS["R4/exit_wave"].astype(np.complex64), Word.REGRESSION),
    "a constant": ("R4/exit_wave", lambda: WAVE * 0.500001, Word.REGRESSION),
    "a norm of the transform": ("R4/intensity", lambda: intensity(WAVE) / 32**2, Word.REGRESSION),
    "a sign": ("R6/conv.weight", lambda: -ARRAYS["R6/conv.weight"], Word.REGRESSION),
    "a default": ("R0/option.batch_size", lambda: 8, Word.REGRESSION),
    "an order of batches": ("R1/batch.0.indices", lambda: "dd", Word.REGRESSION),
    "a kind of number": ("R2b/root.zero", lambda: "nan", Word.REGRESSION),
    "one unit in the core's stitching": ("R2c/core.object", lambda: one_unit("R2c/core.object"), Word.CHANGED),
    "one unit in a schedule": ("R7/schedule.ramp", lambda: one_unit("R7/schedule.ramp"), Word.CHANGED),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_has_its_word_at_its_rung_and_nowhere_else(name: str, pair: Pair) -> None:
    tensor, value, word = PLANTED[name]
    heard = pair(new={tensor: value()})
    rows = judged(heard)
    expected = {} if word is Word.IDENTICAL else {tensor.partition("/")[0]: word}
    assert moved_rungs(rows) == expected
    assert moved_rungs(judged(heard, "tf")) == {}
    if word is Word.REGRESSION:
        row = rows[tensor.partition("/")[0]]
        assert (row.finding.tensor, row.finding.attributed, row.verdict) == (tensor, "new", Verdict.FAIL)


def test_equal_answers_are_identical_on_every_rung(pair: Pair) -> None:
    rows = judged(pair())
    assert [row.word for row in rows.values()] == [Word.IDENTICAL] * len(RUNGS)
    assert {row.verdict for row in rows.values()} == {Verdict.PASS}
    assert all(row.compared for row in rows.values())


def test_rounding_is_counted_in_units_of_the_last_place_where_there_is_no_floor(pair: Pair) -> None:
    row = judged(pair(new={"R6/conv.weight": one_unit("R6/conv.weight")}))["R6"]
    assert (row.differing, row.unit, row.largest) == (("R6/conv.weight",), judge.ROUNDOFF, "R6/conv.weight")
    assert row.units is not None
    assert 0 < row.units < 1  # one element of 4096


def test_what_only_the_old_code_fails_is_fixed_unless_the_oracle_moved(pair: Pair) -> None:
    heard = pair(old={"R4/intensity": ARRAYS["R4/intensity"] * 1.01})
    assert moved_rungs(judged(heard)) == {"R4": Word.FIXED}
    assert judged(heard)["R4"].verdict is Verdict.PASS
    assert moved_rungs(judged(heard, moved=True)) == {"R4": Word.CHANGED}


def test_an_exact_quantity_is_never_fixed_but_changed(pair: Pair) -> None:
    assert moved_rungs(judged(pair(old={"R0/option.batch_size": 8}))) == {"R0": Word.CHANGED}


def test_two_wrong_states_that_differ_are_both_outside(pair: Pair) -> None:
    wrong = {"old": {"R5/plain.nll": loss(RATE) * 2}, "new": {"R5/plain.nll": loss(RATE) * 3}}
    assert moved_rungs(judged(pair(**wrong))) == {"R5": Word.OUTSIDE}


def test_two_states_that_are_wrong_alike_are_identical_and_it_is_said(pair: Pair) -> None:
    row = judged(pair(old={"R5/plain.nll": loss(RATE) * 2}, new={"R5/plain.nll": loss(RATE) * 2}))["R5"]
    assert (row.word, row.alike) == (Word.IDENTICAL, True)


def test_a_minus_zero_and_another_type_are_not_the_same_bits() -> None:
    assert not judge.same(np.zeros(3), -np.zeros(3))
    assert not judge.same(np.zeros(3), np.zeros(3, np.float32))
    assert judge.same(np.array([np.nan]), np.array([np.nan]))
    assert not judge.same(1, 1.0)
    assert not judge.same(1, True)


def test_what_the_commit_does_not_know_is_not_answered(pair: Pair) -> None:
    lacks = {"torch-old": ("R6/conv.weight",)}
    row = judged(pair(without=lacks))["R6"]
    assert (row.word, row.verdict) == (Word.NOT_ANSWERED, Verdict.INFRA)
    assert row.finding.reason == "not answered by the commit: R6/conv.weight"


def test_an_exact_value_that_the_commit_does_not_know_is_not_answered(pair: Pair) -> None:
    row = judged(pair(without={"torch-old": ("R1/raw",)}))["R1"]
    assert (row.word, row.finding.tensor) == (Word.NOT_ANSWERED, "R1/raw")


def test_an_option_that_the_commit_does_not_have_changes_the_contract(pair: Pair) -> None:
    row = judged(pair(without={"torch-old": ("R0/option.batch_size",)}))["R0"]
    assert (row.word, row.finding.tensor) == (Word.CHANGED, "R0/option.batch_size")


def test_what_the_working_tree_no_longer_answers_is_a_regression(pair: Pair) -> None:
    row = judged(pair(without={"torch-new": ("R6/conv.weight",)}))["R6"]
    assert (row.word, row.finding.attributed) == (Word.REGRESSION, "new")


def test_a_quantity_that_only_the_commit_has_is_not_answered(pair: Pair) -> None:
    row = judged(pair(old={"R6/removed": np.ones(3)}))["R6"]
    assert (row.word, row.finding.tensor) == (Word.NOT_ANSWERED, "R6/removed")
    assert row.finding.reason == "not answered by the working tree: R6/removed"


RAISED = AnswerFailure(kind=FailureKind.RAISED, sentence="raised KeyError: 'masked'")
KILLED = AnswerFailure(kind=FailureKind.MACHINE, sentence="cannot run: no interpreter", verdict=Verdict.INFRA)
NAMES = tuple(name for name in ARRAYS if name.startswith("R6/"))


@pytest.mark.parametrize(("why", "cause"), [(RAISED, Verdict.INFRA), (KILLED, Verdict.INFRA)])
def test_a_commit_that_cannot_answer_is_no_pass(why: AnswerFailure, cause: Verdict, pair: Pair) -> None:
    row = judged(pair(without={"torch-old": NAMES}, failures={"torch-old": {"R6": why}}))["R6"]
    assert (row.word, row.verdict) == (Word.NOT_ANSWERED, cause)
    assert row.finding.reason == f"not answered by the commit: {why.sentence}"


def test_a_working_tree_that_raises_where_the_commit_answers_is_a_regression(pair: Pair) -> None:
    row = judged(pair(without={"torch-new": NAMES}, failures={"torch-new": {"R6": RAISED}}))["R6"]
    assert (row.word, row.finding.tensor, row.finding.attributed) == (Word.REGRESSION, "R6/raised", "new")


def test_a_machine_that_fails_the_working_tree_is_no_regression(pair: Pair) -> None:
    row = judged(pair(without={"torch-new": NAMES}, failures={"torch-new": {"R6": KILLED}}))["R6"]
    assert (row.word, row.verdict) == (Word.NOT_ANSWERED, Verdict.INFRA)


def test_an_answer_of_unknown_origin_counts_for_nothing(pair: Pair) -> None:
    rows = judged(pair(refused={"torch-old": ("its sources_sha256 is 'x', expected 'y'",)}))
    assert {row.word for row in rows.values()} == {Word.NOT_ANSWERED}
    assert {row.verdict for row in rows.values()} == {Verdict.INFRA}


def test_a_regression_beside_something_unanswered_stays_one(pair: Pair) -> None:
    heard = pair(new={"R4/intensity": ARRAYS["R4/intensity"] * 2}, without={"torch-old": ("R4/exit_wave",)})
    assert judged(heard)["R4"].word is Word.REGRESSION
