"""The command with recorded answers and no framework: each word, what cannot be had, that every version is asked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.parity.compare.failure import AnswerFailure, FailureKind
from harness.parity.compare.response import Answer
from harness.parity.drift import frameworks_run, report
from harness.parity.exchange import backend_client, collect, plan
from harness.parity.judge import rejudge
from harness.record import log as event_log
from harness.record import state
from harness.report import load_runs, regressions
from harness.system.signals import Interruption
from harness.targets import framework_versions
from harness.targets.framework_versions import InstalledFramework
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.verdict import Verdict
from tests.support.golden_step0 import FIXTURE

from .conftest import ARRAYS, RUNGS, Pair

PINNED = {"torch": "2.13.0", "tf": "2.21.0"}
Compare = Callable[..., tuple[Verdict, Path]]


def answer(given: Answer, version: str, **changes: Any) -> Answer:
    """An answer that says by which version of its framework it was computed."""
    arrays = {name: changes.get(name, value) for name, value in given.arrays.items()}
    lost = changes.get("lost", ())
    exact = {
        rung: {name: changes.get(f"{rung}/{name}", value) for name, value in values.items()}
        for rung, values in given.exact.items()
    }
    return replace(
        given,
        arrays={name: value for name, value in arrays.items() if name not in lost},
        exact=exact,
        manifest={"engine": {"version": version}},
        failures=changes.get("failures", {}),
    )


@pytest.fixture
def compare(tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Compare versions whose adapters answer what is given; returns the verdict and the run's folder."""

    def make(
        *,
        versions: Mapping[str, tuple[str, ...]] | None = None,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        absent: tuple[str, ...] = (),
        says: Mapping[str, str] | None = None,
        unasked: str = "",
        lock_of: str | None = None,
        newest: str = "2.15.0",
    ) -> tuple[Verdict, Path]:
        heard = pair()

        def ask(party: Any, _paths: Any, label: str, _kept: Any, events: Any, *_: Any) -> Any:
            if label != unasked:
                events.write("probe.answer", label=label, number=0, refusals=[])
            pinned = "2.12.0" if lock_of else PINNED[party.side]
            version = pinned if party.version == "locked" else party.version
            said = (says or {}).get(party.name, f"{version}+cpu")
            changed = answer(heard.answers[f"{party.side}-old"], said, **(changes or {}).get(party.name, {}))
            return SimpleNamespace(answers=(changed,))

        def prepare(side: str, version: str, *_: Any) -> tuple[Path, InstalledFramework]:
            if version in absent:
                raise InfrastructureError(f"{side}=={version}: the index refuses\nand goes on for many lines")
            build = f"{side} {version}+cu130, build for cuda 13.0, used on the CPU"
            return tmp_path / version, InstalledFramework(version=version, build=build, packages={"numpy": "2.3.5"})

        def installed(_python: Any, side: str) -> InstalledFramework:
            return InstalledFramework(version=PINNED[side], build=f"{side}, CPU build", packages={"numpy": "2.4.0"})

        def lock_text(side: str, commit: str | None = None) -> str:
            name = framework_versions.package(side, "linux")
            return f"{name}=={'2.12.0' if commit else PINNED[side]} \\\n"

        def find_newest(*_: Any) -> str:
            if not newest:
                raise InfrastructureError("the newest version of torch is not known: no index")
            return newest

        def made_up(_request: Any, tensor: str) -> tuple[str, ...]:
            raise UsageError(f"{tensor} is of no request")

        monkeypatch.setattr(backend_client, "ask", ask)
        monkeypatch.setattr(collect, "expect", lambda _question: heard.expected)
        monkeypatch.setattr(plan, "plan", lambda **_: [heard.question])
        monkeypatch.setattr(plan, "rungs", lambda *_: RUNGS)
        monkeypatch.setattr(framework_versions, "prepare", prepare)
        monkeypatch.setattr(framework_versions, "ask", installed)
        monkeypatch.setattr(framework_versions, "lock_text", lock_text)
        monkeypatch.setattr(framework_versions, "newest", find_newest)
        monkeypatch.setattr(rejudge, "needs", made_up)
        monkeypatch.setattr("sys.platform", "linux")
        wanted = versions or {"torch": ("2.13.0", "2.14.1")}
        options = frameworks_run.VersionsOptions(
            versions=wanted,
            pythons=dict.fromkeys(wanted, "python"),
            scan=FIXTURE,
            root=tmp_path / "harness",
            gridsizes=(1,),
            precisions=("f64",),
            seed=42,
            steps=2,
            lock_of=lock_of,
            quiet=True,
        )
        try:
            made, path = frameworks_run.run(options, Interruption())
        except PtychoError as error:
            folders = [*(tmp_path / "harness" / "runs").glob("*")]
            return error.verdict, folders[0] if folders else tmp_path
        report.show(made)
        return made.verdict, path.parent

    return make


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / frameworks_run.FILE).read_text())
    return found


