"""Answers that do not count: old, foreign, damaged, or a copy of what was given."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.parity.compare import response
from harness.parity.compare.response import Answer
from harness.parity.judge import ladder
from harness.parity.reference import problem
from ptycho import fingerprint
from ptycho.parity.request import (
    ANSWER_SCHEMA,
    ARRAYS,
    MANIFEST,
    SCHEMA,
    digest,
    read_arrays,
    source_digest,
    write_arrays,
)
from ptycho.verdict import Verdict
from tests.support.golden_step0 import FIXTURE

PACKAGE = "ptycho_torch"


def ask(path: Path, **changes: Any) -> Path:
    problem.request(gridsize=1, seed=3, scan=FIXTURE, steps=1, quantities=("R3",), **changes).save(path)
    return path


def respond(folder: Path, request: Path, arrays: dict[str, np.ndarray[Any, Any]] | None = None, **changes: Any) -> Path:
    """An honest answer to a request, but for the changes."""
    folder.mkdir(exist_ok=True)
    given = {"R3/encoder.0": np.random.default_rng(1).normal(size=(2, 32, 8, 8))} if arrays is None else arrays
    manifest = {
        "schema": SCHEMA,
        "backend": PACKAGE,
        "request_sha256": digest(request),
        "nonce": json.loads(str(read_arrays(request)["spec"]))["nonce"],
        "commit": fingerprint.commit(),
        "sources_sha256": source_digest(PACKAGE),
        "precision": "f64",
        "quantities": ["R3"],
        "arrays_sha256": write_arrays(folder / ARRAYS, given),
        "exact": {},
        **changes,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def request_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ask(tmp_path_factory.mktemp("ask") / "request.npz")


def test_an_honest_answer_counts(tmp_path: Path, request_path: Path) -> None:
    read = response.read(respond(tmp_path, request_path), request_path, PACKAGE)
    assert read.refusals == ()
    assert list(read.arrays) == ["R3/encoder.0"]
    assert "exact" not in read.manifest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "ptycho-probe/0"),
        ("backend", "ptycho_tf"),
        ("request_sha256", "0" * 64),
        ("nonce", "0" * 32),
        ("commit", "0" * 40),
        ("sources_sha256", "0" * 64),
        ("precision", "f32"),
        ("quantities", []),
        ("arrays_sha256", "0" * 64),
    ],
)
def test_an_answer_that_says_something_else_of_itself_is_refused(
    key: str, value: Any, tmp_path: Path, request_path: Path
) -> None:
    read = response.read(respond(tmp_path, request_path, **{key: value}), request_path, PACKAGE)
    assert [text.partition(" is ")[0] for text in read.refusals] == [f"its {key}"]


def test_an_old_answer_to_the_same_question_is_refused(tmp_path: Path, request_path: Path) -> None:
    again = ask(tmp_path / "again.npz")
    refused = response.read(respond(tmp_path / "out", request_path), again, PACKAGE).refusals
    assert [text.partition(" is ")[0] for text in refused] == ["its request_sha256", "its nonce"]


def test_an_answer_about_another_data_set_is_refused(tmp_path: Path, request_path: Path) -> None:
    nonce = json.loads(str(read_arrays(request_path)["spec"]))["nonce"]
    other = ask(tmp_path / "other.npz", nonce=nonce, nphotons=1e7)
    refused = response.read(respond(tmp_path / "out", request_path), other, PACKAGE).refusals
    assert [text.partition(" is ")[0] for text in refused] == ["its request_sha256"]


def test_an_echo_of_the_request_is_refused(tmp_path: Path, request_path: Path) -> None:
    # What enters the next layer is what this one should have made of its input.
    expected = {"R3/amplitude.0": read_arrays(request_path)["inputs/amplitude.1"]}
    refused = response.read(respond(tmp_path, request_path, expected), request_path, PACKAGE).refusals
    assert refused == ("its R3/amplitude.0 is a copy of an array in the request, bit for bit",)


def test_an_echo_in_float32_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "request.npz"
    problem.request(gridsize=1, seed=3, scan=FIXTURE, steps=1, precision="f32", quantities=("R3",)).save(path)
    expected = {"R3/amplitude.0": read_arrays(path)["inputs/amplitude.1"].astype(np.float32)}
    refused = response.read(respond(tmp_path / "out", path, expected, precision="f32"), path, PACKAGE).refusals
    assert refused == ("its R3/amplitude.0 is a copy of an array in the request, bit for bit",)


def _truncate(folder: Path) -> None:
    (folder / ARRAYS).write_bytes((folder / ARRAYS).read_bytes()[:100])


def _garble(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def _remove(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize("spoil", [_truncate, _garble, _remove])
def test_a_damaged_answer_is_refused(spoil: Callable[[Path], None], tmp_path: Path, request_path: Path) -> None:
    spoil(respond(tmp_path, request_path))
    read = response.read(tmp_path, request_path, PACKAGE)
    assert read.refusals[0].startswith("it cannot be read: ")


HOSTILE: dict[str, str] = {
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "nested too deeply": "[" * 200_000,
    "exact of numbers": '{"exact": {"R3": 1}}',
    "failures of text": '{"failures": {"R3": "bad"}}',
    "rungs that are lists": '{"quantities": [["R3"]]}',
    "rungs as text": '{"quantities": "R3"}',
    "engine as text": '{"engine": "torch"}',
    "digests as a list": json.dumps({"schema": ANSWER_SCHEMA, "arrays_sha256": [["R3"]]}),
    "an unknown rung": json.dumps({"schema": ANSWER_SCHEMA, "arrays_sha256": {"../R3": ""}}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_manifest_of_another_shape_is_refused(case: str, tmp_path: Path, request_path: Path) -> None:
    respond(tmp_path, request_path)
    (tmp_path / MANIFEST).write_text(HOSTILE[case])
    read = response.read(tmp_path, request_path, PACKAGE)
    assert read.refusals[0].startswith("it cannot be read: ")
    assert (read.exact, read.arrays, read.manifest, read.failures) == ({}, {}, {}, {})
    # Whether it is complete is asked while the adapter still runs: the answer decides, and raises nothing.
    assert isinstance(response.is_complete(tmp_path), bool)


@pytest.mark.parametrize("frames", [1, "text", {"file": "x"}, [1], [{"file": 1, "line": "2", "function": []}]])
def test_frames_of_any_shape_make_a_failure(frames: Any, tmp_path: Path, request_path: Path) -> None:
    record = {"type": ["x"], "message": {"a": 1}, "module": [], "call": 1, "after": [], "frames": frames}
    path = respond(tmp_path, request_path, quantities=[], failures={"R3": record})
    read = response.read(path, request_path, PACKAGE)
    assert (read.refusals, read.failures["R3"].verdict) == ((), Verdict.FAIL)


def test_the_other_sides_file_is_recognised() -> None:
    layers = {f"R3/{k}": np.random.default_rng(k).normal(size=(4, 32)) for k in range(3)}
    one, other = (
        Answer(exact={}, arrays={name: value.copy() for name, value in layers.items()}, refusals=(), manifest={})
        for _ in range(2)
    )
    assert response.is_echo(one, other)
    assert sorted(ladder.refusals({"torch": one, "tf": other})) == ["tf", "torch"]
    rounded = {name: np.nextafter(value, 9) if name == "R3/1" else value for name, value in layers.items()}
    honest = Answer(exact={}, arrays=rounded, refusals=(), manifest={})
    assert not response.is_echo(one, honest)
    assert ladder.refusals({"torch": one, "tf": honest}) == {}


WORK = {"parameters": ["cuda:0"], "batch": ["cuda:0"], "parameter_bytes": 40, "peak_bytes": 400, "kernels": 3}


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ({"device": "cuda", "work": WORK}, None),
        ({"device": "cpu"}, "its engine says 'cpu': it holds no evidence (engine.work)"),
        ({"device": "cuda"}, "it holds no evidence"),
        ({"device": "cuda", "work": WORK | {"kernels": 0}}, "kernels (kernels that ran on the device) is 0"),
        ({}, "its engine says 'no device'"),
    ],
)
def test_an_answer_that_was_not_computed_on_the_gpu_is_refused(engine: Any, says: str | None, tmp_path: Path) -> None:
    request = tmp_path / "request.npz"
    replace(problem.request(gridsize=1, seed=3, scan=FIXTURE, steps=1, quantities=("R3",)), device="cuda").save(request)
    found = response.read(respond(tmp_path / "answer", request, engine=engine), request, PACKAGE)
    assert len(found.refusals) == (says is not None)
    assert (says or "") in "".join(found.refusals)


def test_an_answer_of_an_engine_that_could_not_be_made_is_judged_by_its_failures() -> None:
    assert response.elsewhere({"engine": {}, "quantities": [], "failures": {"R3": {}}}, "cuda") == []
    assert response.elsewhere({"engine": {"device": "cpu"}, "quantities": ["R3"]}, "cpu") == []


def test_the_kind_of_device_is_what_the_engine_names() -> None:
    kinds = [
        Answer(exact={}, arrays={}, refusals=(), manifest=m).kind for m in ({}, {"engine": {"device_name": "H200"}})
    ]
    assert ["cpu", "H200"] == kinds
