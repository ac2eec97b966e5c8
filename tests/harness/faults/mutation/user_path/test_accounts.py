"""What terminal, parity.json, event log, verdict and page say of a run: each lie of each of them is seen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import MutantOutcome, judged
from harness.faults.mutation.user_path import trial
from harness.faults.mutation.user_path.hints import Spot
from harness.faults.mutation.user_path.ladder_run import LadderRun
from tests.support import planted

LABEL = "R4 f64 gridsize 1 seed 42"
BLOCK = "first failing rung: R4 at gridsize 1 in f64; at fault: torch\n  look at: ptycho_torch/fault.py:1\n"
FIRST = {
    "rung": "R4",
    "gridsize": 1,
    "precision": "f64",
    "guilty": ["torch"],
    "tensor": "R4/phase",
    "reasons": ["torch is off"],
    "look_at": ["ptycho_torch/fault.py:1"],
}


def row(label: str, result: str, *guilty: str) -> dict[str, Any]:
    return {"event": "rung.end", "rung": label, "result": result, "guilty": list(guilty)}


WALKED = LadderRun(
    exit_code=1,
    terminal=f"{BLOCK}parity in f64: fail (exit 1) in 3 s\nreport: x\n",
    parity={"exit_code": 1, "verdict": "fail", "first_failure": FIRST, "refused": {}},
    verdict={"exit_code": 1, "rungs": {"R3 f64 gridsize 1 seed 42": "pass", LABEL: "fail"}},
    events=[
        row("R5 f64 gridsize 1 seed 42", "fail", "torch"),
        row(LABEL, "fail", "torch"),
        {"event": "run.end", "verdict": "fail"},
    ],
    page="First failing rung: R4 at gridsize 1 in f64; at fault: torch\nlook at\nptycho_torch/fault.py:1\n",
    page_exit_code=1,
)
MUTANT = replace(planted.mutant("torch"), spot=Spot(file="ptycho_torch/fault.py"))


def first(**changes: Any) -> Mapping[str, Any]:
    return {**(WALKED.parity or {}), "first_failure": {**FIRST, **changes}}


def test_what_agrees_is_killed() -> None:
    found = trial.judge(WALKED, MUTANT)
    assert (found.at, found.how, found.gridsize, found.guilty) == ("R4", "rung", 1, ("torch",))
    assert (found.exit_code, found.disagreements, found.steps) == (1, (), 1)
    assert found.detail == "R4/phase; torch is off"
    assert judged(MUTANT, found) is MutantOutcome.KILLED


LIES: list[tuple[dict[str, Any], str]] = [
    ({"parity": None}, "there is no parity.json"),
    ({"parity": first(guilty=["tf"])}, "it names tf; it is torch"),
    ({"parity": first(rung="R3")}, "the terminal says R4 at gridsize 1 in f64, parity.json R3 at gridsize 1 in f64"),
    ({"parity": first(gridsize=2)}, "the report says R4 at gridsize 1 in f64, parity.json R4 at gridsize 2 in f64"),
    (
        {"parity": first(precision="f32")},
        "verdict.json says R4 at gridsize 1 in f64, parity.json R4 at gridsize 1 in f32",
    ),
    ({"parity": {**first(), "exit_code": 11}}, "the terminal says exit code 1, parity.json 11"),
    ({"exit_code": 2}, "it ends with exit code 2 and not 1"),
    ({"terminal": "Traceback\n"}, "the terminal says no rung, parity.json R4 at gridsize 1 in f64"),
    (
        {"terminal": WALKED.terminal.replace("at fault: torch", "at fault: tf and torch")},
        "the terminal names tf and torch, parity.json torch",
    ),
    ({"terminal": WALKED.terminal.replace("exit 1", "exit 0")}, "the terminal says exit code 0, parity.json 1"),
    ({"events": []}, "the event log says no rung, parity.json R4 at gridsize 1 in f64"),
    ({"events": WALKED.events[:2]}, "the event log says exit code None, parity.json 1"),
    ({"events": [row(LABEL, "fail", "tf"), *WALKED.events[2:]]}, "the event log names tf, parity.json torch"),
    (
        {"events": [row("R3 f64 gridsize 2 seed 42", "fail", "torch"), *WALKED.events]},
        "the event log says R3 at gridsize 2 in f64, parity.json R4 at gridsize 1 in f64",
    ),
    ({"verdict": None}, "verdict.json says exit code None, parity.json 1"),
    (
        {"verdict": {"exit_code": 1, "rungs": {LABEL: "pass"}}},
        "verdict.json says no rung, parity.json R4 at gridsize 1 in f64",
    ),
    (
        {"verdict": {"exit_code": 1, "rungs": {LABEL: "fail", "R0 f64 gridsize 1 seed 42": "fail"}}},
        "verdict.json says R0 at gridsize 1 in f64, parity.json R4 at gridsize 1 in f64",
    ),
    ({"page": ""}, "the report says no rung, parity.json R4 at gridsize 1 in f64"),
    ({"page": WALKED.page.replace("torch", "no side")}, "the report names no side, parity.json torch"),
    ({"page_exit_code": 0}, "the report says exit code 0, parity.json 1"),
    (
        {"page": WALKED.page.replace("fault.py:1", "fault.py:2")},
        "the report does not name ptycho_torch/fault.py:1, which parity.json does",
    ),
    ({"parity": first(look_at=["a.py, f()"])}, "the terminal does not name a.py, f(), which parity.json does"),
]


@pytest.mark.parametrize(("changes", "said"), LIES)
def test_every_lie_is_seen(changes: dict[str, Any], said: str) -> None:
    found = trial.judge(replace(WALKED, **changes), MUTANT)
    assert said in found.disagreements
    assert judged(MUTANT, found) is MutantOutcome.CONTRADICTED


def test_what_both_share_is_both_sides() -> None:
    both = "at fault: both (what they share: the core, or the oracle)"
    walked = replace(
        WALKED,
        terminal=WALKED.terminal.replace("at fault: torch", both),
        page=WALKED.page.replace("at fault: torch", both),
        parity=first(guilty=["torch", "tf"]),
        events=[row(LABEL, "fail", "tf", "torch"), WALKED.events[2]],
    )
    assert trial.judge(walked, planted.mutant("core")).disagreements == ()


def test_a_hang_is_accused_and_comes_before_what_nobody_explains() -> None:
    told = {"exit_code": 11, "verdict": "timeout", "first_failure": FIRST}
    walked = replace(
        WALKED,
        exit_code=11,
        terminal=WALKED.terminal.replace("exit 1", "exit 11"),
        parity=told,
        verdict={"exit_code": 11, "rungs": {"R3 f64 gridsize 1 seed 42": "unverified", LABEL: "unverified"}},
        events=[
            row("R3 f64 gridsize 1 seed 42", "unverified"),
            row(LABEL, "unverified", "torch"),
            {"event": "run.end", "verdict": "timeout"},
        ],
        page_exit_code=11,
    )
    hang: Mutant = replace(MUTANT, kind="hangs")
    assert trial.judge(walked, hang).disagreements == ()
    assert trial.judge(walked, MUTANT).error.startswith("ended with 11")


def test_a_refused_answer_falls_at_the_lowest_rung() -> None:
    parity = {"exit_code": 1, "verdict": "fail", "first_failure": None, "refused": {"torch, f64": ["a copy"]}}
    walked = replace(WALKED, parity=parity)
    found = trial.judge(walked, MUTANT)
    assert (found.at, found.how, found.guilty, found.detail) == ("R0", "refused", ("torch",), "torch, f64: a copy")


def test_a_run_that_stands_and_yet_fails_is_no_rung() -> None:
    found = trial.judge(replace(WALKED, parity={"exit_code": 1, "first_failure": None}), MUTANT)
    assert judged(MUTANT, found) is MutantOutcome.LATE


STANDING = LadderRun(
    exit_code=0,
    terminal="parity in f64: pass (exit 0) in 3 s\n",
    parity={"exit_code": 0, "verdict": "pass", "first_failure": None},
    verdict={"exit_code": 0, "rungs": {LABEL: "pass"}},
    events=[row(LABEL, "pass"), {"event": "run.end", "verdict": "pass"}],
    page="All rungs pass\n",
    page_exit_code=0,
)


def test_everything_stands() -> None:
    found = trial.judge(STANDING, MUTANT)
    assert (found.at, found.exit_code, found.disagreements) == (None, 0, ())
    assert judged(MUTANT, found) is MutantOutcome.SURVIVED


def test_a_pass_that_the_page_does_not_know_of_is_a_contradiction() -> None:
    equivalent = replace(MUTANT, dies_at=None)
    found = trial.judge(replace(STANDING, page_exit_code=1), equivalent)
    assert judged(equivalent, found) is MutantOutcome.CONTRADICTED


@pytest.mark.parametrize("code", [-9, 11, 12, 13, 14])
def test_the_machines_endings_say_nothing(code: int) -> None:
    assert trial.judge(replace(WALKED, exit_code=code), MUTANT).error
