"""MATLAB 5 and 7.3 and unknown HDF5 files, by a mapping; without one nothing is guessed."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from ptycho import __main__ as command
from ptycho.data import contract
from ptycho.data.formats import mapped
from ptycho.errors import ContractError, UsageError
from tests.support.crafted_npz import Arrays, scan
from tests.support.fakes import foreign_files

MAP = "diffraction=I,probe=P,object=O,x=pos.x,y=pos.y"


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return scan(12)


def variables(arrays: Arrays) -> dict[str, np.ndarray]:
    """As a MATLAB user has them: frames along the third axis, vectors as columns."""
    return {
        "I": foreign_files.counts(arrays).transpose(1, 2, 0).astype(np.float64),
        "P": arrays["probeGuess"].astype(np.complex128),
        "O": arrays["objectGuess"].astype(np.complex128),
        "pos.x": arrays["xcoords"][:, None],
        "pos.y": arrays["ycoords"][:, None],
    }


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_matlab_file_is_read_as_matlab_shows_it(version: str, arrays: Arrays, tmp_path: Path) -> None:
    path, named = tmp_path / "a.mat", variables(arrays)
    if version == "5":
        nested = {"x": named.pop("pos.x"), "y": named.pop("pos.y")}
        savemat(path, {**named, "pos": nested})
    else:
        foreign_files.matlab_73(path, named)
    found = contract.load(path, mapping=mapped.parse(MAP), measurement_domain="counts")
    counted = np.sqrt(foreign_files.counts(arrays).astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(counted, found.diffraction)
    np.testing.assert_array_equal(arrays["probeGuess"][None], found.probe)
    np.testing.assert_array_equal(arrays["objectGuess"], found.obj)
    np.testing.assert_array_equal(arrays["xcoords"], found.xcoords)
    np.testing.assert_array_equal(arrays["ycoords"], found.ycoords)


def test_a_column_of_a_matrix_may_be_named(arrays: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["scan/I"], file["P"] = arrays["diff3d"], arrays["probeGuess"]
        file["pos"] = np.stack([arrays["ycoords"], arrays["xcoords"]], axis=1)
    out = tmp_path / "out.npz"
    words = ["--map", "diffraction=scan/I,probe=P,x=pos[:,1],y=pos[:,0]"]
    assert command.main(["convert", str(path), str(out), *words]) == 0
    np.testing.assert_array_equal(arrays["xcoords"], contract.load(out).xcoords)
    assert command.main(["inspect", str(path), *words]) == 0


def test_polarity_is_in_the_name(arrays: Arrays, tmp_path: Path) -> None:
    path, bad = tmp_path / "a.h5", np.zeros((64, 64), bool)
    bad[5] = True
    with h5py.File(path, "w") as file:
        file["I"], file["P"], file["x"], file["y"] = (arrays[k] for k in ("diff3d", "probeGuess", "xcoords", "ycoords"))
        file["bad"], file["good"] = bad.astype("u1"), (~bad).astype("u1")
    for word in ("bad_pixels=bad", "good_pixels=good"):
        found = contract.load(path, mapping=mapped.parse(f"diffraction=I,probe=P,x=x,y=y,{word}"))
        np.testing.assert_array_equal(bad, found.bad_pixels)


def test_nothing_is_guessed(arrays: Arrays, tmp_path: Path) -> None:
    for path in (
        foreign_files.matlab_73(tmp_path / "a.mat", variables(arrays)),
        tmp_path / "b.mat",
    ):
        if not path.exists():
            savemat(path, {"I": np.ones((3, 3))})
        with pytest.raises(ContractError, match=r"none is guessed: say which array is which.*--map .* I ") as refused:
            contract.load(path)
        assert len(refused.value.violations) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("I", "'I'; allowed: NAME=PATH with NAME one of diffraction"),
        ("frames=I", "'frames=I'; allowed"),
        ("x=a,x=b", "x is given twice"),
        ("x=", "'x='; allowed"),
    ],
)
def test_words_that_are_no_mapping(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("(", r"\(")):
        mapped.parse(text)


def test_names_that_are_not_there_are_listed(arrays: Arrays, tmp_path: Path) -> None:
    path = foreign_files.matlab_73(tmp_path / "a.mat", variables(arrays))
    with pytest.raises(ContractError) as refused:
        contract.load(path, mapping=mapped.parse("diffraction=J,probe=P,x=pos.x[:,4],y=pos.y"))
    listed = "\n".join(refused.value.violations)
    assert "--map diffraction=J: there is no such array; it holds O (94, 86); P (64, 64); " in listed
    assert "--map x=pos.x[:,4]: it has shape (12, 1); allowed: a column that it has" in listed


@pytest.mark.parametrize("cut", [600, 2000, 20_000])
def test_a_file_that_is_cut_short_is_refused_and_no_traceback(cut: int, arrays: Arrays, tmp_path: Path) -> None:
    for name in ("a.mat", "b.mat", "c.h5"):
        path = tmp_path / name
        if name == "a.mat":
            savemat(path, {"I": arrays["diff3d"], "P": arrays["probeGuess"], "x": arrays["xcoords"]})
        elif name == "b.mat":
            foreign_files.matlab_73(path, variables(arrays))
        else:
            foreign_files.ptychodus_training(path, arrays)
        path.write_bytes(path.read_bytes()[:cut])
        words = [] if name == "c.h5" else ["--map", "diffraction=I,probe=P,x=x,y=x"]
        assert command.main(["inspect", str(path), *words]) == 2
