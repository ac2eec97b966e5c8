"""Clean answers: questions that were put in parts, low rungs first, as one each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.parity.compare.response import Answer
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.judge.ladder import OracleAnswer
from ptycho.parity.request import Request


@dataclass(frozen=True, kw_only=True)
class CleanAnswers:
    """
    One question and what everybody answers without any fault.

    Attributes:
        gridsize: g.
        precision: `f64` or `f32`.
        request: what is asked, with all quantities.
        answers: by side.
        expected: the oracle's.
    """

    gridsize: int
    precision: str
    request: Request
    answers: Mapping[str, Answer]
    expected: OracleAnswer


def merged(heard: Iterable[AnsweredQuestion]) -> list[CleanAnswers]:
    """Questions that were put in parts, low rungs first, as one each."""
    found: dict[tuple[int, str], CleanAnswers] = {}
    for item in heard:
        asked = item.question
        key = asked.gridsize, asked.precision
        if key not in found:
            found[key] = CleanAnswers(
                gridsize=asked.gridsize,
                precision=asked.precision,
                request=asked.request,
                answers=item.answers,
                expected=item.expected,
            )
            continue
        before = found[key]
        quantities = (*before.request.quantities, *asked.request.quantities)
        found[key] = replace(
            before,
            request=replace(asked.request, quantities=quantities),
            answers={side: _joined(answer, item.answers[side]) for side, answer in before.answers.items()},
            expected=OracleAnswer(
                exact={
                    side: {**before.expected.exact.get(side, {}), **item.expected.exact.get(side, {})}
                    for side in {**before.expected.exact, **item.expected.exact}
                },
                arrays={**before.expected.arrays, **item.expected.arrays},
                judges={**before.expected.judges, **item.expected.judges},
                beside={**before.expected.beside, **item.expected.beside},
            ),
        )
    return list(found.values())


def _joined(one: Answer, other: Answer) -> Answer:
    return Answer(
        exact={**one.exact, **other.exact},
        arrays={**one.arrays, **other.arrays},
        refusals=(*one.refusals, *other.refusals),
        manifest=other.manifest,
        failures={**one.failures, **other.failures},
    )
