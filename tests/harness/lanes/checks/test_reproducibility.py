"""Short trainings tell a seed that is kept from one that is not, and training that matters from one that does not."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harness.lanes.checks import reproducibility
from harness.lanes.checks.attempt import TrainInferRun, attempt
from harness.lanes.checks.context import CheckContext
from harness.targets.model import Checks, Command, MLflow
from tests.support.fakes.fake_bench import Made, Runner, bench, figures, ids, learning

_FILE = Path("scan.npz")


def _main(where: CheckContext) -> TrainInferRun:
    return attempt(where.target, "small", _FILE, cells=where.cells, values=where.values, run=where.run)


def _tried(where: CheckContext) -> reproducibility.Trials:
    return reproducibility.run(where, "small", _FILE, _main(where))


def test_a_sound_pipeline_is_repeatable_and_its_training_matters(tmp_path: Path) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=learning))
    tried = _tried(where)
    assert tried.repeatable
    assert tried.effect is not None
    assert (tried.effect.chance, tried.effect.none) == (0.0, False)
    assert (tried.epoch_s, tried.start_s) == (1.0, 2.0)
    reproducibility.epochs_ignored(where, "small", tried)
    reproducibility.other_seed(where, "small", _FILE, tried)
    assert [] == ids(where.outcome)
    made = {check["check"] for check in where.outcome.findings.checks()}
    assert {"repeat", "budget", "epochs", "seed"} == made


def test_short_trainings_have_the_epochs_that_the_target_needs(tmp_path: Path) -> None:
    asked: list[object] = []

    def learns(label: str, command: Command, values: Mapping[str, object]) -> Made:
        asked.append(values["nepochs"])
        return learning(label, command, values)

    where = bench(tmp_path, Runner(folder=tmp_path, object_of=learns), checks=Checks(short_nepochs=2))
    tried = _tried(where)
    assert {2, int(str(where.values["nepochs"]))} == set(asked)
    # The runner takes 2 s and one more for each epoch.
    assert (tried.epoch_s, tried.start_s) == (1.0, 2.0)


def test_short_trainings_as_long_as_the_job_show_no_effect(tmp_path: Path) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=learning), checks=Checks(short_nepochs=5))
    tried = _tried(where)
    assert (tried.repeatable, tried.effect, tried.epoch_s) == (True, None, None)
    assert ["small: the job trains no longer than 5 epochs; its effect was not measured"] == where.outcome.notes


def _drawn(label: str, command: Command, values: Mapping[str, object]) -> Made:
    rng = np.random.default_rng([len(label), *label.encode()])
    return np.asarray(np.exp(1j * rng.normal(size=(40, 36))), np.complex64)


@pytest.mark.parametrize(("seeded", "why"), [(True, "does not keep to it"), (False, "names no seed option")])
def test_an_unseeded_pipeline_is_named_as_such(tmp_path: Path, seeded: bool, why: str) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=_drawn), seeded=seeded)
    tried = _tried(where)
    assert not tried.repeatable
    assert [("unseeded", "small")] == ids(where.outcome)
    assert why in where.outcome.problems[0].message
    # Two draws are as far apart as training and one epoch are: what training does is not seen, and not denied.
    assert tried.effect is not None
    assert (True, False) == (tried.effect.is_hidden, tried.effect.none)


def test_a_seed_without_effect(tmp_path: Path) -> None:
    runner = Runner(
        folder=tmp_path, object_of=lambda label, command, values: learning(label, command, {**values, "seed": 1})
    )
    where = bench(tmp_path, runner)
    reproducibility.other_seed(where, "small", _FILE, _tried(where))
    assert [("seed-ignored", "small")] == ids(where.outcome)


def test_epochs_without_effect(tmp_path: Path) -> None:
    runner = Runner(
        folder=tmp_path, object_of=lambda label, command, values: learning(label, command, {**values, "nepochs": 3})
    )
    where = bench(tmp_path, runner)
    tried = _tried(where)
    assert tried.effect is not None
    assert tried.effect.none
    reproducibility.epochs_ignored(where, "small", tried)
    assert [("epochs-ignored", "small")] == ids(where.outcome)


def test_an_epoch_beyond_its_budget(tmp_path: Path) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=learning, seconds=lambda epochs: 9 + 130.0 * epochs))
    tried = _tried(where)
    assert (130.0, 9.0) == (tried.epoch_s, tried.start_s)
    assert {"epoch_s": 130.0} == figures(where.outcome)
    assert "budget" == where.outcome.verdict.name.lower()


_SWITCH = Checks(mlflow=MLflow(on=("--track",), off=("--no-track",), store="mlruns"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (lambda command: ("mlruns",) if "--track" in command.argv else (), []),
        (lambda _: (), [("tracking-not-on", "")]),
        (lambda _: ("mlruns",), [("tracking-not-off", "")]),
    ],
    ids=["sound", "never", "always"],
)
def test_tracking_is_on_when_it_is_on_and_off_when_it_is_off(
    tmp_path: Path, files: object, expected: list[tuple[str, str]]
) -> None:
    runner = Runner(folder=tmp_path, object_of=learning, files_of=files)  # type: ignore[arg-type]
    where = bench(tmp_path, runner, checks=_SWITCH)
    main = _main(where)
    reproducibility.tracking_off(where, main)
    reproducibility.other_seed(where, "small", _FILE, reproducibility.run(where, "small", _FILE, main))
    assert expected == ids(where.outcome)


def test_a_trial_that_fails_is_reported_and_proves_nothing(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, object_of=learning, returncode_of=lambda label: int("again" in label))
    where = bench(tmp_path, runner)
    tried = _tried(where)
    assert [("exit-code", "train on small-again")] == ids(where.outcome)
    assert (False, None) == (tried.repeatable, tried.effect)
    assert not where.outcome.findings.was_checked("unseeded", "small")
