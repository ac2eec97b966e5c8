"""The judge of answers in files: a verdict in one line, of the rungs that are named, by the oracle of where it runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from golden_step0 import FIXTURE

from harness.mutation import judge
from harness.parity import forgeries, problem
from harness.parity.answer import Answer
from harness.parity.asking import PACKAGES
from ptycho import fingerprint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A request and two answers, of which TensorFlow's is wrong at R6 and R5."""
    place = tmp_path_factory.mktemp("judge")
    request = replace(problem.request(gridsize=1, seed=7, scan=FIXTURE, steps=1), quantities=("R3", "R5", "R6"))
    request.save(place / "request.npz")
    expected = judge.expect(request, tuple(PACKAGES))
    for number, side in enumerate(PACKAGES, start=1):
        arrays = {
            name: value * (1 + number * 1e-15) if name.startswith("R3/") else value
            for name, value in expected.arrays.items()
        }
        if side == "tf":
            arrays |= {name: -arrays[name] for name in ("R5/plain.total", "R6/probe")}
        given = Answer(exact={}, arrays=arrays, refusals=(), manifest={})
        forgeries.write(place / side, given, place / "request.npz", PACKAGES[side], fingerprint.ROOT)
    return place


def told(folder: Path, capsys: pytest.CaptureFixture[str], *rungs: str, tf: str = "tf") -> dict[str, object]:
    request = str(folder / "request.npz")
    words = ["--answer", "torch", str(folder / "torch"), request, "--answer", "tf", str(folder / tf), request]
    judge.main([*words, *(word for rung in rungs for word in ("--rung", rung))])
    read: dict[str, object] = json.loads(capsys.readouterr().out)
    return read


def test_the_first_failure_of_the_rungs_that_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(folder, capsys, "R3", "R5", "R6")
    assert (found["at"], found["how"], found["guilty"]) == ("R5", "rung", ["tf"])
    assert told(folder, capsys, "R3", "R6")["at"] == "R6"


def test_all_that_is_named_stands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(folder, capsys, "R3") == {"at": None, "how": "", "guilty": [], "detail": ""}


def test_a_refused_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(folder, capsys, "R3", tf="torch")
    assert (found["at"], found["how"], found["guilty"]) == ("R3", "refused", ["tf"])
