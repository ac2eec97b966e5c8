"""
The course of a training, from the event log: losses epoch by epoch, seconds phase by phase.

A lane runs one command after the other, so whatever is said between a command's beginning and its end is said by that
command. That holds for a run that was killed, too, whose `history.csv` is gone with its scratch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.record.log import Row
from harness.report.load_runs import LoadedRun
from harness.report.values import finite, text


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """
    One epoch.

    Attributes:
        number: number of the epoch.
        train: mean loss of the training groups, or None.
        validation: mean loss of the validation groups, or None.
        seconds: its wall time, or None.
    """

    number: int
    train: float | None
    validation: float | None
    seconds: float | None


@dataclass(kw_only=True)
class Training:
    """
    One command that trained.

    Attributes:
        lane: that it belongs to.
        label: label of the command.
        epochs: in their order.
        phases: seconds by phase, in the order of their beginning.
        seconds: wall time of the process, or None where it did not end.
        peak_mib: largest memory of its processes, or None.
    """

    lane: str
    label: str
    epochs: list[Epoch] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    peak_mib: float | None = None

    @property
    def rest_s(self) -> float | None:
        """Seconds outside every phase: start and end of the interpreter."""
        return None if self.seconds is None else max(0.0, self.seconds - sum(self.phases.values()))

    @property
    def longest_epoch_s(self) -> float | None:
        """
        Seconds of the longest epoch.

        With its validation and checkpoint, where the phases say them; else its training alone.
        """
        trained = [epoch.seconds for epoch in self.epochs if epoch.seconds is not None]
        if not trained:
            return None
        rest = sum(self.phases.get(phase, 0.0) for phase in ("validate", "checkpoint")) / len(self.epochs)
        return max(trained) + rest


def trainings(run: LoadedRun) -> dict[str, Training]:
    """The training of each fixture of a lane's job, by fixture."""
    found: dict[str, Training] = {}
    for label, rows in _commands(run.rows).items():
        name = label.removesuffix("-train")
        if label != name and name in (*run.told.fixtures, *run.told.expected.fixtures):
            found[name] = _training(run.name, label, rows)
    return found


def _commands(rows: Sequence[Row]) -> Mapping[str, list[Row]]:
    """Events by the command that was under way."""
    found: dict[str, list[Row]] = {}
    current: str | None = None
    for row in rows:
        if row["event"] == "command.start":
            current = text(row.get("label"))
            found[current] = []
        if current is not None:
            found[current].append(row)
        if row["event"] == "command.end":
            current = None
    return found


def _training(lane: str, label: str, rows: Sequence[Row]) -> Training:
    made = Training(lane=lane, label=label)
    began: dict[tuple[object, object], float] = {}
    for row in rows:
        key, now = (row.get("pid"), row.get("phase")), finite(row.get("monotonic_s")) or 0.0
        if row["event"] == "phase.start":
            began[key] = now
            made.phases.setdefault(text(row.get("phase")), 0.0)
        elif row["event"] == "phase.end" and key in began:
            made.phases[text(row.get("phase"))] += max(0.0, now - began.pop(key))
        elif row["event"] == "epoch.end":
            losses = (finite(row.get(name)) for name in ("train_loss", "validation_loss", "seconds"))
            train, validation, seconds = losses
            number = int(finite(row.get("epoch")) or 0)
            made.epochs.append(Epoch(number=number, train=train, validation=validation, seconds=seconds))
        elif row["event"] == "command.end":
            made.seconds, made.peak_mib = finite(row.get("seconds")), finite(row.get("peak_mib"))
    return made
