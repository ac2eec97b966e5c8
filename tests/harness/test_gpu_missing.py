"""Parity and benchmark on a GPU that is not there: exit 13 with the reason, and a run that a later gate finds."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.record import log, state
from harness.runs import freshness
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict
from tests.support.injected import bites


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
@pytest.mark.fault("gpu-missing")
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("parity run --steps 1 --canaries 0", "parity-gpu"),
        ("benchmark run --fixture small", "benchmark-gpu"),
        ("benchmark run --short --fixture small", "benchmark-short-gpu"),
    ],
)
def test_without_a_gpu_a_run_ends_with_13_and_is_not_skipped(command: str, name: str, tmp_path: Path) -> None:
    done = _run(*command.split(), "--device", "cuda", "--root", str(tmp_path))
    (run,) = (tmp_path / "runs").iterdir()
    bites("Error" in (run / "logs" / "device-probe-torch.log").read_text(), "no framework of a GPU was there")
    assert (done.returncode, "no GPU computes in" in done.stderr) == (int(Verdict.INFRA), True), done.stderr
    told = state.tell(log.parse((run / "events.ndjson").read_bytes()))
    assert (told.kind, told.name) == (name.removesuffix("-gpu").removesuffix("-short"), name)
    (judged,) = freshness.judge(tmp_path, [name])
    assert judged.verdict in (Verdict.INFRA, Verdict.FAIL)
    assert any("no GPU computes" in reason for reason in judged.reasons)
    (absent,) = (item for item in freshness.judge(tmp_path, [name.removesuffix("-gpu")]) if item.asked)
    assert "the lane did not run" in absent.reasons[0], "a run on a GPU is not the verdict of one without"
