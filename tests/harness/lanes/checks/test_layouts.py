"""Both layouts must be read, as the same scan, unless the target's file says that one is refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.lanes.checks import layouts, reproducibility
from harness.lanes.checks.attempt import TrainInferRun, attempt
from harness.lanes.checks.context import CheckContext
from harness.record.outcome import FixtureResult
from harness.targets.model import Checks, Command
from harness.targets.schema import Layout
from tests.support.fakes import zoo
from tests.support.fakes.fake_bench import Made, Runner, bench, ids, learning


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return zoo.scan(tmp_path / "scan.npz")


def _twin(where: CheckContext, scan: Path, have: tuple[str, ...] = ("canonical",)) -> list[tuple[str, str]]:
    main = attempt(where.target, "scan", scan, cells=where.cells, values=where.values, run=where.run)
    layouts.run(where, "scan", scan, have, reproducibility.run(where, "scan", scan, main))
    return ids(where.outcome)


def _refusing(folder: Path) -> Runner:
    return Runner(folder=folder, object_of=learning, returncode_of=lambda label: int("as-legacy" in label))


def _misreading(label: str, command: Command, values: Mapping[str, object]) -> Made:
    made = learning(label, command, values)
    return made[::-1] if "as-legacy" in label else made


@pytest.mark.parametrize("wanted", [True, False, "refused"])
def test_a_layout_that_is_read_is_right_unless_it_is_declared_refused(
    tmp_path: Path, scan: Path, wanted: Layout
) -> None:
    runner = Runner(folder=tmp_path, object_of=learning)
    where = bench(tmp_path, runner, checks=Checks(legacy_layout=wanted))
    assert ([("legacy-accepted", "scan")] if wanted == "refused" else []) == _twin(where, scan)
    assert ("scan-as-legacy-train" in runner.labels) is (wanted is not False)


@pytest.mark.parametrize(("wanted", "expected"), [(True, [("legacy-refused", "scan")]), ("refused", [])])
def test_a_layout_that_is_refused_is_wrong_unless_it_is_declared(
    tmp_path: Path, scan: Path, wanted: Layout, expected: list[tuple[str, str]]
) -> None:
    where = bench(tmp_path, _refusing(tmp_path), checks=Checks(legacy_layout=wanted))
    assert expected == _twin(where, scan)


def test_a_layout_that_is_misread_is_found_by_its_result(tmp_path: Path, scan: Path) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=_misreading))
    assert [("layouts-differ", "scan")] == _twin(where, scan)


def test_nothing_is_tried_where_the_fixtures_have_both(tmp_path: Path, scan: Path) -> None:
    runner = _refusing(tmp_path)
    assert [] == _twin(bench(tmp_path, runner), scan, ("canonical", "legacy"))
    assert not any("as-" in label for label in runner.labels)


def test_fixtures_that_fail_are_told_apart_by_their_layout(tmp_path: Path, scan: Path) -> None:
    where = bench(
        tmp_path, Runner(folder=tmp_path, object_of=learning, returncode_of=lambda label: int("old" in label))
    )
    made: dict[str, TrainInferRun] = {
        name: attempt(where.target, name, scan, cells=where.cells, values=where.values, run=where.run)
        for name in ("new", "old")
    }
    layouts.report_faults(where, made, {"new": "canonical", "old": "legacy"})
    assert [("legacy-refused", "old")] == ids(where.outcome)
    # Where the other one fails as well, the layout is not an explanation.
    layouts.report_faults(where, {"old": made["old"]}, {"old": "legacy"})
    assert [("legacy-refused", "old"), ("exit-code", "train on old")] == ids(where.outcome)


def test_the_layouts_of_files_are_read_from_the_files(tmp_path: Path, scan: Path) -> None:
    from ptycho.data import contract

    contract.save(tmp_path / "old.npz", contract.load(scan), layout="legacy")
    assert {"a": "canonical", "b": "legacy"} == layouts.of_fixtures({"a": scan, "b": tmp_path / "old.npz"})


def test_other_hashes_of_one_scan(tmp_path: Path) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=learning))
    results = [FixtureResult(fixture=name, input_sha256=name * 8) for name in ("scan", "scan_again")]
    layouts.same_input(where, results[:1])
    assert [] == ids(where.outcome)
    layouts.same_input(where, results)
    assert [("layouts-differ", "scan, scan_again")] == ids(where.outcome)
