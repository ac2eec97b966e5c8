"""The summaries: the same facts in both, bounded, and no text from a test can break out of its place."""

from typing import Any

import pytest

from harness.record import state, verdict
from harness.record.log import Log
from harness.runs import summary
from tests.support import sample_log

Row = dict[str, Any]


def _texts(rows: list[Row]) -> tuple[str, str]:
    told = state.tell(Log(rows=tuple(rows), damage=()))
    judged = verdict.judge(told)
    return summary.markdown(told, judged), summary.text(told, judged)


def test_a_run_that_passed_says_what_it_rests_on() -> None:
    markdown, text = _texts(sample_log.whole())
    assert markdown.startswith("# fake-cpu: pass (exit 0)\n")
    assert text.startswith("fake-cpu: pass (exit 0)\n")
    for said in ("3 passed, 0 failed, 0 skipped", "python -m pytest tests", "c0ffee", "swept ä dead run"):
        assert said in text
        assert said.replace("_", "\\_") in markdown
    assert "| scan | 0.990 | 20.0 | - | - | - | 1.2 | 1.2 | pass |" in markdown
    assert [line.split() for line in text.splitlines() if line.startswith("  suite  ")] == [
        ["suite", "0", "1.2", "logs/suite.log"]
    ]
    assert "Problems" not in text


def test_a_partial_report_begins_with_it_and_lists_what_is_missing() -> None:
    stop = [*sample_log.beginning(), sample_log.job()[0]]
    for found in _texts(stop):
        assert "PARTIAL: the log ends before the run did" in found.splitlines()[0]
        assert "fixture scan: did not report" in found
        assert "command scan-train" in found
        assert "did not end" in found


def test_faults_come_with_their_reasons() -> None:
    failed = sample_log.one_test("t.py::test_x", "failed", "def test_x():\n>  assert 1 == 2\nE  assert 1 == 2")
    error = sample_log.suite("collect.error", test="u.py", message="trace\nImportError: no")
    rows = [*sample_log.beginning(), *sample_log.whole_suite(failed, [error], names=["t.py::test_x"]), sample_log.end()]
    _, text = _texts(rows)
    assert "t.py::test_x  failed         0.50     E  assert 1 == 2" in text
    assert "u.py          not collected  -        ImportError: no" in text
    assert "1 tests that reported are not in the manifest, t.py::test_x among them" in text


@pytest.mark.parametrize("text", ["a | b", "`code`", "<script>", "# heading", "two\n````\nmore", "_x_ *y* [z](w)"])
def test_no_text_breaks_out_of_its_place(text: str) -> None:
    problem = sample_log.parent("problem", verdict="fail", message=text)
    rows = [*sample_log.beginning(), *sample_log.whole_suite(sample_log.one_test("t", "failed", text)), problem]
    markdown, _ = _texts(rows)
    headings = [line for line in markdown.splitlines() if line.startswith("#")]
    assert [line for line in headings if not line.startswith(("# fake-cpu: fail", "## "))] == []
    rows_of_tables = [line for line in markdown.splitlines() if line.startswith("| t |")]
    assert [line.replace("\\|", "").count("|") for line in rows_of_tables] == [5]
    assert "<script>" not in markdown.replace("\\<script>", "")


def test_a_fence_in_a_message_does_not_close_the_one_around_it() -> None:
    problem = sample_log.parent("problem", verdict="fail", message="first\n````\nlast")
    markdown, _ = _texts([*sample_log.beginning(), problem])
    assert "- fail: first\n\n  ```````text\n  ````\n  last\n  ```````\n" in markdown


def test_long_lists_and_texts_are_cut_and_it_is_said() -> None:
    many = [sample_log.parent("problem", verdict="fail", message=f"{number} {'x' * 3000}") for number in range(70)]
    for found in _texts([*sample_log.beginning(), *many]):
        assert "in verdict.json" in found
        assert "characters more]" in found
        assert len(found.encode()) < 200_000


def test_a_summary_is_never_larger_than_a_job_page_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "LARGEST", 1_000)
    rows = [*sample_log.beginning(), *(sample_log.parent("note", message="ä" * 500) for _ in range(9))]
    for found in _texts(rows):
        assert len(found.encode()) <= 1_000
        assert found.endswith("bytes in all; verdict.json has everything]\n")


def test_findings_and_unknown_events_are_shown() -> None:
    about = {"id": "unseeded", "subject": "scan", "sentence": "s", "severity": "error", "known": "no option"}
    rows = sample_log.whole()
    rows[3:3] = [sample_log.parent("finding", **about), sample_log.parent("own.event")]
    markdown, text = _texts(rows)
    assert "| unseeded | scan | error | no option |" in markdown
    assert "own.event (1), kept in the log" in text
