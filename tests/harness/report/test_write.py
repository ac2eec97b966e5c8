"""`python -m harness report`: where it writes, what it prints, how it ends."""

import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest

from harness.cli import main
from harness.report import write
from harness.runs import freshness
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "stale", lambda _told: [])


def test_without_a_run_it_is_the_newest_of_everything(
    tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample_runs.everything(tmp_path, scan)
    assert Verdict.PASS == main.main(["report", "--root", str(tmp_path)])
    said = capsys.readouterr().out.splitlines()
    assert "torch-cpu: pass (exit 0): 1 fixture scored, 3 tests passed" == said[0]
    assert ["pass (exit 0): 5 of 5 runs passed", f"report: {tmp_path}/report/index.html"] == said[-2:]
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.slow
def test_a_run_has_its_own_page_and_its_own_exit_code(tmp_path: Path, scan: Path) -> None:
    good, bad = sample_runs.lane(tmp_path, "torch", scan), sample_runs.killed(tmp_path, "tf")
    assert Verdict.PASS == main.main(["report", str(good)])
    assert Verdict.FAIL == main.main(["report", str(bad)])
    assert [True, True] == [(run / "report" / "index.html").is_file() for run in (good, bad)]
    out = tmp_path / "both.html"
    assert Verdict.FAIL == main.main(["report", str(good), str(bad), "--out", str(out)])
    assert "1 of 2 runs passed" in out.read_text()


def test_a_machine_gets_one_document_and_nothing_else(
    tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    assert Verdict.INCONCLUSIVE == main.main(["report", "--root", str(tmp_path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ("inconclusive", "incomplete", 14) == (told["verdict"], told["word"], told["exit_code"])
    assert [("torch-cpu", "pass", False)] == [(run["name"], run["verdict"], run["partial"]) for run in told["runs"]]
    assert "benchmark" in told["did_not_run"]
    assert told["bytes"] == Path(told["report"]).stat().st_size


@pytest.mark.slow
def test_a_part_of_the_gates_is_incomplete_and_the_verdict_of_what_must_report_stays_red(
    tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    assert Verdict.INCONCLUSIVE == main.main(["report", "--root", str(tmp_path)])
    line = "incomplete (exit 14): 1 of 4 gates run, none failed; did not run: TensorFlow lane, parity, benchmark"
    assert line == capsys.readouterr().out.splitlines()[-2]
    html = (tmp_path / "report" / "index.html").read_text()
    assert "<title>incomplete (exit 14)" in html
    assert '<section class="verdict open"' in html
    assert 'class="card fail"' not in html
    # The code that this run was of is not here: what it is worth now is not known.
    assert Verdict.INFRA == main.main(["verdict", "torch-cpu", "tf-cpu", "--root", str(tmp_path)])


def test_it_opens_on_demand(tmp_path: Path, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    run = sample_runs.lane(tmp_path, "torch", scan)
    main.main(["report", str(run)])
    assert [] == opened
    main.main(["report", str(run), "--open"])
    assert [(run / "report" / "index.html").as_uri()] == opened


def test_no_run_and_no_place_are_told_apart(tmp_path: Path, scan: Path) -> None:
    with pytest.raises(UsageError, match="make one, for example with"):
        write.write([], root=tmp_path)
    run = sample_runs.lane(tmp_path, "torch", scan)
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match="choose another --out"):
        write.write([run], root=tmp_path, out=tmp_path / "file" / "page.html")


def test_rebuilding_makes_the_page_too_and_says_where_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = sample_log.write(tmp_path / "run", sample_log.whole())
    assert Verdict.PASS == main.main(["report", "rebuild", str(run)])
    page = run / "report" / "index.html"
    assert page.read_text().startswith("<!DOCTYPE html>")
    page.unlink()
    capsys.readouterr()
    monkeypatch.delitem(sys.modules, "harness.report.page")
    monkeypatch.delattr("harness.report.page")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert Verdict.PASS == main.main(["report", "rebuild", str(run), "--json"])
    said = capsys.readouterr()
    assert json.loads((run / "verdict.json").read_text()) == json.loads(said.out)
    assert "report/index.html was not made: the page cannot be drawn" in said.err
    assert not page.exists()


@pytest.mark.slow
def test_as_a_process_it_imports_no_framework_and_no_matplotlib(tmp_path: Path, scan: Path) -> None:
    run = sample_runs.lane(tmp_path, "torch", scan)
    code = (
        "import sys; from harness.cli import main; code = main.main(sys.argv[1:]); "
        "print([name for name in ('torch', 'tensorflow', 'matplotlib', 'rich') if name in sys.modules]); sys.exit(code)"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-c", code, "report", str(run)]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (0, "", "[]") == (done.returncode, done.stderr, done.stdout.splitlines()[-1])
