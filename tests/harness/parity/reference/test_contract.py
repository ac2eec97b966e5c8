"""The typed-out contract: the core keeps it, and a default, a constant or an option that drifts shows."""

from typing import Any

import pytest
from golden_step0 import FIXTURE

from harness.parity import reference
from ptycho import cli, grouping, physics, probe_contract
from ptycho.config import ModelConfig
from ptycho.weights import shapes


def found() -> dict[str, Any]:
    measured = probe_contract.constants()
    named = (
        ("option", probe_contract.training_defaults(FIXTURE, "torch.train")),
        ("inference", probe_contract.inference_defaults(FIXTURE, "torch.inference")),
        ("response", probe_contract.responses(FIXTURE, "torch")),
    )
    return measured | {f"{kind}.{name}": value for kind, values in named for name, value in values.items()}


def differing() -> set[str]:
    measured, wanted = found(), reference.contract()
    return {name for name in {*measured, *wanted} if measured.get(name) != wanted.get(name)}


def test_the_core_keeps_the_contract() -> None:
    assert reference.contract() == found()


@pytest.mark.parametrize(("scale", "gridsize"), [(1, 1), (1, 2), (2, 1)])
def test_the_weights_are_those_of_the_table(scale: int, gridsize: int) -> None:
    model = ModelConfig(filter_scale=scale, gridsize=gridsize)
    assert reference.parameters(scale, gridsize**2) == shapes(model)


def test_every_option_of_either_command_line_is_asked_for() -> None:
    required = {"train_data_file", "output_dir", "model_path", "test_data", "quiet", "help"}
    for parser, asked in (
        (cli.training_parser("p"), probe_contract.TRAINING_OPTIONS),
        (cli.inference_parser("p"), probe_contract.OPTIONS),
    ):
        known = {text.removeprefix("--") for action in parser._actions for text in action.option_strings}
        assert {name for name in known if not name.startswith("-")} - required == {*asked}


@pytest.mark.parametrize(
    ("owner", "name", "value", "seen"),
    [
        (physics, "MASK_FLOOR", 0.01, "constant.mask_floor"),
        (physics, "MAX_POSITION_JITTER", 0, "constant.canvas_side"),
        (grouping, "NEIGHBOURS", 3, "constant.neighbours"),
        (probe_contract, "DEFAULT_NPHOTONS", 1e5, "constant.nphotons"),
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
