"""What a training reports, read back and computed again: rows, history, summary, tracking, after a resume as well."""

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ptycho.config import RuntimeConfig, TrainingConfig
from ptycho.training import epochs, history, mlflow_writer, tracking
from ptycho.training.engine import Losses
from tests.support import crafted_npz
from tests.support.fakes.fake_backend import engine as fake
from tests.support.fakes.fake_runs import train, train_config

SCAN = crafted_npz.scan(m=11)
"""Eleven groups: four validate, seven train, in a batch of four and one of three."""


class Kept(tracking.NullTracker):
    """A tracker that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def params(self, params: Mapping[str, Any]) -> None:
        self.heard.append(("params", dict(params)))

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.heard.append(("metrics", (step, dict(metrics))))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        self.heard.append(("artifact", (path.name, folder)))

    def of(self, kind: str) -> list[Any]:
        return [value for name, value in self.heard if name == kind]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Kept, dict[str, Any]]]:
    """Every tracker that a training opens, and how."""
    found: list[tuple[Kept, dict[str, Any]]] = []

    def open_tracker(output_dir: Path, **options: Any) -> Kept:
        found.append((Kept(), {"output_dir": output_dir, **options}))
        return found[-1][0]

    monkeypatch.setattr(tracking, "open_tracker", open_tracker)
    return found


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Losses, Losses]]:
    """Losses of each epoch, batch by batch: means over groups are not means over batches."""
    found: list[tuple[Losses, Losses]] = []
    rng = np.random.default_rng(3)

    def losses(sizes: list[int]) -> Losses:
        total = rng.normal(-5, 1, len(sizes))
        return Losses(total=total, deviance=rng.gamma(2, 1, len(sizes)), sizes=np.array(sizes))

    plain = fake.FakeEngine.train_epoch, fake.FakeEngine.evaluate

    def train_epoch(self: Any, batches: Any, rates: Any) -> Losses:
        made = losses(plain[0](self, batches, rates).sizes.tolist())
        found.append((made, made))
        return made

    def evaluate(self: Any, batches: Any) -> Losses:
        made = losses(plain[1](self, batches).sizes.tolist())
        if found and found[-1][0] is found[-1][1]:
            found[-1] = (found[-1][0], made)
        return made

    monkeypatch.setattr(fake.FakeEngine, "train_epoch", train_epoch)
    monkeypatch.setattr(fake.FakeEngine, "evaluate", evaluate)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock of which every look costs two seconds more than the one before."""
    looks = iter(range(10**6))
    monkeypatch.setattr(epochs, "perf_counter", lambda: float((k := next(looks)) * (k + 1)))


def config(folder: Path, **changes: Any) -> TrainingConfig:
    scan = crafted_npz.write(folder / "scan.npz", SCAN)
    return train_config(scan, folder / "out", schedule="cosine", **changes)


def mean(values: Any, sizes: list[int]) -> float:
    return float(sum(value * size for value, size in zip(values.tolist(), sizes, strict=True)) / sum(sizes))


@pytest.mark.slow
@pytest.mark.parametrize("gridsize", [1, 2])
@pytest.mark.parametrize("parts", [1, 2], ids=["in one go", "resumed"])
def test_every_figure_of_every_place_is_what_was_measured(
    gridsize: int, parts: int, tmp_path: Path, opened: Any, reported: Any, clock: None
) -> None:
    given = config(tmp_path, gridsize=gridsize, nepochs=2)
    if parts == 2:
        given = replace(given, schedule="plateau")
        train(replace(given, nepochs=1))
        given = replace(given, resume=True)
    result = train(given)
    with (given.output_dir / "history.csv").open(newline="") as file:
        rows = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    looks = [0, 0] if parts == 2 else [0, 2]  # a training looks at the clock twice an epoch
    for k, (row, (trained, validated)) in enumerate(zip(rows, reported, strict=True)):
        first = (looks[k] if parts == 1 else 2 * k) * 1
        seconds = float((first + 1) * (first + 2) - first * (first + 1))
        assert row["epoch"] == k + 1
        assert row["train_loss"] == pytest.approx(mean(trained.total, [4, 3]), rel=1e-14)
        assert row["train_deviance"] == pytest.approx(mean(trained.deviance, [4, 3]), rel=1e-14)
        assert row["validation_loss"] == pytest.approx(mean(validated.total, [4]), rel=1e-14)
        assert row["validation_deviance"] == pytest.approx(mean(validated.deviance, [4]), rel=1e-14)
        assert row["seconds"] == seconds
        assert row["patterns_per_second"] == pytest.approx(7 * gridsize**2 / seconds)
    assert [row.learning_rate for row in result.history] == [row["learning_rate"] for row in rows]
    rates = [rate for engine in fake.CREATED[-parts:] for steps in engine.trained for _, rate in steps][1::2]
    assert [row["learning_rate"] for row in rows] == rates
    summary = json.loads((given.output_dir / "summary.json").read_text())
    assert summary["epochs"] == 2
    for name in ("train_loss", "validation_loss"):
        assert summary[name] == rows[-1][name]
    steps = [item for kept, _ in opened for item in kept.of("metrics")]
    assert [step for step, _ in steps] == [1, 2]
    assert [values for _, values in steps] == [{n: v for n, v in row.items() if n != "epoch"} for row in rows]


