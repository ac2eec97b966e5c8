"""Figures forgive what a reconstruction cannot know, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.quality import measure
from harness.parity.quality.measure import METRICS, NetworkScores
from ptycho.errors import PtychoError
from tests.support.fakes import fake_quality, fake_target

TRUTH = fake_target.truth(128)
NOISE = 0.1
KEYS = {"object": "object", "overlap": "overlap", "crop": "crop"}
Change = Callable[[NDArray[np.complex64]], NDArray[np.complexfloating]]


def measured(
    folder: Path, change: Change, *, rows: tuple[str, ...] = ("1,-2,-3,1,2.718281828459045,0.001,1,1",)
) -> NetworkScores:
    noise = np.random.default_rng(5).normal(0, NOISE, (2, *TRUTH.shape))
    obj = change((TRUTH * np.exp(noise[0] + 1j * noise[1])).astype(np.complex64))[16:-16, 16:-16]
    np.savez(folder / "r.npz", object=obj, overlap=np.ones(obj.shape), crop=np.array([16, 112, 16, 112]))
    (folder / "history.csv").write_text("\n".join([fake_quality.HEADER, *rows]) + "\n")
    return measure.measure(folder, folder / "r.npz", KEYS, TRUTH)


def plain(obj: NDArray[np.complex64]) -> NDArray[np.complexfloating]:
    return obj


def turned_scaled_and_tilted(obj: NDArray[np.complex64]) -> NDArray[np.complexfloating]:
    rows, columns = np.indices(obj.shape)
    return np.asarray(3 * obj * np.exp(1j * (1 + 0.002 * rows - 0.004 * columns)))


def shifted(obj: NDArray[np.complex64]) -> NDArray[np.complexfloating]:
    return np.roll(obj, (1, -1), axis=(0, 1))


def test_every_metric_is_measured_and_the_history_is_kept(tmp_path: Path) -> None:
    found = measured(tmp_path, plain, rows=("1,-1,-2,1,9,0.001,1,1", "2,-3,-4,1,2.718281828459045,0.001,1,1"))
    assert list(found.figures) == [metric.name for metric in METRICS]
    assert found.figures["deviance"] == pytest.approx(1)
    assert (found.train_loss, found.validation_loss) == ((-1.0, -3.0), (-2.0, -4.0))
    assert found.figures["phase"] == pytest.approx(-20 * np.log10(NOISE), abs=0.2)
    assert found.collapsed is False


@pytest.mark.parametrize("change", [turned_scaled_and_tilted, shifted])
def test_phase_scale_ramp_and_shift_are_forgiven(change: Change, tmp_path: Path) -> None:
    expected, found = measured(tmp_path, plain), measured(tmp_path, change)
    for name in ("amplitude", "phase", "frc"):
        assert found.figures[name] == pytest.approx(expected.figures[name], rel=0.02)


@pytest.mark.parametrize(
    "change",
    [np.ones_like, np.conj, np.flipud, np.rot90],
    ids=["flat", "conjugated", "mirrored", "rotated"],
)
def test_a_flat_a_conjugated_and_a_mirrored_object_have_collapsed(change: Change, tmp_path: Path) -> None:
    found = measured(tmp_path, change)
    assert found.collapsed is True
    assert found.figures["frc"] < measured(tmp_path, plain).figures["frc"] - 0.05


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("1,nan,-2,1,9,0.001,1,1",), "not finite: train_loss nan"),
        (("1,-1,-2,1,nan,0.001,1,1",), "not finite: deviance nan"),
        (("1,-1,-2,1,0,0.001,1,1",), "not finite: deviance nan"),
        ((), "has no epoch"),
    ],
)
def test_a_history_without_a_figure_is_refused(rows: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(PtychoError, match=message):
        measured(tmp_path, plain, rows=rows)


def test_an_object_that_is_missing_or_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PtychoError, match="pixels of the object are not finite"):
        measured(tmp_path, lambda obj: obj * np.nan)
    np.savez(tmp_path / "r.npz", object=np.ones((9, 9)))
    with pytest.raises(PtychoError, match=r"lacks \['overlap', 'crop'\]; it holds \['object'\]"):
        measure.measure(tmp_path, tmp_path / "r.npz", KEYS, TRUTH)
