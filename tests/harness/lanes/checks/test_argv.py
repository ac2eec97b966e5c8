"""The training command in its variants: seeded and untracked unless asked otherwise, and nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.lanes.checks import argv
from harness.targets import loader
from harness.targets.loader import Target
from harness.targets.model import Checks, InputDump, MLflow
from tests.support.fakes import fake_target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    made = loader.load(fake_target.write(tmp_path, suite=None))
    return argv.with_training(made, ("fit", "{train}", "--fast", "--no-track"))


def _with(target: Target, **checks: object) -> Target:
    return replace(target, checks=Checks(**checks))  # type: ignore[arg-type]


def test_a_seed_option_is_added_once(target: Target) -> None:
    seeded = argv.prepared(_with(target, seed_flag=("--seed", "{seed}")))
    assert ("fit", "{train}", "--fast", "--no-track", "--seed", "{seed}") == seeded.working.argv
    assert argv.prepared(seeded) == seeded
    assert (False, True) == tuple(argv.takes(each, "seed") for each in (target, seeded))


@pytest.mark.parametrize(
    ("on", "off", "tracked"),
    [
        ((), ("--no-track",), ("fit", "{train}", "--fast")),
        (("--track", "yes"), (), ("fit", "{train}", "--fast", "--no-track", "--track", "yes")),
        (("--track", "yes"), ("--no-track",), ("fit", "{train}", "--fast", "--track", "yes")),
    ],
)
def test_tracking_is_switched(
    target: Target, on: tuple[str, ...], off: tuple[str, ...], tracked: tuple[str, ...]
) -> None:
    prepared = argv.prepared(_with(target, mlflow=MLflow(on=on, off=off, store="runs")))
    assert target.working.argv == prepared.working.argv
    assert tracked == argv.tracked(prepared).working.argv
    back = replace(prepared, train=argv.tracked(prepared).train)
    assert set(target.working.argv) == set(argv.prepared(back).working.argv)


def test_without_the_pieces_nothing_changes(target: Target) -> None:
    assert target == argv.prepared(target) == argv.tracked(target) == argv.dumping(target)


def test_the_input_is_dumped_on_demand(target: Target) -> None:
    dumping = argv.dumping(_with(target, input_dump=InputDump(argv=("--dump",), path="x.npy", key="")))
    assert "--dump" == dumping.working.argv[-1]
