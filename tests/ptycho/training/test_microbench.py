"""The blocks take turns, warm up uncounted and end in the file; the framework is a fake one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.training import microbench
from ptycho.training.microbench import Block
from tests.support.fakes.fake_backend.engine import CREATED
from tests.support.fakes.fake_runs import BACKEND

TAKEN: list[int] = []
"""Steps of the fake bare network, a number a block."""


def bare(engine: Any, frames: NDArray[np.float32]) -> Callable[[int], None]:
    del engine
    assert frames.shape[:2] == (4, 1)
    return TAKEN.append


def run(folder: Path, kind: str, **options: int) -> dict[str, Any]:
    given = {"blocks": 3, "steps": 2, "batch_size": 4, **options}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    microbench.main([kind, "--out", str(folder / "bench.json"), *words], package=BACKEND, bare=bare)
    found: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    return found


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the two clocks show; a work moves them on."""
    shown = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(microbench, "perf_counter", lambda: shown["wall"])
    monkeypatch.setattr(microbench, "process_time", lambda: shown["cpu"])
    return shown


def config(gridsize: int = 1) -> TrainingConfig:
    return TrainingConfig(
        data=DataConfig(path=Path("scan"), gridsize=gridsize),
        output_dir=Path("out"),
        model=ModelConfig(gridsize=gridsize),
        batch_size=4,
    )


def test_blocks_take_turns_after_one_that_does_not_count(clocks: dict[str, float]) -> None:
    heard: list[str] = []

    def work(name: str, wall: float, cpu: float) -> Callable[[], None]:
        def once() -> None:
            heard.append(name)
            # The first call compiles.
            clocks["wall"] += wall + 100 * (heard.count(name) == 1)
            clocks["cpu"] += cpu

        return once

    blocks = microbench.measure({"a": work("a", 2.0, 3.0), "b": work("b", 1.0, 2.0)}, 3, 5, config(gridsize=2))
    assert heard == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert [block.name for block in blocks] == heard[2:]
    assert blocks[0] == Block(name="a", wall_s=2.0, cpu_s=3.0, patterns=80, steps=5)
    assert blocks[1] == Block(name="b", wall_s=1.0, cpu_s=2.0, patterns=80, steps=5)
    assert list(microbench.summary(blocks)) == [
        "a: 25.000 ms a pattern, 37.500 ms of CPU, 40 patterns/s",
        "b: 12.500 ms a pattern, 25.000 ms of CPU, 80 patterns/s",
        "a / b: 2.000 in wall time, 1.500 in CPU time",
    ]


def test_an_epoch_reads_the_store_and_the_bare_network_takes_as_many_steps(tmp_path: Path) -> None:
    TAKEN.clear()
    found = run(tmp_path, "overhead")
    assert [block["name"] for block in found["blocks"]] == ["epoch", "bare", "bare", "epoch", "epoch", "bare"]
    assert {(block["patterns"], block["steps"]) for block in found["blocks"]} == {(8, 2)}
    assert TAKEN == [2] * 4
    epochs = CREATED[-1].trained
    assert [len(steps) for steps in epochs] == [2] * 4
    assert len({index for indices, _ in epochs[0] for (index,) in indices}) == 8


@pytest.mark.parametrize(("kind", "asked"), [("step", "trained"), ("predict", "predicted")])
def test_other_kinds_ask_the_engine_for_one_thing(kind: str, asked: str, tmp_path: Path) -> None:
    found = run(tmp_path, kind)
    assert [block["name"] for block in found["blocks"]] == [kind] * 3
    engine = CREATED[-1]
    counts = {"trained": len(engine.trained), "predicted": len(engine.predicted) // 2}
    assert counts == {"trained": 0, "predicted": 0} | {asked: 4}


def test_stitching_needs_no_engine(tmp_path: Path) -> None:
    before = len(CREATED)
    found = run(tmp_path, "stitch", gridsize=2)
    assert len(CREATED) == before
    assert [(block["name"], block["patterns"]) for block in found["blocks"]] == [("stitch", 32)] * 3


def test_the_file_says_what_ran_on_what(tmp_path: Path) -> None:
    found = run(tmp_path, "step", seed=7, side=128)
    assert (found["schema"], found["kind"], found["backend"]) == ("ptycho-bench/1", "step", BACKEND)
    assert found["settings"]["side"] == 128
    assert {key: found["settings"][key] for key in ("batch_size", "steps", "gridsize", "precision")} == {
        "batch_size": 4,
        "steps": 2,
        "gridsize": 1,
        "precision": "f32",
    }
    assert (found["fingerprint"]["seed"], found["fingerprint"]["device"]) == (7, "cpu")
    assert min(min(block["wall_s"], block["cpu_s"]) for block in found["blocks"]) > 0


def test_everything_out_of_range_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["step", "--out", str(tmp_path / "none" / "x.json"), "--blocks", "0", "--steps", "-1"]
    with pytest.raises(SystemExit) as caught:
        microbench.main(words, package=BACKEND, bare=bare)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    expected = ["blocks = 0; allowed: 1 or more", "steps = -1; allowed: 1 or more", "--out: there is no folder"]
    assert [part for part in expected if part not in said] == []


def test_the_bare_networks_goal_is_the_same_each_time_and_no_constant() -> None:
    frames = np.zeros((2, 1, 64, 64), np.float32)
    goal = microbench.wanted(frames)
    assert goal.tobytes() == microbench.wanted(frames).tobytes()
    assert (goal.shape, goal.dtype.name) == (frames.shape, "complex64")
    assert np.abs(goal).std() > 0.1
