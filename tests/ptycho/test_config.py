"""CONFIG-001 for every field there is: it arrives, no stale value survives, and what is out of range is refused."""

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from ptycho import params
from ptycho.config import (
    Config,
    DataConfig,
    InferenceConfig,
    ModelConfig,
    RuntimeConfig,
    TrainingConfig,
    digest,
    flatten,
    require_legacy_dict,
    update_legacy_dict,
)
from ptycho.errors import ConfigurationError

TRAINING = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"))
INFERENCE = InferenceConfig(model_path=Path("model"), data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"))

CANDIDATES: tuple[Any, ...] = (
    True,
    False,
    2,
    128,
    3,
    0.5,
    2e6,
    "cpu",
    "f64",
    "legacy",
    "counts",
    "cosine",
    Path("other"),
)
"""Values of which every field accepts at least one that is not its default."""

Leaf = tuple[str, ...]


def leaves(config: Any, prefix: Leaf = ()) -> Iterator[Leaf]:
    """The path of every leaf field, through nested configurations."""
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from leaves(value, (*prefix, item.name))
        else:
            yield (*prefix, item.name)


def value_at(config: Any, leaf: Leaf) -> Any:
    for name in leaf:
        config = getattr(config, name)
    return config


def with_value(config: Any, leaf: Leaf, value: Any) -> Any:
    name, *rest = leaf
    inner = with_value(getattr(config, name), tuple(rest), value) if rest else value
    return replace(config, **{name: inner})


def changed(config: Any, leaf: Leaf) -> Any:
    """A configuration that differs from another in one leaf (gridsize, which has to agree, in both of its places)."""
    owner = value_at(config, leaf[:-1])
    hint = get_type_hints(type(owner))[leaf[-1]]
    types = get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
    for candidate in CANDIDATES:
        if (Path if isinstance(candidate, Path) else type(candidate)) not in types or candidate == value_at(
            config, leaf
        ):
            continue
        if leaf[-1] == "gridsize":
            return replace(
                config, data=replace(config.data, gridsize=candidate), model=replace(config.model, gridsize=candidate)
            )
        try:
            return with_value(config, leaf, candidate)
        except ConfigurationError:
            continue
    raise AssertionError(f"no candidate fits {'.'.join(leaf)}: {hint}; add one to CANDIDATES")


CASES = [
    pytest.param(config, leaf, id=f"{type(config).__name__}.{'.'.join(leaf)}")
    for config in (TRAINING, INFERENCE)
    for leaf in leaves(config)
]


@pytest.mark.parametrize(("config", "leaf"), CASES)
def test_every_field_arrives_under_one_key(config: Config, leaf: Leaf) -> None:
    other = changed(config, leaf)
    cfg: dict[str, Any] = {}
    update_legacy_dict(cfg, config)
    before = dict(cfg)
    update_legacy_dict(cfg, other)
    differing = {key for key in cfg if cfg[key] != before[key]} - {params.CONFIGURED}
    value = value_at(other, leaf)
    assert [str(value) if isinstance(value, Path) else value] == [cfg[key] for key in differing]


@pytest.mark.parametrize(("config", "leaf"), CASES)
def test_no_value_of_an_earlier_run_survives(config: Config, leaf: Leaf) -> None:
    cfg: dict[str, Any] = {}
    update_legacy_dict(cfg, config)
    clean = dict(cfg)
    update_legacy_dict(cfg, changed(config, leaf))
    update_legacy_dict(cfg, config)
    assert clean == cfg


@pytest.mark.parametrize(("config", "leaf"), CASES)
def test_loading_under_a_stale_field_is_refused(config: Config, leaf: Leaf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "cfg", {})
    update_legacy_dict(params.cfg, changed(config, leaf))
    with pytest.raises(ConfigurationError, match=r"CONFIG-001: params\.cfg holds another run's values"):
        require_legacy_dict(config)
    update_legacy_dict(params.cfg, config)
    require_legacy_dict(config)


def test_a_key_that_no_configuration_knows_is_removed() -> None:
    cfg: dict[str, Any] = {"gridsize": 2, "offset": 4, "N": 128}
    update_legacy_dict(cfg, TRAINING)
    assert set(params.DEFAULTS) == set(cfg)
    assert (cfg["gridsize"], cfg["N"]) == (1, 64)


def test_the_kind_of_run_leaves_nothing_either() -> None:
    cfg: dict[str, Any] = {}
    update_legacy_dict(cfg, replace(TRAINING, nepochs=7, model=ModelConfig(side=128), learning_rate=0.5))
    update_legacy_dict(cfg, INFERENCE)
    fresh: dict[str, Any] = {}
    update_legacy_dict(fresh, INFERENCE)
    assert fresh == cfg


def test_loading_before_any_configuration_says_what_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "cfg", dict(params.DEFAULTS))
    with pytest.raises(ConfigurationError, match=r"update_legacy_dict\(ptycho.params.cfg, config\) first"):
        require_legacy_dict(TRAINING)


