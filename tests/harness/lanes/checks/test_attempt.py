"""What makes a command's end a verdict, and what its artifacts must be."""

import os
from pathlib import Path

from harness.lanes.checks import attempt
from harness.record.outcome import FixtureResult
from harness.targets.model import Command


def test_artifacts_must_be_there_fresh_and_not_empty(tmp_path: Path) -> None:
    command = Command(argv=("x",), timeout_s=1, artifacts=("good", "absent", "empty", "stale"))
    for name, text in (("good", "x"), ("empty", ""), ("stale", "x")):
        (tmp_path / name).write_text(text)
    os.utime(tmp_path / "stale", (900, 900))
    assert attempt.missing_artifacts(command, tmp_path, since=1000) == [
        *("absent is missing", "empty is empty", "stale is older than the command that should have written it")
    ]


def test_an_artifact_may_have_a_part_of_its_name_that_varies(tmp_path: Path) -> None:
    command = Command(argv=("x",), timeout_s=1, artifacts=("out.*.h5", "run_*/last.ckpt", "none*.bin"))
    (tmp_path / "run_7").mkdir()
    for name, text, at in (("out.1.h5", "x", 1500), ("out.2.h5", "", 2000), ("run_7/last.ckpt", "x", 2000)):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (at, at))
    assert ["out.*.h5 is empty", "none*.bin is missing"] == attempt.missing_artifacts(command, tmp_path, since=1000)
    os.utime(tmp_path / "out.1.h5", (3000, 3000))
    os.utime(tmp_path / "run_7/last.ckpt", (900, 900))
    assert attempt.missing_artifacts(command, tmp_path, since=1000)[0].startswith("run_*/last.ckpt is older than")


def test_layouts_must_give_the_network_the_same_bytes() -> None:
    same = [FixtureResult(fixture=name, input_sha256="a" * 64) for name in ("small", "small_legacy")]
    assert attempt.differing_inputs(same) is None
    other = [same[0], FixtureResult(fixture="small_legacy", input_sha256="b" * 64)]
    assert "small: aaaaaaaaaaaaaaaa…, small_legacy: bbbbbbbbbbbbbbbb…" in str(attempt.differing_inputs(other))
