"""
Does each command of a target know the options that its file gives it? Its `--help` is asked, in isolation.

A misspelt option costs a second here and a training later, or is swallowed by a parser that takes what it knows.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.files.toml_lines import Lines
from harness.isolation.sandbox import Sandbox
from harness.process import result, supervise
from harness.record import directory
from harness.system.signals import Interruption
from harness.targets import argv as target_argv
from harness.targets import help_text, loader, preflight, staged_files
from harness.targets.argv import Program
from harness.targets.loader import Target
from harness.targets.model import BareCommand, Command
from harness.targets.schema import PLACEHOLDERS
from ptycho.verdict import Verdict

Place = tuple[str | int, ...]
"""The position of something in a target file: table, number, key."""

_WITHOUT_HELP = ("device_probe",)
_OF_A_RUN = ("train", "test", "output", "model", "cache")
"""Placeholders whose folders are filled by a run."""


@dataclass(frozen=True, kw_only=True)
class CommandCheck:
    """
    Result of checking one command.

    Attributes:
        command: its table in the target file.
        asked: what was run, or why nothing was.
        options: how many options were looked up.
        verdict: `PASS`, `USAGE` (the file is wrong), `INFRA` (something is missing), `TIMEOUT` or `FAIL`.
        problems: one sentence each.
    """

    command: str
    asked: str
    options: int
    verdict: Verdict
    problems: tuple[str, ...] = ()


def extra_arguments(target: Target) -> Iterator[tuple[str, Place, tuple[str, ...]]]:
    """Arguments that the checks add: the command, where they are in the file, and the arguments."""
    checks = target.checks
    step = target.working_step
    yield step, ("checks", "seed_flag"), checks.seed_flag
    if checks.mlflow is not None:
        yield step, ("checks", "mlflow", "on"), checks.mlflow.on
        yield step, ("checks", "mlflow", "off"), checks.mlflow.off
    if checks.input_dump is not None:
        yield step, ("checks", "input_dump", "argv"), checks.input_dump.argv
    for number, option in enumerate(checks.option):
        yield option.command, ("checks", "option", number, "argv"), option.argv


def wanted_options(target: Target, name: str, program: Program) -> dict[str, Place]:
    """Options that a command must know, each with its place in the file."""
    found: dict[str, Place] = {option: (*name.split("."), "argv") for option in program.options}
    for command, place, arguments in extra_arguments(target):
        if command == name:
            found |= {option: place for option in target_argv.option_names(arguments) if option not in found}
    return found


def compare(text: str, given: Mapping[str, Place], lines: Lines) -> list[str]:
    """
    Return what a help text and a target file do not agree on.

    Args:
        text: the help.
        given: options and where they are.
        lines: lines of the target file.

    Returns:
        One sentence a problem, with its line.
    """
    known = target_argv.offered(text)
    problems = []
    for option, place in given.items():
        if option not in known:
            close = difflib.get_close_matches(option, sorted(known), n=1, cutoff=0.6)
            hint = f"did you mean {close[0]}?" if close else "its help names no such option; take it out"
            problems.append(f"line {lines.of(place, option)}: {option} is unknown to the command; {hint}")
    first: Place = next(iter(given.values()), ())
    problems += [
        f"line {lines.of(first)}: the command requires {max(names, key=len)}, which argv lacks; add it with its value"
        for names in (target_argv.aliases(text, option) for option in target_argv.needed(text))
        if not names & given.keys()
    ]
    return problems


def lacking(target: Target, name: str) -> tuple[str, ...]:
    """Arguments that a command needs and its table does not give: the data to read, the place of the results."""
    needed = {"convert": ("train", "output"), "train": ("train", "output"), "infer": ("output",)}.get(name, ())
    command = {"convert": target.convert, "train": target.train, "infer": target.infer}.get(name)
    missing = [word for word in needed if command is not None and not command.takes(word)]
    if name == "infer" and target.train is None and not (command and (command.takes("train") or command.takes("test"))):
        missing.append("test")
    return tuple(f"[{name}] has no {{{word}}}: {PLACEHOLDERS[word]}; add the option that takes it" for word in missing)


def _judge(
    name: str, asked: str, finished: supervise.CompletedCommand, given: Mapping[str, Place], lines: Lines
) -> CommandCheck:
    text = finished.log.read_text(encoding="utf-8", errors="replace")
    verdict, problems = Verdict.PASS, list[str]()
    if finished.stop is not None or finished.timed_out:
        verdict, problems = result.verdict_of(finished), [result.complaint("--help", finished, help_text.HELP_S)]
    elif finished.returncode != 0 and "No module named" in text:
        verdict, problems = Verdict.INFRA, [f"a module is missing in the environment: {finished.tail(1)}"]
    elif finished.returncode != 0:
        verdict = Verdict.FAIL
        problems = [f"--help ended with {finished.returncode}; its output is in {finished.log}:\n{finished.tail(8)}"]
    elif problems := compare(text, given, lines):
        verdict = Verdict.USAGE
    return CommandCheck(command=name, asked=asked, options=len(given), verdict=verdict, problems=tuple(problems))


def run(target: Target, root: Path, interruption: Interruption) -> list[CommandCheck]:
    """
    Ask every command of a target for its help.

    Args:
        target: with its interpreter settled; what it names is there (`preflight.require`).
        root: the workspace's folder for runs; an answer is kept in a folder there only if a problem names it.
        interruption: asked while waiting.
    """
    text = target.file.read_text(encoding="utf-8")
    lines = Lines(text)
    found = []
    with help_text.answers(root) as (kept, keep):
        for name, command in preflight.commands(target).items():
            checked = _check(target, name, command, lines, kept, interruption)
            if lacks := lacking(target, name):
                verdict = Verdict.worst((checked.verdict, Verdict.USAGE))
                checked = replace(checked, verdict=verdict, problems=(*lacks, *checked.problems))
            found.append(checked)
        keep(any(str(kept.logs) in sentence for row in found for sentence in row.problems))
    return found


def _furnish(command: BareCommand | Command, values: Mapping[str, object], root: Path, cell: Sandbox) -> None:
    """Put the files of a command where it finds them, but for those that only a run has: it may be one of them."""
    if isinstance(command, Command):
        there = tuple(file for file in command.files if not any(f"{{{name}}}" in file.source for name in _OF_A_RUN))
        command = replace(command, files=there)
        here = {name: str(value).replace("{cache}", str(cell.cache)) for name, value in values.items()}
        staged_files.put(command, cell, here, root=root, output=Path(here["output"]))


def _check(
    target: Target,
    name: str,
    command: BareCommand | Command,
    lines: Lines,
    kept: directory.RunRoot,
    interruption: Interruption,
) -> CommandCheck:
    program = target_argv.parse(command.argv)
    given = wanted_options(target, name, program)
    if program.inline or name in _WITHOUT_HELP:
        return CommandCheck(command=name, asked="not run: it is a text of its own", options=0, verdict=Verdict.PASS)
    if not given:
        return CommandCheck(command=name, asked="not run: it is given no options", options=0, verdict=Verdict.PASS)
    # A program that runs another one is given words of its own before: paths that it will not come to.
    paths = {name: f"{{cache}}/{name}" for name in _OF_A_RUN if name != "cache"}
    own = {**target.places, "cache": "{cache}"}
    values = {**paths, **target.settings, "device": "cpu", **own}
    finished = help_text.ask(
        argv := loader.fill(program.argv, values),
        name,
        import_root=target.root,
        variables={key: text.format(**own) for key, text in target.environment.items()},
        kept=kept,
        interruption=interruption,
        furnish=partial(_furnish, command, values, target.root),
    )
    return _judge(name, " ".join([*argv, "--help"]), finished, given, lines)
