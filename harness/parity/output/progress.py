"""
Shows a run of the ladder while it works: a bar for each party, what does not pass, refusals.

The verdict of the low rungs is reported as soon as it is known: a drifted default shows without waiting for a
trajectory.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import JudgedRung
from harness.system.progress import Narration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display(Narration):
    """
    Progress of a run.

    Args:
        parties: names of those who answer.
        questions: what they are asked.
        quiet: show nothing.
    """

    def __init__(self, parties: Sequence[str], questions: Sequence[Question], *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._parties = parties
        self._questions = questions
        self._tasks: dict[str, TaskID] = {}

    def drawn(self) -> "Progress":
        """A bar for each party."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        bar = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[doing]}"), TimeElapsedColumn()
        bars = Progress(TextColumn("{task.description:6}"), *bar, transient=True)
        first = self._questions[0].label if self._questions else ""
        for name in self._parties:
            self._tasks[name] = bars.add_task(name, total=len(self._questions), doing=first)
        return bars

    def answered(self, party: str, done: int) -> None:
        """A party has answered so many questions."""
        if self.bars is not None:
            doing = self._questions[done].label if done < len(self._questions) else "done"
            self.bars.update(self._tasks[party], completed=done, doing=doing)
        elif not self._quiet:
            label = self._questions[done - 1].label
            self.say(f"{party} answered {label} ({done} of {len(self._questions)})")

    def judged(self, climbed: Sequence[JudgedRung]) -> None:
        """A question was judged: say at once what does not pass."""
        for item in climbed:
            if item.result != "pass":
                at = f" at {item.worst.tensor}" if item.worst is not None else ""
                self.say(f"{item.rung.name} at {item.place}: {item.result}{at}")

    def refused(self, reasons: Mapping[str, Sequence[str]]) -> None:
        """Answers do not count: say at once which and why."""
        for side, sentences in reasons.items():
            for sentence in sentences:
                self.say(f"{side}'s answer is refused: {sentence}")
