"""
Moments of a kill: an event of the run's own log, and a random while after it, so that every phase is hit.

Kills at random times of day would nearly all hit the longest phase. So the phase is drawn first, and the moment in it
afterwards. What a kill really hit is read from the log, in `phase`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.record.log import Row


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """
    A part of a run in which to kill.

    Attributes:
        name: name of the part.
        event: that begins it; "" for the start of the process.
        holds: text that a field of the event ends with, by the field's name.
        many: whether the event comes once an epoch; then one of them is drawn.
        spread_s: for how long after the event the kill may come, with the stand-in.
        real_spread_s: and with a framework.
        trains: whether a training is alive then.
    """

    name: str
    event: str = ""
    holds: tuple[str, str] = ("", "")
    many: bool = False
    spread_s: float
    real_spread_s: float
    trains: bool = False


TRAIN, INFER = ("label", "-train"), ("label", "-infer")
ANCHORS = (
    Anchor(name="before the log", spread_s=0.4, real_spread_s=0.4),
    Anchor(name="the beginning", event="run.start", spread_s=0.01, real_spread_s=0.01),
    Anchor(name="training starts", event="command.start", holds=TRAIN, spread_s=0.2, real_spread_s=0.3, trains=True),
    Anchor(name="data", event="phase.start", holds=("phase", "data"), spread_s=0.03, real_spread_s=0.03, trains=True),
    Anchor(
        name="import", event="phase.start", holds=("phase", "import"), spread_s=0.01, real_spread_s=2.0, trains=True
    ),
    Anchor(name="build", event="phase.start", holds=("phase", "build"), spread_s=0.02, real_spread_s=0.3, trains=True),
    Anchor(
        name="epoch",
        event="phase.start",
        holds=("phase", "train"),
        many=True,
        spread_s=0.005,
        real_spread_s=1.0,
        trains=True,
    ),
    Anchor(
        name="checkpoint",
        event="phase.start",
        holds=("phase", "checkpoint"),
        many=True,
        spread_s=0.003,
        real_spread_s=0.03,
        trains=True,
    ),
    Anchor(name="save", event="phase.start", holds=("phase", "save"), spread_s=0.2, real_spread_s=0.2, trains=True),
    Anchor(name="inference", event="command.start", holds=INFER, spread_s=0.2, real_spread_s=2.0),
    Anchor(name="scoring", event="command.end", holds=INFER, spread_s=2.0, real_spread_s=2.0),
    Anchor(name="the end", event="fixture.end", spread_s=0.03, real_spread_s=0.03),
)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """
    Moment of a kill.

    Attributes:
        anchor: the part of the run.
        nth: which of its events to wait for, from 1.
        delay_s: and how long after it.
    """

    anchor: Anchor
    nth: int
    delay_s: float

    def __str__(self) -> str:
        which = f" {self.nth}" if self.anchor.many else ""
        return f"{self.anchor.name}{which} + {1e3 * self.delay_s:.1f} ms"


def draw(rng: random.Random, *, real: bool, trains: bool, epochs: int) -> Moment:
    """
    Draw a moment.

    Args:
        rng: source of chance.
        real: whether a framework trains.
        trains: whether a training must be alive then.
        epochs: how many the training has.
    """
    anchor = rng.choice([found for found in ANCHORS if found.trains or not trains])
    return again(rng, anchor, real=real, epochs=epochs)


def again(rng: random.Random, anchor: Anchor, *, real: bool, epochs: int) -> Moment:
    """Another moment in the same part of a run."""
    spread_s = anchor.real_spread_s if real else anchor.spread_s
    nth = rng.randint(1, epochs) if anchor.many else 1
    return Moment(anchor=anchor, nth=nth, delay_s=rng.uniform(0, spread_s))


def reached(moment: Moment, rows: Sequence[Row]) -> bool:
    """Whether a log has come to a moment's event."""
    anchor = moment.anchor
    if not anchor.event:
        return True
    field, end = anchor.holds
    fitting = [row for row in rows if row["event"] == anchor.event and str(row.get(field, "")).endswith(end)]
    return len(fitting) >= moment.nth


def phase(rows: Sequence[Row]) -> str:
    """Return what was under way when a log ended, in words: the training's phase, a command, or the harness alone."""
    if not rows:
        return "before its log"
    open_phases: dict[str, None] = {}
    commands: dict[str, None] = {}
    begun = False
    for row in rows:
        name, label = str(row.get("phase")), str(row.get("label"))
        match row["event"]:
            case "phase.start":
                open_phases[name], begun = None, True
            case "phase.end":
                open_phases.pop(name, None)
            case "command.start":
                commands[label], begun = None, False
            case "command.end":
                commands.pop(label, None)
                open_phases.clear()
    if rows[-1]["event"] == "run.end":
        return "after its verdict"
    command = next(iter(commands), "")
    if command.endswith(TRAIN[1]):
        inside = next(reversed(open_phases), "between phases" if begun else "starting")
        return f"training: {inside}"
    return "inference" if command.endswith(INFER[1]) else command or "the harness alone"
