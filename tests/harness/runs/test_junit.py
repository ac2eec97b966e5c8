"""JUnit XML: every test once, silence as an error, and any text in it without breaking the file."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from harness.record import state, verdict
from harness.record.log import Log
from harness.runs import junit
from tests.support import sample_log

Row = dict[str, Any]


def _xml(rows: list[Row]) -> ET.Element:
    told = state.tell(Log(rows=tuple(rows), damage=()))
    return ET.fromstring(junit.document(told, verdict.judge(told)))


def _cases(root: ET.Element, suite: str) -> dict[str, str]:
    """Name of each case to what it holds: "" for a pass."""
    (found,) = [item for item in root if item.get("name") == f"fake-cpu.{suite}"]
    cases = found.findall("testcase")
    return {str(case.get("name")): case[0].tag if len(case) else "" for case in cases}


def _counts(element: ET.Element) -> tuple[str | None, ...]:
    return tuple(element.get(name) for name in ("tests", "failures", "errors", "skipped"))


def test_a_sound_run_is_all_green() -> None:
    root = _xml(sample_log.whole())
    assert _counts(root) == ("5", "0", "0", "0")
    assert _cases(root, "run") == {"the log is whole": ""}
    assert _cases(root, "fixtures") == {"scan": ""}
    assert _cases(root, "suite") == {"test_one": "", "test_many[1]": "", "test_many[2]": ""}
    first = root.find(".//testcase[@name='test_one']")
    assert first is not None
    assert (first.get("classname"), first.get("time")) == ("tests.test_a", "0.500")
    properties = {item.get("name"): item.get("value") for item in root.iter("property")}
    assert (properties["verdict"], properties["partial"], properties["commit"]) == ("pass", "false", "c0ffee")


def test_every_outcome_has_its_element() -> None:
    names = ("passed", "failed", "error", "skipped", "xfailed", "silent")
    ran = [sample_log.one_test(f"t.py::T::test_{name}[a::b/c]", name, f"why {name}\nmore") for name in names]
    root = _xml([*sample_log.beginning(tests={}), *sample_log.whole_suite(*ran, names=()), sample_log.end("FAIL")])
    elements = {
        "passed": "",
        "failed": "failure",
        "error": "error",
        "skipped": "skipped",
        "xfailed": "skipped",
        "silent": "error",
    }
    assert _cases(root, "suite") == {f"test_{name}[a::b/c]": element for name, element in elements.items()}
    (suite,) = [item for item in root if item.get("name") == "fake-cpu.suite"]
    assert _counts(suite) == ("6", "1", "2", "2")
    failure = suite.find(".//failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("why failed", "why failed\nmore")
    assert {case.get("classname") for case in suite.findall("testcase")} == {"t.T"}


def test_what_did_not_report_is_an_error() -> None:
    rows = [*sample_log.beginning(), *sample_log.whole_suite()[:6]]
    root = _xml(rows)
    assert _cases(root, "run") == {
        "the log is whole": "error",
        "problem 1": "failure",
        "problem 2": "failure",
        "problem 3": "failure",
    }
    assert _cases(root, "fixtures") == {"scan": "error"}
    assert _cases(root, "suite") == {"test_one": "", "test_many[1]": "error", "test_many[2]": "error"}
    root = _xml(rows[:-1])
    running = root.find(".//testcase[@name='test_one']/error")
    assert running is not None
    assert running.text == "was running when the log ends"


def test_rungs_and_benchmarks_are_cases() -> None:
    rungs = [sample_log.parent("rung.end", rung=name, result=name) for name in ("pass", "known failure", "unverified")]
    slow = [sample_log.parent("benchmark.end", benchmark=name, verdict=name) for name in ("pass", "budget")]
    root = _xml([*sample_log.beginning(), *rungs, *slow])
    assert _cases(root, "rungs") == {"pass": "", "known failure": "", "unverified": "failure"}
    assert _cases(root, "benchmarks") == {"pass": "", "budget": "failure"}


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "]]>", "<a & b='c'>", "\x00\x0b", "\ud800 half", "\ufffe"])
def test_any_text_gives_well_formed_xml(text: str) -> None:
    failed = sample_log.one_test(f"t.py::{text}", "failed", text)
    rows = [*sample_log.beginning(), *sample_log.whole_suite(failed, names=())]
    assert junit.clean(text) in [case.get("name") for case in _xml(rows).iter("testcase")]
    assert junit.clean("\x1b\t\n") == "#x1B\t\n"


def test_an_empty_log_is_one_error() -> None:
    root = _xml([])
    assert root.get("name") == "run that was killed before its first event"
    assert _counts(root) == ("2", "1", "1", "0")
