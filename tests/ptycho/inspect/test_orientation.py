"""The sixteen conventions: whatever was done to a scan, the command that is named undoes it, without an object."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho import __main__ as command
from ptycho.data import contract
from ptycho.data.dataset import Dataset
from ptycho.inspect import orientation
from ptycho.simulation import simulate


@pytest.fixture(scope="module")
def right() -> Dataset:
    probe, obj = simulate.own_probe_and_object(n_images=49, side=64, seed=5, step_px=5.0)
    made = simulate.simulate(probe=probe, obj=obj, n_images=49, seed=5, step_px=5.0, nphotons=1e6)
    return replace(made, obj=None)


def test_there_are_sixteen() -> None:
    options = [one.options for one in orientation.conventions()]
    assert (len(set(options)), options[0]) == (16, "")


@pytest.mark.slow
def test_a_scan_that_keeps_the_contract_is_left_alone(right: Dataset) -> None:
    ranked = orientation.rank(right)
    assert ranked[0].options == ""
    assert "the file's own convention" in orientation.named(ranked)


@pytest.mark.slow
@pytest.mark.parametrize("done", ["swap", "x", "transposed", "swap y"])
def test_the_command_undoes_it(done: str, right: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y, frames = right.xcoords, right.ycoords, right.diffraction
    if done.endswith(("x", "y")):
        x, y = (x.max() + x.min() - x, y) if done == "x" else (x, y.max() + y.min() - y)
    if "swap" in done:
        x, y = y, x
    if done == "transposed":
        frames = np.ascontiguousarray(frames.swapaxes(-1, -2))
    spoilt = replace(right, xcoords=x, ycoords=y, xcoords_start=x, ycoords_start=y, frames=frames)
    contract.save(tmp_path / "in.npz", spoilt)
    assert command.main(["inspect", str(tmp_path / "in.npz"), "--orientation"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    words = said.rpartition("python -m ptycho ")[2].split()
    files = {"IN": str(tmp_path / "in.npz"), "OUT": str(tmp_path / "out.npz")}
    assert command.main([files.get(word, word) for word in words]) == 0
    mended = contract.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(right.diffraction, mended.diffraction)
    for name in ("xcoords", "ycoords"):
        np.testing.assert_allclose(np.diff(getattr(right, name)), np.diff(getattr(mended, name)), atol=1e-9)
