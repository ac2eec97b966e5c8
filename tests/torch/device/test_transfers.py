"""
Device cleanliness without a GPU: epoch, evaluation, prediction and assembly with every tensor on `meta`.

What a step may take from the host is its batch; each fault is planted and must be refused.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pytest
import torch

from ptycho.config import ModelConfig
from ptycho.errors import DeviceError
from ptycho.training.engine import Batch, Losses
from ptycho_torch import engine as engine_module
from ptycho_torch import loss, network, optimizer
from ptycho_torch.transfers import Transfers
from tests.support.small_problem import FOUR, ONE, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import new_engine

pytestmark = pytest.mark.usefixtures("backend")
MODELS = pytest.mark.parametrize("model", [ONE, FOUR], ids=["gridsize 1", "gridsize 2"])
FETCHED = "fetched at its end"


class OnMeta:
    """
    An engine without values.

    Attributes:
        engine: with every tensor on `meta`.
        fetched: shapes of what was fetched where fetching is the purpose: losses at the end of an epoch, predictions.
    """

    def __init__(self, backend: BackendUnderTest, model: ModelConfig, patch: pytest.MonkeyPatch) -> None:
        self.model = model
        self.fetched: list[tuple[int, ...]] = []
        patch.setattr(engine_module, "configure", lambda _: "meta")
        patch.setattr(network.Network, "load", lambda *_: None)  # there are no values to load
        patch.setattr(engine_module, "_collect", self._collect)
        patch.setattr(engine_module, "as_array", self._array)
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no meta; nothing is cast in float32
        self.engine = new_engine(backend, model, "f32")

    def _array(self, tensor: torch.Tensor) -> Any:
        assert tensor.device.type == "meta"
        self.fetched.append(tuple(tensor.shape))
        return np.zeros(tensor.shape, np.complex64)

    def _collect(self, reported: list[tuple[torch.Tensor, torch.Tensor, int]]) -> Losses:
        assert {item.device.type for total, deviance, _ in reported for item in (total, deviance)} == {"meta"}
        self.fetched.append((len(reported),))
        nothing = np.zeros(len(reported))
        return Losses(total=nothing, deviance=nothing, sizes=np.ones(len(reported), np.int64))

    def counted(self, run: Callable[[Iterator[Batch]], Any], steps: int = 4, *, masked: bool = False) -> list[int]:
        """Copies to the device between one batch and the next, the first and last aside."""
        seen: list[int] = []

        def batches() -> Iterator[Batch]:
            for _ in range(steps):
                seen.append(transfers.to_device)
                yield batch_of(self.model, masked=masked)

        run(iter([batch_of(self.model, masked=masked)]))  # constants are copied once, at their first use
        with Transfers("meta") as transfers:
            run(batches())
        assert transfers.operations > steps * 50
        return [after - before for before, after in pairwise(seen)]


def batch_of(model: ModelConfig, *, masked: bool) -> Batch:
    from dataclasses import replace

    batch = make_batch(model, 2)
    if not masked:
        return batch
    return replace(batch, good=np.ones(batch.diffraction.shape, bool), good_share=1.0)


@pytest.fixture
def on_meta(backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> Callable[[ModelConfig], OnMeta]:
    return lambda model: OnMeta(backend, model, monkeypatch)


def trained(engine: Any) -> Callable[[Iterator[Batch]], Any]:
    return lambda batches: engine.train_epoch(batches, repeat(1e-3))


@MODELS
@pytest.mark.parametrize(("masked", "copies"), [(False, 2), (True, 3)], ids=["whole", "bad pixels"])
def test_a_training_step_takes_its_batch_and_nothing_else(
    model: ModelConfig, masked: bool, copies: int, on_meta: Callable[[ModelConfig], OnMeta]
) -> None:
    made = on_meta(model)
    assert [copies] * 3 == made.counted(trained(made.engine), masked=masked)
    assert [(1,), (4,)] == made.fetched, "losses once, at the end of each epoch"


@MODELS
def test_an_evaluation_takes_its_batches_and_nothing_else(
    model: ModelConfig, on_meta: Callable[[ModelConfig], OnMeta]
) -> None:
    made = on_meta(model)
    assert [2, 2, 2] == made.counted(made.engine.evaluate)
    assert [(1,), (4,)] == made.fetched


@MODELS
def test_a_prediction_gives_its_patches_and_nothing_else(
    model: ModelConfig, on_meta: Callable[[ModelConfig], OnMeta]
) -> None:
    made = on_meta(model)
    assert [2, 2, 2] == made.counted(lambda batches: list(made.engine.predict(batches)))
    assert [(2, model.channels, model.side, model.side)] * 5 == made.fetched


def test_the_assembly_takes_patches_and_coordinates(on_meta: Callable[[ModelConfig], OnMeta]) -> None:
    made, batch = on_meta(FOUR), make_batch(FOUR, 2)
    patches = np.ones(batch.diffraction.shape, np.complex64)
    made.engine.consistent_patches(patches, batch.coords_relative)
    with Transfers("meta") as transfers:
        made.engine.consistent_patches(patches, batch.coords_relative)
    # Patches are copied once, the coordinates are copied once.
    assert (2, [patches.shape] * 2) == (transfers.to_device, made.fetched)


def _constant(total: torch.Tensor) -> torch.Tensor:
    return total * torch.full((64, 64), 0.5).mean()


def _item(total: torch.Tensor) -> torch.Tensor:
    return total * float(total.item())


def _fetched(total: torch.Tensor) -> torch.Tensor:
    total.detach().cpu()
    return total


def _mixed(total: torch.Tensor) -> torch.Tensor:
    return total + torch.from_numpy(np.ones(1))


PLANTS = [
    pytest.param(_constant, "full: a tensor of shape (64, 64) is made on the host", id="a constant made on the CPU"),
    pytest.param(_item, "the host waits for a value", id="an item in the loop"),
    pytest.param(_fetched, "is copied back to the host", id="a copy back"),
    pytest.param(_mixed, "[(1,)] on the host, beside tensors on meta", id="a tensor left on the CPU"),
]


@pytest.mark.parametrize(("planted", "says"), PLANTS)
def test_what_leaves_the_device_is_refused(
    planted: Callable[[torch.Tensor], torch.Tensor],
    says: str,
    on_meta: Callable[[ModelConfig], OnMeta],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = on_meta(ONE)
    run = trained(made.engine)
    run(iter([make_batch(ONE, 2)]))
    real = loss.poisson_nll
    monkeypatch.setattr(loss, "poisson_nll", lambda *given: planted(real(*given)))
    with pytest.raises(DeviceError) as refused, Transfers("meta"):
        run(iter([make_batch(ONE, 2)]))
    assert says in str(refused.value)


def test_a_mask_that_is_copied_in_every_step_is_counted(
    on_meta: Callable[[ModelConfig], OnMeta], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mask = on_meta(ONE), np.ones((ONE.side, ONE.side))
    real = loss.poisson_nll

    def planted(rate: torch.Tensor, counts: torch.Tensor, epsilon: float) -> torch.Tensor:
        return real(rate * torch.from_numpy(mask).to(rate.device), counts, epsilon)

    monkeypatch.setattr(loss, "poisson_nll", planted)
    assert [3, 3, 3] == made.counted(trained(made.engine))


def test_the_adapter_computes_on_the_device_of_its_engine(
    on_meta: Callable[[ModelConfig], OnMeta], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ptycho_torch import adapter

    places: list[str] = []

    def array(tensor: torch.Tensor) -> Any:
        places.append(tensor.device.type)
        return np.zeros(tensor.shape, np.float32)

    monkeypatch.setattr(adapter, "_array", array)
    monkeypatch.setattr(optimizer.Adam, "export", lambda _: {})  # fetched on purpose, and tested elsewhere
    bench, batch = adapter.BackendAdapter.__new__(adapter.BackendAdapter), make_batch(FOUR, 2)
    bench.engine = on_meta(FOUR).engine
    objects = np.ones(batch.diffraction.shape, np.complex64)
    bench.intensity(objects, np.ones((1, 64, 64), np.complex64))
    bench.canvas(objects, batch.coords_relative, 2)
    bench.layer("encoder.0", np.ones((2, 4, 64, 64), np.float32))
    bench.terms(batch, 0.3, 0.2)
    list(bench.delivered([batch]))
    list(bench.replay([{"w": np.ones(3)}], [1e-3]))
    assert (len(places) >= 11, set(places)) == (True, {"meta"})
