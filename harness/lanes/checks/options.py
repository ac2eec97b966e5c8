"""
Options that are accepted and ignored: each must change what its declaration says, files, words, an entry or the result.

What a command prints differs from run to run in its figures and its progress bars; what counts is the set of its lines
as words, and only what is left after the spread of two equal runs.
"""

import json
import re
from pathlib import Path

from harness.files import untrusted
from harness.lanes.checks import argv
from harness.lanes.checks import attempt as train_infer
from harness.lanes.checks.context import CheckContext
from harness.lanes.checks.reproducibility import SAME, Trials
from harness.process.supervise import CompletedCommand
from harness.record.findings import Finding
from harness.targets.model import OptionProbe
from ptycho.errors import PtychoError

ROUNDING, CHANCE = 1e-6, 1.5
"""A result has changed that is further away than rounding, and than chance by this factor."""
MAX_LOG = 2**28
"""Bytes of an output whose lines are compared."""


def run(bench: CheckContext, fixture: str, path: Path, trials: Trials) -> None:
    """
    Try every declared option on one fixture.

    Args:
        bench: where to.
        fixture: name of the fixture.
        path: its file.
        trials: the trainings without.
    """
    for number, probe in enumerate(bench.target.checks.option, start=1):
        made, finished, folder = _with_option(bench, f"{fixture}-option-{number}", path, probe)
        subject = f"{probe.command} {' '.join(probe.argv)}"
        bench.outcome.findings.checked("option", subject)
        if made.fault is not None or finished is None:
            sentence = f"{subject}: {made.fault.sentence if made.fault else 'it did not run'}"
            bench.find(Finding(id="option-refused", subject=subject, sentence=sentence))
            continue
        what, effect = _effect(bench, probe, made, finished, folder, trials)
        if effect is None:
            bench.outcome.notes.append(f"{subject}: not decided: {what} differs as much between two runs without it")
            continue
        if not effect:
            sentence = f"{subject}: accepted without effect; it should change {what}"
            bench.find(Finding(id="option-ignored", subject=subject, sentence=sentence))


def _effect(
    bench: CheckContext,
    probe: OptionProbe,
    made: train_infer.TrainInferRun,
    finished: CompletedCommand,
    folder: Path,
    trials: Trials,
) -> tuple[str, bool | None]:
    """Return what an option must change, and whether it does; None where two runs without it differ as much."""
    step, plain = probe.command, (trials.once, trials.again)
    if probe.changes == "files":
        names = [files(_folder(attempt, step)) for attempt in plain]
        return "the names of the files left", files(folder) != names[0] or names[0] != names[1]
    if probe.changes == "field":
        values = [_field(_folder(attempt, step), probe.field) for attempt in plain]
        what = f"the entry {probe.field}"
        return what, None if values[0] != values[1] else _field(folder, probe.field) != values[0]
    if probe.changes == "result":
        distance, chance = bench.distance(made, trials.once), bench.distance(trials.again, trials.once)
        if distance is None or chance is None:
            return "the reconstruction", None
        if distance > max(ROUNDING, CHANCE * chance):
            return "the reconstruction", True
        return "the reconstruction", False if chance <= SAME else None
    ends = [end for attempt in plain if (end := getattr(attempt, step)) is not None]
    return "what is printed", _differs(words(finished), [words(end) for end in ends])


def _field(folder: Path, field: str) -> object:
    """An entry of a JSON file, or why there is none: a file that is not there says something, too."""
    name, _, key = field.partition(":")
    try:
        value: object = json.loads(untrusted.read_text(folder / name, MAX_LOG))
        for part in key.split("."):
            value = value[part]  # type: ignore[index]  # what is no table raises
    except (PtychoError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return type(error).__name__
    return value


def _with_option(
    bench: CheckContext, name: str, path: Path, probe: OptionProbe
) -> tuple[train_infer.TrainInferRun, CompletedCommand | None, Path]:
    """A training, or an inference after a plain training, with an option; how it ended and what it left."""
    from dataclasses import replace

    target = bench.target
    if probe.command == "train":
        made = bench.attempt(
            name,
            path,
            target=argv.with_training(argv.dumping(target), (*argv.dumping(target).working.argv, *probe.argv)),
            infer=probe.changes == "result",
        )
        return made, made.train, made.model
    dumping = argv.dumping(target)
    infer = replace(dumping.infer, argv=(*dumping.infer.argv, *probe.argv))
    made = bench.attempt(name, path, target=replace(dumping, infer=infer))
    return made, made.infer, made.output


def _folder(attempt: train_infer.TrainInferRun, step: str) -> Path:
    return attempt.model if step == "train" else attempt.output


def files(folder: Path) -> frozenset[str]:
    """Names of all files below a folder, without their numbers."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return frozenset(re.sub(r"[0-9a-f]{8,}|\d+", "#", name) for name in found)


def words(finished: CompletedCommand) -> frozenset[str]:
    """Lines of an output as their words: without figures, paths, colours, and what a progress bar is drawn with."""
    text = _CONTROL.sub(" ", untrusted.read_text(finished.log, MAX_LOG))
    lines = (re.sub(r"\S*/\S*", "PATH", line) for line in re.split(r"[\r\n]+", text))
    return frozenset(" ".join(found) for line in lines if (found := re.findall(r"[^\W\d_][^\W\d]+", line)))


_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _differs(given: frozenset[str], plain: list[frozenset[str]]) -> bool:
    """
    Whether more lines are new, or gone, than two runs without the option differ by.

    Lines that neither plain run printed are new, those that both did and this one lacks are gone.
    """
    changed = len(given - frozenset.union(*plain)) + len(frozenset.intersection(*plain) - given)
    return changed > len(plain[0] ^ plain[-1])
