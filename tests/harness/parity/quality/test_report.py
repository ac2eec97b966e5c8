"""The verdict of campaigns that are made up: equal, worse by one or two margins, collapsed, too small, incomplete."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness.parity.compare.comparison import Result
from harness.parity.quality import report as quality_report
from harness.parity.quality.campaign import QualityCampaign, QualityRun
from harness.parity.quality.measure import METRICS, NetworkScores
from ptycho.verdict import Verdict
from tests.support.quality_runs import SEEDS, judged, made_up


def test_equal_sides_pass() -> None:
    report = judged(made_up())
    assert [finding.result for finding in report.findings] == [Result.PASS] * len(METRICS)
    assert (report.verdict, report.reasons) == (Verdict.PASS, [])


@pytest.mark.parametrize(("shift", "better"), [(1.2, "torch"), (-1.2, "tf")])
def test_a_side_that_is_better_beyond_the_margin_is_a_failure_and_is_named(shift: float, better: str) -> None:
    report = judged(made_up(shift))
    assert report.verdict is Verdict.FAIL
    # Also of a figure of which less is better.
    assert [reason.partition(": fail: ")[2].split()[0] for reason in report.reasons] == [better] * len(METRICS)


@pytest.mark.slow
def test_a_side_that_is_worse_by_one_margin_hardly_ever_passes() -> None:
    verdicts = [judged(made_up(-0.5, trial=trial)).verdict for trial in range(25)]
    # All figures must pass, each of which would do so in one of twenty.
    assert verdicts.count(Verdict.PASS) == 0
    assert verdicts.count(Verdict.FAIL) > 18


@pytest.mark.slow
def test_no_difference_is_hardly_ever_a_failure() -> None:
    verdicts = [judged(made_up(trial=trial)).verdict for trial in range(25)]
    assert verdicts.count(Verdict.FAIL) == 0
    assert verdicts.count(Verdict.PASS) > 21


def test_too_few_seeds_are_unverified_and_more_are_asked_for() -> None:
    few = SEEDS[:4]
    report = judged(made_up(seeds=few, own=0.7), few)
    assert (report.result, report.verdict) == (Result.UNVERIFIED, Verdict.INCONCLUSIVE)
    tested = report.findings[0].tested
    assert tested is not None
    assert tested.power < 0.8
    assert f"with 4 seeds; {tested.needed} seeds give 0.8" in report.findings[0].reason


def test_a_difference_about_as_large_as_the_margin_is_neither() -> None:
    report = judged(made_up(0.42))
    unsettled = [finding for finding in report.findings if finding.result is Result.UNVERIFIED]
    assert unsettled
    assert all(item.tested is not None and item.tested.power >= 0.8 for item in unsettled)
    assert all("is neither within the margin of " in finding.reason for finding in unsettled)
    assert report.verdict is not Verdict.PASS


def test_a_noisy_side_widens_its_own_margin_and_does_not_pass_for_it() -> None:
    campaign = made_up()
    rng = np.random.default_rng(1)
    noisy = QualityCampaign(identity={}, sides=campaign.sides)
    for run in campaign.runs:
        extra = {name: value + 3 * rng.normal() * (run.side == "tf") for name, value in run.measured.figures.items()}
        measured = NetworkScores(
            figures=extra,
            flat={"amplitude": -50.0, "phase": -50.0},
            correlation=0.9,
            train_loss=(1.0,),
            validation_loss=(1.0,),
        )
        noisy.add(QualityRun(**{**vars(run), "measured": measured}))
    assert Result.PASS not in {finding.result for finding in judged(noisy).findings}


def test_less_than_three_pairs_are_not_tested() -> None:
    report = judged(made_up(seeds=(1, 2)), (1, 2))
    assert {finding.reason for finding in report.findings} == {"2 seeds on both sides; 3 or more are needed"}
    assert report.verdict is Verdict.INCONCLUSIVE


def test_both_collapsed_agree_and_fail() -> None:
    report = judged(made_up(flat=(3, 5)))
    assert {finding.result for finding in report.findings} == {Result.PASS}
    assert (report.verdict, report.as_dict()["collapse_rate"]) == (Verdict.FAIL, {"torch": 0.1, "tf": 0.1})
    assert "tf: 2 of 20 runs are no better than a flat object (seeds 3, 5)" in report.reasons


def test_a_seed_that_one_side_lacks_is_no_pass() -> None:
    campaign = made_up()
    campaign.runs = [run for run in campaign.runs if run.name != "tf seed 7"]
    report = judged(campaign)
    assert (report.n, report.result) == (19, Result.UNVERIFIED)
    assert report.reasons == ["seeds 7 are missing on a side"]


def test_only_the_seeds_that_were_asked_for_count() -> None:
    assert judged(made_up(), (2, 4, 6, 8)).seeds == (2, 4, 6, 8)


def test_the_report_is_json_with_every_figure(tmp_path: Path) -> None:
    campaign = made_up()
    campaign.write(tmp_path / "quality.json", judged(campaign).as_dict())
    read = json.loads((tmp_path / "quality.json").read_text())["result"]
    assert (read["verdict"], read["exit_code"], read["seeds"]) == ("pass", 0, list(SEEDS))
    assert [row["metric"] for row in read["metrics"]] == [metric.name for metric in METRICS]
    for row in read["metrics"]:
        assert row["means"]["torch"] - row["means"]["tf"] == pytest.approx(row["mean"])
        assert -row["margin"] < row["interval"][0] < row["interval"][1] < row["margin"]


def test_the_table_and_the_verdict_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = made_up(-1.2)
    campaign.looks.append(10)
    quality_report.show(judged(campaign))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["figure", "torch", "tf", "torch"]
    assert [line.split()[-1] for line in lines[1 : 1 + len(METRICS)]] == ["fail"] * len(METRICS)
    assert "no better than a flat object: torch 0 of 20, tf 0 of 20" in lines
    assert any(line.startswith("phase error (PSNR): fail: tf is better by ") for line in lines)
    assert any(line.startswith("verdicts on 10 seeds of this campaign came before") for line in lines)
    assert lines[-1] == f"trained quality: fail (exit 1) on seeds {', '.join(map(str, SEEDS))} in 1.0 min"
