"""The map: proposed with layouts, written, edited, read back; wrong ones are refused with everything that is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.attach import layer_map
from harness.attach.command import request_arrays
from harness.attach.layouts import axes_between, features_last, orders
from ptycho.errors import UsageError
from tests.support.attach_recordings import changed, network, recording

ONE, TWO = recording("torch", network()), recording("keras", network())


def test_layers_and_weights_are_paired_with_their_layout() -> None:
    proposed = layer_map.propose(ONE, TWO, mode="carry")
    assert [(layer.name, layer.name) for layer in network()] == list(proposed.pairs)
    axes = {entry.two: (entry.axes, entry.rows) for entry in proposed.weights}
    assert axes["conv1.kernel"] == ((2, 3, 1, 0), ())
    assert axes["dense.kernel"] == ((1, 0), (4, 2, 2))
    assert axes["norm.moving_variance"] == ((0,), ())
    assert ((0, 2, 3, 1),) == proposed.batch


def test_what_goes_across_is_the_other_sides_own() -> None:
    arrays = request_arrays(ONE, layer_map.propose(ONE, TWO, mode="carry"))
    for name in TWO.weights:
        assert np.array_equal(TWO.arrays[f"f32/weight/{name}"], arrays[f"weight/{name}"])
    assert np.array_equal(TWO.arrays["batch/0"], arrays["batch/0"])


def test_nothing_goes_across_where_each_keeps_its_own() -> None:
    proposed = layer_map.propose(ONE, TWO)
    assert "own" == proposed.mode
    assert ["batch/0"] == list(request_arrays(ONE, proposed))


def test_weights_of_other_values_are_carried() -> None:
    layers = network()
    for name in ("conv1", "conv2", "dense", "norm"):
        layer = next(entry for entry in layers if entry.name == name)
        layers = changed(layers, name, weights={role: value + 1 for role, value in layer.weights.items()})
    shuffled = changed(layers, "conv1", weights={r: np.cos(v * 7) for r, v in network()[0].weights.items()})
    assert "carry" == layer_map.propose(ONE, recording("keras", shuffled)).mode


def test_a_map_survives_its_file(tmp_path: Path) -> None:
    accepted = (layer_map.AcceptedDifference(finding="norm.*", reason='as "agreed"'),)
    proposed = replace(layer_map.propose(ONE, TWO, mode="carry"), accepted=accepted)
    layer_map.write(proposed, tmp_path / "map.toml")
    assert proposed == layer_map.read(tmp_path / "map.toml")


def test_a_wrong_map_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text('schema = "x"\nweights_mode = "y"\ncolour = 1\nlayers = []\n[[accept]]\nfinding = "a"\n')
    with pytest.raises(UsageError) as caught:
        layer_map.read(file)
    for word in ("schema is 'x'", "weights_mode is 'y'", "unknown: colour", "needs finding and reason"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text", ["= 1", 'schema = "ptycho-attach-map/1"\nlayers = [["a"]]\nweights = []\nbatch = []\n']
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(UsageError):
        layer_map.read(tmp_path / "map.toml")


def test_names_that_the_models_do_not_have_are_refused() -> None:
    proposed = layer_map.propose(ONE, TWO, mode="carry")
    wrong = replace(proposed, pairs=(("conv1", "conv9"), ("conv8", "conv2")))
    with pytest.raises(UsageError, match=r"torch has no call 'conv8'[\s\S]*keras has no call 'conv9'"):
        layer_map.check(wrong, ONE, TWO)


def test_names_decide_between_layers_of_one_shape() -> None:
    layers = network()
    others = {role: np.cos(7 * value) for role, value in layers[4].weights.items()}
    twins = [*layers[:4], replace(layers[0], name="b", weights=others), *layers[4:]]
    exchanged = [*twins[:4], twins[5], twins[4], *twins[6:]]
    steps = {"stride": [1, 1]}
    one = recording("torch", changed(changed(twins, "conv2", settings=steps), "b", settings=steps)[:6])
    two = recording("torch", changed(changed(exchanged, "conv2", settings=steps), "b", settings=steps)[:6], side="two")
    pairs = dict(layer_map.propose(one, two, mode="carry").pairs)
    assert ("conv2", "b") == (pairs["conv2"], pairs["b"])


def test_batches_that_do_not_belong_together_are_refused() -> None:
    short = replace(TWO, arrays={name: value for name, value in TWO.arrays.items() if not name.startswith("batch/")})
    with pytest.raises(UsageError, match="gives 1 arrays"):
        layer_map.propose(ONE, short)
    other = replace(TWO, arrays={**TWO.arrays, "batch/0": np.zeros((3, 7, 7, 7), np.float32)})
    with pytest.raises(UsageError, match="channels moved to the end"):
        layer_map.propose(ONE, other)


def test_layouts_are_permutations_of_letters() -> None:
    assert (2, 3, 1, 0) == axes_between("OIHW", "HWIO")
    assert axes_between("OIHW", "IO") is None
    assert [(0, 2, 3, 1)] == list(orders((2, 3, 8, 8), (2, 8, 8, 3), other=True))
    assert [(0, 1, 2), (0, 2, 1)] == list(orders((2, 5, 5), (2, 5, 5), other=True))


def test_rows_are_never_exchanged_with_columns() -> None:
    assert [] == list(orders((2, 3, 8, 7), (2, 3, 7, 8), other=False))


def test_features_go_from_channels_first_to_last() -> None:
    image = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(image.transpose(1, 2, 0).ravel(), features_last(image.ravel(), (2, 3, 4)))
