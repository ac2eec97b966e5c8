"""Loading behind CONFIG-001, and what is decided about a dataset before a network sees it."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import params
from ptycho.config import DataConfig, InferenceConfig, ModelConfig, TrainingConfig, update_legacy_dict
from ptycho.data import contract, prepare
from ptycho.data.dataset import Dataset
from ptycho.errors import ConfigurationError, ContractError, UsageError
from ptycho.physics import forward
from tests.support.scans import make_dataset


@pytest.fixture(autouse=True)
def _legacy_dictionary() -> Iterator[None]:
    before = dict(params.cfg)
    yield
    params.cfg.clear()
    params.cfg.update(before)


@pytest.fixture
def config() -> TrainingConfig:
    return TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"), batch_size=4)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments with which the contract was asked for a file."""
    seen: list[dict[str, Any]] = []

    def load(path: Path, **options: Any) -> Dataset:
        seen.append({"path": path, **options})
        return make_dataset()

    monkeypatch.setattr(contract, "load", load)
    return seen


def test_loading_before_the_configuration_is_applied_is_refused(
    config: TrainingConfig, calls: list[dict[str, Any]]
) -> None:
    params.cfg.clear()
    params.cfg.update(params.DEFAULTS)
    with pytest.raises(ConfigurationError, match="CONFIG-001"):
        prepare.load(config)
    assert calls == []


def test_loading_under_another_configuration_is_refused(config: TrainingConfig, calls: list[dict[str, Any]]) -> None:
    update_legacy_dict(params.cfg, replace(config, data=replace(config.data, seed=7)))
    with pytest.raises(ConfigurationError, match=r"seed: params\.cfg holds 7, the configuration 42"):
        prepare.load(config)
    assert calls == []


def test_the_contract_is_asked_for_the_model_s_side(config: TrainingConfig, calls: list[dict[str, Any]]) -> None:
    config = replace(config, data=replace(config.data, layout="legacy", measurement_domain="counts"))
    update_legacy_dict(params.cfg, config)
    prepare.load(config)
    prepare.load(config, path=Path("other.npz"))
    common = {"layout": "legacy", "measurement_domain": "counts", "expect_side": 64}
    assert [{"path": Path("scan.npz"), **common}, {"path": Path("other.npz"), **common}] == calls


