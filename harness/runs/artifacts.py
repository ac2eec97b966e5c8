"""
The reports of a run, made from its event log and from nothing else.

The harness makes them this way at the end of every run, so a rebuilt report is the same report. After a kill at any
byte the log still gives valid ones; they say that they are partial, and their verdict is never a pass.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.files.run_files import replacing
from harness.record import log, required, state
from harness.record import verdict as log_verdict
from harness.record.directory import LOG
from harness.record.state import RunState
from harness.record.verdict import LogVerdict
from harness.runs import ctrf, junit, summary
from ptycho.errors import PtychoError, UsageError

SCHEMA = "ptycho-harness-verdict/1"


def reports(content: bytes) -> tuple[dict[str, bytes], RunState, LogVerdict]:
    """
    The reports of a log.

    Args:
        content: its bytes, whole or cut anywhere.

    Returns:
        File name to bytes, what the log tells, and its verdict.
    """
    told = state.tell(log.parse(content))
    judged = log_verdict.judge(told)
    xml = junit.document(told, judged)
    made = {
        "junit.xml": xml,
        "ctrf.json": _bytes(ctrf.document(told, judged, xml)),
        "verdict.json": _bytes(json.dumps(verdict(told, judged), indent=1) + "\n"),
        "summary.md": _bytes(summary.markdown(told, judged)),
        "summary.txt": _bytes(summary.text(told, judged)),
    }
    return made, told, judged


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")


def verdict(told: RunState, judged: LogVerdict) -> dict[str, Any]:
    """Return what `verdict.json` holds: everything that the reports show, without their limits."""
    return {
        "schema": SCHEMA,
        "verdict": judged.verdict.label,
        "exit_code": int(judged.verdict),
        "partial": judged.partial,
        "kind": told.kind,
        "lane": told.lane,
        "device": told.device,
        "token": told.token,
        "origin": dict(told.origin),
        "started": told.started,
        "seconds": round(told.seconds, 3),
        "findings": [_own(row) for row in told.findings.values()],
        "problems": [{"verdict": item.verdict.label, "message": item.message} for item in judged.problems],
        "silent": [{"kind": item.kind, "name": item.name, "why": item.why} for item in judged.silent],
        "under_way": [str(span) for span in told.checked.open if span.name != "run"],
        "fixtures": {name: _own(row) for name, row in told.fixtures.items()},
        "tests": {name: result.outcome for name, result in told.tests.items()},
        "rungs": told.rungs,
        "rung_counts": told.tally.as_dict(),
        "failed_rungs": [asdict(found) for found in told.failed_rungs],
        "benchmarks": dict(told.benchmarks),
        "commands": {
            item.label: {"returncode": item.returncode, "seconds": item.seconds, "log": item.log, "repeat": item.repeat}
            for item in told.commands.values()
        },
        "notes": list(told.notes),
        "unknown_events": dict(told.checked.unknown),
        "damage": [str(found) for found in told.damage],
    }


def _own(row: log.Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("event", "utc", "monotonic_s", "pid", "fixture")}


def write(folder: Path) -> LogVerdict:
    """
    Write the reports of a run beside its log.

    Args:
        folder: the run's folder.

    Raises:
        UsageError: there is no log.
        InfrastructureError: a report cannot be written.
    """
    try:
        content = log.content(folder / LOG)
    except PtychoError as error:
        raise UsageError(f"{error}; give the folder of a run") from error
    made, _, judged = reports(content)
    for name, data in made.items():
        with replacing(folder / name) as file:
            file.write(data)
    return judged


def write_manifest(told: RunState, judged: LogVerdict, manifest: Path) -> None:
    """A list of what must report is only taken from a run that passed, and with nothing left out."""
    # A test that is silent because it is gone is what a new list is for.
    others = [problem for problem in judged.problems if not problem.message.startswith("no evidence: test ")]
    if others or judged.partial or told.expected.whole or told.deselected or not told.tests:
        raise UsageError(
            f"no manifest from this run: it must be whole, pass, and have run every test; its verdict is "
            f"{judged.verdict.label}, {told.deselected} tests were deselected, {len(told.tests)} ran"
        )
    reasons = {name: result.message for name, result in told.tests.items() if result.outcome == "skipped"}
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with replacing(manifest) as file:
        file.write(required.dump(told.reported, reasons).encode())
