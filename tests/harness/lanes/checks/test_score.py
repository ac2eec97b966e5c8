"""The judge takes the truth for the truth, and neither a flat object, a mirrored one nor NaN."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.lanes.checks import score
from ptycho.errors import PtychoError
from tests.support.fakes import fake_target

KEYS = {"object": "object", "overlap": "overlap", "crop": "crop"}


def _judge(folder: Path, scan: Path, obj: NDArray[np.complex64]) -> score.Judged:
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
    assert [folder.parent for folder in seen] == [judged.picture.parent]
    assert ("MPLCONFIGDIR" in os.environ, seen[0].exists()) == (False, False)


def test_a_correlation_that_is_no_number_falls_short() -> None:
    judged = score.Judged(scores={"phase_correlation": float("nan")}, flat={"phase_correlation": 0.0}, picture=Path())
    assert len(score.shortfall(judged, min_phase_correlation=-1)) == 1


def test_a_missing_array_and_nan_are_refused(tmp_path: Path, scan: Path) -> None:
    np.savez(tmp_path / "r.npz", object=np.ones((9, 9)))
    with pytest.raises(PtychoError, match=r"lacks \['overlap', 'crop'\]; it holds \['object'\]"):
        score.judge(tmp_path / "r.npz", KEYS, scan, tmp_path / "p.png", name="test")
    with pytest.raises(PtychoError, match="pixels of the object are not finite"):
        _judge(tmp_path, scan, np.full((128, 128), np.nan, np.complex64))
