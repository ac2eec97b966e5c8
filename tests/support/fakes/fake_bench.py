"""A bench without processes: what each command leaves and prints is a function of its label and its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.isolation.sandbox import Sandbox
from harness.lanes.checks.context import CheckContext
from harness.process.supervise import CompletedCommand
from harness.record.outcome import Outcome
from harness.targets import loader
from harness.targets.model import Checks, Command
from tests.support.fakes import fake_target

Made = NDArray[np.complex64]


@dataclass(kw_only=True)
class Runner:
    """
    A `attempt.Runner` that starts nothing.

    Attributes:
        folder: for logs.
        object_of: the reconstruction, by the training's label, arguments and values.
        returncode_of: exit code of a command.
        files_of: further files that a training leaves.
        seconds: of a training, by its number of epochs.
        labels: of the commands so far.
    """

    folder: Path
    object_of: Callable[[str, Command, Mapping[str, object]], Made]
    returncode_of: Callable[[str], int] = lambda _: 0
    files_of: Callable[[Command], tuple[str, ...]] = lambda _: ()
    seconds: Callable[[int], float] = lambda epochs: 2.0 + epochs
    labels: list[str] = field(default_factory=list)
    made: dict[Path, Made] = field(default_factory=dict)

    def __call__(self, label: str, command: Command, cell: Sandbox, values: Mapping[str, object]) -> CompletedCommand:
        self.labels.append(label)
        log = self.folder / f"{label}.log"
        log.write_text(f"{' '.join(command.argv)}\n")
        code = self.returncode_of(label)
        if code == 0:
            self._leave(label, command, cell.output, values)
        return CompletedCommand(
            argv=command.argv,
            pid=1,
            returncode=code,
            seconds=self.seconds(int(str(values["nepochs"]))),
            started=0.0,
            timed_out=False,
            survivors=(),
            log=log,
        )

    def _leave(self, label: str, command: Command, output: Path, values: Mapping[str, object]) -> None:
        output.mkdir(parents=True)
        if label.endswith("-train"):
            self.made[output] = self.object_of(label, command, values)
            for name in ("weights.bin", "summary.json", *self.files_of(command)):
                (output / name).write_text("x")
        else:
            obj = self.made[Path(str(values["model"]))]
            crop = np.array([0, obj.shape[0], 0, obj.shape[1]])
            np.savez(output / "reconstruction.npz", object=obj, overlap=np.ones(obj.shape), crop=crop)


def bench(
    folder: Path, runner: Runner, *, checks: Checks | None = None, seeded: bool = True, epochs: int = 5
) -> CheckContext:
    """A bench about the fake target, whose training is given its number of epochs and, as a rule, a seed."""
    target = replace(loader.load(fake_target.write(folder / "target", suite=None)), checks=checks or Checks())
    argv = ("fit", "{nepochs}", *(("{seed}",) if seeded else ()))
    root = folder / "run"
    (root / "pictures").mkdir(parents=True)
    return CheckContext(
        target=replace(target, train=replace(target.working, argv=argv), summary=None),
        values={"nepochs": epochs, "seed": 42},
        cells=folder / "cells",
        run=runner,
        outcome=Outcome(lane="fake-cpu", device="cpu", run_root=root),
        reproduce=("python", "-m", "harness", "run"),
    )


def learning(label: str, command: Command, values: Mapping[str, object]) -> Made:
    """An object that depends on epochs and seed, as that of a sound pipeline does."""
    rng = np.random.default_rng(int(str(values["seed"])))
    start = rng.normal(size=(40, 36))
    weight = 1 / int(str(values["nepochs"]))
    truth = np.angle(fake_target.truth(40)[:, :36])
    return np.asarray(np.exp(1j * (weight * start + (1 - weight) * truth)), np.complex64)


def ids(outcome: Outcome) -> list[tuple[str, str]]:
    """Ids and subjects of an outcome's findings."""
    return [(finding.id, finding.subject) for finding in outcome.findings]


def figures(outcome: Outcome) -> dict[str, Any]:
    """Figures of an outcome's only finding."""
    (finding,) = outcome.findings
    return dict(finding.figures)
