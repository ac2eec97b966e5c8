"""
Every command accepts and refuses the same files, and none ends in a traceback.

Files are generated over layouts, ranks, byte orders, types, units and masks, most of them with one thing wrong; what
`inspect` says of each is held against `convert`, `train --dry-run` and `inference --dry-run`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import ptycho_tf.inference
import ptycho_tf.train
import ptycho_torch.inference
import ptycho_torch.train
from ptycho import __main__ as command
from tests.support.crafted_npz import BROKEN, Arrays, Broken, metadata, scan, write
from tests.support.fakes.fake_runs import train, train_config

Array = NDArray[Any]

FAULTS = ("unit", "rank", "length", "type", "undeclared", "values", "layout", "mask", "probe", "metadata")
"""At most two of them are in one file."""

GOOD_METADATA: tuple[dict[str, Any], ...] = ({}, {"nphotons": 1e5}, {"physics_parameters": {"nphotons": 1e5}})
BAD_METADATA: tuple[dict[str, Any], ...] = (
    *({"nphotons": -1}, {"physics_parameters": 3}, {"nphotons": 1, "physics_parameters": {"nphotons": 2}}),
    *({"layout": "fortran"}, {"measurement_domain": "intensity"}, {"physics_parameters": {"nphotons": "many"}}),
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write(folder / "scan.npz", scan(12))
    return train(train_config(folder / "scan.npz", folder / "out", nepochs=1)).output_dir


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def one_of(draw: Any, *values: Any) -> Any:
    return draw(st.sampled_from(values))


@st.composite
def files(draw: Any) -> tuple[Arrays, dict[str, Any], bool]:
    """Arrays, metadata, and whether they are deflated."""
    faults = draw(st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from(FAULTS), max_size=2)))
    m, legacy = one_of(draw, 5, 12, 12, 70), draw(st.booleans())
    arrays = dict(scan(m, seed=draw(st.integers(0, 2))))
    stated = dict(one_of(draw, *(BAD_METADATA if "metadata" in faults else GOOD_METADATA)))
    frames = _frames(draw, arrays.pop("diff3d"), stated, faults)
    if draw(st.booleans()) or "mask" in faults:
        arrays["bad_pixels"] = _mask(draw, m, legacy, faults)
    frames = frames.transpose(1, 2, 0) if legacy else frames
    if "layout" in faults:
        frames = one_of(draw, frames.reshape(len(frames), -1), frames[..., None], frames[..., :-1])
    frames = one_of(draw, frames, np.asfortranarray(frames), np.ascontiguousarray(frames))
    arrays[one_of(draw, "diffraction", "diff3d")] = frames
    factor = one_of(draw, 1e-8, 1e-2, 5e3) if "unit" in faults else 1.0
    for name in ("xcoords", "ycoords"):
        places = arrays[name] * factor
        if "rank" in faults:
            places = one_of(draw, places[:, None], places[None], places[0], places[:, None, None])
        elif "length" in faults:
            places = one_of(draw, places[:-1], places)
        types = ("c16", "U8", "?") if "type" in faults else ("<f8", ">f8", "<f4", "g")
        with np.errstate(all="ignore"):
            arrays[name] = places.astype(one_of(draw, *types))
    probe = arrays["probeGuess"]
    good = (probe, probe[None], probe[..., None], np.stack([probe, probe * 0.3]), probe.astype(">c16"))
    bad = (probe[0], probe[0, 0], probe[None, None], abs(probe), probe[:32, :32], probe * 0)
    arrays["probeGuess"] = one_of(draw, *(bad if "probe" in faults else good))
    if "unit" in faults or draw(st.booleans()):
        del arrays["objectGuess"]
    return arrays, stated, draw(st.booleans())


def _frames(draw: Any, frames: Array, stated: dict[str, Any], faults: frozenset[str]) -> Array:
    counts = draw(st.booleans()) or "undeclared" in faults
    types: tuple[str, ...] = ("<u2", ">u2", "<i4", ">i8", "<f4", "<f8") if counts else ("<f4", ">f4", "<f8", ">f8")
    if "type" in faults:
        types = ("<f2", "c8", "g", "?")
    if counts:
        frames = np.minimum(np.rint(frames.astype(np.float64) ** 2), 60_000)
        if "undeclared" not in faults:
            stated.setdefault("measurement_domain", "counts")
    kind = one_of(draw, *types)
    with np.errstate(all="ignore"):
        frames = frames.astype(kind)
    if "values" in faults and frames.dtype.kind in "fi":
        spoilt = one_of(draw, -1, np.nan if frames.dtype.kind == "f" else -2, 0)
        frames[one_of(draw, (slice(None), 3, 4), (0, 3, 4), slice(None))] = spoilt
    elif not counts and draw(st.booleans()):
        frames[:, 3, 4] = 1e-39
    return frames


def _mask(draw: Any, m: int, legacy: bool, faults: frozenset[str]) -> Array:
    bad = np.zeros((64, 64), bool)
    bad[3, 4] = bad[60:] = True
    each = np.repeat(bad[None], m, axis=0)
    each[0, 50] = True
    each = each.transpose(1, 2, 0) if legacy else each
    if "mask" in faults:
        wrong: Array = one_of(draw, ~bad, bad * np.uint8(7), bad[:-1], bad * 1.0, bad | True, each[..., 0])
        return wrong
    made: Array = one_of(draw, bad, each, bad.astype("i4"), np.asfortranarray(each), each.astype(">u2"))
    return made


def outcomes(path: Path, weights: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, bool]]:
    """Whether each command accepts a file; what it says of a refused one names it, and at least one violation."""
    commands = {
        "inspect": (command.main, ["inspect", str(path), "--json"]),
        "convert": (command.main, ["convert", str(path), str(out / "out.npz"), "--force"]),
        "torch train": (ptycho_torch.train.main, ["--train_data_file", str(path), "--batch_size", "1"]),
        "tf train": (ptycho_tf.train.main, ["--train_data_file", str(path), "--batch_size", "1"]),
        "torch inference": (ptycho_torch.inference.main, ["--model_path", str(weights), "--test_data", str(path)]),
        "tf inference": (ptycho_tf.inference.main, ["--model_path", str(weights), "--test_data", str(path)]),
    }
    for name, (main, words) in commands.items():
        given = words if main is command.main else [*words, "--output_dir", str(out / "run"), "--dry-run"]
        try:
            code = main(given) or 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        shown = capsys.readouterr()
        assert code in (0, 2), (name, code, shown.err)
        if code == 2:
            listed = json.loads(shown.out)["violations"] if name == "inspect" else re.findall(r"^  - ", shown.err, re.M)
            assert listed, (name, shown.err)
        assert not (out / "run").exists()
        yield name, code == 0


@pytest.mark.deep
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(file=files())
def test_all_commands_agree(
    file: tuple[Arrays, dict[str, Any], bool], weights: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, stated, deflated = file
    path = place / "scan.npz"
    write(path, {**arrays, "_metadata": metadata(**stated)}, compressed=deflated)
    found = dict(outcomes(path, weights, place, capsys))
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("case", BROKEN, ids=[case.name for case in BROKEN])
def test_all_commands_refuse_a_broken_file(
    case: Broken, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(dict(outcomes(case.build(tmp_path), weights, tmp_path, capsys)).values()) == {False}


@pytest.mark.parametrize("shape", [(36, 1), (1, 36), (36, 1, 1), ()])
def test_coordinates_of_another_rank_are_named(shape: tuple[int, ...], tmp_path: Path) -> None:
    from ptycho.data import contract

    arrays = scan(36)
    arrays["xcoords"] = arrays["xcoords"].reshape(shape) if shape else arrays["xcoords"][0]
    write(tmp_path / "a.npz", arrays)
    found = contract.attempt(tmp_path / "a.npz")
    assert any(v.startswith("xcoords.npy has shape") for v in found.violations)
    assert any("numpy.ravel" in v for v in found.violations) == bool(shape)


def test_photons_of_ptychopinn_are_read_where_it_writes_them(tmp_path: Path) -> None:
    from ptycho.data import contract, prepare

    stated = {"schema_version": "1.0.0", "physics_parameters": {"nphotons": 1e5, "N": 64, "gridsize": 1}}
    write(tmp_path / "a.npz", {**scan(12), "_metadata": metadata(**stated)})
    dataset = contract.load(tmp_path / "a.npz")
    assert dataset.nphotons == 1e5
    assert prepare.prepare(train_config(tmp_path / "a.npz", tmp_path), dataset).nphotons == 1e5
