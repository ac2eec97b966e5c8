"""Canonical weights: how many, drawn how, and which ones are refused."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ptycho.config import ModelConfig
from ptycho.errors import CheckpointError
from ptycho.physics import weights

Table = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def drawn() -> Table:
    return dict(weights.initial(ModelConfig(filter_scale=1), nphotons=1e9, seed=42))


def test_the_reference_network_has_its_number_of_parameters() -> None:
    shapes = weights.shapes(ModelConfig())
    count = sum(math.prod(shape) for name, shape in shapes.items() if name != weights.LOG_SCALE)
    assert count == 2_331_772
    assert shapes[weights.LOG_SCALE] == ()


def test_initial_weights_have_the_shapes_of_the_table() -> None:
    model = ModelConfig()
    drawn = weights.initial(model, nphotons=1e9, seed=42)
    assert weights.shapes(model) == {name: array.shape for name, array in drawn.items()}
    assert {np.dtype(np.float64)} == {array.dtype for array in drawn.values()}


def test_kernels_fill_the_glorot_interval_and_biases_are_zero() -> None:
    for name, array in weights.initial(ModelConfig(), nphotons=1e9, seed=42).items():
        if name.endswith(".bias"):
            assert np.abs(array).max() == 0
        elif name.endswith(".weight"):
            limit = math.sqrt(6 / (9 * (array.shape[0] + array.shape[1])))
            assert 0.95 * limit < np.abs(array).max() <= limit
            assert array.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_the_scale_starts_at_the_photons_of_the_run() -> None:
    drawn = weights.initial(ModelConfig(), nphotons=4e6, seed=42)
    assert math.log(2000 / 32) == pytest.approx(float(drawn[weights.LOG_SCALE]), rel=1e-15)
    assert weights.intensity_scale(4e6, 128) == 2000 / 64


def test_the_seed_decides_the_kernels() -> None:
    first, again, other = (weights.initial(ModelConfig(), nphotons=1e9, seed=seed) for seed in (1, 1, 2))
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert not [name for name in first if name.endswith("weight") and np.array_equal(first[name], other[name])]


def test_weights_as_drawn_fit(drawn: Table) -> None:
    weights.check(drawn, ModelConfig(filter_scale=1))
    with pytest.raises(CheckpointError):
        weights.check(drawn, ModelConfig(filter_scale=2))


def drop(table: Table) -> None:
    del table["phase.inner.bias"]


def add(table: Table) -> None:
    table["stray"] = np.zeros(3)


def transpose(table: Table) -> None:
    table["encoder.0.0.weight"] = table["encoder.0.0.weight"].T


def spoil(table: Table) -> None:
    table["phase.outer.weight"][0, 0, 1, 1] = math.nan


FAULTS: list[tuple[Callable[[Table], None], str]] = [
    (drop, "missing phase.inner.bias (1,)"),
    (add, "unknown stray"),
    (transpose, "encoder.0.0.weight has shape (3, 3, 1, 32), the model wants (32, 1, 3, 3)"),
    (spoil, "phase.outer.weight is not finite"),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS)
def test_each_mismatch_is_named(drawn: Table, fault: Callable[[Table], None], expected: str) -> None:
    fault(drawn)
    with pytest.raises(CheckpointError) as caught:
        weights.check(drawn, ModelConfig(filter_scale=1))
    assert ["the weights do not fit the model:", f"  - {expected}"] == str(caught.value).splitlines()


def test_all_mismatches_are_listed_at_once(drawn: Table) -> None:
    for fault, _ in FAULTS:
        fault(drawn)
    with pytest.raises(CheckpointError) as caught:
        weights.check(drawn, ModelConfig(filter_scale=1))
    assert [f"  - {expected}" for _, expected in FAULTS] == str(caught.value).splitlines()[1:]
