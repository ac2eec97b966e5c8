"""Requests: written, read back, and refused; arrays without pickles; the digest of the source text."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import fingerprint
from ptycho.errors import UsageError
from ptycho.parity import request as ladder_request
from ptycho.parity.request import Request, ScanFile
from tests.support.small_problem import NPHOTONS, ONE, lively_weights, make_batch, make_probe


def request(**changes: Any) -> Request:
    asked = Request(
        nonce="ab",
        quantities=("R0", "R8"),
        precision="f64",
        model=ONE,
        nphotons=NPHOTONS,
        threads=1,
        scan=ScanFile(path=Path("scan.npz"), seed=3, batch_size=4, batches=2),
        steps=(1, 3),
        learning_rates=(1e-3, 1e-4, 1e-5),
        batch_size=2,
        batch=make_batch(ONE, 4),
        probe=make_probe(),
        weights=lively_weights(ONE),
        inputs={"encoder.0": np.ones((1, 1, 4, 4))},
        replay=({"a/b": np.arange(3.0)}, {"a/b": np.zeros(3)}),
    )
    return replace(asked, **changes)


@pytest.mark.slow
def test_a_request_comes_back_as_it_was(tmp_path: Path) -> None:
    asked = request()
    sha256 = asked.save(tmp_path / "request.npz")
    assert ladder_request.digest(tmp_path / "request.npz") == sha256
    read = Request.load(tmp_path / "request.npz")
    plain = ("nonce", "quantities", "precision", "model", "nphotons", "threads", "scan", "steps", "learning_rates")
    assert [getattr(read, name) for name in plain] == [getattr(asked, name) for name in plain]
    assert np.array_equal(read.batch.diffraction, asked.batch.diffraction)
    assert read.batch.diffraction.dtype == np.float32
    assert {n: v.tolist() for n, v in read.weights.items()} == {n: v.tolist() for n, v in asked.weights.items()}
    assert [list(step) for step in read.replay] == [["a/b"], ["a/b"]]
    assert read.inputs["encoder.0"].shape == (1, 1, 4, 4)


@pytest.mark.slow
def test_only_a_request_that_has_a_way_names_it(tmp_path: Path) -> None:
    # An adapter from an older kit refuses what it does not know.
    path = tmp_path / "request.npz"
    for way in ladder_request.WAYS:
        request(way=way).save(path)
        assert Request.load(path).way == way
        assert ("way" in json.loads(str(ladder_request.read_arrays(path)["spec"]))) == bool(way)


def test_a_way_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"way 'fast'; allowed: '', 'program', 'compiled'"):
        request(way="fast")


def test_the_walk_goes_through_the_batches_again_and_again() -> None:
    asked = request()
    first, second, third = asked.walk(3)
    assert np.array_equal(first.diffraction, asked.batch.diffraction[:2])
    assert np.array_equal(second.indices, asked.batch.indices[2:])
    assert np.array_equal(third.indices, first.indices)
    assert np.array_equal(asked.first.indices, first.indices)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantities": ("R0", "R99")}, "quantity 'R99'"),
        ({"batch_size": 3}, "4 groups do not divide into batches of 3"),
        ({"steps": (4,)}, "4 steps, but only 3 learning rates"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        request(**changes)


def test_a_request_of_another_version_is_refused(tmp_path: Path) -> None:
    request().save(tmp_path / "request.npz")
    arrays = ladder_request.read_arrays(tmp_path / "request.npz")
    spec = json.loads(str(arrays["spec"])) | {"schema": "ptycho-probe/0"}
    ladder_request.write_arrays(tmp_path / "old.npz", arrays | {"spec": np.array(json.dumps(spec))})
    with pytest.raises(UsageError, match="not a request of this version"):
        Request.load(tmp_path / "old.npz")


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Python objects"):
        ladder_request.write_arrays(tmp_path / "a.npz", {"a": np.array([{}], dtype=object)})
    np.savez(tmp_path / "b.npz", allow_pickle=True, a=np.array([{}], dtype=object))
    with pytest.raises(UsageError, match="plain arrays"):
        ladder_request.read_arrays(tmp_path / "b.npz")


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 cut"])
def test_what_is_no_archive_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UsageError, match="is not an NPZ file"):
        ladder_request.read_arrays(tmp_path / "a.npz")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as handle:
        np.save(handle, np.zeros(3))
    with pytest.raises(UsageError, match="is not an NPZ file"):
        ladder_request.read_arrays(tmp_path / "a.npz")


def test_the_source_digest_sees_every_byte_of_core_and_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in ("ptycho", "one", "other"):
        (tmp_path / owner).mkdir()
        (tmp_path / owner / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    before = ladder_request.source_digest("one")
    (tmp_path / "other" / "a.py").write_text("x = 2\n")
    assert ladder_request.source_digest("one") == before
    (tmp_path / "ptycho" / "a.py").write_text("x = 2\n")
    assert ladder_request.source_digest("one") != before
