"""A campaign with fake pipelines: pairs, verdicts of planted faults, what is kept, what is refused, what is left."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.parity.compare.comparison import Result
from harness.parity.quality import campaign as quality_campaign
from harness.parity.quality import run as quality_run
from harness.parity.quality.report import QualityReport
from harness.parity.quality.run import QualityOptions
from harness.parity.quality.sides import precisions
from harness.system.signals import Interruption
from ptycho import fingerprint
from ptycho.errors import PtychoError, UsageError
from ptycho.verdict import Verdict
from tests.support.fakes import fake_quality


@pytest.fixture(autouse=True)
def _sources_that_nobody_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the checkout while a test runs is another campaign, which is not what is tested here."""
    monkeypatch.setattr(quality_campaign, "source_digest", lambda package: package)
    monkeypatch.setattr(fingerprint, "commit", lambda *_: "commit")


PYTHONS = {"torch": sys.executable, "tf": sys.executable}


def options(tmp_path: Path, scan: Path, faults: Mapping[str, str] | None = None, **changes: Any) -> QualityOptions:
    given: dict[str, Any] = {
        "pythons": PYTHONS,
        "scan": scan,
        "root": tmp_path / "harness",
        "seeds": (1, 2, 3),
        "epochs": 2,
        "targets": fake_quality.write(tmp_path / "targets", faults or {}),
        "quiet": True,
    }
    return QualityOptions(**given | changes)


def campaign(tmp_path: Path, scan: Path, faults: Mapping[str, str] | None = None, **changes: Any) -> QualityReport:
    return quality_run.run(options(tmp_path, scan, faults, **changes), Interruption())


def results(report: QualityReport) -> dict[str, Result]:
    return {finding.metric.name: finding.result for finding in report.findings}


def kept(tmp_path: Path) -> dict[str, Any]:
    """The newest campaign's file."""
    path = max((tmp_path / "harness" / "runs").glob("*/quality.json"), key=lambda file: file.stat().st_mtime)
    read: dict[str, Any] = json.loads(path.read_text())
    return read


@pytest.mark.deep
def test_two_equal_backends_pass_with_enough_seeds(tmp_path: Path, scan: Path) -> None:
    report = campaign(tmp_path, scan, seeds=tuple(range(1, 10)))
    assert results(report) == dict.fromkeys(("amplitude", "phase", "frc", "deviance"), Result.PASS)
    assert (report.verdict, report.n, report.reasons) == (Verdict.PASS, 9, [])
    assert report.collapsed == {"torch": [], "tf": []}
    document = kept(tmp_path)
    assert document["result"]["verdict"] == "pass"
    assert sorted((run["side"], run["seed"]) for run in document["runs"]) == [
        (side, seed) for side in ("tf", "torch") for seed in range(1, 10)
    ]
    assert report.picture is not None
    assert report.picture.read_bytes()[:4] == b"\x89PNG"
    run = report.path.parent
    assert not (run / "scratch").exists()


@pytest.mark.deep
def test_a_worse_backend_fails_and_the_better_one_is_named(tmp_path: Path, scan: Path) -> None:
    report = campaign(tmp_path, scan, {"tf": '{"worse": 0.7}'}, seeds=(1, 2, 3, 4, 5))
    assert report.verdict is Verdict.FAIL
    assert results(report)["phase"] is Result.FAIL
    assert any(reason.startswith("phase error (PSNR): fail: torch is better by ") for reason in report.reasons)


@pytest.mark.deep
def test_a_precision_is_held_against_another_of_the_same_backend(tmp_path: Path, scan: Path) -> None:
    report = campaign(tmp_path, scan, contest=precisions("torch"), pythons={"torch": sys.executable})
    assert list(report.runs) == ["torch-bf16", "torch-f32"]
    document = json.loads(report.path.read_text())
    assert report.path.name == "precision.json"
    assert "sources_sha256.tf" not in document["identity"]
    settings = document["identity"]["settings"]
    assert [settings[f"torch-{name}.{step}"][-2:] for name in ("bf16", "f32") for step in ("train", "infer")] == [
        ["--precision", name] for name in ("bf16", "f32") for _ in range(2)
    ]
    logs = report.path.parent / "logs"
    assert "precision bf16" in (logs / "torch-bf16-1-train.log").read_text()


@pytest.mark.deep
def test_a_precision_that_trains_worse_fails(tmp_path: Path, scan: Path) -> None:
    report = campaign(
        tmp_path, scan, {"torch": '{"worse_in_bf16": 0.7}'}, contest=precisions("torch"), seeds=(1, 2, 3, 4, 5)
    )
    assert report.verdict is Verdict.FAIL
    assert any("torch-f32 is better by " in reason for reason in report.reasons)


