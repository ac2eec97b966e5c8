"""What convert changes: frames of any size brought to the network, positions to pixels, and the physics kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import __main__ as command
from ptycho.data import changes, contract, convert
from ptycho.data import scan as loose
from ptycho.errors import UsageError
from ptycho.metrics import data_fit
from ptycho.physics import forward
from tests.support.crafted_npz import metadata, scan, write


def wide(m: int = 24, height: int = 96, width: int = 96, binning: int = 1) -> dict[str, Any]:
    """A scan of frames of another size: intensities of an object under a narrow probe, noise-free."""
    rng = np.random.default_rng(4)
    shape = (height * binning, width * binning)
    rows, columns = (np.arange(n) - n // 2 for n in shape)
    probe = np.exp(-(rows[:, None] ** 2 + columns**2) / 60 + 0.02j * (rows[:, None] ** 2 + 2 * columns**2))
    size = (shape[0] + 40, shape[1] + 44)
    texture = np.fft.ifft2(np.fft.fft2(rng.normal(size=size)) * np.exp(-_square(size) * 300)).real
    obj = np.exp(1j * texture / texture.std() * 0.5)
    x = rng.integers(shape[1] // 2, shape[1] // 2 + 44, m).astype(float)
    y = rng.integers(shape[0] // 2, shape[0] // 2 + 40, m).astype(float)
    windows = np.stack(
        [
            obj[int(b) - shape[0] // 2 :, int(a) - shape[1] // 2 :][: shape[0], : shape[1]]
            for a, b in zip(x, y, strict=True)
        ]
    )
    spectrum = np.fft.fftshift(np.fft.fft2(windows * probe, norm="ortho"), axes=(-2, -1))
    power = np.abs(spectrum) ** 2 * 1e4
    return {
        "diff3d": np.sqrt(power).astype(np.float32),
        "probeGuess": probe.astype(np.complex64),
        "objectGuess": obj.astype(np.complex64),
        "xcoords": x,
        "ycoords": y,
        "_metadata": metadata(measurement_domain="amplitude", pixel_size_m=1e-8),
    }


def _square(size: tuple[int, int]) -> Any:
    fy, fx = (np.fft.fftfreq(n) for n in size)
    return fy[:, None] ** 2 + fx**2


def converted(path: Path, arrays: dict[str, Any], *words: str) -> Any:
    given = write(path / "in.npz", arrays)
    assert command.main(["convert", str(given), str(path / "out.npz"), "--force", *words]) == 0
    return contract.load(path / "out.npz")


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width", "side"), [(96, 96, 64), (100, 100, 128), (192, 192, 256), (64, 48, 64)])
def test_any_size_is_brought_to_one_that_the_network_takes(height: int, width: int, side: int, tmp_path: Path) -> None:
    found = converted(tmp_path, wide(height=height, width=width), "--side", str(side))
    assert found.side == side
    explained = data_fit.explain(found)
    assert explained is not None
    # The object still explains what is left of the frames, where a flat one does not.
    assert explained.given < 0.05 * explained.flat
    if height < side or width < side:
        assert found.bad_pixels is not None
        rows, columns = ((side // 2 - n // 2, side // 2 - n // 2 + n) for n in (height, width))
        assert not found.bad_pixels[slice(*rows), slice(*columns)].any()
        assert found.bad_share == pytest.approx(1 - height * width / side**2)
    if height == width:
        assert found.metadata["pixel_size_m"] == pytest.approx(1e-8 * height / side)


def test_binning_adds_counts_and_keeps_the_pixel(tmp_path: Path) -> None:
    arrays = wide(height=64, width=64, binning=2)
    found = converted(tmp_path, arrays, "--bin", "2")
    power = arrays["diff3d"].astype(np.float64) ** 2
    added = sum(power[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
    np.testing.assert_allclose(np.sqrt(added), found.diffraction, rtol=1e-6)
    np.testing.assert_array_equal(arrays["xcoords"], found.xcoords)
    assert found.metadata["pixel_size_m"] == 1e-8
    explained = data_fit.explain(found)
    assert explained is not None
    assert explained.given < 0.05 * explained.flat
    # Without the ramp that moves DC to where it lies in its bin, the probe explains it worse.
    plain = replace(found, probe=arrays["probeGuess"][None, 32:96, 32:96])
    other = data_fit.explain(plain)
    assert other is not None
    assert other.given > 2 * explained.given


def test_a_bin_that_holds_a_bad_pixel_is_bad(tmp_path: Path) -> None:
    bad = np.zeros((128, 128), bool)
    bad[40, 41] = True
    found = converted(tmp_path, {**wide(height=64, width=64, binning=2), "bad_pixels": bad}, "--bin", "2")
    assert found.bad_pixels is not None
    assert np.argwhere(found.bad_pixels).tolist() == [[20, 20]]


@pytest.mark.parametrize(("unit", "metres"), [("m", 1.0), ("um", 1e-6), ("nm", 1e-9), ("pm", 1e-12)])
def test_positions_in_a_unit_become_pixels(unit: str, metres: float, tmp_path: Path) -> None:
    arrays = scan(24)
    stored = {**arrays, **{key: arrays[key] * 1e-8 / metres for key in ("xcoords", "ycoords")}}
    found = converted(tmp_path, stored, "--position-unit", unit, "--pixel-size", "1e-8")
    np.testing.assert_allclose(arrays["xcoords"], found.xcoords, rtol=1e-12)
    np.testing.assert_allclose(arrays["ycoords"], found.ycoords, rtol=1e-12)


def test_the_command_that_a_violation_names_mends_it(tmp_path: Path) -> None:
    arrays = {key: value for key, value in scan(24).items() if key != "objectGuess"}
    stored = {**arrays, **{key: arrays[key] * 1e-8 for key in ("xcoords", "ycoords")}}
    path = write(tmp_path / "in.npz", stored)
    (violation,) = contract.attempt(path).violations
    words = violation.rpartition("python -m ptycho ")[2].split()
    said = {"IN": str(path), "OUT": str(tmp_path / "out.npz"), "METRES": "1e-8"}
    assert command.main([said.get(word, word) for word in words]) == 0
    assert command.main(["inspect", str(tmp_path / "out.npz")]) == 0


def test_axes_are_swapped_and_mirrored_about_the_object(tmp_path: Path) -> None:
    arrays = scan(24)
    height, width = arrays["objectGuess"].shape
    stored = {**arrays, "xcoords": height - 1 - arrays["ycoords"], "ycoords": arrays["xcoords"]}
    stored["objectGuess"] = arrays["objectGuess"].T[:, ::-1]
    found = converted(tmp_path, {**stored, "objectGuess": np.ones((94, 94), "c8")}, "--swap-axes")
    np.testing.assert_array_equal(stored["ycoords"], found.xcoords)
    flipped, _ = changes.flipped(loose.read(write(tmp_path / "a.npz", arrays)), "xy")
    np.testing.assert_array_equal(width - 1 - arrays["xcoords"], flipped.vectors["xcoords"])
    np.testing.assert_array_equal(height - 1 - arrays["ycoords"], flipped.vectors["ycoords"])


def test_frames_are_ordered(tmp_path: Path) -> None:
    arrays = scan(24)
    order = np.random.default_rng(3).permutation(24)
    index = np.arange(24)[order]
    shuffled = {key: value[order] if len(value) == 24 else value for key, value in arrays.items()}
    found = converted(tmp_path, {**shuffled, "scan_index": index}, "--order", "scan_index")
    np.testing.assert_array_equal(arrays["diff3d"], found.diffraction)
    np.testing.assert_array_equal(arrays["xcoords"], found.xcoords)


def test_bad_pixels_and_frames_are_found_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = scan(36)
    frames = np.rint(arrays["diff3d"].astype(np.float64) ** 2).astype(np.int32)
    frames[:, 30:33], frames[7], frames[9] = -1, frames[7] * 90_000, 0
    stored = {**arrays, "diff3d": frames, "_metadata": metadata(measurement_domain="counts")}
    found = converted(tmp_path, stored, "--mask", "auto", "--drop-frames", "auto")
    said = capsys.readouterr().out
    assert "masked 192 of 4096 pixels, at (row, column) (30, 0)" in said
    assert "dropped 2 of 36 frames, index 7, 9: dead, far too bright" in said
    kept = np.setdiff1d(np.arange(36), [7, 9])
    np.testing.assert_array_equal(arrays["xcoords"][kept], found.xcoords)
    assert found.metadata["dropped_frames"] == [7, 9]
    assert found.bad_pixels is not None
    assert int(found.bad_pixels.sum()) == 192
    assert found.metadata["converted_from"]["changes"][0] in said
    assert command.main(["inspect", str(tmp_path / "out.npz"), "--strict"]) == 0


@pytest.mark.parametrize("kind", ["npy", "npz bad", "npz good"])
def test_a_mask_of_a_file_says_its_polarity_or_is_asked(kind: str, tmp_path: Path) -> None:
    bad = np.zeros((64, 64), bool)
    bad[5] = True
    path = write(tmp_path / "in.npz", scan(24))
    words = ["convert", str(path), str(tmp_path / "out.npz"), "--mask"]
    if kind == "npy":
        np.save(tmp_path / "m.npy", bad)
        with pytest.raises(SystemExit):
            command.main([*words, str(tmp_path / "m.npy")])
        assert command.main([*words, str(tmp_path / "m.npy"), "--mask-true-is", "bad"]) == 0
    else:
        write(tmp_path / "m.npz", {f"{kind[4:]}_pixels": bad if kind == "npz bad" else ~bad})
        with pytest.raises(SystemExit):
            command.main([*words, str(tmp_path / "m.npz"), "--mask-true-is", "good" if kind == "npz bad" else "bad"])
        assert command.main([*words, str(tmp_path / "m.npz")]) == 0
    np.testing.assert_array_equal(bad, contract.load(tmp_path / "out.npz").bad_pixels)


def test_a_mask_of_the_other_polarity_is_refused_here_too(tmp_path: Path) -> None:
    bad = np.zeros((64, 64), bool)
    bad[5] = True
    arrays = scan(24)
    arrays["diff3d"][:, 5] = 0
    np.save(tmp_path / "m.npy", bad)
    words = ["convert", str(write(tmp_path / "in.npz", arrays)), str(tmp_path / "out.npz")]
    with pytest.raises(SystemExit) as ended:
        command.main([*words, "--mask", str(tmp_path / "m.npy"), "--mask-true-is", "good"])
    assert ended.value.code == 2
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    "words",
    [
        "--drop-frames 99",
        "--drop-frames a-b",
        "--drop-frames 9-3",
        "--drop-frames 0-23",
        "--position-unit um",
        "--bin 3",
        "--side 100",
        "--map diffraction=I",
        "--mask nowhere.npy",
        "--patterns-out p.h5",
    ],
)
def test_what_cannot_be_honoured_is_a_sentence(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "in.npz", scan(24))
    with pytest.raises(SystemExit) as ended:
        command.main(["convert", str(path), str(tmp_path / "out.npz"), *words.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out.npz").exists()


def test_what_is_still_wrong_after_the_changes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.npz", wide())
    with pytest.raises(SystemExit):
        command.main(["convert", str(path), str(tmp_path / "out.npz"), "--swap-axes"])
    assert not (tmp_path / "out.npz").exists()


def test_ranges_of_indices() -> None:
    assert convert.indices("3,7-9,8").tolist() == [3, 7, 8, 9]
    with pytest.raises(UsageError):
        convert.indices("3,,4")


def test_a_band_keeps_the_far_field() -> None:
    rng = np.random.default_rng(0)
    axis = np.arange(96) - 48
    probe = (np.exp(-(axis[:, None] ** 2 + axis**2) / 90) * (1 + 0.1j * rng.normal(size=(96, 96)))).astype(np.complex64)
    cut = changes._band(probe[None], 64, 64)
    whole = forward.intensity(np.ones((1, 96, 96)), probe[None])[0][16:80, 16:80]
    part = forward.intensity(np.ones((1, 64, 64)), cut)[0]
    np.testing.assert_allclose(part / part.sum(), whole / whole.sum(), atol=1e-6)
