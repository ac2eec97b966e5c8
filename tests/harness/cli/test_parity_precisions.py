"""Precisions that the ladder is climbed in by default: mixed precision only where there are floors for it."""

import argparse
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.cli import parity
from harness.parity import run
from harness.parity.compare import rungs
from ptycho.command_line import StrictParser

WITHOUT, WITH = ("f64", "f32"), ("f64", "f32", "bf16")


def parsed(*words: str) -> argparse.Namespace:
    parser = StrictParser()
    parity.add_parser(parser.add_subparsers())  # type: ignore[arg-type]
    found: argparse.Namespace = parser.parse_args(["parity", *words])
    return found


def conditions(*words: str) -> dict[str, Any]:
    return parity._conditions(parsed("run", *words))


def test_the_command_line_and_the_judges_know_the_same() -> None:
    assert parity.PRECISIONS == rungs.PRECISIONS == WITH


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), WITH),
        (("--device", "cpu"), WITH),
        (("--device", "cuda"), WITHOUT),
        (("--device", "torch=cuda", "--device", "tf=cpu"), WITHOUT),
        (("--device", "auto"), WITHOUT),
        (("--target", "torch=mine.toml"), WITHOUT),
        (("--device", "cuda", "--precision", "bf16"), ("bf16",)),
        (("--target", "torch=mine.toml", "--precision", "bf16", "--precision", "f64"), ("f64", "bf16")),
    ],
)
def test_mixed_precision_is_asked_where_it_can_be_judged(words: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    assert conditions(*words)["precisions"] == wanted


@pytest.mark.parametrize(("device", "target", "spared"), [("cpu", None, False), ("cuda", None, True), ("cpu", 1, True)])
def test_a_run_without_it_is_a_whole_one_only_where_it_cannot_be_judged(
    device: str, target: object, spared: bool
) -> None:
    party = cast(Any, SimpleNamespace(device=device, target=target))
    asked = run.ParityOptions(
        parties=[party], scan=Path("x"), gridsizes=(1, 2), precisions=WITHOUT, seed=1, steps=200, root=Path("r")
    )
    said = [sentence for sentence in run.left_out(asked, (1, 2)) if "bf16" in sentence]
    assert bool(said) is not spared


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("run",), (64, 128)),
        (("run", "--drawn", "256"), (256,)),
        (("run", "--gridsize", "1"), ()),
        (("run", "--gridsize", "1", "--drawn", "64"), (64,)),
        (("run", "--precision", "f64"), ()),
        (("run", "--target", "torch=mine.toml"), ()),
        (("run", "--no-drawn"), ()),
        (("survey",), ()),
        (("survey", "--drawn", "64", "--drawn", "128"), (64, 128)),
    ],
)
def test_a_run_of_the_whole_ladder_has_drawn_problems(words: tuple[str, ...], wanted: tuple[int, ...]) -> None:
    assert parity._drawn(parsed(*words)) == wanted


def test_a_run_without_drawn_problems_is_not_a_whole_one() -> None:
    party = cast(Any, SimpleNamespace(device="cpu", target=None))
    given: dict[str, Any] = {"parties": [party], "scan": Path("x"), "gridsizes": (1, 2), "seed": 1, "steps": 200}
    without = run.ParityOptions(**given, root=Path("r"))
    assert any("without drawn problems" in sentence for sentence in run.left_out(without, (1,)))
    assert not any("drawn" in sentence for sentence in run.left_out(replace(without, drawn=(64, 128)), (1,)))


def test_a_survey_of_drawn_problems_is_never_a_run_of_the_ladder() -> None:
    party = cast(Any, SimpleNamespace(device="cpu", target=None))
    given: dict[str, Any] = {"parties": [party], "scan": Path("x"), "gridsizes": (1, 2), "seed": 1, "steps": 200}
    asked = run.ParityOptions(**given, root=Path("r"), drawn=(64,))
    assert "a part of the ladder: drawn problems alone" in list(run.left_out(asked, ()))


def test_a_survey_is_no_comparison_of_a_backend_with_itself() -> None:
    assert parity._alone(parsed("survey", "--drawn", "64")) == []
    assert parity._problems(parsed("survey", "--drawn", "64", "--steps", "4", "--seed", "1")) == []
