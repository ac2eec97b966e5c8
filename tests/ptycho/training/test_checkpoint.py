import errno
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from ptycho.errors import CheckpointError, InfrastructureError
from ptycho.training import checkpoint
from ptycho.training.checkpoint import Meta
from tests.support.injected import bites

META = Meta(
    config={"model": {"side": 64, "gridsize": 1}, "data": {"path": Path("a b/ü.npz"), "n_groups": None}},
    statistics={"normalisation": np.float64(0.1) * 3, "nphotons": 1e9, "input_sha256": "ab"},
    epoch=3,
    schedule={"best": math.inf, "learning_rate": 1e-3, "bad_epochs": np.int64(1)},
)


def tensors() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(4, 3, 3, 3))
    return {
        "encoder.0.0.weight": kernel.astype(np.float32),
        "log_intensity_scale": np.array(0.1 + 0.2),
        "adam.m/encoder.0.0.weight": kernel.transpose(3, 2, 1, 0),
        "adam.step": np.array(7, dtype=np.int64),
        "empty": np.zeros((0, 3)),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / checkpoint.CHECKPOINT
    checkpoint.save(path, tensors(), META)
    return path


def test_tensors_come_back_bit_for_bit_with_shape_and_dtype(saved: Path) -> None:
    loaded, _ = checkpoint.load(saved)

    assert sorted(tensors()) == list(loaded)
    for name, expected in tensors().items():
        assert (expected.shape, expected.dtype) == (loaded[name].shape, loaded[name].dtype)
        assert expected.tobytes() == loaded[name].tobytes()
        assert loaded[name].flags.writeable


def test_the_meaning_comes_back_with_exact_floats_infinity_and_paths_as_text(saved: Path) -> None:
    _, meta = checkpoint.load(saved)

    assert meta.config["data"] == {"path": "a b/ü.npz", "n_groups": None}
    assert META.statistics == meta.statistics
    assert (3, {"best": math.inf, "learning_rate": 1e-3, "bad_epochs": 1}) == (meta.epoch, meta.schedule)


@settings(max_examples=20)
@given(
    value=npst.arrays(
        dtype=st.sampled_from([np.float32, np.float64, np.int64, np.uint8]), shape=npst.array_shapes(min_dims=0)
    )
)
def test_any_array_survives(tmp_path_factory: pytest.TempPathFactory, value: NDArray[Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "x.safetensors"
    checkpoint.save(path, {"x": value}, META)

    loaded = checkpoint.load(path)[0]["x"]

    assert (value.shape, value.dtype, value.tobytes()) == (loaded.shape, loaded.dtype, loaded.tobytes())


def test_equal_states_give_equal_bytes_in_any_order_and_process(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    checkpoint.save(again, dict(reversed(tensors().items())), META)

    assert saved.read_bytes() == again.read_bytes()
    assert checkpoint.digest(tensors()) == json.loads(_header(saved)["__metadata__"]["ptycho"])["digest"]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t | {"log_intensity_scale": np.nextafter(t["log_intensity_scale"], 1)},
        lambda t: t | {"log_intensity_scale": t["log_intensity_scale"].reshape(1)},
        lambda t: t | {"adam.step": t["adam.step"].astype(np.uint64)},
        lambda t: {f"{name}x": value for name, value in t.items()},
    ],
    ids=["value", "shape", "dtype", "name"],
)
def test_the_digest_sees_every_change(change: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]) -> None:
    assert checkpoint.digest(tensors()) != checkpoint.digest(change(tensors()))


@pytest.mark.fault("half-checkpoint")
def test_every_truncation_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for size in {0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1}:
        saved.write_bytes(whole[:size])
        bites(saved.stat().st_size == size < len(whole), "the checkpoint is cut")
        with pytest.raises(CheckpointError, match=r"expected .* found .*; use another checkpoint"):
            checkpoint.load(saved)


@pytest.mark.slow
@pytest.mark.fault("half-checkpoint")
def test_every_damaged_byte_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    start = whole.index(b"{")
    for place in [*range(8), *range(start, len(whole), 7)]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        if damaged[place : place + 1].isspace() and whole[place : place + 1].isspace():
            continue
        saved.write_bytes(damaged)
        bites(saved.read_bytes() != whole, "the checkpoint is damaged")
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoint.load(saved)


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><html></html>", b"PK\x03\x04" + bytes(100), b"\x80\x04\x95" + bytes(40), bytes(64)],
    ids=["empty", "html", "zip", "pickle", "zeros"],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=r"weights.safetensors' is damaged or is not a checkpoint"):
        checkpoint.load(path)


def test_safetensors_of_another_program_or_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "foreign.safetensors"
    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"expected a header of ptycho-checkpoint/1, found .* another program"):
        checkpoint.load(path)

    monkeypatch.setattr(checkpoint, "FORMAT", "ptycho-checkpoint/9")
    checkpoint.save(path, tensors(), META)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="expected ptycho-checkpoint/1, found 'ptycho-checkpoint/9'"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none.safetensors' cannot be read: No such file") as caught:
        checkpoint.load(tmp_path / "none.safetensors")

    assert caught.value.verdict == 2


@pytest.mark.fault("half-checkpoint")
@pytest.mark.fault("disk-full")
def test_a_full_disk_leaves_the_old_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, refused = saved.read_bytes(), list[int]()

    def full(descriptor: int) -> None:
        refused.append(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfrastructureError, match="No space left on device; the file that was there is unchanged"):
        checkpoint.save(saved, {"x": np.zeros(9)}, META)

    bites(refused, "the disk refused what was written")
    assert {saved.name: before} == {path.name: path.read_bytes() for path in saved.parent.iterdir()}


@pytest.mark.fault("half-checkpoint")
@pytest.mark.fault("training-killed")
def test_a_kill_while_writing_leaves_the_old_checkpoint(saved: Path) -> None:
    before = saved.read_bytes()
    program = (
        "import os, signal, sys, numpy as np; from pathlib import Path; from ptycho.training import checkpoint\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint.save(Path(sys.argv[1]), {'x': np.zeros(9)}, checkpoint.Meta(config={}, statistics={}))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(saved)], cwd=Path(checkpoint.__file__).parents[2])

    bites(killed.returncode == -9, "the writer was killed")
    assert before == saved.read_bytes()


def test_weights_only_leaves_the_optimiser_out() -> None:
    assert list(checkpoint.weights_only(tensors())) == ["encoder.0.0.weight", "log_intensity_scale", "empty"]


def test_find_model_takes_the_file_or_the_folder(tmp_path: Path) -> None:
    model = tmp_path / checkpoint.MODEL
    checkpoint.save(model, checkpoint.weights_only(tensors()), META)

    assert [model, model] == [checkpoint.find_model(model), checkpoint.find_model(tmp_path)]


def test_find_model_says_what_to_do_where_there_are_no_weights(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the training did not end; resume it"):
        checkpoint.find_model(tmp_path)
    saved.unlink()
    with pytest.raises(CheckpointError, match=r"the folder holds no model.safetensors"):
        checkpoint.find_model(tmp_path)
    with pytest.raises(CheckpointError, match="there is no such file or folder"):
        checkpoint.find_model(tmp_path / "none")


def _header(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    parsed: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return parsed
