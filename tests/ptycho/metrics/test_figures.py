"""Pictures: what is written, atomically and without pyplot, HOME or a display."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho.errors import InfrastructureError, UsageError
from ptycho.metrics import figures
from ptycho.metrics.metrics import score
from ptycho.physics.stitching import Reconstruction


def _truth() -> NDArray[np.complex128]:
    rng = np.random.default_rng(0)
    amplitude, phase = (gaussian_filter(rng.standard_normal((70, 70)), 3) for _ in range(2))
    return np.asarray((0.8 + amplitude) * np.exp(3j * phase))


def _reconstruction() -> Reconstruction:
    overlap = np.ones((50, 56))
    overlap[:4] = 0
    obj = np.where(overlap > 0, _truth()[8:58, 6:62], 0)
    return Reconstruction(obj=obj, overlap=overlap, origin=(8, 6))


def _pixels(path: Path) -> NDArray[Any]:
    return np.asarray(imread(path))


@pytest.mark.slow
def test_reconstruction_writes_two_pictures_and_nothing_else(tmp_path: Path) -> None:
    amplitude, phase = figures.save_reconstruction(tmp_path, _reconstruction(), label="synthetic")
    assert (tmp_path / "reconstructed_amplitude.png", tmp_path / "reconstructed_phase.png") == (amplitude, phase)
    assert [amplitude, phase] == sorted(tmp_path.iterdir())
    assert all(min(_pixels(path).shape[:2]) > 300 for path in (amplitude, phase))
    grey = _pixels(amplitude)[150:400, 100:400, :3]
    assert np.ptp(grey) > 0.8
    assert np.array_equal(grey[..., 0], grey[..., 2])
    colours = _pixels(phase)[150:400, 100:400, :3]
    assert not np.array_equal(colours[..., 0], colours[..., 2])


@pytest.mark.parametrize("kind", figures.KINDS)
def test_a_complex_image_is_drawn_as_its_kind(tmp_path: Path, kind: str) -> None:
    image = _truth()
    part = np.abs(image) if kind == "amplitude" else np.angle(image)
    figures.save_image(tmp_path / "complex.png", image, kind=kind)
    figures.save_image(tmp_path / "real.png", part, kind=kind)
    assert np.array_equal(_pixels(tmp_path / "real.png"), _pixels(tmp_path / "complex.png"))


@pytest.mark.parametrize("image", [np.full((9, 9), 0.3), np.full((9, 9), np.nan), np.zeros((1, 1)), np.zeros((4, 90))])
def test_odd_images_are_drawn(tmp_path: Path, image: NDArray[Any]) -> None:
    figures.save_image(tmp_path / "odd.png", image, kind="phase")
    assert _pixels(tmp_path / "odd.png").ndim == 3


@pytest.mark.slow
def test_comparison_returns_the_scores_that_it_shows(tmp_path: Path) -> None:
    rows = [figures.FigureRow(name=name, reconstruction=_reconstruction(), truth=_truth()) for name in ("torch", "tf")]
    found = figures.save_comparison(tmp_path / "comparison.png", rows)
    expected = score(_reconstruction(), _truth())
    assert (expected, expected) == found
    one = figures.save_comparison(tmp_path / "one.png", rows[:1])
    assert (expected,) == one
    heights = [_pixels(tmp_path / name).shape[0] for name in ("comparison.png", "one.png")]
    assert 2 * heights[1] == heights[0]


def test_caption_shows_the_flat_row_in_brackets() -> None:
    found = score(_reconstruction(), _truth())
    flat = score(
        Reconstruction(obj=np.ones((50, 56), np.complex128), overlap=np.ones((50, 56)), origin=(8, 6)), _truth()
    )
    caption = figures._caption(found, flat)
    assert f"PSNR {found.phase_psnr:.2f} dB [{flat.phase_psnr:.2f}]" in caption
    assert f"SSIM {found.amplitude_ssim:.3f} [{flat.amplitude_ssim:.3f}]" in caption
    assert "correlation 1.000 [0]" in caption


@pytest.mark.parametrize("validation", [None, [2.0, 1.5, 1.4]])
def test_loss_curve(tmp_path: Path, validation: list[float] | None) -> None:
    figures.save_loss_curve(tmp_path / "loss.png", [1, 2, 3], [2.0, 1.0, 0.5], validation)
    pixels = _pixels(tmp_path / "loss.png")[..., :3]
    orange = np.abs(pixels - np.array([0xD9, 0x72, 0x2B]) / 255).max(axis=-1) < 0.02
    assert (validation is not None) == bool(orange.any())


@pytest.mark.slow
def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        figures.save_image(tmp_path / name, _truth(), kind="phase", label="twice")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_failed_write_keeps_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InfrastructureError, match="No space left on device"):
        figures.save_image(path, _truth(), kind="amplitude")
    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot be written"):
        figures.save_image(tmp_path / "absent" / "image.png", _truth(), kind="amplitude")


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kind = 'real'; allowed: amplitude, phase"):
        figures.save_image(tmp_path / "x.png", _truth(), kind="real")
    with pytest.raises(UsageError, match="allowed: two axes"):
        figures.save_image(tmp_path / "x.png", _truth()[None], kind="phase")
    with pytest.raises(UsageError, match="at least one row"):
        figures.save_comparison(tmp_path / "x.png", [])
    with pytest.raises(UsageError, match=r"lengths \(2, 1, None\)"):
        figures.save_loss_curve(tmp_path / "x.png", [1, 2], [1.0])
    assert list(tmp_path.iterdir()) == []


_PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from ptycho.metrics import figures
assert not any(name.split(".")[0] in ("matplotlib", "skimage", "scipy") for name in sys.modules)
figures.save_image(Path(sys.argv[1]), np.eye(9), kind="amplitude", label="eye")
print("matplotlib.pyplot" in sys.modules)
"""


@pytest.mark.slow
def test_a_picture_needs_no_pyplot_and_leaves_nothing_in_home(tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("MPLCONFIGDIR", "DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", _PROGRAM, str(tmp_path / "eye.png")],
        env={**kept, "HOME": str(home), "TMPDIR": str(scratch), "PYTHONPATH": str(Path(figures.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("False\n", "", 0)
    assert list(home.rglob("*")) + list(scratch.rglob("*")) == []
    assert (tmp_path / "eye.png").stat().st_size > 1000
