"""
The way through a compiler: `torch.compile` of one backend, `jit_compile` (XLA) of the other.

A compiler merges operations, so that it adds in another order and keeps no value between them that could be looked at.
So both the plain way and this one are asked only what programs call: a prediction, losses, gradients and a short
training, the ladder's own problem, judged by the same limits.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.parity.compare.response import Answer
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from ptycho.parity.request import COMPILED, PROGRAM, Request

NAMES = {"torch": "torch.compile", "tf": "jit_compile"}
"""The way's name by backend."""

RUNGS = ("R4", "R5", "R6", "R8")
STEPS = 10
"""Of the trajectory: the last step that float32 has a floor for, so that what is compiled of a training step counts."""

PLAIN = "what programs call in the plain way"
_R4_R5 = ("R4/predicted.0", "R5/plain.total", "R5/plain.deviance")
_BESIDE = ("R6/weighted.", "R6/object", "R6/probe")


def question(
    *, gridsize: int, precision: str, seed: int, scan: Path, path: Path, quantities: Sequence[str] = RUNGS
) -> Question:
    """
    The question of the plain way, which is written; that of the compiled way is `request` of it.

    Args:
        gridsize: g.
        precision: of the backends.
        seed: of the problem.
        scan: file for R1, which is not asked for.
        path: the question's file.
        quantities: of `RUNGS`.
    """
    asked = problem.request(
        gridsize=gridsize,
        seed=seed,
        scan=scan,
        steps=STEPS,
        precision=precision,
        quantities=tuple(quantities),
        masked=False,
        way=PROGRAM,
    )
    asked.save(path)
    return Question(gridsize=gridsize, precision=precision, seed=seed, request=asked, path=path)


def request(asked: Question) -> Request:
    """The same question to functions that are compiled."""
    return replace(asked.request, way=COMPILED)


def is_compared(name: str) -> bool:
    """Whether a tensor of the ladder is one that programs call."""
    return name in _R4_R5 or name.startswith("R8/") or (name.startswith("R6/") and not name.startswith(_BESIDE))


def expected(found: OracleAnswer) -> OracleAnswer:
    """The oracle's answer to what programs call; nothing is judged beside it, as layers in situ are."""
    return replace(found, arrays={name: value for name, value in found.arrays.items() if is_compared(name)}, beside={})


def proved(answer: Answer) -> Answer:
    """
    An answer that counts only if it shows that a compiler made it: an engine that compiles nothing is identical.

    Args:
        answer: of the compiled way.
    """
    if not answer.arrays:
        return answer
    found = answer.manifest.get("compiled")
    counted = found if isinstance(found, dict) else {}
    if counted.get("graphs", 0) >= 1 and counted.get("breaks", 1) == 0:
        return answer
    sentence = f"it does not show that it was compiled whole: compiled is {found!r}, expected graphs ≥ 1 and breaks 0"
    return replace(answer, refusals=(*answer.refusals, sentence))
