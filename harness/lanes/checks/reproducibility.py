"""
Short trainings: does the same command give the same result, does the seed matter, does training matter?

Three trainings of one epoch on the first fixture answer them all: once, again, and with another seed and with
tracking on. Together with the job's own training, which is longer, they also say what an epoch takes and what the rest.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.lanes.checks import argv, attempt
from harness.lanes.checks.context import CheckContext
from harness.lanes.checks.quality import Effect
from harness.record.findings import Finding

SAME = 1e-3
"""Distance up to which two results count as one: threads that add in another order move a short training by 1e-5."""
EPOCH_S = 120.0
"""What an epoch may take."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """
    The trainings of one epoch.

    Attributes:
        once: the first.
        again: the same command again.
        repeatable: whether both gave the same.
        effect: what the job's longer training does beyond one epoch, where that could be measured.
        epoch_s: seconds of one more epoch, or None.
        start_s: seconds of a training outside its epochs, or None.
    """

    once: attempt.TrainInferRun
    again: attempt.TrainInferRun
    repeatable: bool = False
    effect: Effect | None = None
    epoch_s: float | None = None
    start_s: float | None = None


def run(bench: CheckContext, fixture: str, path: Path, main: attempt.TrainInferRun) -> Trials:
    """
    Train for one epoch, twice, and compare.

    Args:
        bench: where to.
        fixture: name of the fixture.
        path: its file.
        main: the job's own attempt on it.
    """
    dumping = argv.dumping(bench.target)
    words = ("once", "again")
    once, again = bench.attempts([partial(bench.attempt, f"{fixture}-{word}", path, target=dumping) for word in words])
    for made in (once, again):
        if made.fault is not None:
            bench.find(made.fault)
    chance = bench.distance(again, once)
    if chance is None:
        return Trials(once=once, again=again)
    bench.outcome.findings.checked("repeat", fixture)
    if not chance <= SAME:
        takes = argv.takes(bench.target, "seed")
        why = (
            "it is given a seed and does not keep to it"
            if takes
            else "its file names no seed option ([checks] seed_flag)"
        )
        sentence = (
            f"{fixture}: the same command twice gave reconstructions {chance:.1e} apart; allowed: {SAME:g}; {why}"
        )
        bench.find(Finding(id="unseeded", subject=fixture, sentence=sentence, figures={"distance": chance}))
    epochs = int(str(bench.values["nepochs"]))
    short = bench.target.checks.short_nepochs
    trained = bench.distance(main, once) if epochs > short and argv.takes(bench.target, "nepochs") else None
    if trained is None:
        bench.outcome.notes.append(
            f"{fixture}: the job trains no longer than {_epochs(short)}; its effect was not measured"
        )
        return Trials(once=once, again=again, repeatable=chance <= SAME)
    epoch_s, start_s = _pace(bench, fixture, main, once, epochs)
    effect = Effect(trained=trained, chance=chance)
    return Trials(once=once, again=again, repeatable=chance <= SAME, effect=effect, epoch_s=epoch_s, start_s=start_s)


def _pace(
    bench: CheckContext, fixture: str, main: attempt.TrainInferRun, once: attempt.TrainInferRun, epochs: int
) -> tuple[float | None, float | None]:
    """Seconds of an epoch, and of all the rest, from trainings of two lengths."""
    long, short = main.working, once.working
    if long is None or short is None:
        return None, None
    few = bench.target.checks.short_nepochs
    epoch_s = max(0.0, (long.seconds - short.seconds) / (epochs - few))
    bench.outcome.findings.checked("budget", fixture)
    if epoch_s > EPOCH_S:
        sentence = f"{fixture}: an epoch takes {epoch_s:.0f} s; allowed: {EPOCH_S:g} s"
        bench.find(Finding(id="epoch-over-budget", subject=fixture, sentence=sentence, figures={"epoch_s": epoch_s}))
    return epoch_s, max(0.0, short.seconds - few * epoch_s)


def _epochs(number: int) -> str:
    return "one epoch" if number == 1 else f"{number} epochs"


def other_seed(bench: CheckContext, fixture: str, path: Path, trials: Trials) -> None:
    """
    Train with another seed and with tracking on: the result must change, the store must appear.

    The two are tried at once, since neither can hide the other, and a training is dear.
    """
    target = bench.target
    seeded, mlflow = argv.takes(target, "seed"), target.checks.mlflow
    if not seeded and mlflow is None:
        return
    seed = int(str(bench.values["seed"])) + 1
    made = bench.attempt(
        f"{fixture}-other",
        path,
        target=argv.tracked(argv.dumping(target)),
        infer=seeded or target.train is None,
        seed=seed,
    )
    if made.fault is not None:
        bench.find(made.fault)
        return
    if seeded and trials.repeatable:
        distance = bench.distance(made, trials.once)
        bench.outcome.findings.checked("seed", fixture)
        if distance is not None and distance <= 1e-6:
            sentence = f"{fixture}: seed {seed} gives what seed {seed - 1} gives ({distance:.1e} apart); is it used?"
            bench.find(Finding(id="seed-ignored", subject=fixture, sentence=sentence, figures={"distance": distance}))
    if mlflow is not None:
        bench.outcome.findings.checked("tracking")
        if not (made.model / mlflow.store).exists():
            sentence = f"{fixture}: training with tracking ({' '.join(mlflow.on) or 'on'}) left no {mlflow.store!r}"
            bench.find(Finding(id="tracking-not-on", sentence=sentence))


def tracking_off(bench: CheckContext, main: attempt.TrainInferRun) -> None:
    """The job trains without tracking: nothing of it may be there."""
    mlflow = bench.target.checks.mlflow
    if mlflow is None:
        return
    bench.outcome.findings.checked("tracking")
    if (main.model / mlflow.store).exists():
        sentence = f"training without tracking ({' '.join(mlflow.off) or 'off'}) left {mlflow.store!r}"
        bench.find(Finding(id="tracking-not-off", sentence=sentence))


def epochs_ignored(bench: CheckContext, fixture: str, trials: Trials) -> None:
    """A good reconstruction that one epoch gives to the last bit as well: the number of epochs has no effect."""
    if trials.effect is None:
        return
    bench.outcome.findings.checked("epochs", fixture)
    if trials.repeatable and trials.effect.trained <= 1e-6:
        short = _epochs(bench.target.checks.short_nepochs)
        sentence = f"{fixture}: training for {short} gives what {bench.values['nepochs']} give; is their number used?"
        figures = {"distance": trials.effect.trained}
        bench.find(Finding(id="epochs-ignored", subject=fixture, sentence=sentence, figures=figures))
