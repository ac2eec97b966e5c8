"""
Lists what must report, so that silence is never a pass: fixtures, the suite and its tests, rungs, benchmarks.

What a lane expects is written into its log when the run begins; after it, everything that is silent is named. The
tests come from a manifest beside the target file (`expected/NAME.toml`): without one, a test that was renamed or
deselected would be gone without a word. Every test that pytest collected must report in any case.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HEADER = """\
# The tests of this target that must report, and how many of each there are at least. More may report.
# Written by `python -m harness report rebuild RUN --expect FILE` from a run that passed; look at the difference before
# you commit it. A test under [may_skip] may skip, for the reason given; any other skip of a listed test fails.
"""


@dataclass(frozen=True, kw_only=True)
class RequiredResults:
    """
    Everything that must report.

    Attributes:
        fixtures: names of the fixtures of the job.
        suite: whether a test suite must report; at least one of its tests must pass.
        tests: test function (node id without parameters) to the least number of its tests.
        may_skip: test functions that may skip, and why.
        rungs: labels of the rungs that must be judged.
        benchmarks: names of the benchmarks that must be judged.
        adapters: labels of the adapters that must be asked.
        device_proof: whether each command must have the proof of its device.
        left_out: what the caller left out of the whole, a sentence each.
        whole: tests of the manifest where the caller chose among them: a part of them may report, and is not a whole
            run.
        selects: whether the target itself, and not the caller, says which tests of the folder a lane runs.
    """

    fixtures: tuple[str, ...] = ()
    suite: bool = False
    tests: Mapping[str, int] = field(default_factory=dict)
    may_skip: Mapping[str, str] = field(default_factory=dict)
    rungs: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    device_proof: bool = False
    left_out: tuple[str, ...] = ()
    whole: Mapping[str, int] = field(default_factory=dict)
    selects: bool = False

    def as_fields(self) -> dict[str, Any]:
        """Fields of the event `run.expect`."""
        return asdict(self)


def of_fields(row: Mapping[str, Any]) -> RequiredResults:
    """Return what an event `run.expect` says; fields of a wrong type are the grammar's business and count as empty."""

    def names(key: str) -> tuple[str, ...]:
        value = row.get(key)
        return tuple(str(name) for name in value) if isinstance(value, list) else ()

    def counts(key: str) -> dict[str, int]:
        value = row.get(key)
        return {k: v for k, v in value.items() if isinstance(v, int)} if isinstance(value, dict) else {}

    may_skip = row.get("may_skip")
    return RequiredResults(
        fixtures=names("fixtures"),
        suite=row.get("suite") is True,
        tests=counts("tests"),
        may_skip={str(key): str(value) for key, value in may_skip.items()} if isinstance(may_skip, dict) else {},
        rungs=names("rungs"),
        benchmarks=names("benchmarks"),
        adapters=names("adapters"),
        device_proof=row.get("device_proof") is True,
        left_out=names("left_out"),
        whole=counts("whole"),
        selects=row.get("selects") is True,
    )


def manifest_of(target_file: Path) -> Path:
    """Return where the manifest of a target file lies, if there is one."""
    return target_file.parent / "expected" / target_file.name


def load(path: Path) -> RequiredResults:
    """
    The tests of a manifest.

    Raises:
        UsageError: with everything that is wrong with the file.
    """
    from harness.files import toml_model
    from harness.record import suite_manifest

    manifest = toml_model.load(path, suite_manifest.SuiteManifest, "the manifest")
    counts = {
        f"{module}::{name}": count for module, functions in manifest.tests.items() for name, count in functions.items()
    }
    return RequiredResults(suite=True, tests=counts, may_skip=manifest.may_skip)


def function_of(test: str) -> str:
    """A test's node id without its parameters."""
    module, colons, name = test.partition("::")
    return f"{module}{colons}{name.partition('[')[0]}"


def parts(expected: RequiredResults, tests: Iterable[str], deselected: int) -> list[str]:
    """
    Return what keeps a run from being one of the whole; empty if nothing does.

    A selection can leave tests out in many ways, and pytest reports few of them; so it is the manifest that is asked.

    Args:
        expected: what must report.
        tests: node ids of the tests that reported.
        deselected: how many tests pytest says that a selection left out.
    """
    found = list(expected.left_out)
    reported = Counter(map(function_of, tests))
    missing = [name for name, count in expected.whole.items() if reported[name] < count]
    if missing:
        lacking = f"{len(missing)} of the {len(expected.whole)} in the manifest did not report, {missing[0]} among them"
        found.append(f"a part of the tests: {lacking}")
    elif deselected and not expected.selects:
        found.append(f"a part of the tests: {deselected} were deselected; run without arguments of your own")
    return found


