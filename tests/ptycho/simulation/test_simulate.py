"""Simulated scans keep the physics, the photon statistics and their seed, and refuse what they cannot honour."""

import math
from typing import Any

import numpy as np
import pytest

from ptycho.data.dataset import Dataset
from ptycho.errors import UsageError
from ptycho.physics import forward, patches, stitching
from ptycho.simulation import simulate


def _simulate(**changes: Any) -> Dataset:
    size = {key: changes.get(key, default) for key, default in (("n_images", 40), ("step_px", 3.0), ("buffer", 4))}
    probe, obj = simulate.own_probe_and_object(side=64, seed=5, **size)
    arguments: dict[str, Any] = {"probe": probe, "obj": obj, "seed": 5, **size}
    return simulate.simulate(**(arguments | changes))


def test_frames_are_roots_of_counts_with_the_mean_asked_for() -> None:
    scan = _simulate(nphotons=2e4)
    counts = np.rint(scan.diffraction.astype(np.float64) ** 2)
    assert np.abs(scan.diffraction - np.sqrt(counts)).max() < 1e-5
    photons = counts.sum(axis=(1, 2))
    assert photons.mean() == pytest.approx(2e4, abs=5 * math.sqrt(2e4 / 40))
    assert scan.nphotons == 2e4


def test_noise_is_poisson() -> None:
    scan = _simulate(nphotons=1e6)
    assert scan.obj is not None
    rate = forward.intensity(patches.extract(scan.obj, scan.xcoords, scan.ycoords, 64), scan.probe)
    rate *= 1e6 * len(rate) / rate.sum()
    counts = scan.diffraction.astype(np.float64) ** 2
    bright = rate > 20
    assert np.mean((counts - rate)[bright] ** 2 / rate[bright]) == pytest.approx(1, abs=0.02)
    # The statistic is one of the whole model: frames of the neighbour do not pass it.
    assert np.mean((counts - rate[::-1])[bright] ** 2 / rate[bright]) > 2


def test_frames_belong_to_the_corrected_positions() -> None:
    scan = _simulate(nphotons=1e8)
    assert scan.obj is not None

    def error(x: Any, y: Any) -> float:
        model = forward.amplitude(patches.extract(scan.obj, x, y, 64), scan.probe)  # type: ignore[arg-type]
        scale = float((model * scan.diffraction).sum() / (model**2).sum())
        return float(((scale * model - scan.diffraction) ** 2).sum() / (scan.diffraction.astype(float) ** 2).sum())

    right = error(scan.xcoords, scan.ycoords)
    assert right < 2e-5
    assert error(scan.xcoords_start, scan.ycoords_start) > 100 * right


@pytest.mark.parametrize(("n_images", "step_px"), [(64, 3.5), (300, 2.62)])
def test_true_patches_through_the_stitcher_return_the_object(n_images: int, step_px: float) -> None:
    scan = _simulate(n_images=n_images, step_px=step_px, with_patches=True)
    assert scan.patches is not None
    assert scan.obj is not None

    def correlation(x: Any, y: Any) -> float:
        found = stitching.stitch(scan.patches, x, y)  # type: ignore[arg-type]
        (top, left), (height, width) = found.origin, found.obj.shape
        truth = scan.obj[top : top + height, left : left + width]  # type: ignore[index]
        seen = found.overlap > 0.5
        a, b = truth[seen], found.obj[seen]
        return float(abs(np.vdot(a, b)) / np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real))

    assert correlation(scan.xcoords, scan.ycoords) > 0.999
    assert correlation(scan.xcoords_start, scan.ycoords_start) < 0.999


def test_windows_keep_their_distance_from_the_edge() -> None:
    scan = _simulate(buffer=7)
    assert scan.obj is not None
    height, width = scan.obj.shape
    assert 7 <= scan.xcoords.min() - 32
    assert width >= scan.xcoords.max() + 32 + 7
    assert 7 <= scan.ycoords.min() - 32
    assert height >= scan.ycoords.max() + 32 + 7


