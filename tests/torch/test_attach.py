"""The shared attach suite with models of PyTorch."""

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.support.suites import attach_suite
from tests.support.suites.attach_suite import AttachSuite, kit

__all__ = ["kit"]


class Turned(nn.Conv2d):  # type: ignore[misc]
    """A convolution that takes rows of its kernel for columns."""

    def forward(self, x: Any) -> Any:
        return self._conv_forward(x, self.weight.transpose(2, 3), self.bias)


class Half(nn.ReLU):  # type: ignore[misc]
    """Goes through float16 on its way."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).half()


class Net(nn.Module):  # type: ignore[misc]
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(
            4, eps=1e-3 if fault == "epsilon" else 1e-5, momentum=0.9 if fault == "momentum" else 0.1
        )
        self.act = nn.GELU() if fault == "activation" else Half() if fault == "dtype" else nn.ReLU()
        self.pool = nn.AvgPool2d(2) if fault == "pooling" else nn.MaxPool2d(2)
        kind = Turned if fault == "layout" else nn.Conv2d
        self.conv2 = kind(4, 4, 3, stride=2, padding=(0, 1) if fault == "padding" else 1)
        self.flat = nn.Flatten()
        self.dense = nn.LazyLinear(5)
        if fault == "frozen":
            self.conv2.requires_grad_(False)
        if fault == "mode":
            self.norm.eval()

    def forward(self, x: Any) -> Any:
        x = self.conv1(x)
        x = self.norm(self.act(x)) if self.fault == "swapped" else self.act(self.norm(x))
        x = self.pool(x).to(self.conv2.weight.dtype)
        x = self.conv2(x)
        return self.dense(self.flat(functional.pad(x, (0, 0, 0, 2 - x.shape[2])) if x.shape[2] < 2 else x))


class TestAttach(AttachSuite):
    weight: ClassVar[str] = "weight"

    def subject(self, fault: str = "") -> SimpleNamespace:
        torch.manual_seed(0)

        def loss(model: Any, x: Any, y: Any) -> Any:
            error = (model(x) - y).square()
            return error.sum() if fault == "reduction" else error.mean()

        def optimizer(model: Any) -> Any:
            trained = [p for p in model.parameters() if p.requires_grad]
            return torch.optim.SGD(trained, 0.01 if fault == "rate" else 0.1, momentum=0.9)

        return SimpleNamespace(
            model=lambda: Net(fault), batch=lambda: attach_suite.batch(False), loss=loss, optimizer=optimizer
        )

    def training(self, fault: str = "") -> SimpleNamespace:
        def train(model: Any) -> None:
            random = np.random.default_rng(0)
            images = torch.from_numpy(random.normal(size=(8, 3, 8, 8)).astype(np.float32))
            if fault == "mode":
                model.norm.eval()
            held = [p for name, p in model.named_parameters() if fault != "unmoved" or "conv2" not in name]
            optimizer = torch.optim.SGD(held, 0.1)
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1 if fault == "schedule" else 2, 0.5)
            for _ in range(1 if fault == "steps" else 2):
                for rows in (slice(0, 4), slice(1, 5) if fault == "samples" else slice(4, 8)):
                    optimizer.zero_grad()
                    value = model(images[rows]).square().mean()
                    (value * np.nan if fault == "not-finite" else value).backward()
                    optimizer.step()
                    schedule.step()

        subject = self.subject()
        rates = [0.1, 0.1, 0.05, 0.05]
        return SimpleNamespace(**vars(subject), train=train, SAMPLES=8, EPOCHS=2, STEPS=4, LEARNING_RATES=rates)

    def test_functions_between_layers_are_recorded(self, kit: Any, tmp_path: Any) -> None:
        class Bare(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3)

            def forward(self, x: Any) -> Any:
                return functional.max_pool2d(torch.relu(self.conv(x)), 2)

        subject = SimpleNamespace(
            model=Bare, batch=lambda: attach_suite.batch(False), loss=lambda model, x, _y: model(x).square().mean()
        )
        calls = self.record(kit, tmp_path, subject, precisions=["f32"], draws=0).calls["f32"]
        assert [("conv", "conv"), ("functional relu", "relu"), ("functional max_pool2d", "max_pool")] == [
            (call.name, call.kind) for call in calls
        ]

    def test_chance_is_taken_out(self, kit: Any, tmp_path: Any) -> None:
        class Chancy(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.dense, self.drop = nn.Linear(5, 5), nn.Dropout(0.5)

            def forward(self, x: Any) -> Any:
                return functional.dropout(self.drop(self.dense(x)), 0.5)

        subject = SimpleNamespace(
            model=Chancy, batch=lambda: np.ones((2, 5), np.float32), loss=lambda model, x: model(x).square().mean()
        )
        recorded = self.record(kit, tmp_path, subject, precisions=["f32"], draws=1)
        assert recorded.calls["f32"][1].settings == {"rate": 0.5}
        assert np.array_equal(recorded.arrays["f32/call/1/in/0"], recorded.arrays["f32/call/1/out/0"])
        assert recorded.floors["f32"]["loss"] == pytest.approx(0, abs=1e-5)
