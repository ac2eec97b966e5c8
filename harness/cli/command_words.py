"""
A command line in today's words: old names replaced, the sub-command first, the default one where none is named.

`nox -s parity -- quality` hands over `parity --python=… --follow 7 quality`: the session's options come before the word
that the user typed. Names of the last release work for one more, with a warning that names the new ones.
"""

import argparse
from collections.abc import Callable, Sequence

from ptycho.command_line import Parser, renamed
from ptycho.errors import UsageError

COMMANDS = {
    "endings": ("kill-test",),
    "rebuild": ("report", "rebuild"),
    "schema": ("target", "schema"),
    "scale": ("benchmark", "scale"),
    "quality-curve": ("benchmark", "quality-curve"),
    "overhead": ("benchmark", "overhead"),
    "physics": ("attach", "physics"),
    "faults": ("ci", "faults"),
    "install": ("ci", "install"),
}
"""Commands by the name that they had in the last release."""

OPTIONS = {
    "parity": {"--quality": "quality", "--recalibrate": "calibrate", "--replay": "replay", "--seeds": "survey"},
    "benchmark": {"--against": "compare", "--self-test": "self-test"},
}
"""Commands that were options of another command in the last release."""

KEPT = ("--seeds",)
"""Old options that the new command still has; the others are its name or its argument."""

Warn = Callable[[str, str], None]


def resolve(parser: Parser, words: Sequence[str], *, quiet: bool = False) -> list[str]:
    """
    A command line in today's words.

    Args:
        parser: the parser of all commands.
        words: the words that were typed.
        quiet: whether old names pass without a warning.

    Raises:
        UsageError: the line holds old options of several commands.
    """
    warn: Warn = (lambda _old, _new: None) if quiet else renamed
    typed = list(words)
    if typed and (new := COMMANDS.get(typed[0])) is not None:
        warn(f"the command {typed[0]}", " ".join(new))
        typed[:1] = new
    commands = _commands(parser)
    group = commands.get(typed[0]) if typed else None
    if not isinstance(group, Parser) or not group.default_command:
        return typed
    name, rest = typed[0], typed[1:]
    inner = _commands(group)
    if (at := _position(rest, inner, group.default_command)) is not None:
        return [name, rest[at], *rest[:at], *rest[at + 1 :]]
    if (line := _from_options(name, rest, warn)) is not None:
        return line
    if rest and rest[0] in ("-h", "--help"):
        return typed
    return [name, group.default_command, *rest]


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _position(words: Sequence[str], commands: dict[str, argparse.ArgumentParser], default: str) -> int | None:
    """Return where the first word is that names a command and is not the value of an option; None if there is none."""
    options = commands[default]._option_string_actions
    value = False
    for at, word in enumerate(words):
        if value:
            value = False
        elif word.startswith("-"):
            action = options.get(word)
            value = action is not None and action.nargs is None
        elif word in commands:
            return at
    return None


def _from_options(name: str, words: list[str], warn: Warn) -> list[str] | None:
    """The same line with an old option turned into the command that it has become; None if it holds none."""
    old = OPTIONS.get(name, {})
    found = {word.partition("=")[0] for word in words} & set(old)
    if "--quality" in found:
        found -= set(KEPT)
    if not found:
        return None
    if len(found) > 1:
        raise UsageError(f"{' and '.join(sorted(found))}; allowed: one of them")
    (option,) = found
    warn(f"{name} {option}", f"{name} {old[option]}")
    if option in KEPT:
        return [name, old[option], *words]
    at = next(index for index, word in enumerate(words) if word.partition("=")[0] == option)
    _, equals, value = words[at].partition("=")
    return [name, old[option], *([value] if equals else []), *words[at + 1 :], *words[:at]]