def test_a_value_edited_behind_the_configuration_s_back_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "cfg", {})
    update_legacy_dict(params.cfg, TRAINING)
    params.cfg["gridsize"] = 2
    with pytest.raises(ConfigurationError, match=r"gridsize: params\.cfg holds 2, the configuration 1"):
        require_legacy_dict(TRAINING)


def test_flat_names_do_not_collide() -> None:
    for config in (TRAINING, INFERENCE):
        names = [leaf for leaf in leaves(config) if leaf != ("model", "gridsize")]
        assert len(names) == len(flatten(config))


def test_equal_configurations_have_equal_digests() -> None:
    assert digest(TRAINING) == digest(replace(TRAINING))
    assert digest(TRAINING) != digest(replace(TRAINING, nepochs=51))


@pytest.mark.parametrize("kind", [ModelConfig, DataConfig, RuntimeConfig, TrainingConfig, InferenceConfig])
def test_unknown_fields_are_refused(kind: type) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'grid_size'"):
        kind(grid_size=2)


def test_configurations_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        TRAINING.nepochs = 3  # type: ignore[misc]


OUT_OF_RANGE: list[tuple[Any, dict[str, Any], str]] = [
    (ModelConfig(), {"side": 96}, "N = 96; allowed: 64, 128, 256"),
    (ModelConfig(), {"gridsize": 3}, "gridsize = 3; allowed: 1, 2"),
    (ModelConfig(), {"filter_scale": 0}, "filter_scale = 0; allowed: 1 or more"),
    (ModelConfig(), {"probe_scale": 0.0}, "probe_scale = 0.0; allowed: more than 0"),
    (TRAINING.data, {"n_groups": 0}, "n_images = 0; allowed: 1 or more"),
    (TRAINING.data, {"gridsize": 0}, "gridsize = 0; allowed: 1, 2"),
    (TRAINING.data, {"seed": -1}, "seed = -1; allowed: 0 or more"),
    (TRAINING.data, {"layout": "fortran"}, "layout = 'fortran'; allowed: None, canonical, legacy"),
    (TRAINING.data, {"measurement_domain": "log"}, "measurement_domain = 'log'; allowed: None, amplitude, counts"),
    (RuntimeConfig(), {"device": "tpu"}, "device = 'tpu'; allowed: auto, cpu, cuda"),
    (RuntimeConfig(), {"precision": "f16"}, "precision = 'f16'; allowed: f32, bf16, f64"),
    (RuntimeConfig(), {"threads": -1}, "threads = -1; allowed: 0 or more"),
    (RuntimeConfig(), {"num_workers": -1}, "num_workers = -1; allowed: 0 or more"),
    (TRAINING, {"nepochs": 0}, "nepochs = 0; allowed: 1 or more"),
    (TRAINING, {"batch_size": 0}, "batch_size = 0; allowed: 1 or more"),
    (TRAINING, {"learning_rate": 0.0}, "learning_rate = 0.0; allowed: more than 0"),
    (TRAINING, {"learning_rate": float("nan")}, "learning_rate = nan; allowed: more than 0, and finite"),
    (TRAINING, {"nphotons": 0.5}, "nphotons = 0.5; allowed: 1 or more"),
    (TRAINING, {"mae_weight": -1.0}, "mae_weight = -1.0; allowed: 0 or more"),
    (TRAINING, {"tv_weight": -1.0}, "tv_weight = -1.0; allowed: 0 or more"),
    (TRAINING, {"model": ModelConfig(gridsize=2)}, "gridsize 1 of the data ≠ 2 of the model"),
    (INFERENCE, {"batch_size": 0}, "batch_size = 0; allowed: 1 or more"),
]


@pytest.mark.parametrize(("config", "change", "expected"), OUT_OF_RANGE)
def test_values_out_of_range_are_refused_with_the_allowed_ones(
    config: Any, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        replace(config, **change)
    assert [f"{type(config).__name__} is out of range:", f"  - {expected}"] == str(caught.value).splitlines()


def test_every_value_out_of_range_is_listed_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ModelConfig(side=96, gridsize=3, filter_scale=0, probe_scale=-1.0)
    assert len(str(caught.value).splitlines()) == 5
