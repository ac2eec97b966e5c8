"""All parties at work at once: order of the questions, one that dies, an interruption, and nobody left alive."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.parity.exchange import plan
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import ORACLE, hear
from harness.parity.exchange.plan import Question
from harness.parity.judge import oracle
from harness.parity.judge.ladder import OracleAnswer
from harness.record import directory
from harness.record.directory import RunRoot
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.parity.request import Request
from ptycho.physics import forward
from tests.support.fakes import fake_adapter
from tests.support.golden_step0 import FIXTURE


@pytest.fixture
def kept(tmp_path: Path) -> RunRoot:
    return directory.create(tmp_path / "harness")


def ask(kept: RunRoot, **changes: Any) -> list[Question]:
    given: dict[str, Any] = {"gridsizes": (1,), "precisions": ("f64",), "seeds": (1, 2), "steps": 1}
    return plan.plan(**{**given, **changes}, scan=FIXTURE, folder=kept.path)


def parties(tmp_path: Path, **tf: Any) -> list[Party]:
    made = {
        side: fake_adapter.write(tmp_path / f"python-{side}", **(tf if side == "tf" else {}))
        for side in ("torch", "tf")
    }
    return [Party(side=side, python=str(path)) for side, path in made.items()]


@pytest.mark.deep
def test_questions_come_in_their_order_with_everybodys_answer(tmp_path: Path, kept: RunRoot) -> None:
    asked, events, told = ask(kept), kept.open_events(), list[tuple[str, int]]()
    heard = list(
        hear(parties(tmp_path), asked, kept, events, Interruption(), on_progress=lambda *what: told.append(what))
    )
    events.close()
    assert [item.question for item in heard] == asked
    assert [sorted(item.answers) for item in heard] == [["tf", "torch"]] * len(asked)
    assert [answer.refusals for item in heard for answer in item.answers.values()] == [()] * (2 * len(asked))
    assert sorted(told) == sorted((name, done + 1) for name in ("torch", "tf", ORACLE) for done in range(len(asked)))


@pytest.mark.deep
def test_one_that_dies_leaves_the_others_answers(tmp_path: Path, kept: RunRoot) -> None:
    events = kept.open_events()
    heard = list(hear(parties(tmp_path, exit_code=3, answer=False), ask(kept), kept, events, Interruption()))
    events.close()
    assert identity.with_token(kept.token) == []
    for item in heard:
        assert item.answers["torch"].failures == {}
        assert set(item.answers["tf"].failures) == set(item.question.request.quantities)


@pytest.mark.deep
def test_an_oracle_that_raises_fails_its_question(
    tmp_path: Path, kept: RunRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = oracle.expected

    def broken(request: Request, packages: Mapping[str, str]) -> OracleAnswer:
        if "R3" in request.quantities:
            return forward.intensity(np.ones(3), np.ones(4))  # type: ignore[return-value]
        return honest(request, packages)

    monkeypatch.setattr(oracle, "expected", broken)
    events = kept.open_events()
    heard = list(hear(parties(tmp_path), ask(kept), kept, events, Interruption()))
    events.close()
    failures = [item.expected.failure for item in heard]
    assert [failure is not None for failure in failures] == ["R3" in i.question.request.quantities for i in heard]
    (failure, *_) = [failure for failure in failures if failure is not None]
    assert failure.location is not None
    assert failure.location.file.startswith("ptycho/")


@pytest.mark.slow
def test_an_interruption_ends_everybody(tmp_path: Path, kept: RunRoot) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nsleep 600\n")
    sleeper.chmod(0o755)
    asked, events, interruption = ask(kept), kept.open_events(), Interruption()
    started = time.monotonic()

    def interrupt(_party: str, _done: int) -> None:
        interruption.signals.append(15)

    both = [Party(side=side, python=str(sleeper)) for side in ("torch", "tf")]
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        list(hear(both, asked, kept, events, interruption, on_progress=interrupt))
    events.close()
    assert identity.with_token(kept.token) == []
    assert time.monotonic() - started < 60