def test_inference_asks_for_the_side_of_the_trained_model(calls: list[dict[str, Any]]) -> None:
    config = InferenceConfig(model_path=Path("m"), data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"))
    for side in (64, 128):
        trained = replace(config, model=ModelConfig(side=side))
        update_legacy_dict(params.cfg, trained)
        prepare.load(trained)
    assert [64, 128] == [call["expect_side"] for call in calls]


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_factor_is_the_oracle_s_over_the_training_patterns(config: TrainingConfig, gridsize: int) -> None:
    data = replace(config.data, gridsize=gridsize, n_groups=10)
    config = replace(config, data=data, model=ModelConfig(gridsize=gridsize))
    dataset = make_dataset(n_patterns=60)
    prepared = prepare.prepare(config, dataset)
    trained = np.unique(prepared.groups[prepared.split.train])
    expected = forward.normalisation(dataset.diffraction[trained])
    assert expected == pytest.approx(prepared.normalisation, rel=1e-14)
    assert forward.normalisation(dataset.diffraction) != pytest.approx(prepared.normalisation, rel=1e-9)


@pytest.mark.parametrize("patterns_a_chunk", [1, 7, 1000])
def test_chunks_change_no_bit(config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, patterns_a_chunk: int) -> None:
    dataset = make_dataset()
    whole = prepare.prepare(config, dataset)
    expected = dataset.diffraction * np.float32(whole.normalisation)
    monkeypatch.setattr(prepare, "CHUNK_BYTES", patterns_a_chunk * 64 * 64 * 4)
    chunks = list(prepare.normalised_chunks(dataset.diffraction, whole.normalisation))
    np.testing.assert_array_equal(expected, np.concatenate(chunks))
    assert hashlib.sha256(expected.tobytes()).hexdigest() == whole.stages.normalised


def test_the_order_in_memory_changes_no_bit(config: TrainingConfig) -> None:
    dataset = make_dataset()
    transposed = np.ascontiguousarray(dataset.diffraction.transpose(1, 2, 0)).transpose(2, 0, 1)
    assert not transposed.flags.c_contiguous
    straight, turned = (
        prepare.prepare(config, replace(dataset, frames=array)) for array in (dataset.diffraction, transposed)
    )
    assert straight.stages == turned.stages
    assert straight.normalisation == turned.normalisation


def test_dark_chunks_count_as_the_zeros_they_are(config: TrainingConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = make_dataset().diffraction.copy()
    frames[: len(frames) // 2] = 0
    dataset = replace(make_dataset(), frames=frames)
    monkeypatch.setattr(prepare, "CHUNK_BYTES", 1)
    prepared = prepare.prepare(config, dataset)
    expected = forward.normalisation(frames[np.unique(prepared.groups[prepared.split.train])])
    assert expected == pytest.approx(prepared.normalisation, rel=1e-14)


def test_nothing_but_dark_frames_is_refused(config: TrainingConfig) -> None:
    dataset = replace(make_dataset(), frames=np.zeros((24, 64, 64), dtype=np.float32))
    with pytest.raises(ContractError, match="all 20 patterns that train are zero"):
        prepare.prepare(config, dataset)


@pytest.mark.parametrize(
    ("flag", "metadata", "expected"),
    [(3e5, {"nphotons": 2e4}, 3e5), (None, {"nphotons": 2e4}, 2e4), (None, {}, 1e9)],
)
def test_photons_come_from_flag_then_file_then_default(
    config: TrainingConfig, flag: float | None, metadata: dict[str, float], expected: float
) -> None:
    prepared = prepare.prepare(replace(config, nphotons=flag), make_dataset(metadata=metadata))
    assert expected == prepared.nphotons


def test_the_probe_is_normalised_as_the_model_says(config: TrainingConfig) -> None:
    dataset = make_dataset()
    config = replace(config, model=ModelConfig(probe_scale=2.0, probe_mask=True))
    expected = forward.normalise_probe(dataset.probe, probe_scale=2.0, masked=True)
    np.testing.assert_array_equal(expected, prepare.prepare(config, dataset).probe)


def test_stages_are_digests_of_the_bytes(config: TrainingConfig) -> None:
    dataset = make_dataset()
    prepared = prepare.prepare(config, dataset)
    assert hashlib.sha256(dataset.diffraction.tobytes()).hexdigest() == prepared.stages.raw
    assert hashlib.sha256(prepared.groups.tobytes()).hexdigest() == prepared.stages.groups


def test_another_seed_is_another_preparation(config: TrainingConfig) -> None:
    dataset = make_dataset()
    config = replace(config, data=replace(config.data, n_groups=12))
    first, again = (prepare.prepare(config, dataset).stages for _ in range(2))
    other = prepare.prepare(replace(config, data=replace(config.data, seed=7)), dataset).stages
    assert first == again
    assert (first.raw, False, False) == (
        other.raw,
        first.groups == other.groups,
        first.normalised == other.normalised,
    )


def test_what_is_prepared_cannot_be_changed(config: TrainingConfig) -> None:
    prepared = prepare.prepare(config, make_dataset())
    for array in (prepared.groups, prepared.split.train, prepared.split.validation, prepared.probe):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_wrong_side_says_which_one_the_file_has(config: TrainingConfig) -> None:
    with pytest.raises(ConfigurationError, match=r"N = 64; the patterns of scan.npz are 128 × 128; pass --N 128"):
        prepare.prepare(config, make_dataset(n_patterns=4, side=128))


def test_more_images_than_patterns_is_refused(config: TrainingConfig) -> None:
    config = replace(config, data=replace(config.data, n_groups=25))
    with pytest.raises(UsageError, match="n_images = 25; the file has 24 patterns"):
        prepare.prepare(config, make_dataset())


def test_inference_takes_the_scale_of_the_training() -> None:
    dataset, data = make_dataset(), DataConfig(path=Path("scan.npz"), gridsize=2)
    prepared = prepare.prepare_for_inference(data, ModelConfig(gridsize=2), dataset, normalisation=0.25, nphotons=4e6)
    assert (prepared.normalisation, prepared.nphotons, prepared.n_groups) == (0.25, 4e6, 24)
    assert (len(prepared.split.train), len(prepared.split.validation)) == (0, 0)
    assert hashlib.sha256((dataset.diffraction * np.float32(0.25)).tobytes()).hexdigest() == prepared.stages.normalised


def test_inference_at_another_gridsize_than_trained_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="gridsize 1 of the data ≠ 2 of the trained model"):
        prepare.prepare_for_inference(
            DataConfig(path=Path("scan.npz")), ModelConfig(gridsize=2), make_dataset(), normalisation=1.0, nphotons=1e9
        )


def test_both_layouts_of_a_file_give_the_same_bytes(config: TrainingConfig, tmp_path: Path) -> None:
    stages = {}
    for layout in ("canonical", "legacy"):
        path = tmp_path / f"{layout}.npz"
        contract.save(path, make_dataset(), layout=layout)
        run = replace(config, data=replace(config.data, path=path))
        update_legacy_dict(params.cfg, run)
        dataset = prepare.load(run)
        assert dataset.source.layout == layout
        stages[layout] = prepare.prepare(run, dataset).stages
    assert stages["legacy"] == stages["canonical"]
