"""Keeps what was climbed, question by question, and writes each rung into the event log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.parity.compare.comparison import Result
from harness.parity.compare.floors import DRAWN, of_kinds
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.judge import ladder
from harness.parity.judge.ladder import JudgedRung
from harness.record.log import EventLog
from ptycho.verdict import Verdict


@dataclass(kw_only=True)
class LadderSession:
    """A ladder while it is climbed."""

    climbed: list[JudgedRung] = field(default_factory=list)
    refused: dict[str, Sequence[str]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def judge(self, heard: AnsweredQuestion) -> list[JudgedRung]:
        """Judge one question; what is refused and what was climbed is kept."""
        question = heard.question
        for side, why in ladder.refusals(heard.answers).items():
            self.refused[f"{side}, {question.label}"] = why
        measured, notes = of_kinds(answer.kind for answer in heard.answers.values())
        self.notes |= dict.fromkeys(notes)
        if question.drawn is not None:
            measured = DRAWN
        judged = ladder.climb(
            question.gridsize,
            heard.answers,
            heard.expected,
            question.request.quantities,
            precision=question.precision,
            floors=measured,
            drawn=question.drawn,
        )
        self.climbed += judged
        return judged


def write_rungs(events: EventLog, heard: AnsweredQuestion, judged: Sequence[JudgedRung]) -> None:
    """Write the result of each rung of a question into the log."""
    labels = heard.question.rungs
    for item in judged:
        worst = item.worst if item.result != Result.PASS else None
        fields: dict[str, Any] = {}
        if worst is not None:
            where = None if worst.location is None else str(worst.location)
            fields = {"guilty": list(item.guilty), "tensor": worst.tensor, "reason": "; ".join(worst.reasons)}
            fields |= {} if where is None else {"where": where}
            cause = ladder.verdict([item], {})
            fields |= {} if cause is Verdict.FAIL else {"cause": cause.label}
        events.write("rung.end", rung=labels[item.rung.name], result=str(item.result), **fields)
