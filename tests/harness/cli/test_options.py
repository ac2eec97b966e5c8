"""The help of every command: each line is a complete sentence, and the examples are command lines that work."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import clean, command_words, main
from harness.runs.retention import Policy
from ptycho import __main__ as core
from ptycho.command_line import Parser
from ptycho.fingerprint import ROOT
from ptycho.training import cli
from tests.support import prose

TOP = 13
"""More commands than these need a table of contents of their own."""

PREFIX = "python -m harness "


def walk(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and group, by its words."""
    yield name, parser
    for word, inner in command_words._commands(parser).items():
        yield from walk(inner, f"{name} {word}".strip())


PARSER = main.command_line()
COMMANDS = dict(walk(PARSER))


def examples(parser: argparse.ArgumentParser) -> list[str]:
    """Command lines in the epilog."""
    lines = (line.strip() for line in (parser.epilog or "").splitlines())
    return [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_line_of_help_is_a_sentence(name: str) -> None:
    assert prose.fragments(COMMANDS[name]) == []
    assert not prose.is_fragment(COMMANDS[name].description)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_its_parser_takes(name: str) -> None:
    lines = examples(COMMANDS[name])
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        words = words[: [*words, ">>"].index(">>")]
        resolved = command_words.resolve(PARSER, words[: [*words, "--"].index("--")])
        assert name == "" or " ".join(resolved).startswith(name)
        assert callable(PARSER.parse_args(resolved).run)


def test_a_fragment_is_found() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", help="of the problem (default: 42)")
    parser.add_argument("--steps", help="Of the problem, as many steps.")
    parser.add_argument("--good", help="Draw the problem with this seed (42).")
    parser.add_subparsers().add_parser("list", help="what there is")
    assert [text.partition(":")[0] for text in prose.fragments(parser)] == ["seed", "steps", "list"]


def core_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Parsers of the pipelines and of the core, by name."""
    yield "train", cli.training_parser("ptycho_torch.train")
    yield "inference", cli.inference_parser("ptycho_torch.inference")
    yield from walk(core.parser(), "ptycho")


@pytest.mark.parametrize(("name", "parser"), list(core_parsers()))
def test_the_help_of_core_and_pipelines_is_made_of_sentences(name: str, parser: argparse.ArgumentParser) -> None:
    assert (name, prose.fragments(parser)) == (name, [])


def test_there_are_few_commands_at_the_top() -> None:
    assert len(command_words._commands(PARSER)) <= TOP


def test_what_is_kept_by_default_is_the_policy() -> None:
    assert (clean.RUNS, clean.MIB) == (Policy.runs, Policy.mib)


def completed(line: str, folder: Path) -> list[str]:
    """What a shell is offered after a line."""
    out = folder / "completions"
    env = {**os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SHELL": "bash"}
    env |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_STDOUT_FILENAME": str(out)}
    subprocess.run([sys.executable, "-m", "harness"], env=env, cwd=ROOT, check=True, capture_output=True)
    return [word.strip() for word in out.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("harness par", {"parity"}),
        ("harness parity re", {"replay"}),
        ("harness parity run --gri", {"--gridsize"}),
        ("harness run --device c", {"cpu", "cuda"}),
    ],
)
def test_a_shell_completes_commands_and_options(line: str, offered: set[str], tmp_path: Path) -> None:
    pytest.importorskip("argcomplete", reason="comes with nox")
    assert set(completed(line, tmp_path)) == offered


def test_a_shell_finds_the_marker_of_argcomplete() -> None:
    assert "PYTHON_ARGCOMPLETE_OK" in (ROOT / "harness" / "__main__.py").read_text()[:1024]


def test_a_group_says_what_it_runs_alone() -> None:
    groups = {
        name: parser for name, parser in COMMANDS.items() if isinstance(parser, Parser) and parser.default_command
    }
    assert set(groups) == {"parity", "benchmark", "report", "attach"}
    for name, parser in groups.items():
        assert f"`{name}` runs `{name} {parser.default_command}`" in (parser.description or "")
