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


def test_layouts_must_give_the_network_the_same_bytes() -> None:
    same = [FixtureResult(fixture=name, input_sha256="a" * 64) for name in ("small", "small_legacy")]
    assert attempt.differing_inputs(same) is None
    other = [same[0], FixtureResult(fixture="small_legacy", input_sha256="b" * 64)]
    assert "small: aaaaaaaaaaaaaaaa…, small_legacy: bbbbbbbbbbbbbbbb…" in str(attempt.differing_inputs(other))
