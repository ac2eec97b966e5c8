"""Options that are out of range or exclude each other are refused before anything starts, with the code of usage."""

import argparse
import sys
from typing import Any

import pytest

from harness.cli import kill_test
from harness.faults.kill.kill import Victim
from ptycho.command_line import StrictParser
from ptycho.errors import UsageError


def _parsed(*given: str) -> argparse.Namespace:
    parser = StrictParser()
    commands: Any = parser.add_subparsers()
    kill_test.add_parser(commands)
    found: argparse.Namespace = parser.parse_args(["kill-test", *given])
    return found


def test_the_victims_are_those_that_can_be_killed() -> None:
    assert list(kill_test.VICTIMS) == [str(victim) for victim in Victim]
    assert (_parsed().count, _parsed().victim) == (200, [])


@pytest.mark.parametrize("given", [("--count", "0"), ("--jobs", "0"), ("--seed", "-1")])
def test_numbers_out_of_range_are_refused(given: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="allowed: from 1, from 1, from 0"):
        kill_test.run(_parsed(*given))


def test_nox_must_be_there_to_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nox", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="install it, or name the others: --victim harness"):
        kill_test.run(_parsed())
    assert kill_test.problems(_parsed("--victim", "harness")) == []
