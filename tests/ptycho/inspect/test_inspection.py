"""What a file is, good or bad."""

import json
from pathlib import Path

import numpy as np
import pytest

from ptycho.inspect import inspection
from tests.support.crafted_npz import BROKEN, Broken, legacy, metadata, replaced, scan, write


def test_a_good_file(tmp_path: Path) -> None:
    found = inspection.inspect(write(tmp_path / "scan.npz", legacy(scan(8)) | {"_metadata": metadata(nphotons=1e5)}))
    facts = inspection.as_dict(found)
    assert json.loads(json.dumps(facts, allow_nan=False))["sha256"] == facts["sha256"]
    assert (facts["violations"], facts["suspicions"]) == ([], [])
    assert facts["members"]["diff3d"]["name"] == "diffraction"
    assert facts["members"]["diff3d"]["shape"] == [64, 64, 8]
    assert facts["reading"]["layout"] == "legacy"
    assert facts["metadata"] == {"nphotons": 1e5}
    assert facts["diagnosis"]["kind"] == "amplitude"
    assert facts["explanation"]["better_than_flat"] is True


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_a_bad_file_is_described_as_far_as_it_goes(case: Broken, tmp_path: Path) -> None:
    found = inspection.inspect(case.build(tmp_path))
    assert any(case.says in violation for violation in found.violations)
    assert found.explanation is None
    assert json.loads(json.dumps(inspection.as_dict(found)))["violations"] == list(found.violations)


def test_headers_are_shown_beside_their_violations(tmp_path: Path) -> None:
    found = inspection.inspect(write(tmp_path / "scan.npz", replaced(probeGuess=None)))
    assert sorted(inspection.as_dict(found)["members"]) == ["diff3d", "objectGuess", "xcoords", "ycoords"]


def test_a_worse_than_flat_object_is_suspicious(tmp_path: Path) -> None:
    arrays = replaced(objectGuess=scan(seed=9)["objectGuess"])
    found = inspection.inspect(write(tmp_path / "scan.npz", arrays))
    assert [item.what for item in found.suspicions] == ["the given object explains the data worse than a flat one"]
    assert inspection.as_dict(found)["suspicions"] == [item.text for item in found.suspicions]


def test_counts_stored_as_amplitude_are_suspicious(tmp_path: Path) -> None:
    scaled = (scan()["diff3d"].astype(np.float64) ** 2).round() * 0.37
    found = inspection.inspect(write(tmp_path / "scan.npz", replaced(diff3d=scaled))).suspicions
    assert any("the values themselves are integers up to a factor of 0.37" in item.text for item in found)
