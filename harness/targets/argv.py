"""
Reads an argument vector: which part of it is the program, which are options; and what a help text says of options.

All of it is text work on what a target file and a command print, so that it can be tried without running anything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_OPTION = re.compile(r"(?<![\w\-])--?[A-Za-z][\w\-]*")
_NEGATABLE = re.compile(r"--\[no-\]([\w\-]+)")
_INTERPRETER_VALUE = ("-W", "-X")
_USAGE = re.compile(r"usage:(.*?)(?:\n\s*\n|\Z)", flags=re.DOTALL | re.IGNORECASE)
_PROGRAM = re.compile(r"^.*?\[-h[^\]]*\]|\S*python[\d.]*\s+-m\s+\S+", flags=re.DOTALL)
"""The program in a usage line, which may be `python -m package.module`; argparse puts its own `[-h]` behind it."""

_MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
_GROUP = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}")


@dataclass(frozen=True, kw_only=True)
class Option:
    """
    An option as its definition or a help text says.

    Attributes:
        names: all of its names, the longest first.
        required: whether it must be given.
        takes_value: whether a value follows.
        choices: allowed values, as far as they are written out.
    """

    names: tuple[str, ...]
    required: bool
    takes_value: bool
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its longest name."""
        return self.names[0]


@dataclass(frozen=True, kw_only=True)
class Program:
    """
    The head of an argument vector, before its options.

    Attributes:
        argv: interpreter, its options, and module or script, then subcommands; with placeholders.
        module: of `-m`, else "".
        script: path of the script or of the executable, else "".
        options: names of the options that follow.
        inline: whether it is `-c` and a text, which has no help.
    """

    argv: tuple[str, ...]
    module: str
    script: str
    options: tuple[str, ...]
    inline: bool


def is_interpreter(word: str) -> bool:
    """Whether a word is `{python}` or names a Python interpreter."""
    return word == "{python}" or re.fullmatch(r"python[\d.]*", word.rpartition("/")[2]) is not None


def option_names(arguments: Sequence[str]) -> tuple[str, ...]:
    """Options in an argument vector, without values; a negative number is none."""
    names = (word.partition("=")[0] for word in arguments if word.startswith("-"))
    return tuple(name for name in names if _OPTION.fullmatch(name))


def parse(argv: Sequence[str]) -> Program:
    """
    Take an argument vector apart.

    Words after module or script count as subcommands up to the first option or placeholder: data is always given by
    a placeholder.
    """
    at, module, script = 1, "", ""
    if not is_interpreter(argv[0]):
        script = argv[0]
    else:
        while at < len(argv) and argv[at].startswith("-") and argv[at] not in ("-m", "-c"):
            at += 2 if argv[at] in _INTERPRETER_VALUE else 1
        if at < len(argv) and argv[at] == "-c":
            return Program(argv=tuple(argv[: at + 2]), module="", script="", options=(), inline=True)
        if at < len(argv) and argv[at] == "-m":
            module = argv[at + 1] if at + 1 < len(argv) else ""
            at += 2
        else:
            script = argv[at] if at < len(argv) else ""
            at += 1
    while at < len(argv) and not argv[at].startswith("-") and "{" not in argv[at]:
        at += 1
    at = _inner(argv, at)
    return Program(argv=tuple(argv[:at]), module=module, script=script, options=option_names(argv[at:]), inline=False)


def _inner(argv: Sequence[str], at: int) -> int:
    """
    Find where options begin behind a program that runs another one: `torchrun --nproc 2 train.py`, `x.py -m package.a`.

    It is the inner program that knows the options, and that the outer one hands `--help` on to.
    """
    for number in range(at, len(argv)):
        word, before = argv[number], argv[number - 1]
        if (before == "-m" and _MODULE.fullmatch(word)) or (word.endswith(".py") and not before.startswith("-")):
            return number + 1
    return at


def offered(text: str) -> frozenset[str]:
    """Options that a help text names; `--[no-]x` names two."""
    both = {f"{prefix}{name}" for name in _NEGATABLE.findall(text) for prefix in ("--", "--no-")}
    return frozenset(_OPTION.findall(text)) | both


def needed(text: str) -> tuple[str, ...]:
    """
    Options that a usage line of argparse requires: those outside brackets.

    Of an alternative in parentheses one is required, but not which: it is left out here.
    """
    found = _USAGE.search(text)
    if found is None:
        return ()
    usage = _PROGRAM.sub(" ", found[1])
    while (shorter := _GROUP.sub(" ", usage)) != usage:
        usage = shorter
    return tuple(dict.fromkeys(_OPTION.findall(usage)))


def aliases(text: str, option: str) -> frozenset[str]:
    """An option and the other names that a help text lists on the same line, such as `-o OUT, --output OUT`."""
    for line in _USAGE.sub("\n", text).splitlines():
        if re.match(r"\s+-", line):
            names = _OPTION.findall(re.split(r"\s{2,}", line.strip())[0])
            if option in names:
                return frozenset(names)
    return frozenset({option})


def described(text: str) -> tuple[Option, ...]:
    """Options of a help text as argparse and click print it: a line each, names, then what they take."""
    required = set(needed(text))
    found: dict[str, Option] = {}
    for line in _USAGE.sub("\n", text).splitlines():
        if not re.match(r"\s+-", line):
            continue
        head = _NEGATABLE.sub(r"--\1", re.split(r"\s{2,}", line.strip())[0])
        names = tuple(sorted(_OPTION.findall(head), key=len, reverse=True))
        listed = re.search(r"\{([^{}]*)\}", head)
        rest = _OPTION.sub("", head).replace(",", " ").strip()
        if names and "--help" not in names:
            option = Option(
                names=names,
                required=bool(required & set(names)),
                takes_value=bool(rest),
                choices=tuple(listed[1].split(",")) if listed else (),
            )
            found.setdefault(option.name, option)
    return tuple(found.values())
