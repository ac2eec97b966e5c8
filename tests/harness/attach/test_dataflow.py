"""Branches that were run in turn are brought one after another; what was run in order stays as it is."""

from typing import Any

import numpy as np

from harness.attach import dataflow
from harness.attach.calls import Call

RANDOM = np.random.default_rng(0)


def value() -> Any:
    return RANDOM.normal(size=(2, 3, 4))


def model(*steps: tuple[str, Any, Any]) -> tuple[list[Call], dict[str, Any]]:
    """Calls by name, with what enters and what leaves each."""
    ends = ((2, 3, 4), "float64")
    calls: list[Call] = []
    arrays: dict[str, Any] = {}
    for number, (name, entering, leaving) in enumerate(steps):
        calls.append(
            Call(
                number=number,
                name=name,
                layer=name,
                kind="conv",
                settings={},
                training=None,
                inputs=(ends,),
                outputs=(ends,),
            )
        )
        arrays |= {f"call/{number}/in/0": entering, f"call/{number}/out/0": leaving}
    return calls, arrays


def names(steps: list[tuple[str, Any, Any]], batch: Any) -> list[str]:
    calls, arrays = model(*steps)
    moved, places = dataflow.unravelled(calls, arrays, [batch])
    assert [call.number for call in moved] == list(range(len(steps)))
    again = dataflow.renamed(arrays, places)
    for call in moved:
        assert again[f"call/{call.number}/in/0"] is arrays[f"call/{[c.name for c in calls].index(call.name)}/in/0"]
    return [call.name for call in moved]


def test_branches_that_were_run_in_turn_follow_one_another() -> None:
    x, e, a1, a2, b1, b2 = (value() for _ in range(6))
    steps = [("conv", x, e), ("conv_3", e, b1), ("conv_1", e, a1), ("conv_4", b1, b2), ("conv_2", a1, a2)]
    assert ["conv", "conv_1", "conv_2", "conv_3", "conv_4"] == names(steps, x)


def test_layers_that_people_named_keep_the_order_in_which_their_branches_began() -> None:
    x, e, a1, a2, b1, b2 = (value() for _ in range(6))
    steps = [("base", x, e), ("left", e, a1), ("right", e, b1), ("outer", a1, a2), ("inner", b1, b2)]
    assert ["base", "left", "outer", "right", "inner"] == names(steps, x)


def test_what_comes_from_no_layer_waits_for_all_before_it() -> None:
    x, a, b, c = (value() for _ in range(4))
    steps = [("one", x, a), ("two", x, b), ("sum", a + b, c)]
    assert ["one", "two", "sum"] == names(steps, x)


def test_a_part_and_another_layout_are_known_as_what_they_are_taken_from() -> None:
    x, e, a1, a2, b1, b2 = (value() for _ in range(6))
    steps = [
        ("base", x, e),
        ("left", e[:, :2], a1),
        ("right", e.transpose(0, 2, 1), b1),
        ("outer", a1[..., :-1], a2),
        ("inner", np.pad(b1, 1), b2),
    ]
    assert ["base", "left", "outer", "right", "inner"] == names(steps, x)


def test_an_exchange_in_a_chain_stays_one() -> None:
    x, a, b, c = (value() for _ in range(4))
    assert ["conv", "act", "norm"] == names([("conv", x, a), ("act", a, b), ("norm", b, c)], x)
    assert ["conv", "norm", "act"] == names([("conv", x, a), ("norm", a, b), ("act", b, c)], x)


def test_a_channel_that_is_never_on_does_not_hide_the_others() -> None:
    dead = [RANDOM.normal(size=(2, 8, 8, 64)) for _ in range(5)]
    for array in dead:
        array[..., 0] = 0
    x, e, a, b, c = dead
    steps = [("base", x, e), ("left", e, a), ("right", e, b), ("outer", a[:, :-1], c), ("inner", b, value())]
    assert ["base", "left", "outer", "right", "inner"] == names(steps, x)
