"""
A pytest plugin that runs inside a target's own tests: one event a test, written when it begins and when it ends.

A suite that is killed leaves no result file; the log still says which tests had reported and which one was running.
It is given on the command line (`-p`), must not import anything else of the project, and knows only hooks that every
pytest since 5 has. Without a log in the environment it does nothing, so that the command that repeats a suite needs no
harness.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

LONGEST = 16_000
"""Characters of a failure that go into the log; the suite's whole output is kept in a file of its own."""

_FAULTS = {"setup": "error", "teardown": "error", "call": "failed"}


class Reporter:
    """
    Writes what pytest tells it.

    Args:
        write: appends an event to the log, given its name and its fields.
    """

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write
        self._parts: dict[str, list[Any]] = {}
        self._deselected = 0

    def pytest_sessionstart(self) -> None:
        """Begin the suite."""
        self._write("suite.start")

    def pytest_deselected(self, items: Any) -> None:
        """Count what a selection left out."""
        self._deselected += len(items)

    def pytest_collectreport(self, report: Any) -> None:
        """Say which module could not be collected, and why."""
        if report.failed:
            self._write("collect.error", test=report.nodeid, message=shortened(str(report.longrepr)))

    def pytest_collection_finish(self, session: Any) -> None:
        """Say which tests must report."""
        tests = [item.nodeid for item in session.items]
        self._write("suite.collected", count=len(tests), deselected=self._deselected, tests=tests)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin a test."""
        self._parts[nodeid] = []
        self._write("test.start", test=nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the report of set-up, call or tear-down until the test ends."""
        self._parts.setdefault(report.nodeid, []).append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """End a test with one outcome."""
        parts = self._parts.pop(nodeid, [])
        outcome, message = verdict(parts)
        seconds = {part.when: round(part.duration, 4) for part in parts}
        total = round(sum(seconds.values()), 4)
        self._write("test.end", test=nodeid, outcome=outcome, seconds=total, parts=seconds, message=message)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """End the suite."""
        self._write("suite.end", exitstatus=int(exitstatus))


def verdict(parts: list[Any]) -> tuple[str, str]:
    """
    Outcome of a test from its reports, and why.

    Returns:
        `passed`, `failed`, `error` (set-up or tear-down), `skipped`, `xfailed`, or `silent` for a test without any
        report of its call; and the text that explains it, or "".
    """
    for part in parts:
        if part.failed:
            return _FAULTS[part.when], shortened(str(part.longrepr))
    for part in parts:
        if part.skipped:
            if hasattr(part, "wasxfail"):
                return "xfailed", shortened(part.wasxfail)
            why = part.longrepr
            return "skipped", shortened(str(why[2] if isinstance(why, tuple) else why))
    called = [part for part in parts if part.when == "call"]
    return ("passed", "") if called else ("silent", "no report of its call")


def shortened(text: str) -> str:
    """The beginning and the end of a long text, with a note of what is left out."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out; see the suite's log …]\n{text[-half:]}"


def pytest_configure(config: Any) -> None:
    """Register the reporter where there is a log, and in the controlling process only."""
    path = os.environ.get("PTYCHO_HARNESS_EVENTS")
    if path and not hasattr(config, "workerinput"):
        # By name: in a child this folder is on the path by itself, and its modules have no package.
        log = import_module("ptycho_harness_jsonl")
        descriptor = log.open_log(path)
        config.pluginmanager.register(Reporter(lambda event, **fields: log.append(descriptor, event, **fields)))
