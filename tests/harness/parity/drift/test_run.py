"""The command with recorded answers: log, `drift.json`, terminal and page say the same, and silence is never a pass."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.isolation import revision
from harness.parity.drift import run as drift_run
from harness.parity.drift import versions
from harness.parity.exchange import plan
from harness.parity.exchange.collect import AnsweredQuestion
from harness.record import log as event_log
from harness.record import state
from harness.report import load_runs, regressions
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError, PtychoError
from ptycho.parity.request import Request
from ptycho.verdict import Verdict
from tests.support.golden_step0 import FIXTURE

from .conftest import ARRAYS, RUNGS, Pair


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit of what a comparison exports, and the same working tree."""
    root = tmp_path / "checkout"
    for package in revision.PACKAGES:
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text("")
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    return root


Compare = Callable[..., tuple[Verdict, Path]]


@pytest.fixture
def compare(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Run a comparison whose adapters answer what is given; returns the verdict and the run's folder."""

    def make(heard: AnsweredQuestion, *, asked: tuple[str, ...] = ("old", "new")) -> tuple[Verdict, Path]:
        def answered(
            parties: Any, _questions: Any, _kept: Any, events: Any, *_: Any, **__: Any
        ) -> Iterator[AnsweredQuestion]:
            for party in parties:
                if party.version in asked:
                    events.write("probe.answer", label=f"adapter-{party.name}", number=0, refusals=[])
            yield heard

        known = versions.Vocabulary(quantities=RUNGS, fields=frozenset(Request.__dataclass_fields__))
        monkeypatch.setattr(drift_run, "hear", answered)
        monkeypatch.setattr(versions, "vocabulary", lambda *_: known)
        monkeypatch.setattr(versions, "requests", lambda *_: [])
        monkeypatch.setattr(plan, "plan", lambda **_: [heard.question])
        monkeypatch.setattr(plan, "rungs", lambda *_: RUNGS)
        options = drift_run.DriftOptions(
            base="HEAD",
            pythons={"torch": "python", "tf": "python"},
            scan=FIXTURE,
            root=tmp_path / "harness",
            gridsizes=(1,),
            precisions=("f64",),
            seed=42,
            checkout=checkout,
            quiet=True,
        )
        try:
            made, path = drift_run.run(options, Interruption())
        except PtychoError as error:
            (folder,) = (tmp_path / "harness" / "runs").iterdir()
            return error.verdict, folder
        from harness.parity.drift import report

        report.show(made)
        return made.verdict, path.parent

    return make


def told(folder: Path) -> state.RunState:
    return state.tell(event_log.parse((folder / "events.ndjson").read_bytes()))


def test_an_unchanged_tree_is_identical_and_the_log_shows_that_both_were_asked(compare: Compare, pair: Pair) -> None:
    verdict, folder = compare(pair())
    assert verdict is Verdict.PASS
    story = told(folder)
    assert story.asked == {f"adapter-{side}-{version}" for side in ("torch", "tf") for version in ("old", "new")}
    assert story.expected.adapters == tuple(
        f"adapter-{side}-{version}" for side in ("torch", "tf") for version in ("old", "new")
    )
    assert {found.drift for found in story.judged.values()} == {"identical"}
    assert len(story.judged) == 2 * len(RUNGS)
    assert not (folder / "scratch").exists()


def test_a_state_that_was_never_asked_fails_the_run(compare: Compare, pair: Pair) -> None:
    verdict, folder = compare(pair(), asked=("new",))
    assert verdict is Verdict.FAIL
    problems = json.loads((folder / "verdict.json").read_text())["problems"]
    assert any("adapter adapter-torch-old: was not asked" in item["message"] for item in problems)


@pytest.mark.parametrize(
    ("changes", "verdict", "word"),
    [
        ({"new": {"R4/intensity": ARRAYS["R4/intensity"] * 1.5}}, Verdict.FAIL, "regression"),
        ({"new": {"R4/intensity": ARRAYS["R4/intensity"] * (1 + 2**-52)}}, Verdict.PASS, "rounding"),
        ({"old": {"R4/intensity": ARRAYS["R4/intensity"] * 1.5}}, Verdict.PASS, "fixed"),
        ({"without": {"tf-old": ("R4/intensity",)}}, Verdict.INFRA, "not answered"),
    ],
)
def test_log_file_terminal_and_page_agree(
    changes: dict[str, Any],
    verdict: Verdict,
    word: str,
    compare: Compare,
    pair: Pair,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What counts as fixed depends on the oracle of the commit, and this made-up one has none.
    monkeypatch.setattr(versions, "oracle_changes", lambda *_: ())
    found, folder = compare(pair(side="tf", **changes))
    shown = capsys.readouterr().out
    document = json.loads((folder / "drift.json").read_text())
    assert (found, document["verdict"], document["exit_code"]) == (verdict, verdict.label, int(verdict))
    of_file = {(row["rung"], row["backend"]): (row["word"], row["tensor"] or "") for row in document["rows"]}
    judged = told(folder).judged.values()
    assert {(r.rung, r.label.split()[1]): (r.drift, r.tensor) for r in judged} == of_file
    table = regressions.drift(load_runs.load(folder))
    cells = [[cell if isinstance(cell, str) else cell.text for cell in row] for row in table.rows]
    assert {(row[0], row[3]): (row[-1], row[5]) for row in cells} == of_file
    lines = {tuple(line.split()[0:4:3]): line for line in shown.splitlines() if line.startswith("R")}
    assert {key: word_ in lines[key] for key, (word_, _) in of_file.items()} == dict.fromkeys(of_file, True)
    assert of_file["R4", "tf"] == (word, "R4/intensity")
    assert {name for name, row in of_file.items() if row[0] != "identical"} == {("R4", "tf")}
    assert f"{verdict.label} (exit {int(verdict)})" in shown
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == verdict.label
    assert document["first"] is None if verdict is Verdict.PASS else document["first"]["backend"] == "tf"


def test_a_comparison_is_no_run_of_the_ladder(compare: Compare, pair: Pair) -> None:
    _, folder = compare(pair())
    run = load_runs.load(folder)
    assert (run.name, run.told.kind, dict(run.climbed)) == ("drift", "drift", {})


def test_a_judge_that_sees_nothing_fails_the_run(compare: Compare, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.parity.drift import judge

    monkeypatch.setattr(judge, "same", lambda _one, _other: True)
    verdict, folder = compare(pair())
    assert verdict is Verdict.FAIL
    assert "was planted and called identical" in (folder / "verdict.json").read_text()


def test_code_that_is_not_known_is_not_compared(compare: Compare, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.record.provenance.code_digest", lambda _root: None)
    verdict, _ = compare(pair())
    assert verdict is Verdict.INFRA


def test_a_commit_that_cannot_be_asked_ends_with_its_code(
    compare: Compare, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = pair()

    def refuse(*_: object) -> None:
        raise InfrastructureError("commit c0ffee cannot be asked")

    monkeypatch.setattr(versions, "oracle_changes", refuse)
    verdict, _ = compare(replace(heard, number=0))
    assert verdict is Verdict.INFRA


@pytest.mark.parametrize("words", [["--target", "torch=pyproject.toml"], ["--canary-seed", "3"]])
def test_what_means_nothing_here_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["parity", "--against", "HEAD", *words])
    assert ended.value.code == Verdict.USAGE
    assert "--against with --target, --canary-seed or each other" in capsys.readouterr().err


def test_a_revision_that_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["parity", "--against", "no-such-revision", "--root", str(tmp_path)])
    assert ended.value.code == Verdict.USAGE
    assert "no-such-revision" in capsys.readouterr().err
