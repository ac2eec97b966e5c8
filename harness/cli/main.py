"""
The harness's command line. Nothing heavy is imported before a command is known, and no framework ever.

Every command ends with a code of the closed set in `ptycho.verdict`.
"""

import os
import sys
from collections.abc import Sequence

from harness.cli import announce, command_words, options
from ptycho import streams
from ptycho.command_line import StrictParser
from ptycho.errors import exit_on_error

CHECK_OPTIONS = "check-options"
"""First word of a command line that is only looked at: a session asks before it builds an environment."""

EXAMPLES = ("run torch", "parity", "report --open", "target init DIR")


def command_line() -> StrictParser:
    """Every command with its options; what they need is imported when they run."""
    examples = "\n".join(f"  python -m harness {example}" for example in EXAMPLES)
    parser = StrictParser(
        prog="python -m harness",
        description="Run the pipelines, compare them, measure them, and report what was found.",
        epilog=f"`python -m harness COMMAND --help` explains a command.\n\nexamples:\n{examples}\n\n"
        f"exit codes: {options.CODES}",
        formatter_class=options.HelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    from harness.cli import (
        attach,
        benchmark,
        ci,
        clean,
        fixtures,
        gpu_check,
        kill_test,
        mutation,
        parity,
        report,
        run,
        targets,
    )

    rooms = (run, parity, benchmark, report, attach, targets, fixtures, mutation, kill_test, ci, clean, gpu_check)
    for room in rooms:
        room.add_parser(commands)
    return parser


def complete(parser: StrictParser) -> None:
    """Answer a shell that asks for completions, where argcomplete is installed; see docs/README.md."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Args:
        arguments: instead of the process's own. What follows `--` goes to pytest untouched. After `CHECK_OPTIONS`
            comes a command line that is looked at and not run.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    checked_only = given[:1] == [CHECK_OPTIONS]
    words = given[1:] if checked_only else given
    split = words.index("--") if "--" in words else len(words)
    parser = command_line()
    complete(parser)
    with exit_on_error():
        # A session takes any word of the check for a refusal; the command itself warns of old names.
        typed = command_words.resolve(parser, words[:split], quiet=checked_only)
    args = parser.parse_args(typed)
    args.pytest = words[split + 1 :]
    if split < len(words) and not getattr(args, "takes_more", False):
        parser.error(f"unknown: {' '.join(words[split:])}; only commands that run tests hand options on to pytest")
    if getattr(args, "json", False):
        streams.require_output()
    with exit_on_error():
        if checked_only:
            return args.check(args) if "check" in args else 0
        with announce.announced(typed, args):
            return int(args.run(args))
