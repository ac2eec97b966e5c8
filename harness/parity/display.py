"""
What a run of the ladder shows while it works: bars on a terminal, a line a question elsewhere, nothing when quiet.

The verdict of the low rungs is told as soon as it is known: whoever has drifted a default need not wait for a
trajectory.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.parity.ladder import Climbed
from harness.parity.questions import Question

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """
    Progress of a run, as a context manager.

    Args:
        parties: names of those who answer.
        questions: what they are asked.
        quiet: show nothing.
    """

    def __init__(self, parties: Sequence[str], questions: Sequence[Question], *, quiet: bool) -> None:
        self._parties = parties
        self._questions = questions
        self._quiet = quiet
        self._started = time.monotonic()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if not self._quiet and sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            bar = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[doing]}"), TimeElapsedColumn()
            self._bars = Progress(TextColumn("{task.description:6}"), *bar, transient=True)
            for name in self._parties:
                first = self._questions[0].label if self._questions else ""
                self._tasks[name] = self._bars.add_task(name, total=len(self._questions), doing=first)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def answered(self, party: str, done: int) -> None:
        """A party has answered so many questions."""
        if self._bars is not None:
            doing = self._questions[done].label if done < len(self._questions) else "done"
            self._bars.update(self._tasks[party], completed=done, doing=doing)
        elif not self._quiet:
            label = self._questions[done - 1].label
            self.say(f"{party} answered {label} ({done} of {len(self._questions)})")

    def judged(self, climbed: Sequence[Climbed]) -> None:
        """A question was judged: say at once what does not stand."""
        for item in climbed:
            if item.result != "pass":
                at = f" at {item.worst.tensor}" if item.worst is not None else ""
                self.say(f"{item.rung.name} at gridsize {item.gridsize}: {item.result}{at}")

    def refused(self, reasons: Mapping[str, Sequence[str]]) -> None:
        """Answers do not count: say at once which and why."""
        for side, sentences in reasons.items():
            for sentence in sentences:
                self.say(f"{side}'s answer is refused: {sentence}")

    def say(self, text: str) -> None:
        """One line, with the seconds since the beginning."""
        if self._quiet:
            return
        line = f"{time.monotonic() - self._started:6.1f} s  {text}"
        if self._bars is not None:
            self._bars.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)
