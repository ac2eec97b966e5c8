"""
Judgements of rungs that a side could not answer, or not so that it could be compared.

A backend that raises where the contract asks for a figure is wrong at that rung, as one that gives a wrong figure is.
"""

from collections.abc import Callable, Mapping, Sequence

from harness.parity.compare.comparison import Judgement, Result
from harness.parity.compare.failure import AnswerFailure, FailureKind
from harness.parity.compare.response import Answer
from ptycho.verdict import Verdict

Judge = Callable[[Mapping[str, Answer]], list[Judgement]]


def judge(rung: str, failures: Mapping[str, AnswerFailure]) -> list[Judgement]:
    """
    One judgement for each side that could not answer; one for both where they failed at the same line of the core.

    Args:
        rung: its name.
        failures: by side.
    """
    causes = list(failures.values())
    if len(causes) > 1 and causes[0].location is not None and all(_same(causes[0], other) for other in causes[1:]):
        return [_judgement(rung, causes[0], sorted(failures), shared=True)]
    return [_judgement(rung, why, [side]) for side, why in failures.items()]


def _same(one: AnswerFailure, other: AnswerFailure) -> bool:
    return (one.kind, one.sentence, one.location) == (other.kind, other.sentence, other.location)


def without_oracle(rung: str, why: AnswerFailure, sides: Sequence[str]) -> Judgement:
    """
    The judgement of a rung for which the oracle has no answer: what raises there is in what both sides share.

    Args:
        rung: its name.
        why: why the oracle has none.
        sides: everybody who was asked.
    """
    shared = AnswerFailure(
        kind=why.kind, sentence=f"the oracle {why.sentence}", verdict=why.verdict, location=why.location
    )
    return _judgement(rung, shared, sides, shared=True, subject="")


def _judgement(
    rung: str, why: AnswerFailure, sides: Sequence[str], *, shared: bool = False, subject: str | None = None
) -> Judgement:
    own = why.verdict is Verdict.FAIL and why.kind is not FailureKind.NOT_ASKED
    subject = " and ".join(sides) if subject is None else subject
    return Judgement(
        tensor=f"{rung}/{why.kind.replace(' ', '-')}",
        result=Result.FAIL if own else Result.UNVERIFIED,
        reasons=(f"{subject} {why.sentence}".strip(),),
        # A hang is the code's doing, too, although its verdict is another one.
        guilty=tuple(sides) if own or (why.kind is FailureKind.HUNG and why.verdict is Verdict.TIMEOUT) else (),
        shared=shared,
        beyond_tolerance=True,
        location=why.location,
        call=why.call,
        after=why.after,
        cause=None if why.verdict is Verdict.FAIL else why.verdict,
    )


def guarded(rung: str, judge_all: Judge, answers: Mapping[str, Answer]) -> list[Judgement]:
    """
    Judge, also where an answer is so strange that the comparison itself raises: that is the fault of whoever gave it.

    Args:
        rung: its name.
        judge_all: compares answers.
        answers: by side.
    """
    try:
        return judge_all(answers)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
        strange = {side: why for side, given in answers.items() if (why := _raised(judge_all, side, given)) is not None}
        rest = {side: given for side, given in answers.items() if side not in strange}
        reasons = strange or dict.fromkeys(answers, error)
        return [
            *(judge_all(rest) if strange and rest else []),
            *(
                Judgement(
                    tensor=f"{rung}/not-comparable",
                    result=Result.FAIL,
                    reasons=(f"{side} gave an answer that cannot be compared ({type(why).__name__}: {why})",),
                    guilty=(side,),
                    beyond_tolerance=True,
                )
                for side, why in reasons.items()
            ),
        ]


def _raised(judge_all: Judge, side: str, given: Answer) -> Exception | None:
    try:
        judge_all({side: given})
    except Exception as error:  # whatever it is, the answer is why
        return error
    return None
