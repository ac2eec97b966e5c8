"""
The folder that a run writes into: made and tried before anything costs time, its files whole or absent, its log.

Whether a folder can be written is found out by writing: permission bits say nothing to root, on a read-only mount or
on a full disk.
"""

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ptycho.errors import InfrastructureError

LOGGED_PACKAGES = ("ptycho", "ptycho_torch", "ptycho_tf")
"""Packages whose loggers are opened to INFO while a run writes its log."""

TRAIN_LOG = "train.log"
_PRINTED = "printed"
"""Attribute of a log record that is on stderr already."""

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def prepare(directory: Path) -> Path:
    """
    Make an output folder, with its parents, and prove that a file can be written there.

    Args:
        directory: the folder; it may exist already.

    Returns:
        Its absolute path, so that a later change of the working directory does not move the output.

    Raises:
        InfrastructureError: it is a file, cannot be made, or takes no file.
    """
    try:
        folder = Path(directory).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / _part_name()
        try:
            with trial.open("xb") as handle:
                handle.write(b"trial")
                handle.flush()
                os.fsync(handle.fileno())
        finally:
            trial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InfrastructureError(
            f"the output folder {str(directory)!r} cannot be used: {_reason(error, Path(directory))}; "
            "give a folder that can be made and written"
        ) from error
    return folder


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """
    A binary file that takes the place of `path` when the block ends well; else `path` stays as it was.

    File and folder are synced: after a power cut, too, the path holds the old bytes or the new ones.

    Raises:
        InfrastructureError: the folder is missing, not writable, or full.
    """
    part = path.with_name(_part_name())
    try:
        try:
            with part.open("xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        state = "the file that was there is unchanged" if path.exists() else "no file was left"
        raise InfrastructureError(
            f"{str(path)!r} cannot be written: {_reason(error, path.parent)}; {state}; "
            "free space or choose another folder, then run again (a training: with --resume)"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all; raises as `replacing` does."""
    with replacing(path) as handle:
        handle.write(text.encode())


@contextmanager
def logging_to(directory: Path, *, quiet: bool = False, name: str = TRAIN_LOG) -> Iterator[Path]:
    """
    Send the project's log to a file in the folder, and what a reader should see to stderr.

    The file is appended to, so that a resumed training continues its log. stdout gets nothing. stderr gets every
    line; only warnings where it is a terminal, because the progress bar is there; only errors when quiet.

    Args:
        directory: an output folder that `prepare` returned.
        quiet: errors only on stderr.
        name: the log's file name.

    Raises:
        InfrastructureError: the log cannot be opened.
    """
    path = directory / name
    try:
        file: logging.Handler = logging.FileHandler(path, mode="a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InfrastructureError(
            f"the log {str(path)!r} cannot be opened: {_reason(error, directory)}; choose another folder"
        ) from error
    file.setFormatter(logging.Formatter(_FORMAT))
    file.setLevel(logging.INFO)
    console = _Console()
    console.setLevel(logging.ERROR if quiet else logging.WARNING if sys.stderr.isatty() else logging.INFO)
    loggers = [logging.getLogger(package) for package in LOGGED_PACKAGES]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.INFO)
            logger.addHandler(file)
            logger.addHandler(console)
        yield path
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(console)
            logger.removeHandler(file)
            logger.setLevel(level)
        file.close()


def warn(message: str, log: logging.Logger | None = None) -> None:
    """
    Print a warning that a reader must see, however quiet the run is.

    Args:
        message: one sentence.
        log: where it is written, too; only while `logging_to` keeps a log.
    """
    print(f"warning: {message}", file=sys.stderr, flush=True)
    if log is not None:
        log.warning(message, extra={_PRINTED: True})


class _Console(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment: a live progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, _PRINTED):
            return
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        try:
            print(f"{prefix}{self.format(record)}", file=sys.stderr, flush=True)
        except OSError:
            self.handleError(record)


def _part_name() -> str:
    """Short and hidden: a path's own name may already be as long as the file system allows."""
    return f".part-{os.getpid()}-{secrets.token_hex(4)}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError | ValueError, folder: Path) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "there is a file where the folder should be"
    if isinstance(error, FileNotFoundError):
        return f"there is no folder {str(folder)!r}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
