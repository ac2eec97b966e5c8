"""The whole command on small scans: what it leaves, prints and refuses."""

import json
from pathlib import Path

import pytest

from harness.benchmark.scaling import masks, report
from harness.benchmark.scaling import run as scaling_run
from harness.cli import main

pytestmark = pytest.mark.usefixtures("noise")


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that take a moment are not a measure of cost; that a cost is judged, `test_scale_report` shows."""
    monkeypatch.setattr(report, "MAX_COST_RATIO", 100.0)
    monkeypatch.setattr(masks, "MAX_COST_RATIO", dict.fromkeys(masks.MAX_COST_RATIO, 100.0))
    monkeypatch.setattr(scaling_run, "SMALL_BYTES", 0)


def scale(*arguments: object) -> int:
    return main.main(["benchmark", "scale", *map(str, arguments)])


@pytest.mark.slow
def test_a_run_leaves_its_figures_and_no_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = scale("--patterns", 400, 500, "--gridsize", 1, "--root", tmp_path, "--max-gb", 0.1, "--mask", "each", "none")
    told = capsys.readouterr().out
    assert code == 0, told
    (run,) = (tmp_path / "runs").iterdir()
    figures = json.loads((run / scaling_run.REPORT).read_text())
    sizes = [(row["reading"]["patterns"], row["mask"]) for row in figures["rows"]]
    assert sizes == [(400, "none"), (400, "each"), (500, "none"), (500, "each")]
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "pass"
    assert (run / "pictures" / scaling_run.CURVE).is_file()
    assert not (run / "scratch").exists()
    assert str(run / scaling_run.REPORT) in told


@pytest.mark.slow
def test_scans_that_are_too_large_are_named_and_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--patterns", 200, 100_000, "--gridsize", 2, "--root", tmp_path, "--max-gb", 0.1, "--mask", "none")
    assert scale(*arguments) == 0
    assert "left out: M=100000 N=64 g=2: 1.6 GB of frames; allowed: 0.1 (--max-gb)" in capsys.readouterr().out


def test_a_reader_that_dies_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.benchmark.scaling.run.BATCH", 0)
    with pytest.raises(SystemExit) as ended:
        scale("--patterns", 200, "--gridsize", 1, "--root", tmp_path)
    assert ended.value.code == 1
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "fail"
    assert not (run / "scratch").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patterns", "10"], "--patterns 10; allowed: 100 or more"),
        (["--steps", "1"], "--steps 1; allowed: 2 or more"),
        (["--mask", "one", "each"], "--mask one each; allowed: none among them"),
        (["--max-gb", "0"], "--max-gb 0; allowed: more than 0"),
        (["--python", "jax=/bin/sh"], "--python 'jax=/bin/sh'"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        scale(*arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
