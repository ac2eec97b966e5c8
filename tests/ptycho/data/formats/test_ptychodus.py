"""Ptychodus 1.7.0: what it writes is read bit for bit, and a product is written that its formula reads back."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho import __main__ as command
from ptycho.data import contract
from ptycho.data.formats import ptychodus
from ptycho.errors import ContractError
from tests.support import scans
from tests.support.crafted_npz import Arrays, scan, write
from tests.support.fakes import foreign_files
from tests.support.fakes.fake_runs import train, train_config

M = 12


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return scan(M)


def expected(arrays: Arrays) -> np.ndarray:
    return np.sqrt(foreign_files.counts(arrays).astype(np.float64)).astype(np.float32)


def test_training_npz_is_read(arrays: Arrays, tmp_path: Path) -> None:
    bad = np.zeros((64, 64), bool)
    bad[3] = True
    found = contract.load(foreign_files.ptychodus_npz(tmp_path / "a.npz", arrays, bad))
    np.testing.assert_array_equal(np.where(bad, 0, expected(arrays)), found.diffraction)
    np.testing.assert_array_equal(bad, found.bad_pixels)
    assert (found.probe.shape, found.source.measurement_domain) == ((1, 64, 64), "counts")


def test_an_npz_that_says_its_domain_itself_is_believed(arrays: Arrays, tmp_path: Path) -> None:
    plain = {**arrays, "bad_pixels": np.zeros((64, 64), bool), "scan_index": np.zeros(M, int)}
    plain |= {"xcoords_start": arrays["xcoords"], "ycoords_start": arrays["ycoords"], "_metadata": np.array("{}")}
    found = contract.load(write(tmp_path / "a.npz", plain))
    np.testing.assert_array_equal(arrays["diff3d"], found.diffraction)


def test_training_hdf5_is_read(arrays: Arrays, tmp_path: Path) -> None:
    bad = np.zeros((64, 64), bool)
    bad[:, 5] = True
    found = contract.load(foreign_files.ptychodus_training(tmp_path / "a.h5", arrays, bad))
    np.testing.assert_array_equal(np.where(bad, 0, expected(arrays)), found.diffraction)
    np.testing.assert_array_equal(bad, found.bad_pixels)
    np.testing.assert_array_equal(arrays["xcoords"], found.xcoords)
    np.testing.assert_array_equal(arrays["probeGuess"][None], found.probe)
    np.testing.assert_array_equal(arrays["objectGuess"], found.obj)
    assert found.metadata["pixel_size_m"] == foreign_files.PIXEL_M
    assert found.metadata["wavelength_m"] == pytest.approx(foreign_files.WAVELENGTH_M, rel=1e-9)


def test_a_product_alone_says_what_to_join_it_with(arrays: Arrays, tmp_path: Path) -> None:
    path = foreign_files.ptychodus_product(tmp_path / "a.h5", arrays)
    with pytest.raises(ContractError, match="it has no patterns: join it"):
        contract.load(path)
    patterns = foreign_files.ptychodus_patterns(tmp_path / "b.h5", foreign_files.counts(arrays))
    with pytest.raises(ContractError, match="it has patterns alone: join it"):
        contract.load(patterns)


def test_a_product_is_joined_by_index_converts_and_trains(arrays: Arrays, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(M)
    product = foreign_files.ptychodus_product(tmp_path / "product.h5", arrays, np.arange(M) + 100)
    # In another order, one of them of no position, and one position without a pattern.
    frames = np.concatenate([foreign_files.counts(arrays)[order[:-1]], np.ones((1, 64, 64), np.uint16)])
    patterns = foreign_files.ptychodus_patterns(tmp_path / "patterns.h5", frames, np.append(order[:-1] + 100, 7))
    out = tmp_path / "out.npz"
    assert command.main(["convert", str(product), str(out), "--patterns", str(patterns)]) == 0
    found = contract.load(out)
    kept = np.sort(order[:-1])
    np.testing.assert_array_equal(expected(arrays)[kept], found.diffraction)
    np.testing.assert_allclose(arrays["xcoords"][kept], found.xcoords, rtol=1e-13)
    assert found.nphotons == 1e5
    assert "11 of 12 patterns have a position, by index" in found.metadata["converted_from"]["changes"]
    assert train(train_config(out, tmp_path / "trained", nepochs=1)).history[0].epoch == 1


def test_a_near_field_product_is_refused_with_the_reason(arrays: Arrays, tmp_path: Path) -> None:
    product = foreign_files.ptychodus_product(tmp_path / "product.h5", arrays, far_field=False)
    patterns = foreign_files.ptychodus_patterns(tmp_path / "patterns.h5", foreign_files.counts(arrays))
    with pytest.raises(ContractError, match="near field, as the product says itself"):
        contract.load(product, patterns=patterns)


def test_an_object_that_holds_no_windows_is_left_out_of_a_product(arrays: Arrays, tmp_path: Path) -> None:
    small = {**arrays, "objectGuess": np.full((80, 80), 0.5, np.complex64)}
    product = foreign_files.ptychodus_product(tmp_path / "product.h5", small)
    patterns = foreign_files.ptychodus_patterns(tmp_path / "patterns.h5", foreign_files.counts(arrays))
    found = contract.attempt(product, patterns=patterns)
    assert found.violations == ()
    assert found.dataset is not None
    assert found.dataset.obj is None
    assert any("left out" in note for note in found.notes)


@given(
    st.lists(st.floats(-1e-3, 1e-3), min_size=1, max_size=40),
    st.floats(1e-12, 1e-6),
    st.integers(65, 9000),
    st.floats(-1e-4, 1e-4),
)
def test_positions_of_a_product_come_back_bit_for_bit(
    metres: list[float], pixel: float, length: int, centre: float
) -> None:
    given_px = ptychodus.to_pixels(np.array(metres), centre, pixel, length)
    back = ptychodus.to_pixels(ptychodus.to_metres(given_px, pixel, length), 0.0, pixel, length)
    np.testing.assert_array_equal(given_px, back)


def test_a_product_is_written_and_read_back_bit_for_bit(arrays: Arrays, tmp_path: Path) -> None:
    source = foreign_files.ptychodus_training(tmp_path / "source.h5", arrays)
    product, patterns, again = tmp_path / "product.h5", tmp_path / "patterns.h5", tmp_path / "again.npz"
    assert command.main(["convert", str(source), str(product), "--patterns-out", str(patterns)]) == 0
    assert command.main(["convert", str(product), str(again), "--patterns", str(patterns)]) == 0
    before, after = contract.load(source), contract.load(again)
    for name in ("diffraction", "probe", "obj", "xcoords", "ycoords"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    with h5py.File(patterns) as file:
        np.testing.assert_array_equal(foreign_files.counts(arrays), file["patterns"][()])


def test_a_product_needs_a_pixel_size_and_an_object(arrays: Arrays, tmp_path: Path) -> None:
    plain = write(tmp_path / "a.npz", arrays)
    with pytest.raises(SystemExit):
        command.main(["convert", str(plain), str(tmp_path / "a.h5")])
    assert command.main(["convert", str(plain), str(tmp_path / "a.h5"), "--pixel-size", "1e-8"]) == 0
    assert (tmp_path / "a.h5").is_file()


def test_the_older_schema_of_a_product_is_read() -> None:

    found = contract.attempt(scans.given("ptychodus_product"))
    assert found.preview is not None
    assert found.preview.probe is not None
    assert found.preview.x is not None
    assert (found.preview.probe.shape, found.preview.x.shape) == ((2, 256, 256), (961,))
