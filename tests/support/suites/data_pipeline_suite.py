"""
From a file in either layout to what a backend sees: the transposition, and the store. Both backends pass it.

The modules on the way have tests of their own; here a whole file goes through them under the public names.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho import params
from ptycho.config import DataConfig, ModelConfig, TrainingConfig, update_legacy_dict
from ptycho.data import contract, prepare
from ptycho.data.dataset import Dataset
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import ConfigurationError, ContractError, StoreError
from ptycho.metrics import data_fit
from ptycho.store.store import Store
from tests.support import crafted_npz
from tests.support.golden_step0 import FIXTURE
from tests.support.suites.backend import BackendUnderTest

FRAMES = 6

SCAN = crafted_npz.scan(FRAMES)


def config_for(path: Path, output: Path, **changes: Any) -> TrainingConfig:
    return TrainingConfig(data=DataConfig(path=path), output_dir=output, nepochs=1, mlflow=False, **changes)


def prepared(path: Path, output: Path) -> tuple[Dataset, PreparedDataset]:
    """A file as a training reads it."""
    config = config_for(path, output)
    update_legacy_dict(params.cfg, config)
    dataset = prepare.load(config)
    return dataset, prepare.prepare(config, dataset)


def legacy_with(tmp_path: Path, frames: NDArray[Any]) -> Path:
    """A legacy file with these `(N, N, M)` frames."""
    return crafted_npz.write(tmp_path / "legacy.npz", {**crafted_npz.legacy(SCAN), "diffraction": frames})


class TranspositionSuite:
    def test_legacy_frames_are_transposed(self, tmp_path: Path) -> None:
        # Each value says where it is, so that any other order shows, a turned frame too.
        frame, row, column = np.indices((FRAMES, 64, 64))
        frames = (1 + frame * 10_000 + row * 100 + column).astype(np.float64) / 7e4
        dataset = contract.load(legacy_with(tmp_path, np.ascontiguousarray(frames.transpose(1, 2, 0))))
        assert dataset.source.layout == "legacy"
        assert np.array_equal(dataset.diffraction, frames.astype(np.float32))

    def test_both_layouts_give_the_network_the_same_bytes(self, tmp_path: Path) -> None:
        files = {
            "canonical": crafted_npz.write(tmp_path / "canonical.npz", SCAN),
            "legacy": crafted_npz.write(tmp_path / "legacy.npz", crafted_npz.legacy(SCAN)),
        }
        stages = {}
        for layout, path in files.items():
            dataset, ready = prepared(path, tmp_path)
            assert dataset.source.layout == layout
            stages[layout] = ready.stages
        assert stages["canonical"] == stages["legacy"]

    def test_a_reshape_gives_other_bytes(self, tmp_path: Path) -> None:
        whole = prepared(crafted_npz.write(tmp_path / "canonical.npz", SCAN), tmp_path)[1].stages
        frames = crafted_npz.legacy(SCAN)["diffraction"].reshape(FRAMES, 64, 64).astype(np.float32)
        planted = crafted_npz.write(tmp_path / "planted.npz", {**SCAN, "diff3d": frames})
        reshaped = prepared(planted, tmp_path)[1].stages
        assert (whole.raw == reshaped.raw, whole.normalised == reshaped.normalised) == (False, False)
        # The groups come from the coordinates alone.
        assert whole.groups == reshaped.groups

    def test_a_reshape_is_explained_worse_than_a_flat_object_and_the_truth_better(self) -> None:
        true = contract.load(FIXTURE)
        legacy = np.ascontiguousarray(true.diffraction.transpose(1, 2, 0))
        reshaped = replace(true, frames=legacy.reshape(true.diffraction.shape))
        given, planted = data_fit.explain(true), data_fit.explain(reshaped)
        assert given is not None
        assert planted is not None
        assert given.given < 0.1 * given.flat
        assert planted.given > 3 * given.flat

    def test_as_many_frames_as_pixels_must_say_their_layout(self, tmp_path: Path) -> None:
        scan = crafted_npz.scan(64)
        path = crafted_npz.write(tmp_path / "ambiguous.npz", scan)
        with pytest.raises(ContractError, match="ambiguous layout: M = N = 64"):
            contract.load(path)
        assert np.array_equal(contract.load(path, layout="canonical").diffraction, scan["diff3d"])
        read = contract.load(path, layout="legacy").diffraction
        assert np.array_equal(read, scan["diff3d"].transpose(2, 0, 1))


class StoreSuite:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """A store of the canonical file `a.npz`."""
        dataset, ready = prepared(crafted_npz.write(tmp_path / "a.npz", SCAN), tmp_path)
        return Store.create(tmp_path / "store", dataset, ready).directory

    def test_its_frames_are_the_normalised_ones_of_the_file(self, place: Path, tmp_path: Path) -> None:
        store = Store.open(place)
        expected = SCAN["diff3d"] * np.float32(store.manifest.normalisation)
        assert isinstance(store.diffraction, np.memmap)
        assert np.array_equal(store.diffraction, expected)
        assert store.manifest.input_sha256 == hashlib.sha256(expected.tobytes()).hexdigest()
        assert store.manifest.source_sha256 == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()

    def test_a_training_refuses_the_store_of_another_scan(
        self, backend: BackendUnderTest, place: Path, tmp_path: Path
    ) -> None:
        other = crafted_npz.write(tmp_path / "b.npz", crafted_npz.scan(FRAMES, seed=1))
        before = {path.name: path.read_bytes() for path in place.iterdir()}
        with pytest.raises(StoreError) as caught:
            backend.module("workflows").train(config_for(other, tmp_path / "out", store_dir=place))
        named = {line.removeprefix("  - ").partition(":")[0] for line in str(caught.value).splitlines()}
        assert {"source_sha256", "input_sha256", "arrays.diffraction.sha256"} <= named
        assert before == {path.name: path.read_bytes() for path in place.iterdir()}
        assert not (tmp_path / "out" / "model.safetensors").exists()

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"data": {"seed": 7}}, "seed: wanted 7, found 42"),
            ({"data": {"n_groups": 4}}, "n_groups: wanted 4, found 6"),
            ({"data": {"gridsize": 2}, "model": {"gridsize": 2}}, "gridsize: wanted 2, found 1"),
            ({"model": {"probe_scale": 1.0}}, r"arrays\.probe\.sha256: wanted "),
        ],
    )
    def test_another_run_of_the_same_scan_is_refused(
        self, change: dict[str, dict[str, Any]], named: str, place: Path, tmp_path: Path
    ) -> None:
        config = config_for(tmp_path / "a.npz", tmp_path / "out")
        config = replace(
            config,
            data=replace(config.data, **change.get("data", {})),
            model=replace(ModelConfig(), **change.get("model", {})),
        )
        update_legacy_dict(params.cfg, config)
        dataset = prepare.load(config)
        with pytest.raises(StoreError, match=named):
            Store.open_or_create(place, dataset, prepare.prepare(config, dataset))

    def test_the_same_run_reuses_it(self, place: Path, tmp_path: Path) -> None:
        times = {path: path.stat().st_mtime_ns for path in place.iterdir()}
        store = Store.open_or_create(place, *prepared(tmp_path / "a.npz", tmp_path))
        assert times == {path: path.stat().st_mtime_ns for path in place.iterdir()}
        assert np.array_equal(store.groups, prepared(tmp_path / "a.npz", tmp_path)[1].groups)

    def test_a_file_is_not_read_before_its_configuration_is_applied(self, tmp_path: Path) -> None:
        path = crafted_npz.write(tmp_path / "a.npz", SCAN)
        update_legacy_dict(params.cfg, config_for(path, tmp_path / "out"))
        with pytest.raises(ConfigurationError, match="update_legacy_dict"):
            prepare.load(config_for(path, tmp_path / "out", batch_size=3))
