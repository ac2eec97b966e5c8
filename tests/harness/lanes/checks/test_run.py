"""The order of a lane's checks: what is run, what is kept, and that nothing is judged that is not there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.lanes.checks import run
from harness.lanes.checks.attempt import attempt
from harness.lanes.checks.context import CheckContext
from harness.record.outcome import FixtureResult
from harness.targets.model import Checks, Command, InputDump
from ptycho.verdict import Verdict
from tests.support.fakes import zoo
from tests.support.fakes.fake_bench import Made, Runner, bench, ids


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return zoo.scan(tmp_path / "scan.npz")


def _runner(folder: Path, scan: Path, wrong: str = "") -> Runner:
    """Reconstructions that come nearer to the truth with each epoch, some of them wrong."""
    truth = np.load(scan)["objectGuess"]

    def object_of(label: str, command: Command, values: Mapping[str, object]) -> Made:
        rng = np.random.default_rng(int(str(values["seed"])))
        noise = rng.normal(size=truth.shape) / int(str(values["nepochs"])) ** 2
        return np.asarray(truth * np.exp(1j * noise) * (np.nan if wrong and wrong in label else 1), np.complex64)

    return Runner(folder=folder, object_of=object_of)


def _run(where: CheckContext, scan: Path, *, brief: bool = False) -> list[FixtureResult]:
    made = {"scan": attempt(where.target, "scan", scan, cells=where.cells, values=where.values, run=where.run)}
    return run.run(where, {"scan": scan}, made, brief=brief)


@pytest.mark.slow
def test_a_sound_target_passes_every_check(tmp_path: Path, scan: Path) -> None:
    runner = _runner(tmp_path, scan)
    where = bench(tmp_path, runner)
    (result,) = _run(where, scan)
    assert [] == ids(where.outcome)
    assert (Verdict.PASS, 1.0, 2.0) == (result.verdict, result.epoch_s, result.start_s)
    assert ["scan", "scan-once", "scan-again", "scan-other", "scan-as-legacy"] == [
        label.removesuffix("-train") for label in runner.labels if label.endswith("-train")
    ]
    assert result.reconstruction is not None
    with np.load(result.reconstruction) as kept:
        assert ["object", "origin", "overlap"] == sorted(kept)


@pytest.mark.slow
def test_a_brief_run_trains_once(tmp_path: Path, scan: Path) -> None:
    runner = _runner(tmp_path, scan)
    where = bench(tmp_path, runner)
    (result,) = _run(where, scan, brief=True)
    assert ["scan-train", "scan-infer"] == runner.labels
    assert (Verdict.PASS, None) == (result.verdict, result.epoch_s)
    assert not where.outcome.findings.was_checked("unseeded", "scan")


def test_a_job_that_failed_is_not_tried_further(tmp_path: Path, scan: Path) -> None:
    runner = replace(_runner(tmp_path, scan), returncode_of=lambda _: 3)
    where = bench(tmp_path, runner)
    (result,) = _run(where, scan)
    assert ["scan-train"] == runner.labels
    assert [("exit-code", "train on scan")] == ids(where.outcome)
    assert (Verdict.FAIL, None) == (result.verdict, result.scores)


def test_a_reconstruction_of_nan_is_unreadable(tmp_path: Path, scan: Path) -> None:
    where = bench(tmp_path, _runner(tmp_path, scan, wrong="scan-train"))
    (result,) = _run(where, scan, brief=True)
    assert [("reconstruction-unreadable", "scan")] == ids(where.outcome)
    assert "pixels of the object are not finite" in where.outcome.problems[0].message
    assert Verdict.FAIL is result.verdict


@pytest.mark.slow
def test_a_summary_without_its_hash(tmp_path: Path, scan: Path) -> None:
    where = bench(tmp_path, _runner(tmp_path, scan))
    silent = replace(where, target=replace(where.target, summary="summary.json"))
    (result,) = _run(silent, scan, brief=True)
    assert [("input-hash-missing", "scan")] == ids(where.outcome)
    assert Verdict.FAIL is result.verdict


@pytest.mark.slow
def test_a_dump_that_is_promised_must_be_there(tmp_path: Path, scan: Path) -> None:
    dump = InputDump(argv=("--dump",), path="seen.npy", key="")
    where = bench(tmp_path, _runner(tmp_path, scan), checks=Checks(input_dump=dump))
    (result,) = _run(where, scan)
    assert [("input-hash-missing", "scan")] == ids(where.outcome)
    assert "seen.npy" in where.outcome.problems[0].message
    assert result.input_dump is None
