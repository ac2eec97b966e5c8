"""Foreign targets with one fault each: the harness finds exactly that fault, and nothing at all in the clean one."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import zoo

KEEPERS = 3
"""Lanes at a time: each mostly waits for its own commands."""


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The outcome of every animal's lane, by name."""
    folder = tmp_path_factory.mktemp("zoo")
    scan = zoo.scan(folder / "scan.npz")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(KEEPERS, mp_context=context) as pool:
        seen = {
            animal.name: pool.submit(
                zoo.visit, zoo.build(animal, folder / animal.name / "target"), scan, folder / animal.name / "place"
            )
            for animal in zoo.ANIMALS
        }
        return {name: visit.result() for name, visit in seen.items()}


@pytest.mark.deep
@pytest.mark.parametrize("animal", zoo.ANIMALS, ids=lambda animal: animal.name)
def test_an_animal_has_exactly_its_own_finding(animal: zoo.Animal, visits: dict[str, dict[str, Any]]) -> None:
    outcome = visits[animal.name]
    found = [finding["id"] for finding in outcome["findings"]]
    sentences = "\n".join(finding["sentence"] for finding in outcome["findings"])
    assert animal.findings == found, sentences
    assert animal.verdict == outcome["verdict"], outcome["problems"]
    assert [] == outcome["left"]


@pytest.mark.deep
def test_the_clean_one_was_really_looked_at(visits: dict[str, dict[str, Any]]) -> None:
    made = {check["check"] for check in visits["clean"]["checks"]}
    expected = {"run", "artifacts", "repeat", "budget", "quality", "orientation", "place", "scale", "epochs", "seed"}
    assert expected | {"layouts", "option", "leaks", "device"} == made
    (result,) = visits["clean"]["fixtures"]
    assert result["scores"]["phase_correlation"] > 0.9
    # How much is the machine's making: the process lives for a fraction of a second and may be seen as it starts.
    assert result["train_peak_mib"] > 0
    assert Path(result["reconstruction"]).is_file()


@pytest.mark.deep
def test_a_finding_says_how_to_see_it_again(visits: dict[str, dict[str, Any]]) -> None:
    (finding,) = visits["mirrored_stitching"]["findings"]
    assert "upright patches at positions mirrored left to right would match" in finding["sentence"]
    assert finding["figures"]["would_match"] > finding["figures"]["as_it_is"] + 0.1
    assert Path(finding["picture"]).is_file()
    assert finding["command"].startswith("python -m harness run --target ")
