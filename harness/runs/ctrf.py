"""
A run as CTRF JSON (Common Test Report Format), for tools that read it: the same cases as its JUnit XML, one by one.

It is made from the XML and not from the log a second time, so that the two files cannot differ. An error of JUnit (a
test that did not report, a log that ends early) is `failed` here: a reader of CTRF does not stop at `other`.
"""

import json
import xml.etree.ElementTree as ET
from datetime import datetime
from typing import Any

from harness.record.state import RunState
from harness.record.verdict import LogVerdict

FORMAT, VERSION, TOOL = "CTRF", "0.1.0", "ptycho-harness"
STATUS = {"failure": "failed", "error": "failed", "skipped": "skipped"}
"""Element of a JUnit case to the status of the test; a case without one has passed."""


def document(told: RunState, judged: LogVerdict, xml: bytes) -> str:
    """
    The JSON text of a run.

    Args:
        told: the run.
        judged: its verdict.
        xml: its JUnit file, of `harness.runs.junit`.
    """
    root = ET.fromstring(xml)  # noqa: S314  # our own file
    tests = [_test(case, str(suite.get("name"))) for suite in root for case in suite.iter("testcase")]
    counts = {status: sum(test["status"] == status for test in tests) for status in ("passed", "failed", "skipped")}
    start = _milliseconds(told.started)
    return (
        json.dumps(
            {
                "reportFormat": FORMAT,
                "specVersion": VERSION,
                "results": {
                    "tool": {"name": TOOL},
                    "summary": {
                        "tests": len(tests),
                        **counts,
                        "pending": 0,
                        "other": 0,
                        "start": start,
                        "stop": start + round(told.seconds * 1000),
                    },
                    "tests": tests,
                    "environment": {"testEnvironment": told.title, "commit": str(told.origin.get("commit"))},
                    "extra": {
                        "verdict": judged.verdict.label,
                        "exit_code": int(judged.verdict),
                        "partial": judged.partial,
                        "token": told.token,
                    },
                },
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _test(case: ET.Element, suite: str) -> dict[str, Any]:
    found = next((element for element in case if element.tag in STATUS), None)
    made: dict[str, Any] = {
        "name": case.get("name"),
        "status": "passed" if found is None else STATUS[found.tag],
        "duration": round(float(case.get("time", "0")) * 1000),
        "suite": list(dict.fromkeys((suite, str(case.get("classname"))))),
    }
    if found is not None:
        made |= {"rawStatus": found.tag, "message": found.get("message", "")}
        made |= {"trace": found.text} if found.text and found.text != found.get("message") else {}
    return made


def _milliseconds(started: str) -> int:
    """Milliseconds since 1970 of a log's first event; 0 where the log does not say when that was."""
    try:
        return round(datetime.fromisoformat(started).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return 0
