"""Twelve faults in a pair of two layouts, each named at its place; a clean pair has no finding."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.attach import command, compare, layer_map, oracles, pair_of_runs
from harness.attach.findings import ModelDifference
from harness.attach.recording import Recording
from tests.support.attach_recordings import Layer, changed, network, recording


def compared(one: Recording, two: Recording) -> list[ModelDifference]:
    chosen = layer_map.propose(one, two, mode="carry")
    precision, _ = pair_of_runs.choose_precision(one, two, chosen)
    return compare.compare(one, two, chosen, precision)


def exchanged() -> list[Layer]:
    """The norm after the rectifier."""
    layers = network()
    layers[1], layers[2] = layers[2], layers[1]
    return layers


def turned(x: Any, layer: Layer) -> Any:
    """A convolution that takes rows of its kernel for columns, and says nothing of it."""
    weights = {**layer.weights, "weight": layer.weights["weight"].swapaxes(2, 3)}
    return oracles.convolution(x, weights, layer.settings)


SGD = {"kind": "sgd", "rate": 0.01, "weight decay": 0.0, "momentum": 0.9, "nesterov": False}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "padding": ({"layers": changed(network(), "conv2", settings={"pads": [[0, 1], [0, 1]]})}, "conv2.pads"),
    "epsilon of a norm": ({"layers": changed(network(), "norm", settings={"epsilon": 1e-5})}, "norm.epsilon"),
    "momentum convention": ({"layers": changed(network(), "norm", settings={"share kept": 0.1})}, "norm.share kept"),
    "activation": ({"layers": changed(network(), "act", kind="gelu")}, "act.kind"),
    "layout of a weight": ({"layers": changed(network(), "conv2", compute=turned)}, "conv2.output"),
    "pooling": ({"layers": changed(network(), "pool", kind="avg_pool")}, "pool.kind"),
    "dtype": ({"layers": changed(network(), "act", dtype="float16")}, "act.dtype"),
    "frozen layer": ({"layers": changed(network(), "conv2", frozen=True)}, "conv2.kernel.trained"),
    "two layers swapped": ({"layers": exchanged()}, "norm.order"),
    "loss reduction": ({"loss": 15.0}, "loss"),
    "learning rate": ({"optimizer": SGD, "rates": (0.01, 0.01)}, "optimizer.rate"),
    "eval mode": ({"layers": changed(network(), "norm", training=False)}, "norm.mode"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_the_first_finding(fault: str) -> None:
    changes, name = FAULTS[fault]
    found = compared(recording("torch", network()), recording("keras", **{"layers": network(), **changes}))
    assert name == found[0].name


def test_a_clean_pair_has_no_finding() -> None:
    assert compared(recording("torch", network()), recording("keras", network())) == []


def test_a_clean_pair_of_one_framework_has_no_finding() -> None:
    assert compared(recording("torch", network(), side="a"), recording("torch", network(), side="b")) == []


def test_the_side_that_does_not_do_as_it_says_is_wrong() -> None:
    found = compared(recording("torch", network()), recording("keras", changed(network(), "conv2", compute=turned)))
    assert "keras" == found[0].wrong
    found = compared(recording("torch", changed(network(), "conv2", compute=turned)), recording("keras", network()))
    assert "torch" == found[0].wrong


def test_neither_side_is_wrong_where_both_do_as_they_say() -> None:
    layers = changed(network(), "norm", settings={"epsilon": 1e-5})
    found = compared(recording("torch", network()), recording("keras", layers))
    assert "" == found[0].wrong
    assert "each side does what its settings say" in found[0].sentence


def test_a_second_fault_behind_the_first_is_found_by_its_oracle() -> None:
    layers = changed(changed(network(), "norm", settings={"epsilon": 1e-5}), "conv2", compute=turned)
    found = compared(recording("torch", network()), recording("keras", layers))
    assert ["norm.epsilon", "conv2.output"] == [finding.name for finding in found][:2]


def test_what_only_follows_is_no_finding() -> None:
    layers = changed(
        network(), "conv1", compute=lambda x, layer: oracles.convolution(x, layer.weights, layer.settings) + 1
    )
    found = compared(recording("torch", network()), recording("keras", layers))
    assert ["conv1.output"] == [finding.name for finding in found]


def test_the_factor_of_a_loss_is_said_in_words() -> None:
    (finding,) = [
        f for f in compared(recording("torch", network()), recording("keras", network(), loss=15.0)) if f.name == "loss"
    ]
    assert "the number of elements" in finding.sentence


def test_a_gradient_that_differs_is_named_by_its_weight() -> None:
    wrong = recording("keras", network(), gradient=("dense.kernel", 2.0))
    found = compared(recording("torch", network()), wrong)
    assert "dense.kernel.gradient" == found[0].name
    assert "2 ×" in found[0].sentence


def test_a_variance_that_is_divided_by_one_less_is_explained() -> None:
    layers = network()
    n = 3 * 8 * 8
    keras = recording("keras", layers)
    variance = layers[1].weights["variance"]
    # A change c leaves the kept variance at v + c, of which (v + c/(1 − k)) is what the batch had.
    share, change = 0.1, keras.arrays["f64/state/norm.moving_variance"]
    batch = change / share + variance
    unbiased = (batch * n / (n - 1) - variance) * share
    torch = recording("torch", layers)
    arrays = {**torch.arrays, **{f"{name}/state/norm.running_var": unbiased for name in ("f32", "f64")}}
    found = compared(replace(torch, arrays=arrays), keras)
    assert "norm.moving_variance.state" == found[0].name
    assert "torch divides the variance by n − 1" in found[0].sentence


def test_a_weight_without_a_partner_is_a_finding() -> None:
    layers = [*network(), Layer("extra", "dense", {}, {"weight": np.eye(5, dtype=float), "bias": np.ones(5)})]
    found = compared(recording("torch", network()), recording("torch", layers, side="two"))
    assert {"extra.weight.unpaired", "extra.bias.unpaired"} <= {finding.name for finding in found}


def test_a_hidden_cast_makes_float32_the_judge() -> None:
    one, two = recording("torch", network()), recording("keras", network())
    single = {
        name: value.astype(np.float32).astype(np.float64) if name.startswith("f64/call/2/out") else value
        for name, value in two.arrays.items()
    }
    precision, note = pair_of_runs.choose_precision(one, replace(two, arrays=single), layer_map.propose(one, two))
    assert "f32" == precision
    assert "keras casts to float32 inside act" in note


def test_an_update_that_breaks_its_own_rule_names_the_side() -> None:
    two = recording("keras", network())
    arrays = {name: value * (1.01 if "/step/1/" in name else 1) for name, value in two.arrays.items()}
    found = compared(recording("torch", network()), replace(two, arrays=arrays))
    assert "optimizer.rule" == found[0].name
    assert "keras" == found[0].wrong


def test_another_schedule_is_named_with_its_step() -> None:
    found = compared(recording("torch", network()), recording("keras", network(), rates=(0.1, 0.05)))
    assert "optimizer.schedule" == found[0].name
    assert "at step 2" in found[0].sentence


def test_an_accepted_difference_does_not_fail() -> None:
    one, two = recording("torch", network()), recording("keras", changed(network(), "norm", settings={"epsilon": 1e-5}))
    chosen = layer_map.propose(one, two, mode="carry")
    assert ["norm.epsilon"] == [finding.name for finding in command.judge(one, two, chosen).findings]
    accepted = replace(
        chosen, accepted=(layer_map.AcceptedDifference(finding="norm.*", reason="an old checkpoint has it"),)
    )
    judged = command.judge(one, two, accepted)
    assert [] == judged.findings
    assert ["an old checkpoint has it"] == [finding.reason for finding in judged.accepted]


def test_own_weights_that_differ_are_named_with_what_they_resemble() -> None:
    layers = network()
    weight = layers[4].weights["weight"].swapaxes(2, 3).copy()
    two = recording("torch", changed(layers, "conv2", weights={**layers[4].weights, "weight": weight}), side="two")
    one = recording("torch", network(), side="one")
    chosen = layer_map.propose(one, two)
    assert "own" == chosen.mode
    found = compare.compare(one, two, chosen, "f64")
    assert "conv2.weight.value" == found[0].name
    assert "transposed" in found[0].sentence


def parted(one: Recording, name: str, factor: float, precisions: tuple[str, ...]) -> Recording:
    """A recording with one array changed, in some precisions."""
    changes = {f"{precision}/{name}": one.arrays[f"{precision}/{name}"] * factor for precision in precisions}
    return replace(one, arrays={**one.arrays, **changes})


def test_a_state_that_parts_in_float64_alone_is_no_finding() -> None:
    # Some code of frameworks takes another path in float64; its maintainers run float32, which would have shown it.
    one, two = recording("torch", network()), recording("keras", network())
    assert [] == compared(parted(one, "state/norm.running_var", 1.01, ("f64",)), two)
    found = compared(parted(one, "state/norm.running_var", 1.01, ("f32", "f64")), two)
    assert ["norm.moving_variance.state"] == [finding.name for finding in found]


def test_a_state_that_float32_cannot_show_is_found_in_float64() -> None:
    one = parted(recording("torch", network()), "state/norm.running_var", 1 + 1e-8, ("f64",))
    found = compared(one, recording("keras", network()))
    assert ["norm.moving_variance.state"] == [finding.name for finding in found]


@pytest.mark.parametrize("what", ["out", "grad"])
def test_a_layer_that_parts_in_float64_alone_is_judged_in_float32(what: str) -> None:
    one, two = recording("torch", network()), recording("keras", network())
    one = parted(one, f"call/2/{what}/0", 1.01, ("f64",))
    chosen = layer_map.propose(one, two, mode="carry")
    assert ("f32", "act computes otherwise in float64 than in float32, where both sides agree") == (
        pair_of_runs.choose_precision(one, two, chosen)
    )
    assert [] == compared(one, two)


def test_a_gradient_that_reaches_no_layer_before_it_is_a_note() -> None:
    # Behind a rectifier a pool has equal elements, and may pass the gradient to one or the other.
    one = parted(recording("torch", network()), "call/2/grad/0", 1.01, ("f32", "f64"))
    two = recording("keras", network())
    assert [] == compared(one, two)
    assert "the gradient of what leaves act differs" in command.judge(one, two, layer_map.propose(one, two)).note
    reaching = parted(one, "grad/conv1.weight", 1.01, ("f32", "f64"))
    assert "act.gradient" == compared(reaching, two)[0].name


def test_states_that_follow_from_a_setting_are_no_finding() -> None:
    layers = changed(network(), "norm", settings={"share kept": 0.1})
    two = parted(recording("keras", layers), "state/norm.moving_variance", 9.0, ("f32", "f64"))
    assert ["norm.share kept"] == [finding.name for finding in compared(recording("torch", network()), two)]


def test_a_layer_that_loses_digits_in_the_noise_of_others_is_named() -> None:
    def halved(x: Any, _layer: Layer) -> Any:
        return np.maximum(x, 0).astype(np.float16).astype(x.dtype)

    def noisy(side: Recording) -> Recording:
        floors = {precision: dict.fromkeys(floors, 1e-3) for precision, floors in side.floors.items()}
        return replace(side, floors=floors)

    one = noisy(recording("torch", network(), precisions=("f32",)))
    layers = changed(network(), "act", compute=halved)
    found = compared(one, noisy(recording("keras", layers, precisions=("f32",))))
    assert [("act.output", "keras")] == [(finding.name, finding.wrong) for finding in found]
    assert [] == compared(one, noisy(recording("keras", network(), precisions=("f32",))))
