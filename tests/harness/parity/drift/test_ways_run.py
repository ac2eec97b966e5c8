"""The command with answers of a made-up backend: every way is judged, and one that was not asked fails the run."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.parity.compare.response import Answer
from harness.parity.drift import frame, report, ways_run
from harness.parity.drift.ways import RUNGS
from harness.parity.drift.ways_run import COMPARED
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.report import load_runs, regressions
from harness.system.signals import Interruption
from ptycho.errors import PtychoError
from ptycho.parity.request import Request
from ptycho.verdict import Verdict
from tests.support.golden_step0 import FIXTURE

Run = Callable[..., tuple[Verdict, Path]]


def answer(request: Request, error: float) -> Answer:
    """Patches of each pattern alone, and with an error a bit of their neighbours."""
    x = request.first.diffraction.astype(np.float64)
    made = np.asarray(np.sqrt(x + 1) + error * x.mean())
    arrays = {"R4/patches": made, "R5/plain.nll": np.array(made.mean())}
    return Answer(exact={}, arrays=arrays, refusals=(), manifest={})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def make(*, error: float = 0.0, threads_error: float = 0.0, silent: str = "") -> tuple[Verdict, Path]:
        def ask(party: Any, paths: Sequence[Path], label: str, _kept: Any, events: Any, *_: Any) -> Any:
            if silent not in label or not silent:
                events.write("probe.answer", label=label, number=0, refusals=[])
            requests = [Request.load(path) for path in paths]
            wrong = error if party.side == "tf" else 0.0
            return SimpleNamespace(answers=[answer(r, wrong + threads_error * (r.threads - 1)) for r in requests])

        def expect(question: Question) -> OracleAnswer:
            return OracleAnswer(exact={}, arrays=answer(question.request, 0.0).arrays)

        monkeypatch.setattr(backend_client, "ask", ask)
        monkeypatch.setattr(collect, "expect", expect)
        options = frame.Conditions(
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
    assert set(found) == {(rung, side, way) for rung in RUNGS for side in ("torch", "tf") for way in COMPARED}
    assert {word for (rung, _, _), word in found.items() if rung == "R4"} == {"identical"}
    assert "against the plain way on one thread: " in capsys.readouterr().out
    shown = regressions.drift(load_runs.load(folder))
    assert {row[3] for row in shown.rows} == {f"{side} {way}" for side in ("torch", "tf") for way in COMPARED}
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
