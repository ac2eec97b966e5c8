"""A known failure is accepted, one that passes is an error, and one that was not judged is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.lanes.lane import LaneOptions, run
from harness.record import known_failures
from harness.record.findings import Finding, Findings
from harness.record.outcome import Outcome
from harness.system.signals import Interruption
from harness.targets.model import Checks
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

_ENTRY = '[[known]]\nid = "{id}"\nsubject = "{subject}"\nreason = "a reason"\n'


def _list(folder: Path, text: str) -> Path:
    path = folder / "known.toml"
    path.write_text(text)
    return path


def _lane(workspace: Any, fault: str, id: str, subject: str = "") -> Outcome:  # noqa: A002
    listed = _list(workspace.path, _ENTRY.format(id=id, subject=subject))
    target = replace(workspace.target(fault=fault, suite=None), checks=Checks(known_failures=listed))
    options = LaneOptions(device="cpu", fixtures={"scan": workspace.scan}, root=workspace.root, quiet=True, brief=True)
    return run(target, options, Interruption())


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["", ".telemetry"])
def test_a_known_failure_fails_nothing(workspace: Any, subject: str) -> None:
    outcome = _lane(workspace, "home", "leak-home", subject)
    assert Verdict.PASS is outcome.verdict, outcome.problems
    (finding,) = outcome.findings
    assert ("leak-home", "a reason") == (finding.id, finding.known)


@pytest.mark.slow
def test_a_known_failure_of_another_subject_covers_nothing(workspace: Any) -> None:
    outcome = _lane(workspace, "home", "leak-home", "other")
    messages = [problem.message for problem in outcome.problems]
    assert "left in HOME" in messages[0]
    assert "known failure leak-home of other passes now; take the entry out (its reason was: a reason)" == messages[1]


@pytest.mark.slow
def test_one_that_passes_is_an_error(workspace: Any) -> None:
    outcome = _lane(workspace, "none", "leak-home")
    assert Verdict.FAIL is outcome.verdict
    assert ["known failure leak-home passes now; take the entry out (its reason was: a reason)"] == [
        problem.message for problem in outcome.problems
    ]


@pytest.mark.slow
def test_one_whose_check_was_not_made_is_said(workspace: Any) -> None:
    outcome = _lane(workspace, "none", "unseeded")
    assert Verdict.PASS is outcome.verdict
    assert "known failure unseeded was not judged: its check was not made in this run" in outcome.notes


def test_a_list_that_cannot_be_used_names_everything_at_once(tmp_path: Path) -> None:
    text = '[[known]]\nid = "mirrored"\nreason = " "\nowner = "me"\n' + 2 * _ENTRY.format(id="unseeded", subject="")
    with pytest.raises(UsageError) as caught:
        known_failures.load(_list(tmp_path, "stray = 1\n" + text))
    message = str(caught.value)
    for part in (
        "line 1: unknown key 'stray'; allowed: known, schema",
        "line 5: known 'mirrored': unknown key 'owner'; allowed: id, subject, reason",
        "line 4: known 'mirrored': reason = ' '; allowed: text, not empty (why it is accepted)",
        "line 3: known 'mirrored': id = 'mirrored'; allowed: \"exit-code\", ",
        "line 10: known 'unseeded': it is entry 2 for unseeded; keep one",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (2 * _ENTRY.format(id="unseeded", subject="small"), "it is entry 2 for unseeded of small; keep one"),
        ("known = 3", r"known = 3 is not a list of tables; write \[\[known\]\]"),
        ("schema = 2", "schema = 2 is newer than this harness, which reads known failures files up to schema 1"),
        ("[[known", "is not TOML"),
    ],
)
def test_a_malformed_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        known_failures.load(_list(tmp_path, text))


def test_an_absent_list_is_refused_and_none_is_empty(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        known_failures.load(tmp_path / "absent.toml")
    assert () == known_failures.load(None)


def test_settling_tells_passing_from_unjudged() -> None:
    findings = Findings()
    findings.add(Finding(id="unseeded", subject="small", sentence="x"))
    findings.checked("quality", "small")
    entries = [
        known_failures.KnownFailure(id=name, subject=subject, reason="r")
        for name, subject in (("unseeded", ""), ("reconstruction-flat", "small"), ("reconstruction-flat", "large"))
    ]
    passing, unjudged = known_failures.settle(entries, findings)
    assert ["known failure reconstruction-flat of small passes now; take the entry out (its reason was: r)"] == passing
    assert ["known failure reconstruction-flat of large was not judged: its check was not made in this run"] == unjudged
