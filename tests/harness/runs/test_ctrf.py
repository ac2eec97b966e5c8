"""CTRF JSON: the cases of the JUnit file one by one, and what did not report is failed, never `other` or absent."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from harness.runs import artifacts
from tests.support import sample_log

COUNTED = ("passed", "failed", "skipped", "pending", "other")
STATUS = {None: "passed", "failure": "failed", "error": "failed", "skipped": "skipped"}


def both(content: bytes) -> tuple[dict[str, Any], ET.Element]:
    """The JSON document and the XML of a log."""
    made, _, _ = artifacts.reports(content)
    return json.loads(made["ctrf.json"]), ET.fromstring(made["junit.xml"])


def cut() -> bytes:
    """A log that ends in the middle of its suite."""
    rows = sample_log.whole()
    stop = next(number for number, row in enumerate(rows) if row["event"] == "test.start" and "[1]" in row["test"])
    return sample_log.content(rows[: stop + 1])


@pytest.mark.parametrize("content", [sample_log.content(sample_log.whole()), cut(), b""], ids=["whole", "cut", "empty"])
def test_every_case_of_the_xml_is_a_test_with_the_same_outcome(content: bytes) -> None:
    document, xml = both(content)
    expected = [
        (case.get("name"), STATUS[next((e.tag for e in case), None)], suite.get("name"))
        for suite in xml
        for case in suite.findall("testcase")
    ]
    tests = document["results"]["tests"]
    assert [(test["name"], test["status"], test["suite"][0]) for test in tests] == expected
    summary = document["results"]["summary"]
    assert summary["tests"] == len(tests) == sum(summary[name] for name in COUNTED)
    assert summary["failed"] == int(str(xml.get("failures"))) + int(str(xml.get("errors")))
    assert (document["reportFormat"], document["specVersion"].count(".")) == ("CTRF", 2)
    assert all(isinstance(test["duration"], int) for test in tests)


def test_a_run_that_was_cut_is_red_and_says_so() -> None:
    document, _ = both(cut())
    results = document["results"]
    assert results["summary"]["failed"] > 0
    assert results["extra"] == {"verdict": "fail", "exit_code": 1, "partial": True, "token": results["extra"]["token"]}
    silent = [test for test in results["tests"] if test.get("rawStatus") == "error"]
    assert any("partial" in test["message"] for test in silent)


def test_the_time_is_that_of_the_log() -> None:
    document, _ = both(sample_log.content(sample_log.whole()))
    summary = document["results"]["summary"]
    assert summary["start"] == 1767323045678
    assert summary["stop"] >= summary["start"]
    assert both(b"")[0]["results"]["summary"]["start"] == 0
