"""
Begins and ends a lane's log: its target's locks, fixtures and tests; its outcome's problems.

The frame that every run's log has is `harness.runs.session`; this fills it from a target and an outcome.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.record import provenance, required
from harness.record.log import EventLog
from harness.record.outcome import Outcome
from harness.record.required import RequiredResults
from harness.runs import session
from harness.targets.loader import Target
from ptycho.errors import UsageError
from ptycho.verdict import Verdict


def begin(
    events: EventLog,
    target: Target,
    *,
    token: str,
    device: str,
    fixtures: Mapping[str, Path],
    pytest: Sequence[str] = (),
    brief: bool = False,
) -> None:
    """
    Write what the lane is about and what must report.

    Args:
        events: its log.
        target: the pipeline.
        token: token of the run.
        device: that was asked for.
        fixtures: name and file of each fixture.
        pytest: the user's own arguments for the suite: with any, a part of the tests may report, and is not a whole
        run.
        brief: whether the checks that train again are left out.

    Raises:
        UsageError: the manifest of the tests that must report is wrong.
    """
    suite = target.suite is not None
    selects = suite and bool(target.suite_arguments) and not pytest
    expected = RequiredResults(fixtures=tuple(fixtures), suite=suite, device_proof=True, selects=selects)
    manifest = None
    wrong: UsageError | None = None
    if expected.suite and (path := required.manifest_of(target.file)).is_file():
        try:
            manifest = required.load(path)
        except UsageError as error:
            wrong = error
        else:
            chosen, every = ({}, manifest.tests) if pytest else (manifest.tests, {})
            # Only a manifest says what the whole is.
            left_out = tuple(_left_out(target, fixtures, brief=brief))
            expected = replace(expected, may_skip=manifest.may_skip, tests=chosen, whole=every, left_out=left_out)
    session.begin(
        events,
        kind="lane",
        name=target.name,
        token=token,
        origin=provenance.describe(
            root=target.root, locks=locks(target), fixtures=fixtures, device=device, files=files(target)
        ),
        expected=expected,
    )
    if wrong is not None:
        raise wrong  # only now: a log without a beginning would not say what run it is of
    if manifest is not None and pytest:
        message = f"the manifest of {len(manifest.tests)} tests does not hold: pytest was given {' '.join(pytest)!r}"
        events.write("note", message=message)


def _left_out(target: Target, fixtures: Mapping[str, Path], *, brief: bool) -> Iterator[str]:
    if absent := [name for name in target.fixtures if Path(name).stem not in fixtures and name not in fixtures]:
        yield f"a part of the fixtures: {', '.join(absent)} left out (--fixture)"
    if brief:
        yield "a part of the checks: those that train again were left out (--brief)"


def files(target: Target) -> list[Path]:
    """Files that decide what is run and judged: the target file, the manifest of its tests, its known failures."""
    found = [target.file, required.manifest_of(target.file), target.checks.known_failures]
    return [path for path in found if path is not None and path.is_file()]


def locks(target: Target) -> list[Path]:
    """The files of pinned versions that a target's environment may be made from."""
    found = sorted((target.root / "requirements").glob(f"{target.name}-*.txt"))
    if target.install is not None and target.install.lock is not None:
        found.append(target.install.lock)
    return found


def end(events: EventLog, outcome: Outcome) -> None:
    """Write the notes, note what its log lacks, write its verdict, make the reports."""
    for note in outcome.notes:
        events.write("note", message=note)

    def blame(verdict: Verdict, message: str) -> None:
        if not events.open:
            outcome.events = None
        outcome.blame(verdict, message)

    session.end(events, outcome.verdict, blame)
    outcome.events = None
