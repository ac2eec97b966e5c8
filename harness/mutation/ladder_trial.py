"""
A mutant on the ladder: probes answer from the changed copy, and the ladder judges.

One backend's own code is judged here, with the clean answers of the other and of the oracle. What both share is judged
from the copy, oracle included. The gridsizes are tried one after the other: the first at which a mutant dies in time
settles it.

An adapter that raises or dies fails the rung that it was at, like one that answers wrongly.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.environment import Cell
from harness.mutation import allclose, copied, judge
from harness.mutation.stage import Clean, Stage
from harness.mutation.trial import Found, Outcome, Planted, judged
from harness.parity import asking
from harness.parity.answer import Answer
from harness.parity.asking import PACKAGES
from ptycho.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Reply:
    """
    What a probe of a changed copy gave.

    Attributes:
        main: its answer to the question.
        plain: its answer to what is compared plainly; None if it was not asked, or not answered whole.
        folder: where the main answer lies.
        death: why nothing can be said, where the machine ended it; None otherwise.
    """

    main: Answer
    plain: Answer | None
    folder: Path
    death: Found | None


Look = Callable[[Clean, str, Clean | None], tuple[Found, Mapping[str, Answer | None]]]
"""Tries a mutant on one question: label, question for the plain comparison -> find, outputs by side."""


def one_side(planted: Planted, stage: Stage) -> Found:
    """Ask the changed backend; the other's clean answers are at hand."""
    (side,) = planted.mutant.owners

    def look(item: Clean, label: str, beside: Clean | None) -> tuple[Found, Mapping[str, Answer | None]]:
        reply = _ask(planted, stage, side, label, item, beside)
        answers = {name: reply.main if name == side else clean for name, clean in item.answers.items()}
        request = replace(item.request, quantities=_of(item, planted))
        judged = judge.judge(answers, item.expected, request)
        found = reply.death or _found(judged, item)
        return found, {} if beside is None else {**beside.answers, side: reply.plain}

    return _tried(planted, stage, look)


def shared(planted: Planted, stage: Stage) -> Found:
    """Ask both backends, and judge from the changed copy; the clean answers do where only the harness was changed."""

    def look(item: Clean, label: str, beside: Clean | None) -> tuple[Found, Mapping[str, Answer | None]]:
        if planted.mutant.owners == {"harness"}:
            request, folder = stage.kept_answers(item)
            return _judge(planted, stage, item, label, {side: (folder / side, request) for side in PACKAGES}), {}
        replies = {side: _ask(planted, stage, side, f"{label}.{side}", item, beside) for side in PACKAGES}
        plain = {side: reply.plain for side, reply in replies.items()}
        deaths = [reply.death for reply in replies.values() if reply.death is not None]
        if deaths:
            return deaths[0], plain
        request = stage.ask_for(item, _of(item, planted))
        folders = {side: (reply.folder, request) for side, reply in replies.items()}
        return _judge(planted, stage, item, f"{label}.judge", folders), plain

    return _tried(planted, stage, look)


def _tried(planted: Planted, stage: Stage, look: Look) -> Found:
    """One gridsize after the other until a mutant has died in time; the plain comparison goes with the first."""
    plain: dict[str, bool] | None = None
    found = Found()
    for number, item in enumerate(stage.wanted(planted.mutant.gridsize, planted.mutant.precision)):
        beside = _beside(planted, stage) if number == 0 else None
        found, outputs = look(item, f"{planted.label}-{item.gridsize}", beside)
        if beside is not None and outputs:
            plain = _plainly(outputs)
        if judged(planted.mutant, found) is not Outcome.SURVIVED:
            break
    return replace(found, allclose=plain)


def _beside(planted: Planted, stage: Stage) -> Clean | None:
    """The question for the plain comparison: groups show most, if the mutant does not ask for single patterns."""
    if planted.mutant.dies_at is None or not planted.compared:
        return None
    return max(stage.wanted(planted.mutant.gridsize, allclose.PRECISION), key=lambda item: item.gridsize, default=None)


