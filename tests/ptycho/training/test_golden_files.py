"""Files written by hand in an earlier commit are read, and what is written is read by name by a reader of the test."""

import json
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import CheckpointError, ContractError
from ptycho.training import checkpoint, epochs, inference
from ptycho.training.schedule import Plateau
from tests.support import crafted_npz
from tests.support.fakes.fake_runs import infer, infer_config, train, train_config
from tests.support.golden import golden_files
from tests.support.golden.stored_state_suite import differing

CONFIG = TrainingConfig(
    data=DataConfig(path=Path("elsewhere.npz"), seed=7),
    output_dir=Path("out"),
    model=golden_files.NETWORK,
    batch_size=3,
)
PREPARED = cast(
    PreparedDataset,
    SimpleNamespace(
        normalisation=golden_files.NORMALISATION,
        nphotons=golden_files.NPHOTONS,
        stages=SimpleNamespace(normalised="ab", groups="cd"),
    ),
)


@pytest.mark.parametrize("path", [golden_files.MODEL, golden_files.CHECKPOINT], ids=["weights", "checkpoint"])
def test_a_committed_file_is_read_by_name(path: Path, tmp_path: Path) -> None:
    tensors, meta = checkpoint.load(golden_files.unpacked(path, tmp_path))
    resumes = path == golden_files.CHECKPOINT
    assert differing(tensors, golden_files.state() if resumes else golden_files.weights()) == []
    assert vars(meta) == golden_files.meta(resumes=resumes)


def test_what_is_written_says_the_same_by_name(tmp_path: Path) -> None:
    path = golden_files.unpacked(golden_files.CHECKPOINT, tmp_path)
    tensors, meta = checkpoint.load(path)
    checkpoint.save(tmp_path / "again", tensors, meta)
    written, said = golden_files.read(tmp_path / "again")
    assert differing(written, golden_files.state()) == []
    assert said == golden_files.meta(resumes=True)
    assert checkpoint.load(tmp_path / "again")[1] == meta


def test_two_tensors_of_one_shape_that_change_places_are_noticed(tmp_path: Path) -> None:
    tensors = golden_files.state()
    one, two = "amplitude.0.1.bias", "phase.0.1.bias"
    assert tensors[one].shape == tensors[two].shape
    tensors[one], tensors[two] = tensors[two], tensors[one]
    assert differing(tensors, golden_files.state()) == [one, two]
    last = golden_files.state()
    last["phase.outer.weight"][..., -1, -1] += 2.0**-20
    assert differing(last, golden_files.state()) == ["phase.outer.weight"]


def test_a_committed_checkpoint_is_resumed(tmp_path: Path) -> None:
    golden_files.unpacked(golden_files.CHECKPOINT, tmp_path)
    _, meta = epochs.load(tmp_path, CONFIG, PREPARED)
    assert meta.epoch == golden_files.EPOCH
    assert Plateau(**meta.schedule) == Plateau(learning_rate=5e-4, best=-1.5, bad_epochs=1)
    assert meta.extra["history"] == golden_files.history()


OTHER: dict[str, Any] = {
    "model": replace(golden_files.NETWORK, intensity_scale_trainable=False),
    "batch_size": 4,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "warmup_steps": 1,
    "nphotons": 1.0,
    "mae_weight": 0.5,
    "tv_weight": 0.5,
}


@pytest.mark.parametrize("name", OTHER)
def test_another_training_does_not_resume_it(name: str, tmp_path: Path) -> None:
    golden_files.unpacked(golden_files.CHECKPOINT, tmp_path)
    with pytest.raises(CheckpointError, match=f"- {name}: the checkpoint has"):
        epochs.load(tmp_path, replace(CONFIG, **{name: OTHER[name]}), PREPARED)


def test_every_option_is_either_held_to_the_checkpoint_or_may_change() -> None:
    assert {*OTHER, *epochs.MAY_CHANGE, "data"} == {item.name for item in fields(TrainingConfig)}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"normalisation": 0.5}, "normalisation"),
        ({"nphotons": 1.0}, "nphotons"),
        ({"stages": SimpleNamespace(normalised="ab", groups="x")}, "groups_sha256"),
        ({"stages": SimpleNamespace(normalised="x", groups="cd")}, "input_sha256"),
    ],
    ids=["normalisation", "photons", "groups", "input"],
)
def test_other_data_do_not_resume_it(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    golden_files.unpacked(golden_files.CHECKPOINT, tmp_path)
    other = cast(PreparedDataset, SimpleNamespace(**{**vars(PREPARED), **change}))
    with pytest.raises(CheckpointError, match=f"- {named}: the checkpoint has"):
        epochs.load(tmp_path, CONFIG, other)


def test_the_configuration_of_the_file_wins_over_every_default(tmp_path: Path) -> None:
    given = ModelConfig(
        side=128, gridsize=2, filter_scale=3, probe_big=False, probe_scale=2.5, probe_mask=True,
        intensity_scale_trainable=True,
    )  # fmt: skip
    assert [item.name for item in fields(given) if getattr(given, item.name) == item.default] == []
    said = {**golden_files.meta(resumes=False)}
    said["config"] = {**said["config"], "model": vars(given)}
    path = tmp_path / "m"
    path.write_bytes(golden_files.content({}, said))
    _, meta = checkpoint.load(path)
    assert inference._training_of(meta, path) == (given, golden_files.NORMALISATION, golden_files.NPHOTONS)


def test_a_scan_of_another_patch_side_is_refused(tmp_path: Path) -> None:
    scan = crafted_npz.write(tmp_path / "scan.npz", crafted_npz.scan(m=3, n=128))
    golden_files.unpacked(golden_files.MODEL, tmp_path)
    with pytest.raises(ContractError, match="N = 128, but the network takes N = 64"):
        infer(infer_config(tmp_path, scan, tmp_path / "out"))


def test_a_weights_file_holds_what_the_engine_had_by_name(tmp_path: Path) -> None:
    scan = crafted_npz.write(tmp_path / "scan.npz", crafted_npz.scan(m=12))
    result = train(train_config(scan, tmp_path / "out", nphotons=1e5))
    kept, said = golden_files.read(tmp_path / "out" / checkpoint.CHECKPOINT)
    from tests.support.fakes.fake_backend import engine as fake

    assert differing(kept, fake.CREATED[-1].state()) == []
    written, of_weights = golden_files.read(result.model_path)
    assert differing(written, {n: v for n, v in fake.CREATED[-1].state().items() if not n.startswith("adam.")}) == []
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for found in (said, of_weights):
        assert found["statistics"]["nphotons"] == summary["nphotons"] == 1e5
        assert found["statistics"]["normalisation"] == summary["normalisation"]
        assert found["epoch"] == 2
    assert np.isfinite(summary["normalisation"])
