"""No way out of a run without its last event, and none to pass with a log that does not."""

import json
from pathlib import Path

import pytest

from harness.benchmark import session
from harness.record import directory
from harness.record.directory import RunRoot
from ptycho.errors import DeviceError, PtychoError
from ptycho.verdict import Verdict


def verdict(kept: RunRoot) -> str:
    found: str = json.loads((kept.path / "verdict.json").read_text())["verdict"]
    return found


def _one_of_two(kept: RunRoot) -> None:
    with session.logged(kept, name="x", benchmarks=["one", "two"]) as (events, ended):
        events.write("benchmark.end", benchmark="one", verdict="pass")
        ended(Verdict.PASS)


def test_a_pass_needs_every_benchmark(tmp_path: Path) -> None:
    kept = directory.create(tmp_path)
    with pytest.raises(PtychoError, match="the command computed 'pass' but its event log implies 'fail'"):
        _one_of_two(kept)
    assert (verdict(kept), kept.scratch.exists()) == ("fail", False)


@pytest.mark.parametrize(
    ("error", "expected"), [(DeviceError("no GPU"), "infra"), (KeyboardInterrupt("SIGTERM"), "interrupted")]
)
def test_an_error_is_in_the_log_with_its_verdict(tmp_path: Path, error: BaseException, expected: str) -> None:
    kept = directory.create(tmp_path)
    with pytest.raises(type(error)), session.logged(kept, name="x", benchmarks=["one"]):
        raise error
    assert (verdict(kept), kept.scratch.exists()) == (expected, False)
    assert str(error) in kept.events.read_text()
