"""Masks reach everything that looks at frames: what is under them counts nowhere, and the other polarity is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data import contract, mapped_arrays, masks, prepare
from ptycho.data.dataset import Dataset
from ptycho.data.masked_frames import MaskedFrames
from ptycho.errors import ContractError, StoreError, UsageError
from ptycho.metrics import data_fit, fourier_error, suspicions
from ptycho.physics import forward
from ptycho.simulation import simulate
from ptycho.store.store import Store
from ptycho.training import batches
from tests.support.crafted_npz import Arrays, legacy, scan, write

M, N = 36, 64
Mask = NDArray[np.bool_]


def one_mask() -> Mask:
    bad = np.random.default_rng(1).random((N, N)) < 0.05
    bad[20:23] = True
    return bad


def each_mask() -> Mask:
    return one_mask() | (np.random.default_rng(2).random((M, N, N)) < 0.03)


def rubbish(arrays: Arrays, bad: Mask, seed: int, **changes: Any) -> Arrays:
    """The scan with bad pixels full of something, and its mask."""
    rng = np.random.default_rng(seed)
    frames = arrays["diff3d"].copy()
    where = np.broadcast_to(bad, frames.shape)
    frames[where] = rng.choice([0.0, 3.5, 1e4, -1.0, np.nan, np.inf], int(where.sum()))
    return {**arrays, "diff3d": frames, "bad_pixels": bad, **changes}


def load(path: Path, arrays: Arrays) -> Dataset:
    return contract.load(write(path, arrays))


@pytest.mark.parametrize("bad", [one_mask(), each_mask()], ids=["(N, N)", "(M, N, N)"])
def test_rubbish_under_the_mask_is_zero(bad: Mask, tmp_path: Path) -> None:
    scans = [load(tmp_path / f"{seed}.npz", rubbish(scan(M), bad, seed)) for seed in (0, 1)]
    good = np.where(np.broadcast_to(bad, (M, N, N)), 0, scan(M)["diff3d"])
    for found in scans:
        np.testing.assert_array_equal(good, found.diffraction)
        np.testing.assert_array_equal(bad, found.bad_pixels)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64])
@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_way_of_writing_a_mask_is_read(dtype: Any, dim: int, order: Any, tmp_path: Path) -> None:
    bad = one_mask() if dim == 2 else each_mask()
    arrays = rubbish(scan(M), bad, 0)
    canonical = load(tmp_path / "a.npz", {**arrays, "bad_pixels": np.asarray(bad.astype(dtype), order=order)})
    transposed = bad if dim == 2 else bad.transpose(1, 2, 0)
    old = load(tmp_path / "b.npz", {**legacy(arrays), "bad_pixels": np.asarray(transposed.astype(dtype), order=order)})
    for found in (canonical, old):
        np.testing.assert_array_equal(bad, found.bad_pixels)
    np.testing.assert_array_equal(canonical.diffraction, old.diffraction)


@pytest.mark.parametrize("layout", ["canonical", "legacy"])
@pytest.mark.parametrize("bad", [one_mask(), each_mask()], ids=["(N, N)", "(M, N, N)"])
def test_a_mask_comes_back_from_a_file(bad: Mask, layout: str, tmp_path: Path) -> None:
    given = load(tmp_path / "a.npz", rubbish(scan(M), bad, 0))
    contract.save(tmp_path / "b.npz", given, layout=layout)
    back = contract.load(tmp_path / "b.npz")
    np.testing.assert_array_equal(bad, back.bad_pixels)
    np.testing.assert_array_equal(given.diffraction, back.diffraction)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros((N, N - 1), bool), "bad_pixels.npy has shape (64, 63)"),
        (np.zeros((M - 1, N, N), bool), "allowed: (64, 64), or (36, 64, 64)"),
        (np.zeros((N, N)), "allowed: bool, or integers 0 and 1"),
        (np.full((N, N), 3), "it holds 3 to 3; allowed: 0, and 1 where a pixel is bad"),
        (np.arange(M)[:, None, None] + np.zeros((M, N, N), int) == 7, "1 of 36 frames have no good pixel (index 7)"),
        (np.ones((N, N), bool), "its polarity is inverted"),
    ],
)
def test_what_is_no_mask_is_refused(bad: Mask, says: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError) as refused:
        load(tmp_path / "a.npz", {**scan(M), "bad_pixels": bad})
    assert any(says in violation for violation in refused.value.violations)


def _beam(bad: bool) -> Mask:
    """Where most of the light of `crafted_npz.scan` falls, or the rest."""
    frames = scan(M)["diff3d"]
    mean = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=0))
    held = mean > np.quantile(mean, 0.7)
    return np.asarray(held if bad else ~held)


@pytest.mark.parametrize("value", [0.0, 255.99609, 1e4, np.nan])
def test_an_inverted_mask_of_dead_pixels_is_refused(value: float, tmp_path: Path) -> None:
    arrays = scan(M)
    arrays["diff3d"][:, 30:33] = value
    right = np.zeros((N, N), bool)
    right[30:33] = True
    load(tmp_path / "right.npz", {**arrays, "bad_pixels": right})
    with pytest.raises(ContractError, match="its polarity is inverted"):
        load(tmp_path / "inverted.npz", {**arrays, "bad_pixels": ~right})


def test_an_inverted_mask_of_half_the_detector_is_refused(tmp_path: Path) -> None:
    right = np.zeros((N, N), bool)
    right[:, :28] = True
    arrays = scan(M)
    arrays["diff3d"][:, right] = 0
    with pytest.raises(ContractError, match="inverted"):
        load(tmp_path / "a.npz", {**arrays, "bad_pixels": ~right})


def test_taking_the_signal_out_is_refused_and_leaving_it_is_not(tmp_path: Path) -> None:
    load(tmp_path / "aperture.npz", {**scan(M), "bad_pixels": _beam(bad=False)})
    with pytest.raises(ContractError, match="these hold the signal"):
        load(tmp_path / "inverted.npz", {**scan(M), "bad_pixels": _beam(bad=True)})


@pytest.mark.parametrize("bad", [one_mask(), each_mask()], ids=["(N, N)", "(M, N, N)"])
def test_many_frames_stay_in_their_file_and_are_cleared_as_they_are_read(
    bad: Mask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write(tmp_path / "raw.npz", rubbish(scan(M), bad, 0))
    held = contract.load(raw)
    monkeypatch.setattr(mapped_arrays, "MAPPED_FROM_BYTES", 2**16)
    monkeypatch.setattr(mapped_arrays, "empty", _no_copy)
    mapped = contract.load(raw)
    assert isinstance(mapped.frames, MaskedFrames)
    found = [prepare.prepare(config(), dataset) for dataset in (held, mapped)]
    assert found[0].stages == found[1].stages
    assert found[0].normalisation == found[1].normalisation
    with Store.for_run(tmp_path / "store", mapped, found[1]) as store:
        store.verify()
    contract.save(tmp_path / "copy.npz", mapped)
    assert "diffraction" not in vars(mapped), "nothing needed the whole scan as one array"
    monkeypatch.undo()
    np.testing.assert_array_equal(held.diffraction, mapped.diffraction)
    assert mapped.diffraction.flags.writeable is False


def _no_copy(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    assert shape != (M, N, N), "the scan is copied"
    return np.empty(shape, dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 65535.0, 0.0, -0.0])
@pytest.mark.parametrize("bad", [one_mask(), each_mask()], ids=["(N, N)", "(M, N, N)"])
def test_masked_frames_are_plus_zero_where_bad_and_as_measured_elsewhere(bad: Mask, value: float) -> None:
    measured = np.where(bad, np.float32(value), scan(M)["diff3d"].astype(np.float32))
    frames = MaskedFrames(measured, bad)
    wanted = np.where(bad, np.float32(0), measured)
    some = np.array([M - 1, 0, 3])
    assert (len(frames), frames.shape, frames.nbytes, frames.dtype) == (M, (M, N, N), wanted.nbytes, wanted.dtype)
    for rows in (slice(None), slice(2, 5), slice(M - 1, M + 9), some):
        assert frames[rows].tobytes() == wanted[rows].tobytes()
    assert np.asarray(frames).tobytes() == wanted.tobytes()
    assert measured.tobytes() == np.where(bad, np.float32(value), measured).tobytes(), "what was given is as it was"
    with pytest.raises(ValueError, match="without a copy"):
        np.array(frames, copy=False)


def test_a_mask_of_other_bytes_than_0_and_1_counts_as_bad() -> None:
    measured = np.ones((2, 4, 4), np.float32)
    bad = np.array([0, 1, 2, 255], np.uint8).view(np.bool_).repeat(4).reshape(4, 4)
    np.testing.assert_array_equal(MaskedFrames(measured, bad)[:][0, :, 0], [1, 0, 0, 0])
    each = np.broadcast_to(bad, (2, 4, 4)).copy()
    np.testing.assert_array_equal(MaskedFrames(measured, each)[:][1, :, 0], [1, 0, 0, 0])


def config(gridsize: int = 1) -> TrainingConfig:
    return TrainingConfig(
        data=DataConfig(path=Path("scan.npz"), gridsize=gridsize, seed=3),
        model=ModelConfig(filter_scale=1, gridsize=gridsize),
        output_dir=Path("unused"),
        batch_size=4,
    )


@pytest.mark.parametrize("gridsize", [1, 2])
@pytest.mark.parametrize("bad", [one_mask(), each_mask()], ids=["(N, N)", "(M, N, N)"])
def test_store_and_batches_hold_the_mask(bad: Mask, gridsize: int, tmp_path: Path) -> None:
    dataset = load(tmp_path / "a.npz", rubbish(scan(M), bad, 0))
    prepared = prepare.prepare(config(gridsize), dataset)
    used = np.unique(prepared.groups[prepared.split.train])
    good = np.where(np.broadcast_to(bad, (M, N, N)), 0, scan(M)["diff3d"].astype(np.float64))[used]
    assert prepared.normalisation == pytest.approx(np.sqrt((N / 2) ** 2 / (good**2).sum(axis=(1, 2)).mean()))
    with Store.for_run(tmp_path / "store", dataset, prepared) as store:
        for batch in batches.iterate(store, np.arange(prepared.n_groups), batch_size=5):
            expected = ~np.broadcast_to(bad, (M, N, N))[batch.indices]
            np.testing.assert_array_equal(expected, batch.good)
            assert batch.good_share == pytest.approx(1 - bad.mean())
            assert not batch.diffraction[~expected].any()
        store.verify()
    with pytest.raises(StoreError, match="bad_pixels"):
        Store.open_or_create(tmp_path / "store", replace(dataset, bad_pixels=None), prepared)


def test_without_a_mask_a_store_is_as_it_was(tmp_path: Path) -> None:
    dataset = load(tmp_path / "a.npz", scan(M))
    with Store.for_run(None, dataset, prepare.prepare(config(), dataset)) as store:
        assert (store.bad_pixels, store.good_share) == (None, 1.0)
        assert "bad_pixels" not in store.manifest.arrays
        (batch,) = batches.iterate(store, np.arange(3), batch_size=3)
        assert batch.good is None


@pytest.mark.parametrize("bad", [one_mask(), each_mask()], ids=["(N, N)", "(M, N, N)"])
def test_the_fourier_error_leaves_bad_pixels_out(bad: Mask, tmp_path: Path) -> None:
    dataset = load(tmp_path / "a.npz", rubbish(scan(M), bad, 0))
    assert dataset.obj is not None
    windows = dataset.obj[None, :N, :N]
    predicted, good = forward.amplitude(windows, dataset.probe)[0], ~np.broadcast_to(bad, (M, N, N))
    measured = scan(M)["diff3d"].astype(np.float64)
    cross = sum(float((predicted * measured[k])[good[k]].sum()) for k in range(M))
    energy, seen = (sum(float((v[good[k]] ** 2).sum()) for k, v in enumerate(a)) for a in ([predicted] * M, measured))
    found = fourier_error.fourier_error(dataset.diffraction, windows, dataset.probe, dataset.good(slice(None)))
    assert found == pytest.approx(1 - cross**2 / (energy * seen), rel=1e-9)
    explained = data_fit.explain(dataset)
    assert explained is not None
    assert explained.given < explained.flat
    assert [item.what for item in suspicions.find(dataset)] == []


def test_mistakes_are_still_named_under_a_mask(tmp_path: Path) -> None:
    for bad in (one_mask(), each_mask()):
        swapped = {**scan(M), "diff3d": np.ascontiguousarray(scan(M)["diff3d"].transpose(0, 2, 1))}
        dataset = load(tmp_path / "a.npz", rubbish(swapped, bad, 0))
        assert ["transposed" in item.what for item in suspicions.find(dataset)] == [True]


def test_a_simulated_scan_takes_a_mask() -> None:
    probe, obj = simulate.own_probe_and_object(n_images=9, side=64, seed=1)
    options: dict[str, Any] = {"probe": probe, "obj": obj, "n_images": 9, "seed": 1}
    plain, masked = simulate.simulate(**options), simulate.simulate(**options, bad_pixels=one_mask())
    np.testing.assert_array_equal(np.where(one_mask(), 0, plain.diffraction), masked.diffraction)
    np.testing.assert_array_equal(one_mask(), masked.bad_pixels)
    with pytest.raises(UsageError, match=r"bad_pixels is \(3, 3\)"):
        simulate.simulate(**options, bad_pixels=np.zeros((3, 3), bool))


def test_shares_and_views() -> None:
    assert masks.good_share(one_mask()) == pytest.approx(1 - one_mask().mean())
    assert masks.good_share(each_mask()) == pytest.approx(1 - each_mask().mean())
    assert masks.good_pixels(each_mask(), np.array([[3, 1]])).shape == (1, 2, N, N)
