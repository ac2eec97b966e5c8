"""
Options that are accepted and ignored: a command with a declared option must leave other files, or print other words.

What a command prints differs from run to run in its figures; what counts is the set of its lines without them, and
lines that two equal runs do not share do not count either.
"""

import re
from pathlib import Path

from harness.files import untrusted
from harness.lanes.checks import argv
from harness.lanes.checks import attempt as train_infer
from harness.lanes.checks.context import Bench
from harness.lanes.checks.reproducibility import Trials
from harness.process.supervise import Finished
from harness.record.findings import Finding
from harness.targets.model import OptionProbe

MAX_LOG = 2**28
"""Bytes of an output whose lines are compared."""


def run(bench: Bench, fixture: str, path: Path, trials: Trials) -> None:
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
        step = probe.command
        if probe.changes == "files":
            plain = [files(_folder(attempt, step)) for attempt in (trials.once, trials.again)]
            what, effect = "the names of the files left", files(folder) != plain[0] or plain[0] != plain[1]
        else:
            known = [
                words(end) for attempt in (trials.once, trials.again) if (end := getattr(attempt, step)) is not None
            ]
            what, effect = "what is printed", _differs(words(finished), known)
        if not effect:
            sentence = f"{subject}: accepted without effect; it should change {what}"
            bench.find(Finding(id="option-ignored", subject=subject, sentence=sentence))


def _with_option(
    bench: Bench, name: str, path: Path, probe: OptionProbe
) -> tuple[train_infer.Attempt, Finished | None, Path]:
    """A training, or an inference after a plain training, with an option; how it ended and what it left."""
    from dataclasses import replace

    target = bench.target
    if probe.command == "train":
        made = bench.attempt(
            name,
            path,
            target=argv.with_training(argv.dumping(target), (*argv.dumping(target).working.argv, *probe.argv)),
            infer=False,
        )
        return made, made.train, made.model
    dumping = argv.dumping(target)
    infer = replace(dumping.infer, argv=(*dumping.infer.argv, *probe.argv))
    made = bench.attempt(name, path, target=replace(dumping, infer=infer))
    return made, made.infer, made.output


def _folder(attempt: train_infer.Attempt, step: str) -> Path:
    return attempt.model if step == "train" else attempt.output


def files(folder: Path) -> frozenset[str]:
    """Names of all files below a folder, without their numbers."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return frozenset(re.sub(r"[0-9a-f]{8,}|\d+", "#", name) for name in found)


def words(finished: Finished) -> frozenset[str]:
    """Lines of an output without figures and paths."""
    text = untrusted.read_text(finished.log, MAX_LOG)
    lines = (re.sub(r"\S*/\S*", "PATH", line) for line in re.split(r"[\r\n]+", text))
    return frozenset(stripped for line in lines if (stripped := re.sub(r"[\d.,:e+-]+", "#", line).strip()))


def _differs(given: frozenset[str], plain: list[frozenset[str]]) -> bool:
    """Whether lines are there that neither plain run printed, or lacking that both did."""
    return bool(given - frozenset.union(*plain)) or bool(frozenset.intersection(*plain) - given)
