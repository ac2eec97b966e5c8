"""An earlier run beside a later one: what differs is marked, and a run of another kind is refused."""

from pathlib import Path

import pytest

from harness.cli import main
from harness.report import load_runs, side_by_side, write
from harness.report.model import Table, TableCell
from harness.runs import freshness
from ptycho.errors import UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "stale", lambda _told: [])


def texts(table: Table) -> dict[str, tuple[str, ...]]:
    """The rows by their first cell, as text."""
    plain = [[cell.text if isinstance(cell, TableCell) else cell for cell in row] for row in table.rows]
    return {row[0]: tuple(row[1:]) for row in plain}


def test_a_ladder_that_fails_beside_one_that_passed(tmp_path: Path) -> None:
    old = sample_runs.ladder(tmp_path, when="20260101T000000Z")
    new = sample_runs.ladder(tmp_path, spoilt=0.1, when="20260102T000000Z")
    found = side_by_side.table(load_runs.load(old), load_runs.load(new))
    rows = texts(found)
    assert found.headings == ("what", old.name, new.name, "change")
    assert rows["verdict"] == ("pass", "fail", "differs")
    assert rows["rungs"] == ("2 of 2 rungs pass", "1 of 2 rungs pass; failed: R4", "differs")
    assert rows["first failing rung"] == ("–", "R4 R4/exit_wave", "differs")
    assert rows["commit"][2] == ""


def test_scores_and_times_have_their_difference(tmp_path: Path, scan: Path) -> None:
    old = sample_runs.lane(tmp_path, "torch", scan, when="20260101T000000Z")
    new = sample_runs.lane(tmp_path, "torch", scan, when="20260102T000000Z")
    rows = sample_runs.lane_rows("torch", scan)
    end = next(row for row in rows if row["event"] == "fixture.end")
    end["scores"] = end["scores"] | {"phase_correlation": 0.92}
    end["train_s"] = 18.0
    (new / "events.ndjson").write_bytes(sample_log.content(rows))
    found = texts(side_by_side.table(load_runs.load(old), load_runs.load(new)))
    assert found["scan: phase corr."] == ("0.940", "0.920", "-0.02")
    assert found["scan: training"] == ("9.0 s", "18.0 s", "+100 %")
    assert found["scan: inference"] == ("1.2 s", "1.2 s", "")


@pytest.mark.slow
def test_the_page_shows_both(tmp_path: Path, scan: Path) -> None:
    old = sample_runs.ladder(tmp_path, when="20260101T000000Z")
    sample_runs.everything(tmp_path, scan, spoilt=0.1)
    assert Verdict.FAIL == main.main(["report", "--root", str(tmp_path), "--against", str(old)])
    html = (tmp_path / "report" / "index.html").read_text()
    assert "Side by side</h2>" in html
    assert f"parity: {old.name} and " in html
    assert "Side by side" not in write.write([], root=tmp_path).path.read_text()


def test_a_run_of_another_kind_is_refused(tmp_path: Path, scan: Path) -> None:
    lane, ladder = sample_runs.lane(tmp_path, "torch", scan), sample_runs.ladder(tmp_path)
    with pytest.raises(UsageError, match="is a run of torch-cpu; allowed here: parity"):
        write.write([ladder], root=tmp_path, against=lane)
