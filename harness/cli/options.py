"""
Parts that all commands of the harness share: the layout of their help, and the options that mean the same everywhere.

Every help line is a complete sentence, and every command shows examples; tests check both.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from harness.record.directory import DEFAULT_ROOT
from ptycho.command_line import StrictParser
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

CODES = " · ".join(f"{verdict.label} {verdict.value}" for verdict in Verdict)


class HelpFormatter(argparse.HelpFormatter):
    """Wraps paragraphs, and leaves lines that are indented (examples) as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            part if "\n  " in part else super(HelpFormatter, self)._fill_text(part, width, indent)
            for part in paragraphs
        )


def add_command(
    commands: Commands, name: str, text: str, *, examples: Sequence[str], more: str = "", codes: str = CODES
) -> StrictParser:
    """
    Add a command with a description, examples and its exit codes.

    Args:
        commands: the commands to which it is added.
        name: name of the command.
        text: one sentence that says what the command does.
        examples: command lines without `python -m harness`, each with a remark after `#` if it needs one.
        more: further sentences of the description.
        codes: exit codes with their meaning.
    """
    lines = "\n".join(f"  python -m harness {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text} {more}".strip(),
        epilog=f"examples:\n{lines}\n\nexit codes: {codes}",
        formatter_class=HelpFormatter,
    )
    assert isinstance(parser, StrictParser)
    return parser


def add_group(
    commands: Commands, name: str, text: str, *, examples: Sequence[str], default: str = "", more: str = ""
) -> Commands:
    """
    Add a command that has commands of its own.

    Args:
        commands: the commands to which it is added.
        name: name of the command.
        text: one sentence that says what the command does.
        examples: command lines without `python -m harness`.
        default: the command that runs where none is named, or empty.
        more: further sentences of the description.
    """
    alone = f"Without a command, `{name}` runs `{name} {default}`." if default else ""
    parser = add_command(commands, name, text, examples=examples, more=f"{more} {alone}".strip())
    parser.default_command = default
    commands_of: Any = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    return cast("Commands", commands_of)


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add `--root DIR`."""
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, metavar="DIR", help="Keep the runs in this folder (.harness)."
    )


def add_json(parser: argparse.ArgumentParser, what: str = "the result") -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help=f"Print {what} as one JSON document and nothing else.")


def add_follow(parser: argparse.ArgumentParser) -> None:
    """Add `--follow PID`."""
    parser.add_argument(
        "--follow", type=int, metavar="PID", help="End as if interrupted when the process with this number is gone."
    )


def add_run_options(parser: argparse.ArgumentParser, what: str = "the result") -> None:
    """Add the options of every command that makes a run: `--root`, `--json`, `--follow`."""
    add_root(parser)
    add_json(parser, what)
    add_follow(parser)


def add_fixture(parser: argparse.ArgumentParser, default: str, use: str) -> None:
    """
    Add `--fixture NAME`.

    Args:
        parser: the command.
        default: the fixture that is used where none is named.
        use: what the scan is used for.
    """
    text = f"Use this fixture or NPZ file {use} ({default})."
    parser.add_argument("--fixture", default=default, metavar="NAME", help=text)


def add_seed(parser: argparse.ArgumentParser, default: int, what: str) -> None:
    """Add `--seed N`."""
    parser.add_argument(
        "--seed", type=int, default=default, metavar="N", help=f"Draw {what} with this seed ({default})."
    )


def add_unused(parser: argparse.ArgumentParser, *names: str) -> None:
    """Accept options that a session passes to every command of a group, and that this one does not need."""
    for name in names:
        parser.add_argument(name, action="append", dest="unused", help=argparse.SUPPRESS)


def refuse(problems: Sequence[str]) -> None:
    """
    Refuse options that are out of range or exclude each other, all of them at once.

    Raises:
        UsageError: listing the problems, if there are any.
    """
    if problems:
        raise UsageError("\n".join(problems))


def use_one_thread() -> None:
    """Before NumPy is imported: the oracle's products are small, and its threads would wait by spinning."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
