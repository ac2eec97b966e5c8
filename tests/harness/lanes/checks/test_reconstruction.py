"""Arrays with and without a place, pictures, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from harness.lanes.checks import reconstruction
from harness.targets.model import Pictures
from ptycho.errors import PtychoError

_KEYS = {"object": "psi", "overlap": "hits", "crop": "box"}
_OBJ = (np.arange(12).reshape(3, 4) * (1 + 1j)).astype(np.complex64)


def _write(folder: Path, **arrays: object) -> Path:
    path = folder / "made.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_arrays_are_read_with_their_place(tmp_path: Path) -> None:
    path = _write(tmp_path, psi=_OBJ[None], hits=np.ones((3, 4)), box=np.array([5, 8, 6, 10]))
    seen = reconstruction.read(path, _KEYS)
    assert _OBJ.tolist() == seen.obj.tolist()
    assert ((5, 6), True, ()) == (seen.origin, seen.scaled, seen.losses)


def test_arrays_without_a_place_say_so(tmp_path: Path) -> None:
    seen = reconstruction.read(_write(tmp_path, psi=_OBJ), {"object": "psi", "overlap": "", "crop": ""})
    assert (None, 12.0) == (seen.origin, seen.overlap.sum())
    assert "no shift is judged" in seen.losses[0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"psi": _OBJ}, r"lacks \['hits', 'box'\]; it holds \['psi'\]"),
        ({"psi": _OBJ.real, "hits": 1, "box": 1}, r"psi is float32 \(3, 4\); allowed: complex, two axes"),
        ({"psi": _OBJ * np.nan, "hits": 1, "box": 1}, "12 pixels of the object are not finite"),
        ({"psi": _OBJ, "hits": np.ones((4, 3)), "box": 1}, r"object \(3, 4\) and overlap \(4, 3\) differ in shape"),
    ],
)
def test_what_cannot_be_judged_is_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(PtychoError, match=message):
        reconstruction.read(_write(tmp_path, **arrays), _KEYS)


def test_what_lies_beyond_the_object_is_cut_off() -> None:
    seen = reconstruction.TargetReconstruction(obj=_OBJ.astype(np.complex128), overlap=np.ones((3, 4)), origin=(-1, 4))
    placed = seen.placed((-1, 4), (10, 6))
    assert ((0, 4), _OBJ[1:, :2].tolist()) == (placed.origin, placed.obj.tolist())
    with pytest.raises(PtychoError, match="lies outside the object"):
        seen.placed((20, 4), (10, 6))


def test_pictures_are_read_by_their_ranges(tmp_path: Path) -> None:
    from matplotlib.image import imsave

    grey = np.linspace(0, 1, 12).reshape(3, 4)
    imsave(tmp_path / "a.png", grey, cmap="gray", vmin=0, vmax=1)
    imsave(tmp_path / "p.png", grey[::-1], cmap="gray", vmin=0, vmax=1)
    pictures = Pictures(amplitude="a.png", phase="p.png", amplitude_range=(1, 2), phase_range=(-1, 1))
    seen = reconstruction.read_pictures(tmp_path, pictures)
    assert 1 + grey == pytest.approx(np.abs(seen.obj), abs=2 / 255)
    assert 2 * grey[::-1] - 1 == pytest.approx(np.angle(seen.obj), abs=2 / 255)
    assert (None, False) == (seen.origin, seen.scaled)
    with pytest.raises(PtychoError, match="cannot be read"):
        reconstruction.read_pictures(tmp_path / "absent", pictures)
    imsave(tmp_path / "p.png", grey.T, cmap="gray")
    with pytest.raises(PtychoError, match=r"amplitude \(3, 4\) and phase \(4, 3\) differ in size"):
        reconstruction.read_pictures(tmp_path, pictures)