def words(folder: Path, version: str) -> dict[str, str]:
    return {row["rung"]: row["word"] for row in document(folder)["rows"] if row["version"] == version}


WRONG = ARRAYS["R4/intensity"] * 1.5
NEAR = ARRAYS["R4/intensity"] * (1 + 2**-52)


@pytest.mark.parametrize(
    ("changes", "verdict", "rung", "word"),
    [
        ({}, Verdict.PASS, "R4", "identical"),
        ({"torch-2.14.1": {"R4/intensity": NEAR}}, Verdict.PASS, "R4", "rounding"),
        ({"torch-2.14.1": {"R4/intensity": WRONG}}, Verdict.FAIL, "R4", "regression"),
        ({"torch-2.14.1": {"R2b/root.zero": "nan"}}, Verdict.FAIL, "R2b", "regression"),
        ({"torch-2.14.1": {"R1/raw": "cc"}}, Verdict.FAIL, "R1", "regression"),
        ({"torch-2.14.1": {"R7/schedule.ramp": np.linspace(0, 1, 9) * (1 + 2**-52)}}, Verdict.FAIL, "R7", "changed"),
        (
            {"torch-2.14.1": {"R4/intensity": WRONG}, "torch-locked": {"R4/intensity": WRONG * 2}},
            Verdict.FAIL,
            "R4",
            "both outside",
        ),
        ({"torch-2.13.0": {}, "torch-locked": {"R4/intensity": WRONG}}, Verdict.PASS, "R4", "fixed"),
        (
            {
                "torch-2.14.1": {
                    "failures": {
                        "R4": AnswerFailure(kind=FailureKind.MEMORY, sentence="had no memory", verdict=Verdict.OOM)
                    },
                    "lost": ("R4/exit_wave", "R4/intensity"),
                }
            },
            Verdict.OOM,
            "R4",
            "not answered",
        ),
    ],
    ids=["identical", "rounding", "regression", "corner", "digest", "changed", "both-outside", "fixed", "not-answered"],
)
def test_each_word_for_a_version(
    changes: dict[str, Any], verdict: Verdict, rung: str, word: str, compare: Compare
) -> None:
    found, folder = compare(changes=changes)
    assert (found, words(folder, "2.14.1")[rung]) == (verdict, word)
    locked = "identical" if "torch-locked" not in changes else words(folder, "2.13.0")[rung]
    assert words(folder, "2.13.0")[rung] == locked
    others = {one: said for one, said in words(folder, "2.14.1").items() if one != rung}
    assert set(others.values()) == {"identical"}


