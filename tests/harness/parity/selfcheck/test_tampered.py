"""Forged answers: all are refused by the reader as it is, the honest one is not, and a lenient reader is caught."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.parity.compare import response
from harness.parity.compare.response import Answer
from harness.parity.judge import ladder
from harness.parity.reference import problem
from harness.parity.selfcheck import tampered
from ptycho.parity import request
from ptycho.parity.request import Request
from tests.support.golden_step0 import FIXTURE


@pytest.fixture(scope="module")
def asked() -> Request:
    """A question about little."""
    return replace(problem.request(gridsize=1, seed=7, scan=FIXTURE, steps=1), quantities=("R3",))


def answers() -> dict[str, Answer]:
    """Two answers that differ as rounding makes them differ."""
    rng = np.random.default_rng(3)
    layers = {f"R3/{name}": rng.normal(size=(2, 100)) for name in "ab"}
    rounded = {name: value * (1 + 1e-15) for name, value in layers.items()}
    return {
        side: Answer(exact={"R0": {"epsilon": 1e-8}}, arrays=arrays, refusals=(), manifest={})
        for side, arrays in (("torch", layers), ("tf", rounded))
    }


def test_every_forgery_is_refused_and_the_honest_answer_is_not(asked: Request, tmp_path: Path) -> None:
    assert tampered.check(asked, answers(), tmp_path) == []


def test_a_written_answer_is_read_as_it_was(asked: Request, tmp_path: Path) -> None:
    asked.save(tmp_path / "request.npz")
    given = answers()["tf"]
    tampered.write(tmp_path / "tf", given, tmp_path / "request.npz", "ptycho_tf", tmp_path)
    read = response.read(tmp_path / "tf", tmp_path / "request.npz", "ptycho_tf", tmp_path)
    assert (read.refusals, read.exact) == ((), given.exact)
    assert {name: value.tobytes() for name, value in read.arrays.items()} == {
        name: value.tobytes() for name, value in given.arrays.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lenient", "told"),
    [
        ("copied", lambda *_given: [], "an answer that is an array of the request is accepted"),
        ("source_digest", lambda *_given: "0" * 64, "an answer that is older than the code is accepted"),
        ("digest", lambda _path: "0" * 64, "an answer that is changed afterwards is accepted"),
    ],
)
def test_a_reader_that_does_not_look_is_told(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, lenient: Any, told: str
) -> None:
    monkeypatch.setattr(response, name, lenient)
    if name == "source_digest":
        monkeypatch.setattr(tampered, name, lenient)
    if name == "digest":
        honest = request.write_arrays
        monkeypatch.setattr(tampered, name, lenient)
        monkeypatch.setattr(tampered, "write_arrays", lambda *given: honest(*given) and lenient(Path()))
    assert told in tampered.check(asked, answers(), tmp_path)


def test_a_reader_that_refuses_everything_is_told(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response, "SCHEMA", "another")
    found = tampered.check(asked, answers(), tmp_path)
    assert found == ["an answer that is honest is refused"] * 2


def test_an_echo_that_is_not_noticed_is_told(asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "is_echo", lambda _one, _other: False)
    assert tampered.check(asked, answers(), tmp_path) == [
        "everything of one side under the other's name is accepted",
        "the layers of one side under the other's name is accepted",
    ]
