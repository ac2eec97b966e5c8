"""The legacy dictionary starts from defaults that are those of the configuration classes."""

import subprocess
import sys
from pathlib import Path

import pytest

from ptycho import params
from ptycho.config import DataConfig, TrainingConfig, flatten

GIVEN = {"train_data_file", "output_dir"}
"""What a configuration cannot be built without, and a default therefore says nothing about."""


def test_defaults_are_those_of_the_configuration() -> None:
    flat = flatten(TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out")))
    given = dict.fromkeys(GIVEN)
    assert flat | given == {key: params.DEFAULTS[key] for key in flat}


def test_defaults_hold_nothing_that_no_configuration_writes() -> None:
    flat = flatten(TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out")))
    assert {*flat, params.CONFIGURED} == set(params.DEFAULTS)


def test_defaults_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        params.DEFAULTS["N"] = 128  # type: ignore[index]


def test_a_fresh_interpreter_holds_the_defaults_and_no_configuration() -> None:
    code = "from ptycho import params; print(params.cfg == dict(params.DEFAULTS), params.cfg[params.CONFIGURED])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "True None\n"
