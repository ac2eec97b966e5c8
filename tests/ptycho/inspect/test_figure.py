"""The picture of a file."""

from pathlib import Path

import numpy as np
import pytest

from ptycho.data import contract
from ptycho.errors import UsageError
from ptycho.inspect import figure, inspection
from tests.support.crafted_npz import replaced, scan, write


def test_panels_show_what_the_file_holds(tmp_path: Path) -> None:
    arrays = scan()
    dataset = contract.load(write(tmp_path / "scan.npz", arrays))
    panels = {axes.get_title(): axes for axes in figure.draw(dataset).axes if axes.get_title()}
    assert len(panels) == 6
    shown = panels["object phase (rad)"].images[0].get_array()
    np.testing.assert_allclose(np.asarray(shown), np.angle(arrays["objectGuess"]), rtol=1e-6)
    marks = panels["object amplitude, scan positions, reach of their windows"].lines[0]
    np.testing.assert_array_equal(marks.get_xdata(), arrays["xcoords"])


def test_without_an_object_there_are_four_panels(tmp_path: Path) -> None:
    dataset = contract.load(write(tmp_path / "scan.npz", replaced(objectGuess=None)))
    assert len([axes for axes in figure.draw(dataset).axes if axes.get_title()]) == 4


@pytest.mark.slow
def test_a_png_is_written(tmp_path: Path) -> None:
    found = inspection.inspect(write(tmp_path / "scan.npz", scan()))
    figure.save(found, tmp_path / "scan.png")
    assert (tmp_path / "scan.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_nothing_to_draw(tmp_path: Path) -> None:
    found = inspection.inspect(tmp_path / "none.npz")
    with pytest.raises(UsageError, match="no picture"):
        figure.save(found, tmp_path / "none.png")
