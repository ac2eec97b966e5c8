"""Reconstructions of several lanes on one scale, beside the truth; and what is said where they are not there."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.report import image_panels, load_runs
from harness.report.load_runs import LoadedRun
from harness.report.model import Picture
from tests.support import sample_log, sample_runs


def lanes(path: Path, scan: Path) -> list[LoadedRun]:
    made = (sample_runs.lane(path, "torch", scan), sample_runs.lane(path, "tf", scan, noise=0.2))
    return [load_runs.load(folder) for folder in made]


def _pixels(picture: Picture) -> Any:
    from matplotlib import image

    return image.imread(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])), format="png")


def test_both_lanes_share_a_scale_and_have_their_figures_in_text(tmp_path: Path, scan: Path) -> None:
    (shown,) = image_panels.of_runs(lanes(tmp_path, scan))
    assert ("scan", (), ()) == (shown.fixture, shown.missing, shown.kept)
    assert ["amplitude", "phase"] == [strip.title for strip in shown.strips]
    phase = shown.strips[1]
    assert ["torch-cpu", "tf-cpu"] == [name for name, _ in phase.rows]
    (_, torch), (_, tf) = phase.rows
    # One truth, one scale: the same colours, but for the displacement by which each was scored.
    shift = np.abs(_pixels(torch[1]) - _pixels(tf[1])).mean()
    assert shift < 0.01 < np.abs(_pixels(torch[0]) - _pixels(tf[0])).mean()
    assert "torch-cpu, scan: reconstructed phase" == torch[0].alt
    errors = [float(row[2].caption.split()[2]) for row in (torch, tf)]
    assert 0.01 < errors[0] < 0.03 < errors[1]
    plain, signed = phase.scales
    assert (signed.low[1:], plain.high[-4:]) == (signed.high[1:], " rad")


def test_equal_fixtures_are_shown_once_and_named(tmp_path: Path, scan: Path) -> None:
    run = load_runs.load(sample_runs.lane(tmp_path, "torch", scan))
    fixtures, entries = run.told.fixtures, run.told.origin["fixtures"]
    fixtures["again"], entries["again"] = fixtures["scan"], entries["scan"]
    (shown,) = image_panels.of_runs([run])
    assert ("scan", ("again",)) == (shown.fixture, shown.equal)


def test_another_file_of_the_same_name_is_no_truth(tmp_path: Path, scan: Path) -> None:
    mine = tmp_path / "scan.npz"
    mine.write_bytes(scan.read_bytes())
    folder = sample_runs.lane(tmp_path, "torch", mine)
    (folder / "pictures" / "torch-scan.png").write_bytes(b"\x89PNG")
    run = load_runs.load(folder)
    run.told.fixtures["scan"]["pictures"] = ["/elsewhere/torch-scan.png", "/etc/passwd"]
    mine.write_bytes(scan.read_bytes() + b"0")
    (shown,) = image_panels.of_runs([run])
    assert ("torch-cpu: the fixture scan is not the file that the run had",) == shown.missing
    assert [1, 0] == [len(shown.kept), len(shown.strips)]
    mine.unlink()
    (shown,) = image_panels.of_runs([run])
    assert ("torch-cpu: the fixture scan is not here any more",) == shown.missing


def test_a_reconstruction_that_is_damaged_or_gone_is_said(tmp_path: Path, scan: Path) -> None:
    folder = sample_runs.lane(tmp_path, "torch", scan)
    kept = folder / "reconstructions" / "torch-scan.npz"
    kept.write_bytes(kept.read_bytes()[:100])
    (shown,) = image_panels.of_runs([load_runs.load(folder)])
    assert (1, 0) == (len(shown.missing), len(shown.strips))
    kept.unlink()
    (shown,) = image_panels.of_runs([load_runs.load(folder)])
    assert ("torch-cpu: no reconstruction of scan was kept",) == shown.missing


def test_a_large_reconstruction_is_thinned_out(tmp_path: Path, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = load_runs.load(sample_runs.lane(tmp_path, "torch", scan))
    item = image_panels._compared(run, "scan")
    whole, _ = image_panels._images(item, "phase")
    monkeypatch.setattr(image_panels, "LARGEST_PX", 20)
    thin, _ = image_panels._images(item, "phase")
    assert max(thin.shape) <= 20 < max(whole.shape)
    np.testing.assert_array_equal(thin[0, 0], whole[0, 0])


def test_a_run_without_fixtures_shows_nothing(tmp_path: Path) -> None:
    run = load_runs.load(sample_log.write(tmp_path, sample_log.beginning()))
    assert [] == image_panels.of_runs([run])