@pytest.mark.slow
def test_too_few_seeds_are_no_pass_and_how_many_would_do_is_said(
    tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quality_run.main(options(tmp_path, scan)) == 14
    result = kept(tmp_path)["result"]
    assert {metric["result"] for metric in result["metrics"]} == {"unverified"}
    assert all(" with 3 seeds; " in reason and reason.endswith(" seeds give 0.8") for reason in result["reasons"])
    said = capsys.readouterr().out
    assert all(reason in said for reason in result["reasons"])
    assert "trained quality: unverified (exit 14) on seeds 1, 2, 3" in said


@pytest.mark.slow
def test_two_collapsed_backends_agree_and_fail(tmp_path: Path, scan: Path) -> None:
    flat = '{"flat": [2]}'
    report = campaign(tmp_path, scan, {"torch": flat, "tf": flat})
    assert report.collapsed == {"torch": [2], "tf": [2]}
    assert report.verdict is Verdict.FAIL
    assert "torch: 1 of 3 runs are no better than a flat object (seeds 2)" in report.reasons


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ('{"nan": [2]}', "tf-2 ran, but what it left cannot be scored(.|\n)*are not finite"),
        ('{"crash": [2]}', "planted crash"),
        ('{"input": true}', "did not get the same input"),
    ],
)
def test_a_run_without_a_figure_ends_the_campaign_and_keeps_the_others(
    tmp_path: Path, scan: Path, fault: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PtychoError, match=message) as raised:
        campaign(tmp_path, scan, {"tf": fault}, quiet=False)
    assert raised.value.verdict is Verdict.FAIL
    document = kept(tmp_path)
    assert document["result"] is None
    assert 1 <= len(document["runs"]) < 6
    assert "runs are kept; go on with --resume" in capsys.readouterr().out


class Stop(Interruption):
    """Asks to end once a campaign has so many runs."""

    def __init__(self, root: Path, runs: int) -> None:
        super().__init__()
        self.root, self.runs = root, runs

    @property
    def reason(self) -> str | None:
        files = list((self.root / "runs").glob("*/quality.json"))
        return "SIGINT" if files and len(json.loads(files[0].read_text())["runs"]) >= self.runs else None


@pytest.mark.slow
def test_an_interrupted_campaign_goes_on_where_it_stopped(
    tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = options(tmp_path, scan)
    with pytest.raises(KeyboardInterrupt):
        quality_run.run(asked, Stop(asked.root, 2))
    (first,) = (asked.root / "runs").glob("*/quality.json")
    before = json.loads(first.read_text())
    assert 2 <= len(before["runs"]) < 6
    assert not (first.parent / "scratch").exists()

    campaign(tmp_path, scan, resume=first, quiet=False)
    after = kept(tmp_path)
    assert after["runs"][: len(before["runs"])] == before["runs"]
    assert len(after["runs"]) == 6
    said = capsys.readouterr().out
    assert f"seeds 1, 2, 3; {len(before['runs'])} runs taken over" in said
    assert "(6 of 6): phase " in said
    assert "about 0 s left" in said


@pytest.mark.deep
def test_more_seeds_are_another_look(tmp_path: Path, scan: Path) -> None:
    first = campaign(tmp_path, scan)
    again = campaign(tmp_path, scan, seeds=(1, 2, 3, 4), resume=first.path)
    assert (first.looks, again.looks, again.n) == ((), (3,), 4)
    assert kept(tmp_path)["looks"] == [3, 4]


@pytest.mark.deep
def test_a_campaign_of_other_settings_is_refused(tmp_path: Path, scan: Path) -> None:
    first = campaign(tmp_path, scan)
    with pytest.raises(UsageError, match=r"a campaign of something else(.|\n)*- settings: there .*'nepochs': 2"):
        campaign(tmp_path, scan, epochs=3, resume=first.path)


@pytest.mark.deep
def test_a_framework_of_another_version_is_no_sample_of_the_same(tmp_path: Path, scan: Path) -> None:
    first = campaign(tmp_path, scan)
    # The version is what the pipeline says of itself: an equal target file says nothing about it.
    asked = options(tmp_path, scan, seeds=(1, 2, 3, 4), resume=first.path)
    train = tmp_path / "targets" / "torch" / "train.py"
    train.write_text(train.read_text().replace('"1.0"', '"2.0"'))
    with pytest.raises(UsageError, match=r"torch seed 4 ran with \{'framework': '2.0'\}, torch seed 1 with"):
        quality_run.run(asked, Interruption())


def test_a_scan_without_an_object_is_refused(tmp_path: Path, scan: Path) -> None:
    import numpy as np

    with np.load(scan, allow_pickle=False) as archive:
        np.savez(tmp_path / "bare.npz", **{name: archive[name] for name in archive.files if name != "objectGuess"})
    with pytest.raises(UsageError, match="holds no object"):
        campaign(tmp_path, tmp_path / "bare.npz")


def test_options_that_cannot_be_honoured_are_refused_at_once(tmp_path: Path, scan: Path) -> None:
    with pytest.raises(UsageError, match=r"--python tf=(.|\n)*seeds \[1, 1\](.|\n)*2 seeds; (.|\n)*epochs 0; "):
        options(tmp_path, scan, pythons={"torch": sys.executable}, seeds=(1, 1), epochs=0)
