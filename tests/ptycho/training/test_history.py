import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho.errors import CheckpointError, InfrastructureError
from ptycho.training import history
from ptycho.training.history import EpochRecord


def row(epoch: int, loss: float = -0.1) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        train_loss=loss,
        validation_loss=loss * 3,
        train_deviance=1 / 3,
        validation_deviance=math.pi,
        learning_rate=1e-3,
        seconds=12.5,
        patterns_per_second=5e-324,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / history.FILE_NAME


def test_rows_read_back_to_the_same_floats(path: Path) -> None:
    rows = (row(1, 0.1 + 0.2), row(2, -math.inf), row(3, 1.7976931348623157e308))
    for item in rows:
        history.append(path, item)

    assert rows == history.read(path)


def test_a_nan_is_kept(path: Path) -> None:
    history.append(path, row(1, math.nan))

    assert math.isnan(history.read(path)[0].train_loss)


def test_the_file_is_plain_csv_also_for_numpy_scalars(path: Path) -> None:
    values: dict[str, Any] = {name: np.float32(0.5) for name in history.COLUMNS[1:]}
    history.append(path, EpochRecord(epoch=int(np.int64(4)), **values))

    assert path.read_text() == (
        "epoch,train_loss,validation_loss,train_deviance,validation_deviance,learning_rate,seconds,patterns_per_second\n"
        "4,0.5,0.5,0.5,0.5,0.5,0.5,0.5\n"
    )


def test_truncate_drops_the_epochs_after_the_checkpoint_and_a_half_written_line(path: Path) -> None:
    for epoch in (1, 2, 3):
        history.append(path, row(epoch))
    with path.open("a") as file:
        file.write("4,0.25")

    assert (row(1), row(2)) == history.truncate(path, 2)
    assert (row(1), row(2)) == history.read(path)

    history.append(path, row(3, 9.0))
    assert (row(1), row(2), row(3, 9.0)) == history.read(path)
    assert [path] == list(path.parent.iterdir())


def test_truncate_to_nothing_leaves_a_header_and_a_missing_file_missing(path: Path) -> None:
    assert history.truncate(path, 5) == ()
    assert not path.exists()

    history.append(path, row(1))
    assert history.truncate(path, 0) == ()
    history.append(path, row(1, 2.0))
    assert (row(1, 2.0),) == history.read(path)


def test_a_half_written_header_is_written_again(path: Path) -> None:
    path.write_text("epoch,train_")

    assert history.truncate(path, 1) == ()
    history.append(path, row(2))
    assert (row(2),) == history.read(path)


@pytest.mark.parametrize("line", ["2,0.5", "two,1,1,1,1,1,1,1", "2,x,1,1,1,1,1,1", "2,1,1,1,1,1,1,1,1", ""])
def test_a_line_that_is_no_row_is_named(path: Path, line: str) -> None:
    history.append(path, row(1))
    with path.open("a") as file:
        file.write(line + "\n")

    with pytest.raises(CheckpointError, match=r"line 3 of '.*history.csv' is not a row: expected 8 numbers"):
        history.read(path)


def test_other_files_and_missing_ones_are_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        history.read(path)
    path.write_text("epoch;loss\n1;2\n")
    with pytest.raises(CheckpointError, match=r"expected the header epoch,train_loss,.* found 'epoch;loss'"):
        history.truncate(path, 1)


def test_a_row_that_cannot_be_written_is_an_error_of_the_machine(path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"epoch 1 cannot be written to .* with --resume"):
        history.append(path.parent / "no" / "history.csv", row(1))


def test_a_failing_truncation_keeps_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history.append(path, row(1))

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InfrastructureError, match="unchanged"):
        history.truncate(path, 0)

    assert (row(1),) == history.read(path)


def test_columns_are_the_fields_of_a_row() -> None:
    assert tuple(asdict(row(1))) == history.COLUMNS