def _plainly(outputs: Mapping[str, Answer | None]) -> dict[str, bool]:
    """What plain comparators find; an output that is not there is found by all of them."""
    answers = {side: answer for side, answer in outputs.items() if answer is not None}
    if len(answers) < len(PACKAGES):
        return dict.fromkeys(allclose.KEYS, True)
    return allclose.kills(answers)


def plainly(planted: Planted, stage: Stage) -> dict[str, bool] | None:
    """What plain comparators find of a mutant's outputs; None where it is not asked for it."""
    item = _beside(planted, stage)
    if item is None:
        return None
    outputs: dict[str, Answer | None] = dict(item.answers)
    request = stage.ask_for(item, allclose.QUANTITIES)
    for side in PACKAGES if planted.mutant.owners != {"harness"} else ():
        if planted.mutant.owners in ({"torch"}, {"tf"}) and side not in planted.mutant.owners:
            continue
        party = asking.Party(side=side, python=stage.pythons[side], import_root=planted.root)
        label = f"{planted.label}.plain.{side}"
        asked = asking.ask(party, [request], label, stage.kept, stage.events, stage.interruption)
        outputs[side] = asked.answers[0] if not asked.answers[0].failures else None
    return _plainly(outputs)


def _of(item: Clean, planted: Planted) -> tuple[str, ...]:
    return tuple(name for name in planted.quantities if name in item.request.quantities)


def _ask(planted: Planted, stage: Stage, side: str, label: str, item: Clean, beside: Clean | None) -> Reply:
    requests = [stage.ask_for(item, _of(item, planted))]
    requests += [] if beside is None else [stage.ask_for(beside, allclose.QUANTITIES)]
    party = asking.Party(side=side, python=stage.pythons[side], import_root=planted.root)
    answered = asking.ask(party, requests, label, stage.kept, stage.events, stage.interruption)
    main = answered.answers[0]
    plain = answered.answers[1] if len(requests) > 1 and not answered.answers[1].failures else None
    reasons = [why for answer in answered.answers for why in answer.failures.values()]
    machine = next((why for why in reasons if why.verdict is not Verdict.FAIL), None)
    death = None if machine is None else Found(error=f"{side} {machine.sentence}")
    folder = Cell(path=stage.kept.scratch / label).output / "0"
    return Reply(main=main, plain=plain, folder=folder, death=death)


def _judge(planted: Planted, stage: Stage, item: Clean, label: str, answers: Mapping[str, tuple[Path, Path]]) -> Found:
    """Judge answers in files by the copy's own ladder and oracle."""
    cell = Cell(path=stage.kept.scratch / label).make()
    argv = [sys.executable, "-m", "harness.mutation.judge"]
    for side, (folder, request) in answers.items():
        argv += ["--answer", side, str(folder), str(request)]
    for name in _of(item, planted):
        argv += ["--rung", name]
    if planted.mutant.owners == {"harness"}:
        argv += ["--root", str(stage.tree)]
    ended = copied.run(argv, planted.root, cell, label, stage)
    if ended.returncode != Verdict.PASS:
        return _death(planted, "", ended.tail(), ended.returncode)
    return _found(json.loads(ended.tail(1)), item)


def _found(told: Mapping[str, Any], item: Clean) -> Found:
    return Found(
        at=told["at"],
        how=told["how"],
        gridsize=item.gridsize if told["at"] is not None else None,
        guilty=tuple(told["guilty"]),
        detail=told["detail"],
    )


def _death(planted: Planted, side: str, text: str, returncode: int) -> Found:
    if error := copied.machine_error(text, returncode):
        return Found(error=error)
    guilty = (side,) if side else ()
    return Found(at=planted.mutant.gate, how="crash", guilty=guilty, detail=copied.last_line(text))