def dump(outcomes: Mapping[str, str], reasons: Mapping[str, str]) -> str:
    """
    A manifest of what reported.

    Args:
        outcomes: test (node id) to its outcome; only what passed, skipped or failed as expected is listed.
        reasons: test to why it skipped.
    """
    counts = Counter(
        function_of(test) for test, outcome in outcomes.items() if outcome in ("passed", "xfailed", "skipped")
    )
    lines = [HEADER]
    modules: dict[str, list[str]] = {}
    for function in sorted(counts):
        modules.setdefault(function.partition("::")[0], []).append(function)
    for module, functions in modules.items():
        lines.append(f"[tests.{json.dumps(module)}]")
        lines += [f"{json.dumps(name.partition('::')[2])} = {counts[name]}" for name in functions]
        lines.append("")
    if skipped := sorted({function_of(test) for test, outcome in outcomes.items() if outcome == "skipped"}):
        lines.append("[may_skip]")
        why = {function_of(test): reason for test, reason in reasons.items()}
        lines += [f"{json.dumps(name)} = {json.dumps(why.get(name) or 'no reason given')}" for name in skipped]
    return "\n".join(lines).rstrip("\n") + "\n"


@dataclass(frozen=True, kw_only=True)
class MissingResult:
    """
    Something that must report and did not.

    Attributes:
        kind: `fixture`, `suite`, `test`, `rung`, `benchmark` or `adapter`.
        name: which one.
        why: what is known of it.
    """

    kind: str
    name: str
    why: str = "did not report"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.why}" if self.name else f"{self.kind}: {self.why}"


def silent(
    expected: RequiredResults,
    *,
    fixtures: Iterable[str],
    collected: Sequence[str],
    tests: Mapping[str, str],
    rungs: Iterable[str],
    benchmarks: Iterable[str],
    adapters: Iterable[str] = (),
) -> list[MissingResult]:
    """
    Return what did not report.

    Args:
        expected: what must.
        fixtures: fixtures with a result.
        collected: tests that pytest collected.
        tests: test to its outcome; a test that is still running is not in it.
        rungs: rungs with a result.
        benchmarks: benchmarks with a result.
        adapters: adapters that were asked.
    """
    found = [MissingResult(kind="fixture", name=name) for name in _without(expected.fixtures, fixtures)]
    if expected.suite and not collected:
        found.append(MissingResult(kind="suite", name="", why="no test was collected"))
    elif expected.suite and not any(outcome != "skipped" for outcome in tests.values()):
        why = f"all {len(tests)} tests that reported were skipped" if tests else "no test reported"
        found.append(MissingResult(kind="suite", name="", why=why))
    unreported = _without(collected, (test for test, outcome in tests.items() if outcome != "silent"))
    found += [MissingResult(kind="test", name=name, why="was collected and did not report") for name in unreported]
    reported = Counter(function_of(test) for test, outcome in tests.items() if outcome not in ("skipped", "silent"))
    skipped = Counter(function_of(test) for test, outcome in tests.items() if outcome == "skipped")
    named = {function_of(name) for name in unreported}
    for name, least in expected.tests.items():
        counted = reported[name] + (skipped[name] if name in expected.may_skip else 0)
        if counted < least and name not in named:
            why = f"{skipped[name]} of its tests skipped" if skipped[name] else "did not report"
            found.append(MissingResult(kind="test", name=name, why=f"{why}: {counted} of at least {least}"))
    found += [MissingResult(kind="rung", name=name) for name in _without(expected.rungs, rungs)]
    found += [MissingResult(kind="benchmark", name=name) for name in _without(expected.benchmarks, benchmarks)]
    found += [
        MissingResult(kind="adapter", name=name, why="was not asked") for name in _without(expected.adapters, adapters)
    ]
    return found


def _without(wanted: Sequence[str], found: Iterable[str]) -> list[str]:
    there = set(found)
    return [name for name in wanted if name not in there]
