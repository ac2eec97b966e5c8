"""CXI: links, mask, axes and sign of the sample's motion; a near-field scan is refused by what it shows."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import shift as moved

from ptycho import __main__ as command
from ptycho.data import contract
from ptycho.data.formats import near_field
from ptycho.errors import ContractError
from ptycho.simulation import simulate
from tests.support import scans
from tests.support.crafted_npz import Arrays, scan
from tests.support.fakes import foreign_files


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return scan(12)


@pytest.mark.parametrize("basis", [True, False])
def test_a_far_field_file_is_read(basis: bool, arrays: Arrays, tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint32)
    mask[3, :5], mask[4, :5] = 1, 0x1000
    found = contract.load(foreign_files.cxi(tmp_path / "a.cxi", arrays, basis=basis, mask=mask))
    np.testing.assert_allclose(arrays["xcoords"], found.xcoords, rtol=1e-9)
    np.testing.assert_allclose(arrays["ycoords"], found.ycoords, rtol=1e-9)
    assert found.bad_pixels is not None
    assert np.argwhere(found.bad_pixels).tolist() == [[3, k] for k in range(5)]
    assert found.metadata["pixel_size_m"] == pytest.approx(foreign_files.PIXEL_M, rel=1e-6)
    counted = np.sqrt(foreign_files.counts(arrays).astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(np.where(found.bad_pixels, 0, counted), found.diffraction)


def test_every_command_takes_it(arrays: Arrays, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import ptycho_torch.train

    path = foreign_files.cxi(tmp_path / "a.cxi", arrays)
    assert command.main(["inspect", str(path)]) == 0
    assert command.main(["convert", str(path), str(tmp_path / "a.npz")]) == 0
    out = str(tmp_path / "out")
    ptycho_torch.train.main(["--train_data_file", str(path), "--output_dir", out, "--batch_size", "1", "--dry-run"])
    assert "12 patterns of 64×64" in capsys.readouterr().out


def test_the_measured_near_field_scan_is_drawn_and_refused_with_the_reason(tmp_path: Path) -> None:
    import ptycho_tf.train

    path = scans.given("petra_near_field")
    assert command.main(["inspect", str(path), "--picture", str(tmp_path / "a.png")]) == 2
    assert (tmp_path / "a.png").stat().st_size > 50_000
    with pytest.raises(ContractError, match=r"near field: neighbouring patterns are shifted by 6\.4 detector pixels"):
        contract.load(path)
    for main, words in (
        (command.main, ["convert", str(path), str(tmp_path / "a.npz"), "--side", "0"]),
        (ptycho_tf.train.main, ["--train_data_file", str(path), "--output_dir", str(tmp_path / "out")]),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
    assert not (tmp_path / "a.npz").exists()


def shadows(gain: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A sample's magnified shadow under a steady beam, and where the stage was."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 10, (2, 30))
    sample = rng.normal(size=(160, 160))
    spectrum = np.fft.fft2(sample) * np.exp(-(np.hypot(*np.meshgrid(*[np.fft.fftfreq(160)] * 2)) ** 2) * 200)
    sample = 1 + 0.3 * np.fft.ifft2(spectrum).real / np.fft.ifft2(spectrum).real.std()
    axis = np.arange(64) - 32
    beam = np.exp(-(axis[:, None] ** 2 + axis**2) / 400)
    frames = [
        beam * moved(sample, (gain * b, gain * a), order=1, mode="wrap")[48:112, 48:112]
        for a, b in zip(x, y, strict=True)
    ]
    return np.abs(np.array(frames)), x, y


def test_a_shadow_that_follows_the_stage_is_near_field() -> None:
    found = near_field.find(*shadows(4.0), window=5.0)
    assert found is not None
    assert found.per_unit == pytest.approx(4.0, rel=0.1)


def test_patterns_that_stay_are_far_field() -> None:
    assert near_field.find(*shadows(0.0), window=10.0) is None
    assert near_field.find(*shadows(4.0), window=10.0 * 2) is None  # a far field under a defocused probe
    for step in (2.0, 6.0, 12.0):
        probe, obj = simulate.own_probe_and_object(n_images=60, side=64, seed=2, step_px=step)
        made = simulate.simulate(probe=probe, obj=obj, n_images=60, seed=2, step_px=step)
        assert near_field.find(made.diffraction, made.xcoords, made.ycoords, window=64.0) is None
