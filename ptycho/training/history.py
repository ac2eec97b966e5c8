"""
`history.csv`: one row an epoch, written by the training itself, whatever the logger or the tracker does.

A row is on the disk before the next epoch starts, and reads back to the same floats, so that a resumed training can
be compared with an uninterrupted one bit for bit.
"""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ptycho import files
from ptycho.errors import CheckpointError, InfrastructureError

FILE_NAME = "history.csv"


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """
    One epoch.

    Attributes:
        epoch: number of the epoch.
        train_loss: mean objective over the training groups.
        validation_loss: mean objective over the validation groups.
        train_deviance: mean Poisson deviance per pixel, training groups.
        validation_deviance: mean Poisson deviance per pixel, validation groups.
        learning_rate: rate of the epoch's last step.
        seconds: wall time of the epoch.
        patterns_per_second: training patterns per second.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    train_deviance: float
    validation_deviance: float
    learning_rate: float
    seconds: float
    patterns_per_second: float


COLUMNS = tuple(item.name for item in fields(EpochRecord))


def append(path: Path, row: EpochRecord) -> None:
    """
    Add a row and sync it to the disk; the header line comes first in a new file.

    Raises:
        InfrastructureError: the file cannot be written.
    """
    try:
        with path.open("ab") as handle:
            handle.write(_text([row], header=handle.tell() == 0).encode())
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise InfrastructureError(
            f"epoch {row.epoch} cannot be written to {str(path)!r}: {error.strerror}; "
            "free space or choose another folder, then run again with --resume"
        ) from error


def read(path: Path) -> tuple[EpochRecord, ...]:
    """
    The rows of a history.

    Raises:
        CheckpointError: missing, or a line that is not a row.
    """
    lines = _lines(path)
    return tuple(_row(path, number, line) for number, line in enumerate(lines[1:], start=2))


def truncate(path: Path, epoch: int) -> tuple[EpochRecord, ...]:
    """
    Drop, atomically, every row after `epoch`: what a killed training wrote after its last checkpoint.

    A last line without its line end is such a leftover, too. A missing file is left missing.

    Returns:
        The rows that stay.

    Raises:
        CheckpointError: a line before the last that is not a row.
        InfrastructureError: the file cannot be written.
    """
    if not path.exists():
        return ()
    rows = [_row(path, number, line) for number, line in enumerate(_lines(path, whole=True)[1:], start=2)]
    kept = tuple(row for row in rows if row.epoch <= epoch)
    files.write_text(path, _text(kept, header=True))
    return kept


def _text(rows: Sequence[EpochRecord], *, header: bool) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    # float() first: NumPy's scalars would be written as np.float64(0.5).
    writer.writerows([int(row.epoch), *(repr(float(value)) for value in astuple(row)[1:])] for row in rows)
    return buffer.getvalue()


def _lines(path: Path, *, whole: bool = False) -> list[str]:
    """All lines, or only those with a line end; the first is the header."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"the history {str(path)!r} cannot be read: {error}; give the --output_dir of a training"
        ) from error
    if whole:
        text = text[: text.rfind("\n") + 1]
    lines = text.splitlines()
    if lines and lines[0] != ",".join(COLUMNS):
        raise CheckpointError(
            f"{str(path)!r} is not a history: expected the header {','.join(COLUMNS)}, found {lines[0]!r}; "
            "move the file away"
        )
    return lines


def _row(path: Path, number: int, line: str) -> EpochRecord:
    cells = line.split(",")
    try:
        return EpochRecord(
            epoch=int(cells[0]), **dict(zip(COLUMNS[1:], (float(cell) for cell in cells[1:]), strict=True))
        )
    except ValueError as error:
        raise CheckpointError(
            f"line {number} of {str(path)!r} is not a row: expected {len(COLUMNS)} numbers, found {line!r}; "
            "remove the line, or move the file away"
        ) from error
