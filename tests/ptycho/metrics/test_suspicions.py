"""Every usual mistake is named, by inspect, train and inference in one sentence; data without one raise no word."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho import __main__ as command
from ptycho.config import RuntimeConfig
from ptycho.data import contract
from ptycho.data.dataset import Dataset
from ptycho.errors import SuspicionError
from ptycho.metrics import file_mistakes, scan_sample, suspicions
from ptycho.metrics.scan_sample import Real
from ptycho.training import checkpoint, inference
from ptycho.training import train as core_training
from tests.support import crafted_npz, planted_data
from tests.support.fakes.fake_runs import infer, infer_config, train, train_config
from tests.support.planted_data import PLANTED, WITHOUT_OBJECT

IN_ALL_COMMANDS = (
    *("x and y", "x", "y", "probe conjugated", "object transposed", "intensity", "corner DC", "half", "shuffled"),
    "legacy read as canonical",
)
"""Mistakes that go the whole way through the three commands; the others are named by the function that they share."""


@pytest.fixture(scope="module")
def right() -> Dataset:
    return planted_data.right()


@pytest.fixture(scope="module")
def weights(right: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    path = planted_data.write(folder / "right.npz", right)
    return train(train_config(path, folder / "out", nepochs=1)).output_dir


def whats(dataset: Dataset) -> list[str]:
    return [found.what.removeprefix("it looks as if ") for found in suspicions.find(dataset)]


def test_the_right_scan_is_not_suspicious(right: Dataset) -> None:
    assert whats(right) == []
    assert whats(planted_data.without_object(right)) == []


@pytest.mark.parametrize(("says", "plant"), PLANTED.values(), ids=PLANTED)
def test_a_mistake_is_named(says: str, plant: Callable[[Dataset], Dataset], right: Dataset) -> None:
    assert whats(plant(right))[0] == says


@pytest.mark.parametrize(("says", "plant"), WITHOUT_OBJECT.values(), ids=WITHOUT_OBJECT)
def test_a_mistake_is_named_without_an_object(says: str, plant: Callable[[Dataset], Dataset], right: Dataset) -> None:
    assert whats(plant(planted_data.without_object(right))) == [says]


def test_every_mistake_that_is_looked_for_is_planted() -> None:
    planted = {says for says, _ in (*PLANTED.values(), *WITHOUT_OBJECT.values())}
    assert {mistake.text for mistake in file_mistakes.MISTAKES} <= planted


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_ALL_COMMANDS)
def test_all_commands_say_the_same(
    name: str,
    right: Dataset,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    says, plant = PLANTED[name]
    scan = planted_data.write(tmp_path / "scan.npz", plant(right))
    assert command.main(["inspect", str(scan), "--json"]) == 0
    inspected = json.loads(capsys.readouterr().out)["suspicions"]
    assert says in inspected[0]

    trained = train(train_config(scan, tmp_path / "trained", nepochs=1))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line for line in shown.err.splitlines() if "warning" in line] == [
        f"warning: scan.npz: {sentence}" for sentence in inspected
    ]
    assert trained.summary["suspicions"] == inspected
    assert json.loads((trained.output_dir / "summary.json").read_text())["suspicions"] == inspected
    assert (trained.output_dir / "train.log").read_text().count(says) == sum(says in item for item in inspected)

    inferred = infer(infer_config(weights, scan, tmp_path / "inferred"))
    shown = capsys.readouterr()
    assert [line for line in shown.err.splitlines() if "scan.npz" in line] == [
        f"warning: scan.npz: {sentence}" for sentence in inspected
    ]
    assert inferred.summary["suspicions"] == inspected


def test_a_warning_has_evidence_and_the_next_step(right: Dataset) -> None:
    (found,) = suspicions.find(PLANTED["x and y"][1](right))
    assert found.text == (
        "it looks as if x and y were swapped: with that undone, the Fourier error falls from 0.1246 to 0.0008 "
        "(64 patterns); exchange xcoords and ycoords: x runs along axis 1 of the object, y along axis 0"
    )


@pytest.mark.parametrize("n_patterns", [6, 60])
@pytest.mark.parametrize("seed", range(8))
def test_an_object_of_another_scan_is_no_usual_mistake(seed: int, n_patterns: int, tmp_path: Path) -> None:
    other = crafted_npz.scan(seed=seed + 100)["objectGuess"]
    arrays = {**crafted_npz.scan(m=n_patterns, seed=seed), "objectGuess": other}
    found = whats(contract.load(crafted_npz.write(tmp_path / "scan.npz", arrays)))
    # Some such objects are better than a flat one by chance.
    assert found in ([], ["the given object explains the data worse than a flat one"])


def test_an_object_of_noise_is_worse_than_flat(right: Dataset) -> None:
    rng = np.random.default_rng(5)
    assert right.obj is not None
    noise = np.exp(1j * rng.uniform(0, 1.5, right.obj.shape)).astype(np.complex64)
    assert whats(replace(right, obj=noise)) == ["the given object explains the data worse than a flat one"]


@pytest.mark.parametrize("height", [1.0, 0.3])
def test_a_constant_object_counts_as_none(height: float, right: Dataset) -> None:
    assert right.obj is not None
    guess = replace(right, obj=np.full_like(right.obj, height))
    assert whats(guess) == []
    assert whats(PLANTED["corner DC"][1](guess)) == ["frames had DC at the corner"]


def test_dark_frames_have_no_say(right: Dataset) -> None:
    frames = PLANTED["corner DC"][1](right).diffraction.copy()
    frames[::2] = 0
    assert whats(replace(right, frames=frames)) == ["frames are dead", "frames had DC at the corner"]


def test_one_pattern_is_enough_to_look_at(right: Dataset) -> None:
    one = replace(right, frames=right.diffraction[:1], xcoords=right.xcoords[:1], ycoords=right.ycoords[:1])
    assert whats(one) == []
    assert whats(PLANTED["corner DC"][1](one)) == ["frames had DC at the corner"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("photons", [1e3, 1e5])
def test_clean_simulated_scans_raise_no_suspicion(seed: int, photons: float, tmp_path: Path) -> None:
    path = crafted_npz.write(tmp_path / "scan.npz", crafted_npz.scan(m=24, seed=seed, photons=photons))
    assert whats(contract.load(path)) == []


EXTERNAL = ("run1084_twin/Run1084_twin_legacy.npz", "rotavirus_cryo/data001.npz")


def test_clean_sets_at_hand_raise_no_suspicion() -> None:
    """The committed fixture always; larger sets where `PTYCHO_DATA` holds them."""
    roots = [Path(root) for root in os.environ.get("PTYCHO_DATA", "").split(os.pathsep) if root]
    found = [root / name for root in roots for name in EXTERNAL if (root / name).exists()]
    for path in (planted_data.FIXTURE, *found):
        dataset = contract.load(path)
        assert whats(dataset) == []
        assert whats(replace(dataset, obj=None)) == []


def test_the_cost_does_not_grow_with_the_scan(right: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    real = scan_sample.errors

    def counting(frames: NDArray[np.float32], predicted: Real) -> tuple[float, Real]:
        looked.append(len(frames))
        return real(frames, predicted)

    monkeypatch.setattr(file_mistakes, "errors", counting)
    suspicions.find(right)
    small = sum(looked)
    looked.clear()
    times: dict[str, Any] = {name: np.tile(getattr(right, name), 20) for name in ("xcoords", "ycoords")}
    suspicions.find(replace(right, frames=np.tile(right.diffraction, (20, 1, 1)), **times))
    assert sum(looked) <= small


@pytest.mark.parametrize("what", ["inspect", "train", "inference"])
def test_strict_refuses_suspicious_data(
    what: str, right: Dataset, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = planted_data.write(tmp_path / "scan.npz", PLANTED["x and y"][1](right))
    good = planted_data.write(tmp_path / "good.npz", right)
    strict = RuntimeConfig(quiet=True, strict=True)
    if what == "inspect":
        assert command.main(["inspect", str(swapped), "--strict"]) == 1
        assert command.main(["inspect", str(swapped)]) == 0
        assert command.main(["inspect", str(swapped), "--strict", "--json"]) == 1
        assert command.main(["inspect", str(good), "--strict"]) == 0
        return

    def train_on(scan: Path) -> object:
        return core_training.run(train_config(scan, tmp_path / "out", runtime=strict), "no_such_backend")

    def infer_from(scan: Path) -> object:
        return inference.run(infer_config(weights, scan, tmp_path / "out", runtime=strict), "no_such_backend")

    with pytest.raises(SuspicionError, match="x and y were swapped") as refused:
        (train_on if what == "train" else infer_from)(swapped)
    assert int(refused.value.verdict) == 1
    assert "run without --strict" in str(refused.value)
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert "warning" not in capsys.readouterr().err
    if what == "train":
        assert train(train_config(good, tmp_path / "out", runtime=strict)).summary["suspicions"] == []


@pytest.mark.slow
def test_the_test_file_is_looked_at_too(right: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = planted_data.write(tmp_path / "good.npz", right)
    swapped = planted_data.write(tmp_path / "swapped.npz", PLANTED["x and y"][1](right))
    config = train_config(good, tmp_path / "out", nepochs=1, test_path=swapped)
    summary = train(config).summary
    assert summary["suspicions"] == []
    assert ["swapped" in sentence for sentence in summary["test_suspicions"]] == [True]
    assert "warning: swapped.npz: it looks as if x and y were swapped" in capsys.readouterr().err
    with pytest.raises(SuspicionError):
        train(replace(config, runtime=RuntimeConfig(quiet=True, strict=True)))
    assert "test_suspicions" not in train(replace(config, test_path=good)).summary


def test_warnings_change_nothing_that_is_trained(
    right: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = planted_data.write(tmp_path / "scan.npz", PLANTED["x and y"][1](right))
    warned = train(train_config(scan, tmp_path / "warned"))
    monkeypatch.setattr(suspicions, "find", lambda _: ())
    silent = train(train_config(scan, tmp_path / "silent"))
    assert (len(warned.summary["suspicions"]), silent.summary["suspicions"]) == (1, [])
    assert warned.summary["stages"] == silent.summary["stages"]
    for row, other in zip(warned.history, silent.history, strict=True):
        assert replace(row, seconds=0, patterns_per_second=0) == replace(other, seconds=0, patterns_per_second=0)
    one, two = (checkpoint.digest(checkpoint.load(result.model_path)[0]) for result in (warned, silent))
    assert one == two
