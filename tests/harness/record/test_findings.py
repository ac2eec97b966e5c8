"""A fault in ten commands is one finding; silence is not evidence; the documentation has every id."""

import re
from pathlib import Path

import pytest

from harness.record.findings import KINDS, Finding, Findings, short
from harness.record.outcome import Outcome
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

DOCS = Path(__file__).parents[3] / "docs" / "findings.md"


def _outcome(folder: Path) -> Outcome:
    return Outcome(lane="fake-cpu", device="cpu", run_root=folder)


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(UsageError, match="no finding 'mirrored'; allowed: exit-code, "):
        Finding(id="mirrored", sentence="x")


def test_the_same_fault_again_is_counted_and_another_subject_is_another_finding(tmp_path: Path) -> None:
    outcome = _outcome(tmp_path)
    for subject in ("a.db", "a.db", "b.db"):
        outcome.find(Finding(id="leak-home", subject=subject, sentence=f"left {subject}"))
    assert [("a.db", 2), ("b.db", 1)] == [(finding.subject, finding.times) for finding in outcome.findings]
    assert ["left a.db", "left b.db"] == [problem.message for problem in outcome.problems]


@pytest.mark.parametrize(
    ("id", "given", "verdict"),
    [
        ("leak-home", None, Verdict.FAIL),
        ("time-limit", None, Verdict.TIMEOUT),
        ("epoch-over-budget", None, Verdict.BUDGET),
        ("exit-code", Verdict.OOM, Verdict.OOM),
    ],
)
def test_a_finding_has_its_verdict(tmp_path: Path, id: str, given: Verdict | None, verdict: Verdict) -> None:  # noqa: A002
    outcome = _outcome(tmp_path)
    outcome.find(Finding(id=id, sentence="x", verdict=given))
    assert verdict is outcome.verdict


def test_a_warning_is_listed_and_fails_nothing(tmp_path: Path) -> None:
    outcome = _outcome(tmp_path)
    outcome.find(Finding(id="object-offset", subject="small", sentence="2 px", figures={"shift_px": (0.0, 2.0)}))
    assert [] == outcome.problems
    (row,) = outcome.as_dict()["findings"]
    assert ("warning", "place", None) == (row["severity"], row["check"], row["known"])
    assert ("warning", "object-offset", "small", "shift_px (0, 2)", "1") == outcome.findings.rows()[1]


def test_a_check_counts_for_its_subject_or_for_all() -> None:
    findings = Findings()
    findings.checked("quality", "small")
    findings.checked("leaks")
    asked = [("reconstruction-flat", "small"), ("reconstruction-flat", "other"), ("reconstruction-flat", "")]
    assert [True, False, True] == [findings.was_checked(*each) for each in asked]
    assert findings.was_checked("leak-home", "anything")
    assert not findings.was_checked("unseeded", "")


def test_figures_are_short() -> None:
    assert ["0.123", "(1, 2.5)", "text"] == [short(0.12345), short([1, 2.5]), short("text")]


def test_the_documentation_has_every_finding_and_no_other() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (error|warning) \| (.+?) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [(name, kind.severity, kind.means) for name, kind in KINDS.items()] == rows
