"""What trainings said while they ran, by the command that was under way."""

from pathlib import Path

from harness.report import load_runs, timeline
from tests.support import sample_log, sample_runs


def test_epochs_and_phases_belong_to_the_command_that_ran(tmp_path: Path, scan: Path) -> None:
    found = timeline.trainings(load_runs.load(sample_runs.lane(tmp_path, "torch", scan)))
    training = found.pop("scan")
    assert {} == found
    assert [(1, -1210.0, -1209.0, 1.5), (2, -1220.0, -1218.0, 1.5), (3, -1230.0, -1227.0, 1.5)] == [
        (epoch.number, epoch.train, epoch.validation, epoch.seconds) for epoch in training.epochs
    ]
    assert ({"train": 4.5}, 9.0, 4.5, 1.5) == (
        training.phases,
        training.seconds,
        training.rest_s,
        training.longest_epoch_s,
    )


def test_what_the_suite_trains_is_nobodys_curve(tmp_path: Path) -> None:
    rows = sample_log.whole()
    at = next(number for number, row in enumerate(rows) if row["event"] == "suite.end")
    rows.insert(at, sample_log.training("epoch.end", epoch=1, train_loss=5.0))
    run = load_runs.load(sample_log.write(tmp_path, rows))
    assert [(1, None)] == [(epoch.number, epoch.train) for epoch in timeline.trainings(run)["scan"].epochs]


def test_a_killed_training_keeps_the_epochs_that_it_ended(tmp_path: Path) -> None:
    training = timeline.trainings(load_runs.load(sample_runs.killed(tmp_path, "torch")))["scan"]
    assert ([1, 2], None, None) == ([epoch.number for epoch in training.epochs], training.seconds, training.rest_s)


def test_an_epoch_has_its_share_of_validation_and_checkpoint() -> None:
    epochs = [timeline.Epoch(number=number, train=0, validation=0, seconds=number) for number in (1, 2)]
    training = timeline.Training(lane="a", label="b", epochs=epochs, phases={"validate": 1.0, "checkpoint": 0.5})
    assert 2.75 == training.longest_epoch_s
    assert None is timeline.Training(lane="a", label="b").longest_epoch_s
