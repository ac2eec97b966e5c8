"""The whole session with fake lanes: processes, verdicts, `bench.json`, history, and what is left behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.benchmark import plan, plugin_options
from harness.benchmark import run as benchmark_run
from harness.cli import main
from harness.record import log
from ptycho.errors import InfrastructureError
from tests.support.fakes import fake_lane


@pytest.fixture(autouse=True)
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short form with one case of each kind, on the smallest scan."""
    found = tmp_path / "manifest.toml"
    kept = plan.MANIFEST.read_text().partition("[short]")[0]
    cases = '["test_epoch[{side}-{scan}]", "test_predict[{side}]", "test_stitch[{side}]"]'
    found.write_text(f'{kept}[short]\nscans = ["small"]\nbenchmarks = {cases}\n')
    monkeypatch.setattr(plan, "MANIFEST", found)
    return found


def session(tmp_path: Path, *options: str, side: str = "torch", **ordered: Any) -> int:
    """Run the short session of one fake lane."""
    python = fake_lane.write(tmp_path / "python", **ordered)
    root = ("--root", str(tmp_path / "harness"), "--python", f"{side}={python}", "--side", side)
    return main.main(["benchmark", "--short", *root, *options])


def newest(tmp_path: Path) -> Path:
    return sorted((tmp_path / "harness" / "runs").iterdir())[-1]


def report(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((newest(tmp_path) / "benchmark.json").read_text())
    return found


@pytest.mark.slow
def test_an_honest_lane_passes_and_leaves_figures_charts_and_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert session(tmp_path) == 0
    found, run = report(tmp_path), newest(tmp_path)
    assert list(found["benchmarks"]) == ["test_epoch[torch-small]", "test_predict[torch]", "test_stitch[torch]"]
    epoch = found["benchmarks"]["test_epoch[torch-small]"]
    assert {"start", "data", "train", "between", "teardown"} == set(epoch["phases"])
    assert epoch["wall_s"] == pytest.approx(sum(epoch["phases"].values()), abs=0.05)
    assert (epoch["groups"], epoch["patterns_per_second"], epoch["verdict"]) == (64, 120.0, "pass")
    assert found["benchmarks"]["test_stitch[torch]"]["patterns_per_second"] == pytest.approx(640, rel=0.01)
    assert found["charts"]["scaling"] == {"torch": [[64.0, pytest.approx(1e3 / 120)]]}
    assert sorted(path.name for path in run.glob("pictures/*.png")) == sorted(found["pictures"].values())
    assert set(found["pictures"]) == {"budget", "history", "scaling"}
    assert not (run / "scratch").exists()
    (kept,) = (tmp_path / "harness" / "history").iterdir()
    assert len(kept.read_text().splitlines()) == 3
    said = [row for row in log.read(run / "events.ndjson") if row["event"] == "run.end"]
    assert said[0]["verdict"] == "pass"
    printed = capsys.readouterr().out
    assert "benchmark-short: pass (exit 0)" in printed
    assert f"as a page: {sys.executable} -m harness report " in printed.splitlines()[-1]
    _is_read_by_others(run / "bench.json", tmp_path)


def _is_read_by_others(bench: Path, folder: Path) -> None:
    """`pytest-benchmark compare` shows a file and itself side by side, with the recorded times."""
    document = json.loads(bench.read_text())
    row = next(row for row in document["benchmarks"] if row["name"] == "test_stitch[torch]")
    assert row["stats"]["rounds"] == 8
    assert row["stats"]["median"] == pytest.approx(0.025, rel=0.01)
    assert row["extra_info"]["fingerprint"] == document["machine_info"]["fingerprint"]
    (folder / "other.json").write_text(json.dumps(document))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", str(bench), str(folder / "other.json")],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test_stitch[torch]") == 2


@pytest.mark.deep
def test_a_training_that_works_too_long_is_killed_and_does_not_pass(tmp_path: Path) -> None:
    code = session(tmp_path, "--budget", "1", work=30.0)
    epoch = report(tmp_path)["benchmarks"]["test_epoch[torch-small]"]
    # Which of the two is the machine's affair at that moment; test_benchmark_budget.py fixes both.
    assert {"budget": 10, "inconclusive": 14}[epoch["verdict"]] == code
    assert "when it was killed, budget 1 s" in epoch["sentence"]


@pytest.mark.slow
def test_a_training_that_dies_is_no_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert session(tmp_path, exit_code=3) == 1
    assert report(tmp_path)["benchmarks"]["test_epoch[torch-small]"]["verdict"] == "fail"
    assert "ended with exit code 3" in capsys.readouterr().out


@pytest.mark.slow
def test_a_renamed_benchmark_is_red_although_pytest_is_green(
    tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.write_text(manifest.read_text().replace('"test_stitch[{side}]"]', '"test_stitching[{side}]"]'))
    assert session(tmp_path) == 1
    assert report(tmp_path)["benchmarks"]["test_stitching[torch]"] == {"verdict": "silent"}
    assert "test_stitching[torch]: silent: it did not report" in capsys.readouterr().out
    verdict = json.loads((newest(tmp_path) / "verdict.json").read_text())
    assert "benchmark test_stitching[torch]: did not report" in json.dumps(verdict)


def test_a_session_that_cannot_run_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_options, "CASES", tmp_path / "nowhere")
    with pytest.raises(SystemExit, match="13"):
        session(tmp_path)


def test_what_is_no_bench_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    assert benchmark_run.read_bench(path) == {}
    path.write_text('{"benchmarks": [{}]}')
    with pytest.raises(InfrastructureError, match="is not what pytest-benchmark writes"):
        benchmark_run.read_bench(path)
