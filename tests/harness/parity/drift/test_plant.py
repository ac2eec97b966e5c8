"""The comparison on planted differences: it sees them, and a judge that sees nothing is found out."""

import random

import numpy as np
import pytest

from harness.parity.drift import judge, plant
from harness.parity.drift.words import Word

from .conftest import ARRAYS, Pair


def test_what_is_planted_is_seen(pair: Pair) -> None:
    assert plant.check([pair()], ["torch", "tf"], seed=3) == []


def test_a_judge_that_calls_everything_equal_is_found_out(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "same", lambda _one, _other: True)
    found = plant.check([pair()], ["torch"], seed=3)
    assert len(found) == 2
    assert found[0].startswith("one unit in the last place of R4/")
    assert found[0].endswith("called identical; it must be rounding")


def test_patterns_that_change_places_are_seen(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plant.check([pair()], ["torch", "tf"], seed=3, exchanged=True) == []
    monkeypatch.setattr(judge, "same", lambda _one, _other: True)
    found = plant.check([pair()], ["torch"], seed=3, exchanged=True)
    assert len(found) == 3
    assert found[2].startswith("the exchange of two patterns of R4/")
    assert found[2].endswith("called identical; it must be regression or both outside")


def test_a_rung_that_is_red_already_has_nothing_to_show(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = pair(new={"R4/intensity": 2 * ARRAYS["R4/intensity"]})
    monkeypatch.setattr(judge, "same", lambda _one, _other: False)
    assert Word.REGRESSION in {row.word for row in judge.judge(heard, "torch", oracle_moved=False)}
    assert plant.check([heard], ["torch"], seed=3) == []


def test_a_thousandth_is_planted_where_it_is_more_than_rounding() -> None:
    value = np.full(4, 3.0, np.float32)
    planted = {
        precision: {what: np.asarray(array) for what, array, _ in plant._planted(value, random.Random(1), precision)}
        for precision in ("f64", "f32", "bf16")
    }
    assert np.allclose(planted["f64"]["a thousandth"], 3.003)
    assert np.array_equal(planted["bf16"]["the double"], value * 2)
    assert "a thousandth" not in planted["bf16"]
