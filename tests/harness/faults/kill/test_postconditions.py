"""What must hold after a kill, check by check: each is shown what it must find."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.faults.kill import postconditions, setup
from harness.faults.kill.setup import KillSetup
from harness.faults.kill.workloads import STAND_IN, Workload
from harness.record import directory
from harness.runs import artifacts
from ptycho.training import checkpoint
from tests.support import sample_log
from tests.support.injected import bites


def test_only_known_checks_can_fall() -> None:
    assert [str(item) for item in postconditions.of("log", ["a", "b"])] == ["log: a", "log: b"]
    with pytest.raises(AssertionError, match="weather"):
        postconditions.of("weather", ["a"])


def test_a_log_that_a_kill_cut_is_readable_and_partial_and_a_whole_one_is_whole(tmp_path: Path) -> None:
    whole = sample_log.content(sample_log.whole())
    assert postconditions.log(whole, tmp_path / "whole") == []
    assert postconditions.log(whole[:-30], tmp_path / "cut") == []
    assert postconditions.log(b"", tmp_path / "empty") == []


def test_a_log_that_is_damaged_inside_is_found(tmp_path: Path) -> None:
    lines = sample_log.content(sample_log.whole()).splitlines(keepends=True)
    lines[3] = lines[3][:20] + b"\n"
    (found,) = postconditions.log(b"".join(lines), tmp_path / "damaged")
    assert found.startswith("damaged: line 4")


def test_reports_that_call_a_cut_log_whole_or_a_pass_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample_log.content(sample_log.whole())
    lying, real = tmp_path / "lying", artifacts.write

    def lie(folder: Path) -> Any:
        judged = real(folder)
        (folder / directory.LOG).write_bytes(whole)
        return replace(real(folder), partial=judged.partial is None)

    monkeypatch.setattr(artifacts, "write", lie)
    found = postconditions.log(whole[:-30], lying)
    assert found == [
        "the reports say partial: False, but the log does not go on",
        "the log of a killed run is a pass",
        "the summary does not say in its first line that it is partial",
    ]


@pytest.mark.parametrize(
    ("told", "code", "found"),
    [
        ({"verdict": "fail", "partial": False, "problems": [{"message": "ended by signal 9"}]}, 1, []),
        (
            {"verdict": "pass", "partial": False, "problems": []},
            0,
            [
                "exit code 0, verdict pass, partial False; it should be a whole fail",
                "no problem of its verdict names signal 9",
            ],
        ),
        (
            {"verdict": "fail", "partial": False, "problems": [{"message": "ended by signal 15"}]},
            1,
            ["no problem of its verdict names signal 9"],
        ),
        (None, 1, ["there is no verdict.json"]),
    ],
)
def test_the_run_that_outlives_its_training_must_say_so(
    tmp_path: Path, told: dict[str, Any] | None, code: int, found: list[str]
) -> None:
    run = directory.create(tmp_path)
    if told is not None:
        (run.path / "verdict.json").write_text(json.dumps(told))
    assert postconditions.verdict(run, code) == found


def _saved(folder: Path, epoch: int) -> Path:
    folder.mkdir()
    path = folder / checkpoint.CHECKPOINT
    meta = checkpoint.Meta(config={}, statistics={}, epoch=epoch)
    checkpoint.save(path, {"x": np.zeros(3)}, meta)
    return path


def test_a_checkpoint_is_copied_from_the_training_of_the_run(tmp_path: Path) -> None:
    run, scan = directory.create(tmp_path), Path("small.npz")
    assert postconditions.save_checkpoint(run, scan, tmp_path / "none") is None
    assert postconditions.save_checkpoint(None, scan, tmp_path / "none") is None
    output = setup.output(run, scan)
    output.parent.mkdir(parents=True)
    path = _saved(output, 2)
    copied = postconditions.save_checkpoint(run, scan, tmp_path / "saved")
    assert copied is not None
    assert copied.read_bytes() == path.read_bytes()


def _resume(path: Path | None, *, least: int, most: int | None) -> postconditions.ResumeResult:
    job, nowhere = Workload(name=STAND_IN, python="", target=Any), Any  # type: ignore[arg-type]
    place: KillSetup = nowhere  # type: ignore[assignment]
    return postconditions.resume(path, job, place, "001", least=least, most=most)


def test_no_checkpoint_is_right_only_before_the_first_epoch() -> None:
    assert _resume(None, least=0, most=1).wrong == ()
    assert _resume(None, least=3, most=4).wrong == ("there is none, but the log has 3 epochs",)


@pytest.mark.parametrize(("least", "most"), [(3, None), (0, 1)])
def test_a_checkpoint_of_another_epoch_than_the_log_tells_is_found(
    tmp_path: Path, least: int, most: int | None
) -> None:
    found = _resume(_saved(tmp_path / "saved", 2), least=least, most=most)
    assert found.wrong == (f"it is of epoch 2, the log of {least}",)


@pytest.mark.fault("half-checkpoint")
def test_a_checkpoint_that_was_cut_is_found(tmp_path: Path) -> None:
    path = _saved(tmp_path / "saved", 2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    bites(0 < path.stat().st_size < len(whole), "half of the checkpoint is there")
    found = _resume(path, least=2, most=2)
    assert not found.loaded
    assert "is damaged or is not a checkpoint" in found.wrong[0]


def test_scratch_that_is_still_there_is_named(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    assert postconditions.left_in(tmp_path) == [f"{run.scratch} is still there"]
    run.remove_scratch()
    assert postconditions.left_in(tmp_path) == []
