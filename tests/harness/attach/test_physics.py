"""A right adapter passes, and each planted mistake is named exactly: by the functions of the kit, on known arrays."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.attach import known_arrays, physics
from harness.attach.physics import PhysicsResult

Array = NDArray[Any]
KIT = Path(__file__).parents[3] / "harness" / "kit" / "ptycho_physics.py"
SIDE = 64


def kit() -> Any:
    """The kit as a module: it imports no neighbour, and is imported by path as in a foreign process."""
    spec = importlib.util.spec_from_file_location("ptycho_physics_kit_under_test", KIT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(name: str, function: Callable[..., Any], tmp_path: Path) -> PhysicsResult:
    """What the harness says of one function, asked through the kit."""
    given = {k.split(":", 1)[1]: v for k, v in known_arrays.request().items() if k.startswith(f"{SIDE}:")}
    answers, failed = kit().answers(SimpleNamespace(**{name: function}), given, tmp_path)
    assert not failed
    return physics.judge(name, {key.split("/", 1)[1]: a for key, a in answers.items()}, known_arrays.known(SIDE))


def stitch(patches: Array, positions: Array, *, counted: Array | None = None) -> Array:
    """A right stitcher, written for these tests: a canvas with a rim, a count, a division."""
    side = patches.shape[-1]
    corners = np.rint(positions - positions.min(axis=0)).astype(int) + 5
    shape = (corners[:, 1].max() + side + 3, corners[:, 0].max() + side + 4)
    total, count = np.zeros(shape, complex), np.zeros(shape)
    weight = np.ones((side, side)) if counted is None else counted
    for patch, (x, y) in zip(patches, corners, strict=True):
        total[y : y + side, x : x + side] += patch
        count[y : y + side, x : x + side] += weight
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def summed(patches: Array, positions: Array) -> Array:
    corners = np.rint(positions - positions.min(axis=0)).astype(int)
    total = np.zeros((corners[:, 1].max() + 64, corners[:, 0].max() + 64), complex)
    for patch, (x, y) in zip(patches, corners, strict=True):
        total[y : y + 64, x : x + 64] += patch
    return total


def central(side: int) -> Array:
    mask = np.zeros((side, side))
    mask[side // 4 : side - side // 4, side // 4 : side - side // 4] = 1
    return mask


STITCHERS: dict[str, tuple[Callable[[Array, Array], Array], tuple[str, ...]]] = {
    "right": (stitch, ()),
    "in float32": (lambda p, x: stitch(p.astype(np.complex64), x).astype(np.complex64), ()),
    "central squares only": (lambda p, x: stitch(p[:, 16:48, 16:48], x), ()),
    "weighted": (lambda p, x: stitch(p * (0.1 + central(64)), x, counted=0.1 + central(64)), ()),
    "object along y": (lambda p, x: stitch(p, x)[::-1], ("object mirrored along y (axis 0)",)),
    "object along x": (lambda p, x: stitch(p, x)[:, ::-1], ("object mirrored along x (axis 1)",)),
    "object by 180°": (lambda p, x: stitch(p, x)[::-1, ::-1], ("object turned by 180°",)),
    "object transposed": (lambda p, x: stitch(p, x).T, ("object transposed",)),
    "positions along y": (lambda p, x: stitch(p, x * (1, -1)), ("positions mirrored along y (axis 0)",)),
    "positions along x": (lambda p, x: stitch(p, x * (-1, 1)), ("positions mirrored along x (axis 1)",)),
    "positions by 180°": (lambda p, x: stitch(p, -x), ("positions turned by 180°",)),
    "positions exchanged": (lambda p, x: stitch(p, x[:, ::-1]), ("positions transposed",)),
    "patches transposed": (lambda p, x: stitch(p.swapaxes(1, 2), x), ("patches transposed",)),
    "patches by 180°": (lambda p, x: stitch(p[:, ::-1, ::-1], x), ("patches turned by 180°",)),
    "four times as bright": (lambda p, x: 4 * stitch(p, x), ("factor",)),
    "half as bright": (lambda p, x: 0.5 * stitch(p, x), ("factor",)),
    "mirrored and bright": (lambda p, x: 4 * stitch(p, x)[::-1], ("object mirrored along y (axis 0)", "factor")),
    "conjugated": (lambda p, x: stitch(p, x).conj(), ("conjugated",)),
    "global phase": (lambda p, x: stitch(p, x) * np.exp(0.3j), ("phase",)),
    "not divided": (summed, ("not divided by the overlap",)),
    "central mask": (
        lambda p, x: stitch(p * central(64), x, counted=np.ones((64, 64))),
        ("a central mask on the patches that the overlap does not count",),
    ),
    "amplitude only": (lambda p, x: np.abs(stitch(p, x)), ("real",)),
}


@pytest.mark.parametrize("case", STITCHERS)
def test_a_stitcher_is_judged(case: str, tmp_path: Path) -> None:
    function, names = STITCHERS[case]
    row = judged("stitch", function, tmp_path)
    assert names == row.names
    assert ("fail" if names else "pass") == row.result


def test_the_sentence_says_how_bright(tmp_path: Path) -> None:
    row = judged("stitch", lambda p, x: 4 * stitch(p, x), tmp_path)
    assert ("the object is 4 × as bright as the true one",) == row.sentences


def diffract(wave: Array) -> Array:
    far = np.fft.fftshift(np.fft.fft2(wave, norm="ortho"), axes=(-2, -1))
    return np.asarray(np.sum(np.abs(far) ** 2, axis=0))


SHIFT = "a missing or an extra fftshift"
DIFFRACTIONS: dict[str, tuple[Callable[[Array], Array], tuple[str, ...]]] = {
    "right": (diffract, ()),
    "in float32": (lambda w: diffract(w.astype(np.complex64)).astype(np.float32), ()),
    "four times": (lambda w: 4 * diffract(w), ("factor",)),
    "no norm": (lambda w: diffract(w) * 64**2, ("factor",)),
    "forward norm": (lambda w: diffract(w) / 64**2, ("factor",)),
    "no shift": (lambda w: np.fft.ifftshift(diffract(w)), (SHIFT,)),
    "one more shift": (lambda w: np.fft.fftshift(diffract(w)), (SHIFT,)),
    "shift of one axis": (
        lambda w: np.fft.fftshift(diffract(w), axes=0),
        ("an fftshift along axis 0 missing or extra",),
    ),
    "central mask": (lambda w: diffract(w * central(64)), ("a central mask on the exit wave",)),
    "modes summed": (lambda w: diffract(w.sum(axis=0, keepdims=True)), ("modes are summed before squaring",)),
    "conjugated": (lambda w: diffract(w.conj()), ("conjugated (the pattern is turned by 180° about its centre)",)),
    "amplitude": (lambda w: np.sqrt(diffract(w)), ("amplitude instead of intensity",)),
    "transposed": (lambda w: diffract(w).T, ("transposed",)),
    "no norm, no shift": (lambda w: np.fft.ifftshift(diffract(w)) * 64**2, (SHIFT, "factor")),
    "complex": (lambda w: diffract(w) + 0j, ("shape",)),
    "one mode kept": (lambda w: diffract(w[:1]), ("unexplained",)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", DIFFRACTIONS)
def test_a_diffraction_is_judged(case: str, tmp_path: Path) -> None:
    function, names = DIFFRACTIONS[case]
    row = judged("diffract", function, tmp_path)
    assert names == row.names
    assert ("fail" if names else "pass") == row.result


@pytest.mark.parametrize(("factor", "words"), [(64**2, "no norm"), (64**-2, "divided by N² twice"), (4, "4 ×")])
def test_a_norm_is_said_in_words(factor: float, words: str, tmp_path: Path) -> None:
    (sentence,) = judged("diffract", lambda w: factor * diffract(w), tmp_path).sentences
    assert words in sentence


def normalise(probe: Array) -> Array:
    side = probe.shape[-1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    aperture = np.hypot(x, y) < side / 4
    return np.asarray(probe / (4 * np.mean(aperture * np.sqrt(np.sum(np.abs(probe) ** 2, axis=0)))))


PROBES: dict[str, tuple[Callable[[Array], Array], tuple[str, ...]]] = {
    "right": (normalise, ()),
    "in complex64": (lambda p: normalise(p).astype(np.complex64), ()),
    "four times": (lambda p: 4 * normalise(p), ("factor",)),
    "conjugated": (lambda p: normalise(p).conj(), ("conjugated",)),
    "mode by mode": (lambda p: np.concatenate([normalise(mode[None]) for mode in p]), ("modes apart",)),
    "untouched": (lambda p: p, ("not normalised",)),
    "shifted": (lambda p: np.fft.fftshift(normalise(p), axes=(-2, -1)), ("shifted",)),
    "phase": (lambda p: normalise(p) * np.exp(0.2j), ("phase",)),
    "one mode only": (lambda p: normalise(p)[:1], ("shape",)),
    "by its scale": (lambda p: normalise(p) * (3 if np.abs(p).max() > 1.5 else 1), ("scale",)),
}


@pytest.mark.parametrize("case", PROBES)
def test_a_probe_is_judged(case: str, tmp_path: Path) -> None:
    function, names = PROBES[case]
    row = judged("normalise_probe", function, tmp_path)
    assert names == row.names
    assert ("fail" if names else "pass") == row.result


def test_the_probe_says_what_becomes_of_the_object(tmp_path: Path) -> None:
    row = judged("normalise_probe", lambda p: normalise(p) / 4, tmp_path)
    assert ("1/4 × what is expected: the object comes out 4 ×",) == row.sentences


def loaded(file: str) -> dict[str, Any]:
    with np.load(file) as archive:
        return {
            "diffraction": archive["diffraction"],
            "xcoords": archive["xcoords"],
            "ycoords": archive["ycoords"],
            "probe": archive["probeGuess"][None],
        }


def changed(**changes: Callable[[Array], Array]) -> Callable[[str], dict[str, Any]]:
    return lambda file: {k: changes[k](v) if k in changes else v for k, v in loaded(file).items()}


LOADERS: dict[str, tuple[Callable[[str], dict[str, Any]], tuple[str, ...], str]] = {
    "right": (loaded, (), ""),
    "only positions": (lambda file: {"xcoords": loaded(file)["xcoords"]}, (), ""),
    "squared": (changed(diffraction=np.square), ("diffraction",), "square"),
    "transposed": (changed(diffraction=lambda d: d.swapaxes(1, 2)), ("diffraction",), "transposed"),
    "shifted": (changed(diffraction=lambda d: np.fft.fftshift(d, (1, 2))), ("diffraction",), "fftshift"),
    "last axis": (changed(diffraction=lambda d: d.transpose(1, 2, 0)), ("diffraction",), "transposed"),
    "scaled": (changed(diffraction=lambda d: d * 4), ("diffraction",), "4 ×"),
    "conjugated": (changed(probe=np.conj), ("probe",), "conjugate"),
    "order": (changed(xcoords=lambda x: x[::-1]), ("xcoords",), "mirrored along position"),
    "nothing": (lambda _: {}, ("keys",), "nothing"),
    "exchanged": (
        lambda file: {**loaded(file), "xcoords": loaded(file)["ycoords"], "ycoords": loaded(file)["xcoords"]},
        ("coordinates exchanged",),
        "exchanged",
    ),
}


@pytest.mark.parametrize("case", LOADERS)
def test_a_loader_is_judged(case: str, tmp_path: Path) -> None:
    function, names, words = LOADERS[case]
    row = judged("load", function, tmp_path)
    assert names == row.names
    assert words in " ".join(row.sentences)


@pytest.mark.parametrize("side", known_arrays.SIDES)
def test_known_arrays_have_whole_positions_and_no_symmetry(side: int) -> None:
    known = known_arrays.known(side)
    for axis in (0, 1):
        line = known.positions[:, axis]
        assert line.mean() == round(line.mean())
        assert (line.min() + line.max()) % 2 == 0
    spread = np.ptp(known.positions, axis=0)
    assert spread[0] > spread[1]
    for image in (known.truth[::-1], known.truth[:, ::-1], known.truth[::-1, ::-1]):
        assert np.linalg.norm(image - known.truth) > 0.1 * np.linalg.norm(known.truth)