def test_scan_shrinks_into_a_small_object() -> None:
    probe, obj = simulate.own_probe_and_object(n_images=9, side=64, seed=1, step_px=2.0, buffer=2)
    scan = simulate.simulate(probe=probe, obj=obj, n_images=100, seed=1, buffer=2, step_px=5.0)
    assert scan.metadata["step_px"] < 1
    assert scan.n_patterns == 100


def test_amplitude_that_the_network_must_reach_is_below_one() -> None:
    scan = _simulate()
    assert scan.obj is not None
    observed = scan.diffraction * forward.normalisation(scan.diffraction)
    windows = patches.extract(scan.obj, scan.xcoords, scan.ycoords, 64)
    model = forward.amplitude(windows, forward.normalise_probe(scan.probe))
    factor = float((observed * model).sum() / (model**2).sum())
    assert factor * np.abs(scan.obj).max() < 0.97


def test_incoherent_modes_add_intensities() -> None:
    probe, obj = simulate.own_probe_and_object(n_images=6, side=64, seed=1, step_px=3.0, buffer=2)
    modes = np.stack([probe, np.roll(probe, 5, axis=0) * np.complex64(0.5)])
    scan = simulate.simulate(probe=modes, obj=obj, n_images=6, seed=1, buffer=2, nphotons=1e9)
    rate = forward.intensity(patches.extract(obj, scan.xcoords, scan.ycoords, 64), modes)
    rate *= 6e9 / rate.sum()
    assert (2, 64, 64) == scan.probe.shape
    assert np.abs(scan.diffraction - np.sqrt(rate)).max() < 6  # roots of counts scatter by 1/2


def test_seed_decides_every_byte() -> None:
    first, again, other = (_simulate(seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.diffraction, again.diffraction)
    assert first.source.sha256 == again.source.sha256
    assert first.source.sha256 != other.source.sha256


def test_gridsize_two_keeps_groups_on_their_canvas() -> None:
    assert 2 == _simulate(gridsize=2).metadata["gridsize"]
    with pytest.raises(UsageError, match=r"step = 12\.00 px .* pass --step \d\.\d or less, or --gridsize 1"):
        _simulate(gridsize=2, step_px=12.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_images": 0}, "n_images = 0; allowed: 1 or more"),
        ({"nphotons": 0.0}, "n_photons = 0.0; allowed: 1 to 1e+12"),
        ({"nphotons": math.nan}, "n_photons = nan; allowed: 1 to 1e+12"),
        ({"seed": -1}, "seed = -1; allowed: 0 or more"),
        ({"buffer": -1}, "buffer = -1; allowed: 0 or more"),
        ({"gridsize": 3}, "gridsize = 3; allowed: 1, 2"),
        ({"step_px": 0.0}, "step = 0.0; allowed: more than 0 pixels"),
        ({"side": 128}, "the probe is 64×64, N = 128; pass --N 64"),
        ({"side": 60}, "N = 60; allowed: 64, 128, 256"),
        ({"n_images": 4, "gridsize": 2}, "n_images = 4; gridsize 2 needs 5 or more"),
        ({"buffer": 40}, "the object is 90×90; N = 64 and buffer = 40 need 147×147 or more"),
        ({"obj": np.full((90, 90), np.nan)}, "probe or object is not finite"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    probe = np.ones((64, 64), dtype=np.complex64)
    arguments: dict[str, Any] = {"probe": probe, "obj": np.ones((90, 90)), "n_images": 9, "seed": 1, "buffer": 2}
    with pytest.raises(UsageError) as caught:
        simulate.simulate(**(arguments | changes))
    assert message in str(caught.value)


def test_refuses_everything_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        _simulate(nphotons=-1.0, seed=-1, gridsize=7)
    assert 3 == str(caught.value).count("\n  - ")


def test_refuses_an_object_that_scatters_nothing() -> None:
    with pytest.raises(UsageError, match="zero everywhere"):
        simulate.simulate(probe=np.ones((64, 64)), obj=np.zeros((90, 90)), n_images=4, seed=1, buffer=2)
