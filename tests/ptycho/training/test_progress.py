import io
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ptycho.training import progress as module
from ptycho.training.engine import Batch
from ptycho.training.history import EpochRecord
from ptycho.training.progress import Progress

ROW = EpochRecord(
    epoch=2,
    train_loss=-1.23456789,
    validation_loss=-1.5,
    train_deviance=0.5,
    validation_deviance=0.25,
    learning_rate=1e-3,
    seconds=12.34,
    patterns_per_second=87.6,
)
LINE = "epoch 2/3  loss -1.23457  validation -1.5  deviance 0.5/0.25  lr 0.001  12.3 s  88 patterns/s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def batch() -> Batch:
    return Batch(
        diffraction=np.zeros((4, 1, 2, 2), dtype=np.float32),
        coords_offsets=np.zeros((4, 1, 2, 1)),
        coords_relative=np.zeros((4, 1, 2, 1)),
        indices=np.zeros((4, 1), dtype=np.int64),
    )


def train(progress: Progress) -> list[Batch]:
    batches = [batch() for _ in range(5)]
    with progress:
        progress.epoch(2)
        seen = list(progress.wrap(batches))
        progress.finish_epoch(ROW)
    assert all(expected is actual for expected, actual in zip(batches, seen, strict=True))
    return seen


@pytest.mark.parametrize(("quiet", "terminal"), [(False, False), (True, False), (True, True)])
def test_without_a_bar_only_the_log_gets_a_line(
    quiet: bool,
    terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    caplog.set_level(logging.INFO, logger="ptycho")

    train(Progress(3, 5, quiet=quiet))

    assert [record.getMessage() for record in caplog.records] == [LINE]
    assert (screen.getvalue(), capsys.readouterr().out) == ("", "")


def test_a_terminal_gets_a_bar_and_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")

    progress = Progress(3, 5)
    train(progress)

    drawn = screen.getvalue()
    assert all(part in drawn for part in (LINE, "epoch 2/3", "batch 5/5", "patterns/s", "loss -1.23457"))
    assert capsys.readouterr().out == ""


def test_a_resumed_training_starts_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())

    with Progress(4, 5) as progress:
        progress.epoch(3)
        assert progress._bar is not None
        assert progress._bar.tasks[0].completed == 10
        list(progress.wrap([batch(), batch()]))
        assert progress._bar.tasks[0].completed == 12
        assert progress._bar.tasks[0].total == 20


def test_rich_is_imported_only_to_draw() -> None:
    program = (
        "import sys; from ptycho.training.progress import Progress\n"
        "with Progress(1, 1) as progress: progress.epoch(1); list(progress.wrap([]))\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(module.__file__).parents[2],
    )

    assert done.stdout == "False\n"