def test_log_file_terminal_summary_and_page_agree(compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    verdict, folder = compare(
        versions={"torch": ("2.13.0", "2.14.1"), "tf": ("2.20.0",)},
        changes={"torch-2.14.1": {"R4/intensity": WRONG}, "tf-2.20.0": {"R4/intensity": NEAR}},
    )
    shown = capsys.readouterr().out
    assert verdict is Verdict.FAIL
    made = document(folder)
    assert (made["verdict"], made["base"]) == ("fail", "the locked torch 2.13.0, the locked tf 2.21.0")
    headings, *rows = made["table"]
    assert headings == ["rung", "in", "tf 2.20.0", "torch 2.13.0", "torch 2.14.1"]
    (r4,) = (row for row in rows if row[0] == "R4")
    assert r4[2].startswith("rounding, ")
    assert r4[3:] == ["identical", "regression"]
    run = load_runs.load(folder)
    assert (run.name, run.told.kind) == ("versions", "versions")
    table = regressions.drift_table(run)
    cells = [[cell if isinstance(cell, str) else cell.text for cell in row] for row in table.rows]
    order = [table.headings.index(name) for name in headings]
    assert [[row[n] for n in order] for row in cells] == rows
    summary = (folder / "summary.md").read_text()
    for row in rows:
        cells_of_row = [row[headings.index(name)] for name in table.headings]
        assert f"| {' | '.join(cells_of_row)} |" in summary
        assert all(cell in shown for cell in row)
    build = "torch 2.14.1+cu130, build for cuda 13.0, used on the CPU; moved with it: numpy 2.4.0 -> 2.3.5"
    assert build in shown
    assert build in summary.replace("\\_", "_")
    builds = {row[1]: row[2].text for row in regressions.versions(run).rows if not isinstance(row[2], str)}
    assert builds["2.14.1"] == "torch 2.14.1+cu130, build for cuda 13.0, used on the CPU"
    assert builds["2.13.0 (base)"] == "torch, CPU build"
    assert "regression at R4, intensity, torch 2.14.1 at gridsize 1 in f64; attributed to: new" in shown
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "fail"


def test_a_version_that_cannot_be_had_is_named_and_never_a_pass(
    compare: Compare, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict, folder = compare(versions={"torch": ("2.13.0", "9.9.9")}, absent=("9.9.9",))
    assert verdict is Verdict.INFRA
    assert set(words(folder, "9.9.9").values()) == {"not answered"}
    assert set(words(folder, "2.13.0").values()) == {"identical"}
    captured = capsys.readouterr()
    assert "torch 9.9.9 cannot be installed: torch==9.9.9: the index refuses" in captured.out
    assert "and goes on for many lines" in captured.err
    assert "(exit 13)" in captured.out
    assert "torch 9.9.9 cannot be installed" in (folder / "summary.md").read_text()
    made = document(folder)
    assert made["exit_code"] == 13
    assert [one["installed"] is None for one in made["versions"]] == [False, False, True]
    # A fail stays a fail beside it.
    failing = {"torch-2.14.1": {"R4/intensity": WRONG}}
    verdict, _ = compare(versions={"torch": ("9.9.9", "2.14.1")}, absent=("9.9.9",), changes=failing)
    assert verdict is Verdict.FAIL


@pytest.mark.parametrize("said", ["2.13.0+cpu", ""])
def test_an_answer_of_another_version_does_not_count(said: str, compare: Compare) -> None:
    verdict, folder = compare(says={"torch-2.14.1": said})
    assert verdict is Verdict.INFRA
    assert set(words(folder, "2.14.1").values()) == {"not answered"}
    assert f"it was computed by torch {said.partition('+')[0] or 'of no version'}, asked was 2.14.1" in json.dumps(
        document(folder)["rows"]
    )


@pytest.mark.parametrize("name", ["adapter-torch-locked", "adapter-torch-2.14.1"])
def test_a_version_that_was_not_asked_fails_the_run(name: str, compare: Compare) -> None:
    verdict, folder = compare(unasked=name)
    assert verdict is Verdict.FAIL
    assert f"adapter {name}: was not asked" in (folder / "verdict.json").read_text()


def test_the_log_expects_every_rung_of_every_version(compare: Compare) -> None:
    _, folder = compare()
    story = state.tell(event_log.parse((folder / "events.ndjson").read_bytes()))
    assert story.expected.adapters == ("adapter-torch-locked", "adapter-torch-2.13.0", "adapter-torch-2.14.1")
    assert set(story.expected.rungs) == set(story.judged)
    assert len(story.judged) == 2 * len(RUNGS)


def test_locked_and_newest_stand_for_versions_and_each_is_asked_once(compare: Compare) -> None:
    verdict, folder = compare(versions={"torch": ("locked", "2.13.0", "newest", "2.15.0")})
    assert verdict is Verdict.PASS
    assert document(folder)["table"][0] == ["rung", "in", "torch 2.13.0", "torch 2.15.0"]


def test_a_newest_version_that_is_not_known_is_named(compare: Compare) -> None:
    verdict, folder = compare(versions={"torch": ("newest",)}, newest="")
    assert verdict is Verdict.INFRA
    assert set(words(folder, "newest").values()) == {"not answered"}
    assert (
        "torch newest cannot be installed: the newest version of torch is not known"
        in (folder / "summary.md").read_text()
    )


def test_upgraded_locks_are_compared_with_those_of_a_commit(compare: Compare) -> None:
    changed = {"torch-2.13.0": {"R4/intensity": NEAR}}
    verdict, folder = compare(versions={"torch": ("locked",)}, lock_of="HEAD", changes=changed)
    assert verdict is Verdict.PASS
    made = document(folder)
    assert made["base"].startswith("the locked torch 2.12.0 of commit ")
    assert words(folder, "2.13.0")["R4"] == "rounding"
    (of_tree,) = (one for one in made["versions"] if not one["locked"])
    assert of_tree["moved"] == ["numpy 2.3.5 -> 2.4.0"]


@pytest.mark.parametrize("lacking", ["version", "lock"])
def test_an_interpreter_that_is_not_of_the_lock_is_refused(
    lacking: str, compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "version":
        monkeypatch.setitem(PINNED, "torch", "2.13.1")
        found = InstalledFramework(version="2.13.0", build="torch 2.13.0", packages={})
        with pytest.raises(InfrastructureError, match=r"has torch 2\.13\.0, and the lock pins 2\.13\.1"):
            _of_lock(monkeypatch, found)
    else:
        monkeypatch.setattr(framework_versions, "is_of", lambda *_: False)
        verdict, _ = compare()
        assert verdict is Verdict.INFRA


def _of_lock(monkeypatch: pytest.MonkeyPatch, found: InstalledFramework) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(framework_versions, "lock_text", lambda _side: "torch==2.13.1 \\\n")
    monkeypatch.setattr(framework_versions, "ask", lambda *_: found)
    frameworks_run._of_lock("torch", "python")


def test_a_judge_that_sees_nothing_fails_the_run(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.parity.drift import judge

    monkeypatch.setattr(judge, "same", lambda _one, _other: True)
    verdict, folder = compare()
    assert verdict is Verdict.FAIL
    assert "was planted and called identical" in (folder / "verdict.json").read_text()
