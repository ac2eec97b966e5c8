"""
Conditions after a kill, each a check by name: a failure says which one failed, and the table counts them by it.

The checks look at files and processes themselves wherever they can, and not through the code that is under test.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from harness.faults.kill import setup as staging
from harness.faults.kill.setup import LIMIT_S, KillSetup
from harness.faults.kill.snapshot import Guard
from harness.faults.kill.workloads import Workload
from harness.record import directory
from harness.record import log as event_log
from harness.record.directory import RunRoot
from harness.record.log import Row
from harness.runs import artifacts
from harness.targets import loader
from ptycho.verdict import Verdict

CHECKS = {
    "kill": "the kill hit a living process",
    "processes": "no process of the killed run is alive after the next one",
    "bytes": "nothing outside the run root has changed by a byte",
    "next run": "the next run in the same workspace passes and sweeps up",
    "log": "the event log is readable, and the reports made from it are whole and no pass",
    "verdict": "the run that outlives the kill says by its exit code and its reports what happened",
    "checkpoint": "the last good checkpoint loads, and a training resumes from it and ends as it should",
}


@dataclass(frozen=True, kw_only=True)
class PostconditionFailure:
    """
    Something that does not hold after a kill.

    Attributes:
        check: a key of `CHECKS`.
        sentence: what was found.
    """

    check: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.check}: {self.sentence}"


def of(check: str, sentences: Iterable[str]) -> list[PostconditionFailure]:
    """Failures of one check."""
    assert check in CHECKS, check
    return [PostconditionFailure(check=check, sentence=sentence) for sentence in sentences]


def log(content: bytes, folder: Path) -> list[str]:
    """
    Return what is wrong with a killed run's log, and with the reports that are made from it.

    Args:
        content: bytes of the log.
        folder: to make the reports in.
    """
    found = event_log.parse(content)
    wrong = [f"damaged: {damage}" for damage in found.damage if not damage.torn]
    whole = any(row["event"] == "run.end" for row in found.rows)
    folder.mkdir()
    (folder / directory.LOG).write_bytes(content)
    judged = artifacts.write(folder)
    told = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    ElementTree.parse(folder / "junit.xml")  # noqa: S314 - our own file; whether it is XML at all is the question
    if judged.partial is whole or told["partial"] is whole:
        wrong.append(f"the reports say partial: {told['partial']}, but the log {'goes' if whole else 'does not go'} on")
    if not whole and judged.verdict is Verdict.PASS:
        wrong.append("the log of a killed run is a pass")
    summary = (folder / "summary.txt").read_text(encoding="utf-8")
    if not whole and "PARTIAL" not in summary.partition("\n")[0]:
        wrong.append("the summary does not say in its first line that it is partial")
    return wrong


def verdict(run: RunRoot, code: int | None) -> list[str]:
    """Return what is wrong with how a harness ended whose training was killed."""
    path = run.path / "verdict.json"
    if not path.is_file():
        return ["there is no verdict.json"]
    told = json.loads(path.read_text(encoding="utf-8"))
    wrong = []
    if (code, told["verdict"], told["partial"]) != (Verdict.FAIL, "fail", False):
        wrong.append(
            f"exit code {code}, verdict {told['verdict']}, partial {told['partial']}; it should be a whole fail"
        )
    if not any("signal 9" in problem["message"] for problem in told["problems"]):
        wrong.append("no problem of its verdict names signal 9")
    return wrong


def save_checkpoint(run: RunRoot | None, scan: Path, folder: Path) -> Path | None:
    """Copy the last checkpoint out of a run's scratch, which the next run removes; None if there is none."""
    from ptycho.training import checkpoint

    found = None if run is None else staging.output(run, scan) / checkpoint.CHECKPOINT
    if found is None or not found.is_file():
        return None
    folder.mkdir()
    return Path(shutil.copyfile(found, folder / checkpoint.CHECKPOINT))


def epochs(rows: Sequence[Row]) -> int:
    """Epochs that a log says were trained and saved."""
    return max((int(row["epoch"]) for row in rows if row["event"] == "epoch.end"), default=0)


@dataclass(frozen=True, kw_only=True)
class ResumeResult:
    """
    The result of the last checkpoint.

    Attributes:
        loaded: whether it was there and loaded.
        epoch: it had reached.
        wrong: what is wrong with it, or with the training that resumed from it.
    """

    loaded: bool = False
    epoch: int = 0
    wrong: tuple[str, ...] = ()


def resume(
    path: Path | None, job: Workload, stage: KillSetup, name: str, *, least: int, most: int | None
) -> ResumeResult:
    """
    Load a checkpoint and train on from it to the end.

    Args:
        path: the copy, or None where there was none.
        job: whose training it was.
        stage: the campaign.
        name: name of the trial.
        least: epochs that the log had announced before the copy was made: each is saved before it is announced.
        most: epochs that it may have reached, or None where the training went on.
    """
    from ptycho.errors import CheckpointError
    from ptycho.training import checkpoint, history

    if path is None:
        return ResumeResult(wrong=(f"there is none, but the log has {least} epochs",) if least else ())
    try:
        _, meta = checkpoint.load(path)
    except CheckpointError as error:
        return ResumeResult(wrong=(str(error),))
    if meta.epoch < least or (most is not None and meta.epoch > most):
        return ResumeResult(loaded=True, epoch=meta.epoch, wrong=(f"it is of epoch {meta.epoch}, the log of {least}",))
    argv = _resuming(job, stage.scan, path.parent)
    # Places of its own: what a training leaves there is the lanes' matter, and those of the trial stay as they are.
    places = Guard(path=path.parent.with_name("resumed")).make()
    resumed = stage.start(argv, places, name, path.parent.with_name("resumed.log"))
    try:
        code = resumed.wait(LIMIT_S, stage.interruption)
    finally:
        resumed.process.kill()
        resumed.process.wait()
    if code != 0:
        return ResumeResult(loaded=True, epoch=meta.epoch, wrong=(f"resuming ended with {code}: {resumed.tail()}",))
    wrong = []
    rows = [row.epoch for row in history.read(path.with_name(history.FILE_NAME))]
    if rows != list(range(1, job.epochs + 1)):
        wrong.append(f"the resumed history has the epochs {rows}")
    tensors, _ = checkpoint.load(path.with_name(checkpoint.MODEL))
    if job.reference and checkpoint.digest(tensors) != job.reference:
        wrong.append("the resumed training ends with other weights than one that was never killed")
    return ResumeResult(loaded=True, epoch=meta.epoch, wrong=tuple(wrong))


def _resuming(job: Workload, scan: Path, folder: Path) -> list[str]:
    cache = folder.with_name("cache")
    cache.mkdir(exist_ok=True)
    values = {**job.target.settings, "python": job.python, "device": "cpu", "root": job.target.root}
    data = {"train": scan, "test": scan, "output": folder, "cache": cache}
    return [*loader.fill(job.target.working.argv, {**values, **data}), "--resume"]


def left_in(root: Path) -> list[str]:
    """Scratch that is still there, of any run that was not asked to keep it."""
    left = (run for run in directory.find(root) if not run.keeps_scratch)
    return [f"{run.scratch} is still there" for run in left if run.scratch.exists()]
