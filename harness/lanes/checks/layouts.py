"""
Both file layouts: the canonical one and the laboratory's transposed one must be the same scan to a target.

Where the fixtures of a lane have one layout only, the other is written into the scratch from the first of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.lanes.checks import attempt
from harness.lanes.checks.context import CheckContext
from harness.lanes.checks.reproducibility import SAME, Trials
from harness.record.findings import Finding
from harness.record.outcome import FixtureResult

LEGACY, CANONICAL = "legacy", "canonical"


def of_fixtures(paths: Mapping[str, Path]) -> dict[str, str]:
    """
    Layout of each fixture, by name.

    Raises:
        ContractError: a file that breaks the contract.
    """
    from ptycho.data import contract

    return {name: contract.load(path).source.layout for name, path in paths.items()}


def report_faults(
    bench: CheckContext, attempts: Mapping[str, attempt.TrainInferRun], layouts: Mapping[str, str]
) -> None:
    """
    Report why attempts ended early: a layout that is refused while the other is read is called that.

    Args:
        bench: where it reports.
        attempts: the job's, by fixture.
        layouts: by fixture.
    """
    read = {layouts[name] for name, made in attempts.items() if made.fault is None}
    for name, made in attempts.items():
        layout = layouts[name]
        declared = bench.target.checks.legacy_layout == "refused" and layout == LEGACY
        if made.fault is None:
            if declared:
                _accepted(bench, name)
        elif made.fault.id == "exit-code" and (declared or read - {layout}):
            _refused(bench, name, layout, made.fault, declared=declared)
        else:
            bench.find(made.fault)
    if {layouts[name] for name in attempts} == {LEGACY, CANONICAL}:
        for name in attempts:
            bench.outcome.findings.checked("layouts", name)


def _refused(bench: CheckContext, name: str, layout: str, fault: Finding, *, declared: bool) -> None:
    bench.outcome.findings.checked("layouts", name)
    if declared:
        bench.outcome.notes.append(f"{name}: refused, as the target's file says of the legacy layout")
        return
    sentence = f"{name}: the {layout} layout is not read; {fault.sentence}"
    bench.find(replace(fault, id=f"{layout}-refused", subject=name, sentence=sentence))


def _accepted(bench: CheckContext, name: str) -> None:
    sentence = f"{name}: the legacy layout is read, but the target's file says that it is refused; correct the file"
    bench.find(Finding(id="legacy-accepted", subject=name, sentence=sentence))


def run(bench: CheckContext, fixture: str, path: Path, layouts: Sequence[str], trials: Trials) -> None:
    """
    Try the layout that no fixture has.

    Args:
        bench: where to.
        fixture: name of the fixture from which it is written.
        path: its file.
        layouts: those that the fixtures have.
        trials: trainings of one epoch on it.
    """
    from ptycho.data import contract

    wanted = bench.target.checks.legacy_layout
    missing = [layout for layout in (CANONICAL, LEGACY) if layout not in layouts]
    if not missing or wanted is False:
        return
    (layout,) = missing
    name = f"{fixture}-as-{layout}"
    twin = bench.cells / f"{name}.npz"
    contract.save(twin, contract.load(path), layout=layout)
    made = bench.attempt(name, twin)
    declared = wanted == "refused" and layout == LEGACY
    bench.outcome.findings.checked("layouts", fixture)
    if made.fault is not None:
        if made.fault.id == "exit-code":
            _refused(bench, fixture, layout, made.fault, declared=declared)
        else:
            bench.find(made.fault)
        return
    if declared:
        _accepted(bench, fixture)
    distance = bench.distance(made, trials.once)
    if trials.repeatable and distance is not None and not distance <= SAME:
        sentence = (
            f"{fixture}: the same scan in the {layout} layout gives a reconstruction {distance:.1e} away; "
            f"allowed: {SAME:g}: axes, precision or normalisation differ"
        )
        bench.find(Finding(id="layouts-differ", subject=fixture, sentence=sentence, figures={"distance": distance}))


def same_input(bench: CheckContext, results: Iterable[FixtureResult]) -> None:
    """The fixtures of a target's file are one scan: what the network was given must be the same bytes."""
    same = [result for result in results if result.fixture in bench.target.fixtures]
    if (sentence := attempt.differing_inputs(same)) is not None:
        bench.find(
            Finding(id="layouts-differ", subject=", ".join(result.fixture for result in same), sentence=sentence)
        )
