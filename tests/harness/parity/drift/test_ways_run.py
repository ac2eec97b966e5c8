"""The command with answers of a made-up backend: every way is judged, and one that was not asked fails the run."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.parity.compare.failure import AnswerFailure, FailureKind
from harness.parity.compare.response import Answer
from harness.parity.drift import compiled, judge, report, ways_run
from harness.parity.drift.ways import RUNGS
from harness.parity.drift.ways_run import COMPARED
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.report import load_runs, regressions
from harness.system.signals import Interruption
from ptycho.errors import PtychoError
from ptycho.parity.request import COMPILED, Request
from ptycho.verdict import Verdict
from tests.support.golden_step0 import FIXTURE

Run = Callable[..., tuple[Verdict, Path]]


def answer(request: Request, error: float) -> Answer:
    """Patches of each pattern alone, and with an error a bit of their neighbours."""
    x = request.first.diffraction.astype(np.float64)
    made = np.asarray(np.sqrt(x + 1) + error * x.mean())
    if not request.way:
        arrays = {"R4/patches": made, "R5/plain.nll": np.array(made.mean())}
        return Answer(exact={}, arrays=arrays, refusals=(), manifest={})
    arrays = {"R4/predicted.0": made, "R5/plain.total": np.array(made.mean())}
    arrays |= {"R6/encoder.0.0.weight": made[:, 0], "R8/1.weights": made[0, 0, 0]}
    manifest = {"compiled": {"graphs": 4, "breaks": 0}} if request.way == COMPILED else {}
    return Answer(exact={}, arrays=arrays, refusals=(), manifest=manifest)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def make(
        *,
        error: float = 0.0,
        threads_error: float = 0.0,
        compiled_error: float = 0.0,
        silent: str = "",
        kinds: tuple[str, ...] = ways_run.KINDS,
        compiler: Callable[[Answer], Answer] = lambda answer: answer,
    ) -> tuple[Verdict, Path]:
        def ask(party: Any, paths: Sequence[Path], label: str, _kept: Any, events: Any, *_: Any, **__: Any) -> Any:
            if silent not in label or not silent:
                events.write("probe.answer", label=label, number=0, refusals=[])
            requests = [Request.load(path) for path in paths]
            wrong = error if party.side == "tf" else 0.0

            def one(request: Request) -> Answer:
                if request.way == COMPILED:
                    return compiler(answer(request, compiled_error))
                return answer(request, (wrong if not request.way else 0.0) + threads_error * (request.threads - 1))

            return SimpleNamespace(answers=[one(request) for request in requests])

        def expect(question: Question) -> OracleAnswer:
            return OracleAnswer(exact={}, arrays=answer(question.request, 0.0).arrays)

        monkeypatch.setattr(backend_client, "ask", ask)
        monkeypatch.setattr(collect, "expect", expect)
        options = ways_run.WaysOptions(
            kinds=kinds,
            pythons={"torch": "python", "tf": "python"},
            scan=FIXTURE,
            root=tmp_path / "harness",
            gridsizes=(1,),
            precisions=("f64",),
            seed=42,
        )
        try:
            made, path = ways_run.run(options, Interruption())
        except PtychoError as refused:
            (folder,) = (tmp_path / "harness" / "runs").iterdir()
            return refused.verdict, folder
        report.show(made)
        return made.verdict, path.parent

    return make


def rows(folder: Path) -> dict[tuple[str, str, str], str]:
    document = json.loads((folder / ways_run.FILE).read_text())
    return {(row["rung"], row["backend"], row["way"]): row["word"] for row in document["rows"]}


def test_a_backend_without_neighbours_passes_in_every_way(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    verdict, folder = run()
    assert verdict is Verdict.PASS
    found = rows(folder)
    asked = {(rung, side, way) for rung in RUNGS for side in ("torch", "tf") for way in COMPARED}
    asked |= {(rung, side, way) for rung in compiled.RUNGS for side, way in compiled.NAMES.items()}
    assert set(found) == asked
    assert {word for (rung, _, _), word in found.items() if rung == "R4"} == {"identical"}
    assert "against the plain way on one thread: " in capsys.readouterr().out
    shown = regressions.drift(load_runs.load(folder))
    assert {row[3] for row in shown.rows} == {f"{side} {way}" for _, side, way in asked}
    assert load_runs.load(folder).name == "ways"


def test_a_result_that_depends_on_its_neighbours_is_found_at_its_backend(run: Run) -> None:
    verdict, folder = run(error=1e-7)
    assert verdict is Verdict.FAIL
    bad = {(side, way) for (rung, side, way), word in rows(folder).items() if rung == "R4" and word == "both outside"}
    assert bad == {("tf", way) for way in COMPARED if way.startswith(("halves", "pairs"))}


def test_a_number_of_threads_that_changes_the_figures_is_found(run: Run) -> None:
    verdict, folder = run(threads_error=1e-7)
    assert verdict is Verdict.FAIL
    found = {way for (rung, _, way), word in rows(folder).items() if rung == "R4" and word == "regression"}
    assert found == {way for way in COMPARED if way.endswith("2 threads")}


def test_a_backend_that_was_not_asked_fails_the_run(run: Run) -> None:
    verdict, folder = run(silent="tf-2-threads")
    assert verdict is Verdict.FAIL
    assert "adapter adapter-tf-2-threads: was not asked" in (folder / "verdict.json").read_text()


def of_compiler(folder: Path) -> dict[str, set[str]]:
    """Words of the compiled ways by rung."""
    found: dict[str, set[str]] = {}
    for (rung, _, way), word in rows(folder).items():
        if way in compiled.NAMES.values():
            found.setdefault(rung, set()).add(word)
    return found


def test_a_compiler_that_rounds_otherwise_is_rounding(run: Run) -> None:
    verdict, folder = run(compiled_error=1e-15)
    assert verdict is Verdict.PASS
    assert of_compiler(folder)["R4"] == {"rounding"}


def test_a_compiler_that_computes_something_else_is_a_regression(run: Run) -> None:
    verdict, folder = run(compiled_error=1e-5)
    assert verdict is Verdict.FAIL
    assert of_compiler(folder) == {rung: {"regression"} for rung in compiled.RUNGS}


@pytest.mark.parametrize("said", [None, {"graphs": 0, "breaks": 0}, {"graphs": 3, "breaks": 1}])
def test_an_answer_that_nothing_compiled_is_no_pass(run: Run, said: Any) -> None:
    verdict, folder = run(compiler=lambda answer: replace(answer, manifest={"compiled": said}))
    assert verdict is not Verdict.PASS
    assert of_compiler(folder) == {rung: {"not answered"} for rung in compiled.RUNGS}
    assert "does not show that it was compiled whole" in (folder / ways_run.FILE).read_text()


def test_without_a_compiler_the_way_is_not_answered(run: Run) -> None:
    why = AnswerFailure(kind=FailureKind.MACHINE, sentence="needs a C++ compiler", verdict=Verdict.INFRA)

    def compiler(answer: Answer) -> Answer:
        return replace(answer, arrays={}, manifest={}, failures=dict.fromkeys(compiled.RUNGS, why))

    verdict, folder = run(compiler=compiler)
    assert verdict is Verdict.INFRA
    assert of_compiler(folder) == {rung: {"not answered"} for rung in compiled.RUNGS}
    assert "needs a C++ compiler" in (folder / ways_run.FILE).read_text()


def test_a_judge_that_sees_nothing_fails_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "same", lambda _one, _other: True)
    verdict, folder = run()
    assert verdict is Verdict.FAIL
    said = json.loads((folder / ways_run.FILE).read_text())["complaints"]
    kinds = ("one unit in the last place", "a thousandth", "the exchange of two patterns")
    for way in ("permuted, 1 thread", "torch.compile", "jit_compile"):
        mine = [line for line in said if line.startswith(f"{way}: ")]
        assert {kind for kind in kinds for line in mine if kind in line} == set(kinds)


def test_one_kind_of_ways_is_asked_alone(run: Run) -> None:
    verdict, folder = run(kinds=(ways_run.COMPILED,))
    assert verdict is Verdict.PASS
    assert {way for _, _, way in rows(folder)} == set(compiled.NAMES.values())


def test_a_compiled_way_that_was_not_asked_fails_the_run(run: Run) -> None:
    verdict, folder = run(kinds=(ways_run.COMPILED,), silent="jit_compile")
    assert verdict is Verdict.FAIL
    assert "adapter adapter-tf-jit_compile: was not asked" in (folder / "verdict.json").read_text()


def test_the_batch_alone_needs_no_compiler(run: Run) -> None:
    verdict, folder = run(kinds=(ways_run.BATCH,))
    assert verdict is Verdict.PASS
    assert {way for _, _, way in rows(folder)} == set(COMPARED)
