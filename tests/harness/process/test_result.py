"""How a command ended becomes a verdict, a sentence and a finding."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.process import result
from harness.process.limits import Stop
from harness.process.supervise import CompletedCommand
from ptycho.verdict import Verdict


def _finished(folder: Path, returncode: int, *, timed_out: bool = False) -> CompletedCommand:
    (folder / "log").write_text("last words\n")
    return CompletedCommand(
        argv=("x",),
        pid=1,
        returncode=returncode,
        seconds=1,
        started=1000,
        timed_out=timed_out,
        survivors=(),
        log=folder / "log",
    )


@pytest.mark.parametrize(
    ("returncode", "verdict"),
    [
        (0, Verdict.PASS),
        (1, Verdict.FAIL),
        (2, Verdict.FAIL),
        (-9, Verdict.FAIL),
        (12, Verdict.OOM),
        (13, Verdict.INFRA),
        (99, Verdict.FAIL),
    ],
)
def test_exit_codes_become_verdicts(tmp_path: Path, returncode: int, verdict: Verdict) -> None:
    assert result.verdict_of(_finished(tmp_path, returncode)) is verdict
    assert result.verdict_of(_finished(tmp_path, returncode, timed_out=True)) is Verdict.TIMEOUT


def test_a_complaint_says_how_it_ended_and_its_last_words(tmp_path: Path) -> None:
    assert result.complaint("train", _finished(tmp_path, -9), 5) == (
        f"train ended by signal 9; output in {tmp_path / 'log'}:\nlast words"
    )


def test_what_a_limit_ended_is_a_finding_with_its_own_verdict_and_where_it_was(tmp_path: Path) -> None:
    assert result.stopped("train", "x", _finished(tmp_path, -15), 5) is None
    stop = Stop(kind="memory-limit", verdict=Verdict.OOM, sentence="killed with 9 MiB", figures={"used_mib": 9})
    (tmp_path / "dump").write_text('=== process 7 (python)\nCurrent thread 0x1:\n  File "a.py", line 3 in lock\n')
    ended = replace(_finished(tmp_path, 0), stop=stop, stacks=tmp_path / "dump")
    assert result.verdict_of(ended) is Verdict.OOM
    finding = result.stopped("train", "x train", ended, 5)
    assert finding is not None
    assert (finding.id, finding.subject, finding.verdict) == ("memory-limit", "train", Verdict.OOM)
    assert finding.sentence == (
        f"x train killed with 9 MiB; output in {tmp_path / 'log'}:\nlast words\n"
        f'it was there (all threads: {tmp_path / "dump"}):\nprocess 7 (python): File "a.py", line 3 in lock'
    )