@pytest.mark.slow
def test_the_tracker_hears_the_configuration_of_each_part(tmp_path: Path, opened: Any) -> None:
    first = replace(config(tmp_path, nepochs=1, mlflow=True), schedule="plateau")
    second = replace(first, nepochs=3, resume=True, mlflow=False, runtime=RuntimeConfig(quiet=True, num_workers=2))
    for given, epochs_done in ((first, [1]), (second, [2, 3])):
        train(given)
        kept, how = opened[-1]
        assert how == {"output_dir": given.output_dir, "enabled": given.mlflow, "resume": given.resume}
        (params,) = kept.of("params")
        expected = {
            "N": 64,
            "gridsize": 1,
            "n_filters_scale": 1,
            "seed": 42,
            "nepochs": given.nepochs,
            "batch_size": 4,
            "learning_rate": 1e-3,
            "num_workers": given.runtime.num_workers,
            "resume": given.resume,
            "quiet": True,
            "probe.mask": False,
            "intensity_scale.trainable": False,
            "n_groups": None,
            "mlflow": given.mlflow,
        }
        assert {name: params[name] for name in expected} == expected
        assert json.loads((given.output_dir / "config.json").read_text()) == params
        assert [step for step, _ in kept.of("metrics")] == epochs_done
        assert kept.of("artifact") == [("model.safetensors", "weights"), ("loss_curve.png", "pictures")]
    assert [row.epoch for row in history.read(first.output_dir / "history.csv")] == [1, 2, 3]


class Client:
    """What of MLflow's client the writer uses, in memory; it refuses another value for a parameter, as MLflow does."""

    def __init__(self) -> None:
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.metrics: list[tuple[str, int, float]] = []

    def log_batch(self, run_id: str, *, params: Any = (), tags: Any = (), metrics: Any = ()) -> None:
        assert run_id == "a"
        for item in params:
            assert self.params.setdefault(item.key, item.value) == item.value
        self.tags |= {item.key: item.value for item in tags}
        self.metrics += [(item.key, item.step, item.value) for item in metrics]

    def get_metric_history(self, run_id: str, name: str) -> list[Any]:
        assert run_id == "a"
        return [SimpleNamespace(step=step) for key, step, _ in self.metrics if key == name]

    def get_run(self, run_id: str) -> Any:
        assert run_id == "a"
        return SimpleNamespace(data=SimpleNamespace(params=dict(self.params), tags=dict(self.tags)))

    def update_run(self, run_id: str, *, status: str) -> None:
        assert (run_id, status) == ("a", "RUNNING")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """MLflow, replaced by what is needed of it."""
    entities: Any = ModuleType("mlflow.entities")
    entities.Param = entities.RunTag = lambda key, value: SimpleNamespace(key=key, value=value)
    entities.Metric = lambda key, value, time, step: SimpleNamespace(key=key, value=value, time=time, step=step)
    found = Client()
    package: Any = ModuleType("mlflow")
    package.MlflowClient, package.entities = lambda **_: found, entities
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    monkeypatch.setattr(mlflow_writer, "database_uri", str)
    return found


def test_parameters_after_resumes_are_those_of_the_last_one(tmp_path: Path, client: Client) -> None:
    (tmp_path / mlflow_writer.RUN_ID).write_text("a\n")
    client.params = {"nepochs": "3", "num_workers": "0"}

    def part(**params: Any) -> None:
        mlflow_writer.MlflowWriter(tmp_path, resume=True).carry_out({"params": {k: str(v) for k, v in params.items()}})

    part(nepochs=5, num_workers=2, stitch=False)
    assert client.params == {"nepochs": "3", "num_workers": "0", "stitch": "False"}
    assert client.tags == {"resumed.nepochs": "5", "resumed.num_workers": "2"}
    # Back to what it was at first: the tag of the part between must not stay the last word.
    part(nepochs=5, num_workers=0, stitch=False)
    assert client.tags == {"resumed.nepochs": "5", "resumed.num_workers": "0"}


def test_metrics_after_a_resume_are_there_once_each(tmp_path: Path, client: Client) -> None:
    (tmp_path / mlflow_writer.RUN_ID).write_text("a\n")
    first = mlflow_writer.MlflowWriter(tmp_path, resume=True)
    for step in (1, 2):
        first.carry_out({"metrics": {"loss": -1.0 * step, "rate": 0.5}, "step": step})
    second = mlflow_writer.MlflowWriter(tmp_path, resume=True)
    for step in (2, 3):
        second.carry_out({"metrics": {"loss": -1.0 * step, "rate": 0.5}, "step": step})
    assert client.metrics == [(name, k, v) for k in (1, 2, 3) for name, v in (("loss", -1.0 * k), ("rate", 0.5))]
