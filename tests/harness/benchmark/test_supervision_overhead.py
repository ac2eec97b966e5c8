"""What supervision costs is counted, judged and said; the gate turns red above its limits."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.benchmark import supervision_overhead
from harness.benchmark.supervision_overhead import SHARE, START_S
from ptycho.errors import UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log


def _run(folder: Path, *costs: float) -> Path:
    rows = sample_log.beginning()
    for number, cost in enumerate(costs):
        start, end = sample_log.command(f"command-{number}")
        rows += [start, end | {"seconds": 10.0, "supervision_s": cost}]
    return sample_log.write(folder / "run", rows)


def _main(folder: Path | None, **options: object) -> int:
    return supervision_overhead.main(argparse.Namespace(**{"folder": folder, "seconds": 1.0, "json": False} | options))


def test_a_run_is_judged_by_what_its_commands_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Verdict.PASS == _main(_run(tmp_path, 0.1, 0.2), json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["commands"], found["seconds"], found["share"], found["verdict"]) == (
        2,
        20,
        pytest.approx(0.015),
        "pass",
    )
    assert Verdict.FAIL == _main(_run(tmp_path, 0.1, 0.4))
    assert "share                             2.50%    2%" in capsys.readouterr().out


def test_a_slow_start_fails(tmp_path: Path) -> None:
    assert supervision_overhead.judge({"share": SHARE, "start_s": START_S}) is Verdict.PASS
    assert supervision_overhead.judge({"share": SHARE, "start_s": START_S + 0.01}) is Verdict.FAIL


def test_a_folder_without_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no events\.ndjson; name a folder below"):
        _main(tmp_path)
    with pytest.raises(UsageError, match=r"no command of .* says what its supervision cost"):
        _main(_run(tmp_path))


@pytest.mark.deep
def test_the_trial_on_this_machine_passes_in_a_process_of_its_own() -> None:
    argv = [sys.executable, "-m", "harness", "benchmark", "overhead", "--seconds", "4", "--json"]
    done = subprocess.run(argv, cwd=Path(__file__).resolve().parents[3], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert (found["share"] <= SHARE, found["seconds"] > 4, done.stderr) == (True, True, "")
    assert "start_s" in found
