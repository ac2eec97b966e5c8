"""One verdict out of many findings, and the table that a person reads."""

import json
from pathlib import Path

import pytest

from harness.record.outcome import COLUMNS, FixtureResult, Outcome, SuiteResult, rows, show
from ptycho.verdict import Verdict

FIGURES = {key: 0.5 for _, key, _ in COLUMNS}


def _outcome(path: Path) -> Outcome:
    result = FixtureResult(
        fixture="small",
        train_s=1.23,
        infer_s=4.5,
        scores=FIGURES,
        flat=dict.fromkeys(FIGURES, 0.0),
        input_sha256="abc",
        pictures=("a.png",),
        verdict=Verdict.PASS,
    )
    suite = SuiteResult(passed=3, failed=0, skipped=1, seconds=2, log="suite.log")
    return Outcome(lane="torch-cpu", device="cpu", run_root=path, fixtures=[result], suite=suite)


def test_the_gravest_problem_decides(tmp_path: Path) -> None:
    outcome = _outcome(tmp_path)
    assert outcome.verdict is Verdict.PASS
    for verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.INFRA):
        outcome.blame(verdict, "planted")
        assert outcome.verdict is verdict


def test_silence_is_no_pass(tmp_path: Path) -> None:
    assert Outcome(lane="l", device="d", run_root=tmp_path).verdict is Verdict.FAIL


def test_the_file_holds_what_the_table_shows(tmp_path: Path) -> None:
    outcome = _outcome(tmp_path)
    outcome.blame(Verdict.TIMEOUT, "too slow")
    document = json.loads(outcome.write().read_text())
    assert (document["verdict"], document["exit_code"]) == ("timeout", 11)
    assert document["problems"] == [{"verdict": "timeout", "message": "too slow"}]
    assert (document["fixtures"][0]["fixture"], document["fixtures"][0]["verdict"]) == ("small", "pass")


def test_every_fixture_is_followed_by_its_flat_object(tmp_path: Path) -> None:
    table = rows(_outcome(tmp_path))
    assert len({len(row) for row in table}) == 1
    assert [row[0] for row in table] == ["fixture", "small", "  flat object"]
    assert table[1][1:] == ("0.500", "0.5", "0.500", "0.5", "0.500", "1.2", "4.5", "pass")
    unscored = Outcome(lane="l", device="d", run_root=tmp_path, fixtures=[FixtureResult(fixture="f")])
    assert rows(unscored)[1][1:] == ("–",) * 7 + ("fail",)


def test_plain_text_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = _outcome(tmp_path)
    outcome.notes.append("by the way")
    show(outcome)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    expected = ("torch-cpu on cpu", "picture: a.png", "note: by the way", "suite: 3 passed, 0 failed, 1 skipped")
    assert [line for line in (*expected, f"verdict: pass (exit 0); kept in {tmp_path}") if line not in said] == []
