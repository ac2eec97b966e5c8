"""The judge takes the truth for the truth, and neither a flat object, a mirrored one nor NaN."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from harness.lanes.checks import quality, score
from ptycho.data import contract
from ptycho.errors import PtychoError
from ptycho.physics import patches, stitching
from tests.support.fakes import fake_target, zoo

KEYS = {"object": "object", "overlap": "overlap", "crop": "crop"}


def _judge(folder: Path, scan: Path, obj: NDArray[np.complex64]) -> score.ReconstructionJudgement:
    inner = obj[16:-16, 16:-16]
    path = folder / "reconstruction.npz"
    np.savez(path, object=inner, overlap=np.ones(inner.shape), crop=np.array([16, 112, 16, 112]))
    return score.judge(path, KEYS, scan, folder / "picture.png", name="test")


@pytest.mark.slow
def test_the_truth_passes_and_its_picture_is_drawn(tmp_path: Path, scan: Path) -> None:
    judged = _judge(tmp_path, scan, fake_target.truth(128))
    assert judged.scores["phase_correlation"] == pytest.approx(1, abs=1e-6)
    assert judged.flat["phase_correlation"] == 0
    assert score.shortfall(judged, min_phase_correlation=0.99) == []
    assert judged.picture is not None
    assert judged.picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["flat", "mirrored", "conjugated"])
def test_what_is_not_the_object_falls_short(tmp_path: Path, scan: Path, wrong: str) -> None:
    truth = fake_target.truth(128)
    faulty = {"flat": np.ones_like(truth), "mirrored": truth[:, ::-1], "conjugated": truth.conj()}[wrong]
    judged = _judge(tmp_path, scan, faulty)
    assert score.shortfall(judged, min_phase_correlation=0.5)[0].startswith("phase correlation ")


@pytest.mark.slow
def test_drawing_leaves_nothing_outside_the_run_even_if_it_is_killed(
    tmp_path: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ptycho.metrics import figures

    seen, real = list[Path](), figures.save_comparison

    def spy(*given: Any) -> None:
        seen.append(Path(os.environ["MPLCONFIGDIR"]))
        real(*given)

    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setattr(figures, "save_comparison", spy)
    judged = _judge(tmp_path, scan, fake_target.truth(128))
    assert judged.picture is not None
    assert [folder.parent for folder in seen] == [judged.picture.parent]
    assert ("MPLCONFIGDIR" in os.environ, seen[0].exists()) == (False, False)


def test_a_correlation_that_is_no_number_falls_short() -> None:
    judged = score.ReconstructionJudgement(
        scores={"phase_correlation": float("nan")}, flat={"phase_correlation": 0.0}, picture=Path()
    )
    assert len(score.shortfall(judged, min_phase_correlation=-1)) == 1


def test_a_missing_array_and_nan_are_refused(tmp_path: Path, scan: Path) -> None:
    np.savez(tmp_path / "r.npz", object=np.ones((9, 9)))
    lines = (
        r'lacks \[.overlap., .crop.\]; it holds \[.object.\]; write under \[reconstruction\]: overlap = ""; crop = ""'
    )
    with pytest.raises(PtychoError, match=lines):
        score.judge(tmp_path / "r.npz", KEYS, scan, tmp_path / "p.png", name="test")
    with pytest.raises(PtychoError, match="pixels of the object are not finite"):
        _judge(tmp_path, scan, np.full((128, 128), np.nan, np.complex64))


@pytest.fixture(scope="module")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan whose object has texture of a few pixels: nothing of it fits elsewhere by chance as well."""
    return zoo.scan(tmp_path_factory.mktemp("textured") / "scan.npz")


def _unplaced(folder: Path, scan: Path, obj: NDArray[Any]) -> score.ReconstructionJudgement:
    np.savez(folder / "r.npz", object=obj)
    keys = {"object": "object", "overlap": "", "crop": ""}
    return score.judge(folder / "r.npz", keys, scan, folder / "p.png", name="test")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_poor_small_object_without_a_place_is_scored_and_is_no_pass(
    tmp_path: Path, textured: Path, seed: int
) -> None:
    real, imaginary = gaussian_filter(np.random.default_rng(seed).normal(size=(2, 48, 48)), (0, 2, 2)) * 2.5
    judged = _unplaced(tmp_path, textured, 1 + real + 1j * imaginary)
    assert ("", False) == (judged.unscored, judged.placed)
    assert judged.scores["pixels"] >= 28 * 26
    assert ["reconstruction-poor"] == [
        finding.id for finding in quality.judge(judged, "scan", min_phase_correlation=0.3, effect=None)
    ]


@pytest.mark.parametrize(("factor", "expected"), [(1.0, []), (4.0, ["object-scaled"]), (0.25, ["object-scaled"])])
def test_true_patches_stitched_at_180_degrees_are_mirrored_whatever_their_scale(
    tmp_path: Path, textured: Path, factor: float, expected: list[str]
) -> None:
    scan = contract.load(textured)
    assert scan.obj is not None
    true = patches.extract(scan.obj.astype(complex), scan.xcoords, scan.ycoords, scan.side)
    turned = (2 * values.mean() - values for values in (scan.xcoords, scan.ycoords))
    judged = _unplaced(tmp_path, textured, factor * stitching.stitch(true, *turned).obj)
    found = quality.judge(judged, "scan", min_phase_correlation=0.3, effect=None)
    assert ["stitching-mirrored", *expected] == [finding.id for finding in found]
    assert "turned by 180°" in found[0].sentence


def test_one_too_small_for_a_score_has_an_orientation_and_a_scale(tmp_path: Path, textured: Path) -> None:
    scan = contract.load(textured)
    assert scan.obj is not None
    judged = _unplaced(tmp_path, textured, 4 * scan.obj[40:70, 50:80][:, ::-1])
    assert ("the scanned area less 10 px", None) == (judged.unscored[:27], judged.picture)
    found = quality.judge(judged, "scan", min_phase_correlation=0.3, effect=None)
    assert ["stitching-mirrored", "object-scaled"] == [finding.id for finding in found]


def test_one_that_says_it_lies_outside_is_found_where_it_is(tmp_path: Path, textured: Path) -> None:
    scan = contract.load(textured)
    assert scan.obj is not None
    inner = scan.obj[30:90, 30:90]
    np.savez(tmp_path / "r.npz", object=inner, overlap=np.ones(inner.shape), crop=np.array([500, 560, 500, 560]))
    judged = score.judge(tmp_path / "r.npz", KEYS, textured, tmp_path / "p.png", name="test")
    (found,) = quality.judge(judged, "scan", min_phase_correlation=0.3, effect=None)
    assert ("stitching-shifted", True) == (found.id, "lies outside the object" in found.sentence)


def test_a_constant_without_a_place_lies_about_the_scan(tmp_path: Path, textured: Path) -> None:
    judged = _unplaced(tmp_path, textured, np.full((64, 60), 0.9 + 0.1j))
    assert judged.reconstruction is not None
    assert ((29, 28), True) == (judged.reconstruction.origin, judged.constant)
