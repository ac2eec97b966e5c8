"""From files to canonical arrays, and every refusal of the data contract."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptycho.data import contract, npz_reader
from ptycho.data.dataset import Dataset
from ptycho.data.npy_header import Member
from ptycho.errors import ContractError
from tests.support.crafted_npz import BROKEN, Arrays, Broken, legacy, metadata, replaced, scan, write
from tests.support.injected import bites

_CASE_IDS = [case.name for case in BROKEN]


def _load(folder: Path, arrays: Arrays, **options: str) -> Dataset:
    return contract.load(write(folder / "scan.npz", arrays), **options)  # type: ignore[arg-type]


@pytest.mark.fault("damaged-files")
@pytest.mark.fault("hostile-archives")
@pytest.mark.parametrize("case", BROKEN, ids=_CASE_IDS)
def test_refused(case: Broken, tmp_path: Path) -> None:
    path, good = case.build(tmp_path), write(tmp_path / "good.npz", scan())
    bites(not path.is_file() or path.read_bytes() != good.read_bytes(), "the file is not the good one")
    contract.load(good)
    started = time.process_time()  # a busy machine's wall clock is somebody else's
    with pytest.raises(ContractError) as refused:
        contract.load(path)
    assert time.process_time() - started < 1
    assert any(case.says in violation for violation in refused.value.violations)
    assert case.says in str(refused.value)
    assert int(refused.value.verdict) == 2


@pytest.mark.parametrize("case", BROKEN, ids=_CASE_IDS)
def test_headers_are_enough_where_they_can_be(case: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = case.build(tmp_path)
    read: list[str] = []
    real = npz_reader.fill

    def spy(archive: object, member: Member, *rest: object) -> None:
        read.append(member.key)
        real(archive, member, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(npz_reader, "fill", spy)
    assert contract.attempt(path).dataset is None or not case.header_level
    assert ("diff3d" not in read) is case.header_level


@pytest.mark.fault("damaged-files")
def test_refusals_import_no_framework(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    paths = [str(case.build(folder)) for case in BROKEN]
    bites(len(paths) > 50, "every broken file was made")
    program = (
        "import json, sys\n"
        "from ptycho.data import contract\n"
        "from ptycho.errors import ContractError\n"
        "refused = 0\n"
        "for path in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        contract.load(path)\n"
        "    except ContractError:\n"
        "        refused += 1\n"
        "heavy = ('tensorflow', 'torch', 'keras', 'scipy', 'matplotlib', 'mlflow', 'rich')\n"
        "print(json.dumps([refused, [name for name in heavy if name in sys.modules]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(paths)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(contract.__file__).parents[2],
    )
    assert json.loads(done.stdout) == [len(BROKEN), []]


def test_violations_of_several_headers_come_together(tmp_path: Path) -> None:
    arrays = replaced(probeGuess=None, Y=scan()["diff3d"], scan_index=np.zeros(5), ycoords=scan()["ycoords"][:3])
    with pytest.raises(ContractError) as refused:
        _load(tmp_path, arrays)
    assert len(refused.value.violations) == 4


def test_violations_of_several_values_come_together(tmp_path: Path) -> None:
    arrays = scan()
    arrays["diff3d"][0, 0, 0], arrays["diff3d"][1, 0, 0] = np.nan, -1
    arrays["objectGuess"][0, 0] = np.inf
    arrays["xcoords"][0] = 1000
    with pytest.raises(ContractError) as refused:
        _load(tmp_path, arrays)
    assert len(refused.value.violations) == 4


def test_canonical_float32_is_taken_bit_for_bit(tmp_path: Path) -> None:
    arrays = scan()
    dataset = _load(tmp_path, arrays)
    assert dataset.diffraction.tobytes() == arrays["diff3d"].tobytes()
    assert dataset.probe.tobytes() == arrays["probeGuess"].tobytes()
    assert dataset.probe.shape == (1, 64, 64)
    assert dataset.obj is not None
    assert dataset.obj.tobytes() == arrays["objectGuess"].tobytes()
    assert (dataset.source.layout, dataset.source.measurement_domain) == ("canonical", "amplitude")
    assert dataset.diffraction.flags.writeable is False


def test_legacy_is_transposed_not_reshaped(tmp_path: Path) -> None:
    arrays = scan()
    dataset = _load(tmp_path, legacy(arrays))
    assert dataset.source.layout == "legacy"
    assert dataset.diffraction.tobytes() == arrays["diff3d"].tobytes()
    reshaped = legacy(arrays)["diffraction"].reshape(5, 64, 64).astype(np.float32)
    assert dataset.diffraction.tobytes() != reshaped.tobytes()


@pytest.mark.parametrize("make", [dict, legacy], ids=["canonical", "legacy"])
def test_fortran_order_holds_the_same_values(make: type[Arrays], tmp_path: Path) -> None:
    arrays = {key: np.asfortranarray(array) for key, array in make(scan()).items()}
    assert _load(tmp_path, arrays).diffraction.tobytes() == scan()["diff3d"].tobytes()


def test_big_endian_is_converted(tmp_path: Path) -> None:
    dataset = _load(tmp_path, replaced(diff3d=scan()["diff3d"].astype(">f8")))
    assert dataset.diffraction.tobytes() == scan()["diff3d"].tobytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
def test_counts_become_amplitudes_in_float64(dtype: type[np.generic], tmp_path: Path) -> None:
    counts = np.random.default_rng(1).integers(0, min(65_535, 255 if dtype is np.uint8 else 65_535), (5, 64, 64))
    dataset = _load(tmp_path, replaced(diff3d=counts.astype(dtype)), measurement_domain="counts")
    expected = np.sqrt(counts.astype(np.float64)).astype(np.float32)
    assert dataset.diffraction.tobytes() == expected.tobytes()
    assert dataset.source.measurement_domain == "counts"


def test_counts_declared_by_the_file(tmp_path: Path) -> None:
    counts = (scan()["diff3d"].astype(np.float64) ** 2).round().astype(np.uint16)
    dataset = _load(tmp_path, replaced(diff3d=counts, _metadata=metadata(measurement_domain="counts", nphotons=1e5)))
    np.testing.assert_array_equal(dataset.diffraction, np.sqrt(counts.astype(np.float64)).astype(np.float32))
    assert dataset.nphotons == 1e5


def test_negative_counts_are_refused(tmp_path: Path) -> None:
    counts = np.full((5, 64, 64), 4, dtype=np.int32)
    counts[2, 0, 0] = -4
    with pytest.raises(ContractError, match="negative values in 1 of 5 frames"):
        _load(tmp_path, replaced(diff3d=counts), measurement_domain="counts")


def test_whole_numbers_pass_when_declared(tmp_path: Path) -> None:
    whole = np.rint(scan()["diff3d"] ** 2)
    assert _load(tmp_path, replaced(diff3d=whole), measurement_domain="amplitude").diffraction.max() == whole.max()


@pytest.mark.parametrize(
    ("option", "value"), [("layout", "legacy"), ("measurement_domain", "counts")], ids=["layout", "domain"]
)
def test_argument_and_file_may_not_contradict(option: str, value: str, tmp_path: Path) -> None:
    stated = metadata(layout="canonical", measurement_domain="amplitude")
    with pytest.raises(ContractError, match=f"in the file's _metadata but '{value}' was asked for"):
        _load(tmp_path, replaced(_metadata=stated), **{option: value})


def test_m_equal_n_is_decided_by_argument_or_metadata(tmp_path: Path) -> None:
    arrays = scan(64)
    expected = arrays["diff3d"].tobytes()
    assert _load(tmp_path, arrays, layout="canonical").diffraction.tobytes() == expected
    assert _load(tmp_path, legacy(arrays), layout="legacy").diffraction.tobytes() == expected
    stated = legacy(arrays) | {"_metadata": metadata(layout="legacy")}
    assert _load(tmp_path, stated).diffraction.tobytes() == expected


def test_both_readings_are_shown(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"canonical: 64 frames of 64×64; legacy: 64 frames of 64×64"):
        _load(tmp_path, scan(64))


def test_shapes_that_are_squeezed(tmp_path: Path) -> None:
    y = np.ones((5, 64, 64, 1), dtype=np.complex128)
    dataset = _load(tmp_path, replaced(probeGuess=scan()["probeGuess"][..., None], Y=y))
    assert dataset.probe.shape == (1, 64, 64)
    assert dataset.probe.tobytes() == scan()["probeGuess"].tobytes()
    assert dataset.patches is not None
    assert (dataset.patches.shape, dataset.patches.dtype) == ((5, 64, 64), np.dtype(np.complex64))


def test_incoherent_modes_are_kept(tmp_path: Path) -> None:
    modes = np.stack([scan()["probeGuess"], 2 * scan()["probeGuess"]])
    np.testing.assert_array_equal(_load(tmp_path, replaced(probeGuess=modes)).probe, modes)


def test_defaults_of_optional_members(tmp_path: Path) -> None:
    dataset = _load(tmp_path, replaced(objectGuess=None))
    assert (dataset.obj, dataset.patches) == (None, None)
    np.testing.assert_array_equal(dataset.xcoords_start, dataset.xcoords)
    np.testing.assert_array_equal(dataset.ycoords_start, dataset.ycoords)
    assert dataset.scan_index.dtype == np.int64
    assert dataset.scan_index.tolist() == [0] * 5
    assert dict(dataset.metadata) == {}


def test_nominal_coordinates_never_replace_the_corrected_ones(tmp_path: Path) -> None:
    arrays = scan()
    dataset = _load(tmp_path, arrays | {"xcoords_start": arrays["xcoords"] + 9, "ycoords_start": arrays["ycoords"] - 9})
    np.testing.assert_array_equal(dataset.xcoords, arrays["xcoords"])
    np.testing.assert_array_equal(dataset.xcoords_start, arrays["xcoords"] + 9)
    np.testing.assert_array_equal(dataset.ycoords_start, arrays["ycoords"] - 9)


def test_positions_at_the_rim_are_inside(tmp_path: Path) -> None:
    arrays = scan()
    h, w = arrays["objectGuess"].shape
    arrays["xcoords"][:2], arrays["ycoords"][:2] = (32, w - 32), (32, h - 32)
    np.testing.assert_array_equal(_load(tmp_path, arrays).xcoords[:2], (32, w - 32))
    arrays["ycoords"][0] = 31.9
    with pytest.raises(ContractError, match="ycoords: 1 of 5 positions"):
        _load(tmp_path, arrays)


def test_expected_side(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.npz", scan())
    assert contract.load(path, expect_side=64).side == 64
    with pytest.raises(ContractError, match="N = 64, but the network takes N = 128; train with --N 64"):
        contract.load(path, expect_side=128)


def test_source_names_the_bytes(tmp_path: Path) -> None:
    import hashlib

    path = write(tmp_path / "scan.npz", scan())
    assert contract.load(path).source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@given(m=st.integers(1, 7), seed=st.integers(0, 2**16), layout=st.sampled_from(["canonical", "legacy"]))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_layouts_round_trip(m: int, seed: int, layout: str, tmp_path: Path) -> None:
    dataset = _load(tmp_path, scan(m, seed=seed))
    contract.save(tmp_path / "again.npz", dataset, layout=layout)
    again = contract.load(tmp_path / "again.npz")
    assert again.source.layout == layout
    for name in ("diffraction", "probe", "obj", "xcoords", "ycoords", "xcoords_start", "scan_index"):
        assert getattr(again, name).tobytes() == getattr(dataset, name).tobytes()
