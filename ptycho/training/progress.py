"""
Shows a training while it runs: a bar on a terminal, one line an epoch elsewhere, nothing when quiet.

rich costs a tenth of a second to import and is imported only when there is something to draw. The line of an epoch
goes to the log in every case; whether it also reaches the screen is the log's business (`ptycho.files`).
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ptycho.training.engine import Batch
from ptycho.training.history import EpochRecord

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

log = logging.getLogger(__name__)


class Progress:
    """
    Progress of a training, as a context manager.

    Args:
        total_epochs: epochs of the whole training.
        steps_per_epoch: batches of one epoch.
        quiet: draw nothing.

    Example:
        >>> with Progress(1, 2, quiet=True) as progress:
        ...     progress.epoch(1)
        ...     steps = len(list(progress.wrap([])))
        >>> steps
        0
    """

    def __init__(self, total_epochs: int, steps_per_epoch: int, quiet: bool = False) -> None:
        self._total_epochs = total_epochs
        self._steps_per_epoch = steps_per_epoch
        self._draws = not quiet and sys.stderr.isatty()
        self._epoch = 0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._draws:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
                BarColumn(),
                TextColumn("batch {task.fields[batch]}/{task.fields[batches]}  {task.fields[loss]}"),
                TextColumn("{task.fields[rate]} patterns/s  left"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(
                "training",
                total=self._total_epochs * self._steps_per_epoch,
                epoch=0,
                epochs=self._total_epochs,
                batch=0,
                batches=self._steps_per_epoch,
                loss="",
                rate="-",
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def epoch(self, number: int) -> None:
        """Begin epoch `number`, counted from 1; a resumed training begins above 1."""
        self._epoch = number
        if self._bar is not None and self._task is not None:
            done = (number - 1) * self._steps_per_epoch
            self._bar.update(self._task, completed=done, epoch=number, batch=0)

    def wrap(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Hand batches on and count them: a batch is done when the next one is asked for."""
        if self._bar is None or self._task is None:
            yield from batches
            return
        started, patterns = perf_counter(), 0
        for number, batch in enumerate(batches, start=1):
            yield batch
            patterns += batch.indices.size
            rate = f"{patterns / max(perf_counter() - started, 1e-9):.0f}"
            self._bar.update(self._task, advance=1, batch=number, rate=rate)

    def finish_epoch(self, row: EpochRecord) -> None:
        """Log the epoch's line, and show it above the bar where there is one."""
        line = (
            f"epoch {row.epoch}/{self._total_epochs}  loss {row.train_loss:.6g}  validation {row.validation_loss:.6g}  "
            f"deviance {row.train_deviance:.4g}/{row.validation_deviance:.4g}  lr {row.learning_rate:.3g}  "
            f"{row.seconds:.1f} s  {row.patterns_per_second:.0f} patterns/s"
        )
        log.info(line)
        if self._bar is not None and self._task is not None:
            self._bar.console.print(line, highlight=False, markup=False)
            self._bar.update(self._task, loss=f"loss {row.train_loss:.6g}")
