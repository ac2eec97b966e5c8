"""
A run as JUnit XML, made from its log: what continuous-integration services show.

pytest writes a result file only when it ends. Here a test that was collected and did not report is an error of its
own, and so is a log that ends before the run did: the counts of a partial file cannot be taken for a green one.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from harness.record import rung_results
from harness.record.rung_results import NOT_REACHED, STANDING
from harness.record.state import RunState, TestResult
from harness.record.verdict import LogVerdict
from ptycho.verdict import Verdict

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write, among them those of coloured output."""

_ELEMENTS = {"passed": "", "skipped": "skipped", "xfailed": "skipped", "failed": "failure"}
"""Outcome of a test to the element that says it; any other is an `error`."""


def clean(text: str) -> str:
    """Text without characters that XML cannot hold: each becomes its number, `#x1B`."""
    return _FORBIDDEN.sub(lambda found: f"#x{ord(found.group()):02X}", text)


def document(told: RunState, judged: LogVerdict) -> bytes:
    """
    The XML of a run.

    Suites: `run` (its problems, and whether the log is whole), `fixtures`, `suite` (the target's tests), `rungs`,
    `benchmarks`; those that have nothing to say are left out. A rung is one case, as everywhere, whatever the
    number of its gridsizes and precisions; its message has them.
    """
    name = told.title
    suites = [
        _suite(f"{name}.run", _run_cases(told, judged)),
        _suite(f"{name}.fixtures", _fixture_cases(told)),
        _suite(f"{name}.suite", _test_cases(told)),
        _suite(f"{name}.rungs", _rung_cases(told)),
        _suite(
            f"{name}.benchmarks",
            (_judged(bench, said, Verdict.parse(said) is Verdict.PASS) for bench, said in told.benchmarks.items()),
        ),
    ]
    root = ET.Element("testsuites", name=clean(name), time=f"{told.seconds:.3f}")
    root.extend(suite for suite in suites if len(suite))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    properties = ET.Element("properties")
    for key, value in (
        ("verdict", judged.verdict.label),
        ("partial", str(judged.partial).lower()),
        ("device", told.device),
        ("commit", told.origin.get("commit")),
        ("token", told.token),
    ):
        ET.SubElement(properties, "property", name=key, value=clean(str(value)))
    root[0].insert(0, properties)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(name: str, cases: Iterable[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=clean(name))
    suite.extend(cases)
    for case in suite:
        case.set("classname", case.get("classname") or clean(name))
    found = {tag: sum(case.find(tag) is not None for case in suite) for tag in ("failure", "error", "skipped")}
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(found["failure"]))
    suite.set("errors", str(found["error"]))
    suite.set("skipped", str(found["skipped"]))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in suite):.3f}")
    return suite


def _case(name: str, *, classname: str = "", seconds: float = 0.0, element: str = "", message: str = "") -> ET.Element:
    case = ET.Element("testcase", name=clean(name), classname=clean(classname), time=f"{seconds:.3f}")
    if element:
        first, _, _ = message.partition("\n")
        ET.SubElement(case, element, message=clean(first)).text = clean(message)
    return case


def _run_cases(told: RunState, judged: LogVerdict) -> Iterable[ET.Element]:
    """One case for the log, one for each problem."""
    partial = f"the log ends after {told.last!r}: this report is partial" if judged.partial else ""
    yield _case("the log is whole", seconds=told.seconds, element="error" if partial else "", message=partial)
    for number, problem in enumerate(judged.problems, start=1):
        message = f"{problem.verdict.label}: {problem.message}"
        yield _case(f"problem {number}", element="failure", message=message)


def _fixture_cases(told: RunState) -> Iterable[ET.Element]:
    for name, row in told.fixtures.items():
        times = [value for value in (row.get("train_s"), row.get("infer_s")) if isinstance(value, int | float)]
        passed = Verdict.parse(row.get("verdict")) is Verdict.PASS
        message = "" if passed else f"verdict: {row.get('verdict')}"
        yield _case(name, seconds=float(sum(times)), element="" if passed else "failure", message=message)
    for name in told.expected.fixtures:
        if name not in told.fixtures:
            yield _case(name, element="error", message="did not report")


def _test_cases(told: RunState) -> Iterable[ET.Element]:
    for result in told.tests.values():
        yield _test_case(result)
    for test, message in told.collect_errors.items():
        yield _case(test, classname=test, element="error", message=message)
    for test in told.collected:
        if test not in told.tests:
            yield _test_case(TestResult(test=test, outcome="", message="was collected and did not report"))


def _test_case(result: TestResult) -> ET.Element:
    module, _, inner = result.test.partition("::")
    # What is in brackets is the test's parameters and may hold any text.
    path, bracket, parameters = inner.partition("[")
    group, _, function = path.rpartition("::")
    classname = ".".join(part for part in (module.removesuffix(".py").replace("/", "."), *group.split("::")) if part)
    message = "was running when the log ends" if result.outcome == "running" else result.message
    return _case(
        f"{function}{bracket}{parameters}",
        classname=classname,
        seconds=result.seconds,
        element=_ELEMENTS.get(result.outcome, "error"),
        message=message,
    )


def _rung_cases(told: RunState) -> Iterable[ET.Element]:
    for rung, result in told.tally.results.items():
        where = "; ".join(rung_results.places(told.rungs, rung, besides=STANDING))
        why = next((found.why for found in told.failed_rungs if found.rung == rung and found.why), "")
        message = f"{result}{f' ({where})' if where else ''}{f': {why}' if why else ''}"
        element = "" if result in STANDING else "error" if result == NOT_REACHED else "failure"
        yield _case(rung, element=element, message=message)


def _judged(name: str, result: str, passed: bool) -> ET.Element:
    return _case(name, element="" if passed else "failure", message=result)
