"""
Parsers of every command line of the project: a word that is not an option is refused by name, and none is guessed.

argparse takes `--dev` for `--device`, lets the second of two values win without a word, and says of an unknown option
neither where it was met nor what it may have meant.
"""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

_RENAMED: set[str] = set()
"""Old names that this process has warned of."""


def renamed(old: str, new: str) -> None:
    """
    Say on stderr, once a process, that something has another name; the old one is understood for one release.

    Args:
        old: the name that was used.
        new: the name to use.
    """
    import sys

    if old not in _RENAMED:
        _RENAMED.add(old)
        print(f"warning: {old} is called {new} now; the old name goes with the next release", file=sys.stderr)


class StoreOnce(argparse.Action):
    """Stores a value; a second one for the same option is refused, since one of the two would be ignored."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Store the value."""
        if option_string is not None:
            if parser.once and self.dest in parser.stored:
                parser.error(f"argument {option_string}: given twice; leave out one of the two")
            parser.stored.add(self.dest)
        setattr(namespace, self.dest, values)


class DefaultsFormatter(argparse.HelpFormatter):
    """Adds the default to each help text, where there is one that means something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        if action.required or action.default in (None, False, argparse.SUPPRESS) or not action.option_strings:
            return text
        return f"{text} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """
    An `ArgumentParser` that takes no abbreviations and says of an unknown word what is allowed and what comes next.

    Attributes:
        hint: what to do about a word that belongs to another program, or empty.
        once: whether an option that takes one value may be given once only. Trainings let a later value win, as scripts
            that wrap them expect.
        default_command: the command that runs where none of several is named, or empty.
        stored: options that the command line which is being parsed has given.
    """

    hint = ""
    default_command = ""
    once = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False} | options)
        self.stored: set[str] = set()
        self.register("action", None, StoreOnce)
        self.register("action", "store", StoreOnce)

    def parse_known_args(self, args: Any = None, namespace: Any = None, **options: Any) -> Any:
        """As in argparse; an option without its value (`--root=`) is refused."""
        import sys

        self.stored.clear()
        for word in sys.argv[1:] if args is None else args:
            if word.startswith("--") and word.endswith("="):
                self.error(f"argument {word[:-1]}: expected a value after =")
        return super().parse_known_args(args, namespace, **options)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # argparse's overloads say no more
        """
        Parse a command line.

        Raises:
            SystemExit: with 2, for a word that is not an option or no value of one.
        """
        values, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.refuse(unknown, args)
        return values

    def refuse(self, unknown: Sequence[str], args: Sequence[str] | None) -> NoReturn:
        """End with 2 for words that nobody knows, in the words of the command that met them."""
        import sys

        words = list(sys.argv[1:] if args is None else args)
        parser = self.command_of(words)
        known = sorted(parser._option_string_actions)
        word = unknown[0].partition("=")[0]
        near = get_close_matches(word, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        listed = ", ".join(name for name in known if name.startswith("--"))
        hint = f"\n{parser.hint}" if parser.hint else ""
        parser.error(f"unknown: {' '.join(unknown)}{meant}\nallowed: {listed}; --help explains them{hint}")

    def command_of(self, words: Sequence[str]) -> "Parser":
        """The parser of the sub-command that a command line names, or this one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for position, word in enumerate(words):
                    found = action.choices.get(word)
                    if isinstance(found, Parser):
                        return found.command_of(words[position + 1 :])
        return self


class StrictParser(Parser):
    """A `Parser` that refuses an option that is given twice."""

    once = True
