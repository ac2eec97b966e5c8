"""The words: an order, a result each, and a label that is read back."""

from harness.parity.drift import words
from harness.parity.drift.words import PASSING, Word
from harness.record import rung_results


def test_the_words_have_an_order_and_a_result_each() -> None:
    assert set(PASSING) | set(words.FAILING) | {Word.NOT_ANSWERED, Word.UNVERIFIED} == set(Word)
    assert words.WORST_FIRST[0] is Word.REGRESSION
    assert words.WORST_FIRST[-1] is Word.IDENTICAL


def test_the_label_says_the_backend_and_is_read_back() -> None:
    label = words.label("R4", "tf", "f32", 2, 7)
    assert (rung_results.rung_of(label), rung_results.backend_of(label)) == ("R4", "tf")
    assert rung_results.conditions(label) == ("f32", "2", "7")
    assert rung_results.place_of(label) == "tf at gridsize 2 in f32"


def test_a_way_of_running_is_read_back_from_its_label() -> None:
    label = words.label("R4", "torch halves, 2 threads", "f64", 1, 42)
    assert rung_results.who_of(label) == "torch halves, 2 threads"
    assert rung_results.backend_of(label) == "torch"
    assert rung_results.conditions(label) == ("f64", "1", "42")
    assert rung_results.place_of(label) == "torch halves, 2 threads at gridsize 1 in f64"


def test_the_log_knows_the_same_words_in_the_same_order() -> None:
    assert rung_results.DRIFT == tuple(map(str, words.WORST_FIRST))


def test_a_version_is_read_back_from_its_label() -> None:
    label = words.label("R2b", "torch 2.15.0rc1", "f64", 1, 42)
    assert (rung_results.who_of(label), rung_results.backend_of(label)) == ("torch 2.15.0rc1", "torch")
    assert rung_results.conditions(label) == ("f64", "1", "42")


def test_mixed_precision_is_no_part_of_who_was_compared() -> None:
    label = words.label("R4", "torch 2.14.1", "bf16", 1, 42)
    assert (rung_results.who_of(label), rung_results.conditions(label)) == ("torch 2.14.1", ("bf16", "1", "42"))
