"""Every command of the harness speaks to machines: `--json`, one document and nothing else."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import main
from ptycho.verdict import Verdict
from tests.support import sample_runs
from tests.support.fakes import foreign_checkout


def commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that does something, by its name."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for word, inner in action.choices.items():
            yield from commands(inner, f"{name} {word}".strip())


COMMANDS = dict(commands(main.command_line()))


PYTESTS_OWN = {"ci test"}
"""Commands whose result is pytest's, which writes it with `--junitxml`."""


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - PYTESTS_OWN))
def test_every_command_has_the_option(name: str) -> None:
    options = {option for action in COMMANDS[name]._actions for option in action.option_strings}
    assert "--json" in options


def test_the_walk_finds_what_there_is_and_what_lacks_the_option() -> None:
    assert {"run", "report page", "target init", "fixtures list", "parity run"} <= set(COMMANDS)
    parser = argparse.ArgumentParser()
    parser.add_subparsers().add_parser("silent")
    assert ["silent"] == [name for name, _ in commands(parser)]


def _told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, object]]:
    code = main.main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_an_installation_that_cannot_be_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _told(capsys, "ci", "install", "jax-cpu")
    assert (Verdict.USAGE, "jax-cpu", 2) == (code, told["lane"], told["exit_code"])
    assert str(told["said"]).startswith("no lock 'jax-cpu'; there are ")


def test_a_rebuilt_run_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _told(capsys, "report", "rebuild", sample_runs.killed(tmp_path, "torch"))
    assert (Verdict.FAIL, True, "torch-cpu") == (code, told["partial"], told["lane"])


def test_drafts_of_targets_are_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "checkout"
    foreign_checkout.write(made)
    code, told = _told(capsys, "target", "init", made, "--output", tmp_path / "out")
    drafts = told["targets"]
    assert isinstance(drafts, list)
    assert code == Verdict.PASS
    assert [Path(draft["path"]).read_text() for draft in drafts] == [draft["text"] for draft in drafts]


def test_a_sweep_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (Verdict.PASS, {"verdict": "pass", "exit_code": 0}) == _told(capsys, "clean", "--root", tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".nascent-0123456789ab").mkdir()
    code, told = _told(capsys, "clean", "--check", "--root", tmp_path)
    assert (Verdict.FAIL, "fail") == (code, told["verdict"])
    assert [str(tmp_path / "runs" / ".nascent-0123456789ab")] == told["abandoned"]
