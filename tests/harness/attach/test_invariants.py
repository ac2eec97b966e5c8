"""What must hold in every training: each breach is found in a recording, and a sound one has none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.attach import invariants
from harness.attach.recording import Recording
from tests.support.attach_recordings import network, recording

EXPECTED = {"steps": 4, "samples": 4, "epochs": 2, "learning_rates": [0.1, 0.1, 0.05, 0.05]}


def training(**changes: Any) -> dict[str, Any]:
    """Two epochs of two steps of two samples each."""
    samples = [["a", "b"], ["c", "d"], ["d", "a"], ["b", "c"]]
    steps = [
        {
            "rate": 0.1 if k < 2 else 0.05,
            "samples": samples[k],
            "dtypes": ["float32"],
            "count": k,
            "evaluating": [],
            "not held": [],
            "frozen": [],
            "not finite": [],
        }
        for k in range(4)
    ]
    for name, value in changes.items():
        steps[2][name.replace("_", " ")] = value
    return {"steps": steps, "gradient but no move": [], "not finite": []}


def names(recorded: Recording) -> list[str]:
    return [finding.name for finding in invariants.breaches(recorded)]


def test_a_sound_training_has_no_breach() -> None:
    assert names(recording("torch", network(), training=training(), expected=EXPECTED)) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rate": 0.1}, "schedule"),
        ({"samples": ["a", "a"]}, "samples"),
        ({"dtypes": ["float16"]}, "dtype"),
        ({"count": 1}, "count"),
        ({"evaluating": ["norm"]}, "evaluating"),
        ({"not_held": ["dense.bias"]}, "not-held"),
        ({"not_finite": ["dense.bias"]}, "not-finite"),
    ],
)
def test_a_breach_in_one_step_is_named(changes: dict[str, Any], name: str) -> None:
    recorded = recording("torch", network(), training=training(**changes), expected=EXPECTED)
    assert [f"torch.{name}"] == names(recorded)


def test_another_number_of_steps_or_samples_is_named() -> None:
    recorded = recording("torch", network(), training=training(), expected={**EXPECTED, "steps": 5, "samples": 5})
    assert {"torch.steps", "torch.samples"} == set(names(recorded))


def test_a_training_without_a_step_is_a_finding() -> None:
    empty: dict[str, Any] = {"steps": [], "gradient but no move": [], "not finite": []}
    assert ["torch.no-step"] == names(recording("torch", network(), training=empty))


def test_a_weight_that_has_a_gradient_and_stands_still_is_named() -> None:
    recorded = recording("torch", network())
    still = {
        n: np.zeros_like(v) if n.startswith("f32/step/") and "dense" in n else v for n, v in recorded.arrays.items()
    }
    (finding,) = invariants.breaches(replace(recorded, arrays=still))
    assert "torch.unmoved" == finding.name
    assert "dense.weight, dense.bias" in finding.sentence


def test_a_weight_that_nobody_moves_in_train_is_named() -> None:
    stuck = {**training(), "gradient but no move": ["conv1.weight"]}
    assert ["torch.unmoved"] == names(recording("torch", network(), training=stuck, expected=EXPECTED))
