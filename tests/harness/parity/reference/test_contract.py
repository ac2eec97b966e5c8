"""The typed-out contract: the core keeps it, and a default, a constant or an option that drifts shows."""

from typing import Any

import pytest

from harness.parity.reference import contract
from ptycho.config import ModelConfig
from ptycho.data import grouping
from ptycho.parity import contract as parity_contract
from ptycho.physics import forward
from ptycho.physics.weights import shapes
from ptycho.training import cli
from tests.support.golden_step0 import FIXTURE


def found() -> dict[str, Any]:
    measured = parity_contract.constants()
    named = (
        ("option", parity_contract.training_defaults(FIXTURE, "torch.train")),
        ("inference", parity_contract.inference_defaults(FIXTURE, "torch.inference")),
        ("response", parity_contract.responses(FIXTURE, "torch")),
    )
    return measured | {f"{kind}.{name}": value for kind, values in named for name, value in values.items()}


def differing() -> set[str]:
    measured, wanted = found(), contract.contract()
    return {name for name in {*measured, *wanted} if measured.get(name) != wanted.get(name)}


def test_the_core_keeps_the_contract() -> None:
    assert contract.contract() == found()


@pytest.mark.parametrize(("scale", "gridsize"), [(1, 1), (1, 2), (2, 1)])
def test_the_weights_are_those_of_the_table(scale: int, gridsize: int) -> None:
    model = ModelConfig(filter_scale=scale, gridsize=gridsize)
    assert contract.parameters(scale, gridsize**2) == shapes(model)


def test_every_option_of_either_command_line_is_asked_for() -> None:
    # Files, and what changes no figure of a training.
    required = {"train_data_file", "output_dir", "model_path", "test_data", "quiet", "help", "dry-run", "dry_run"}
    for parser, asked in (
        (cli.training_parser("p"), parity_contract.TRAINING_OPTIONS),
        (cli.inference_parser("p"), parity_contract.OPTIONS),
    ):
        known = {text.removeprefix("--") for action in parser._actions for text in action.option_strings}
        assert {name for name in known if not name.startswith("-")} - required == {*asked}


@pytest.mark.parametrize(
    ("owner", "name", "value", "seen"),
    [
        (forward, "MASK_FLOOR", 0.01, "constant.mask_floor"),
        (forward, "MAX_POSITION_JITTER", 0, "constant.canvas_side"),
        (grouping, "NEIGHBOURS", 3, "constant.neighbours"),
        (parity_contract, "DEFAULT_NPHOTONS", 1e5, "constant.nphotons"),
    ],
)
def test_a_drifted_constant_shows(
    owner: Any, name: str, value: float, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, value)
    assert {seen} == differing()


def test_an_option_that_is_accepted_and_ignored_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = cli.training_config

    def deaf(arguments: list[str], prog: str) -> Any:
        return honest([text for text in arguments if text != "--probe_mask"], prog)

    monkeypatch.setattr(cli, "training_config", deaf)
    assert {"response.train.probe_mask"} == differing()
