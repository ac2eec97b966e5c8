"""The last runs stay, failed ones stay longer, living ones always; what goes, goes in order and is named."""

import json
import os
from pathlib import Path

import pytest

from harness.record import directory
from harness.runs import retention
from harness.runs.retention import Policy
from harness.system import identity

MIB = 2**20


def _run(root: Path, number: int, verdict: str | None, *, mib: int = 0, alive: bool = False) -> str:
    """A run of a given age, with reports if a verdict is given; returns its folder's name."""
    run = directory.create(root)
    run.remove_scratch()
    path = run.path.rename(run.path.with_name(f"20260101T0000{number:02}Z-{run.token}"))
    if not alive:
        record = json.loads((path / directory.MARKER).read_text())
        record["owner"]["started"] = "1"
        (path / directory.MARKER).write_text(json.dumps(record))
    if verdict is not None:
        (path / "events.ndjson").touch()
        (path / "verdict.json").write_text(json.dumps({"verdict": verdict}))
    (path / "logs" / "big").write_bytes(bytes(range(256)) * (mib * MIB // 256))
    return path.name


def _going(root: Path, policy: Policy) -> list[str]:
    return [item.run.path.name for item in retention.surplus(root, policy)]


def test_the_last_runs_and_every_failed_one_stay(tmp_path: Path) -> None:
    verdicts = ["pass", "fail", "pass", "infra", "pass", "pass", "pass"]
    names = [_run(tmp_path, number, verdict) for number, verdict in enumerate(verdicts)]
    assert _going(tmp_path, Policy(runs=2)) == [names[0], names[2], names[4]]
    assert _going(tmp_path, Policy(runs=7)) == []
    removed, refused = retention.apply(tmp_path, Policy(runs=2))
    assert ([item.run.path.name for item in removed], refused) == ([names[0], names[2], names[4]], [])
    assert [run.path.name for run in directory.find(tmp_path)] == [names[1], names[3], names[5], names[6]]
    assert str(removed[0]) == f"{names[0]} (passed, 0.0 MiB)"


def test_above_the_size_the_oldest_that_passed_go_first_and_then_the_oldest_failed(tmp_path: Path) -> None:
    verdicts = ["fail", "pass", "fail", "pass", "pass"]
    names = [_run(tmp_path, number, verdict, mib=2) for number, verdict in enumerate(verdicts)]
    for mib, going in ((11, []), (9, [1]), (7, [1, 3]), (5, [1, 3, 0]), (3, [1, 3, 0, 2]), (0, [1, 3, 0, 2])):
        assert _going(tmp_path, Policy(runs=20, mib=mib)) == [names[index] for index in going], mib


def test_a_living_run_and_one_with_scratch_are_never_surplus(tmp_path: Path) -> None:
    living = _run(tmp_path, 0, "pass", mib=1, alive=True)
    swept_later = _run(tmp_path, 1, "pass", mib=1)
    (tmp_path / "runs" / swept_later / "scratch").mkdir()
    gone, newest = _run(tmp_path, 2, "pass", mib=1), _run(tmp_path, 3, "pass", mib=1)
    began = (tmp_path / "runs" / newest / "verdict.json").stat().st_mtime_ns + 10**9
    os.utime(tmp_path / "runs" / living / directory.MARKER, ns=(began, began))
    assert _going(tmp_path, Policy(runs=1, mib=0)) == [gone]
    retention.apply(tmp_path, Policy(runs=1, mib=0))
    assert sorted(run.path.name for run in directory.find(tmp_path)) == [living, swept_later, newest]
    assert identity.is_alive(next(directory.find(tmp_path)).owner)


def test_a_run_that_ended_while_a_living_one_was_there_is_kept_for_its_ledger(tmp_path: Path) -> None:
    before, during, newest = (_run(tmp_path, number, "pass") for number in (0, 1, 3))
    assert _going(tmp_path, Policy(runs=1)) == [before, during]
    living = _run(tmp_path, 2, None, alive=True)
    began = (tmp_path / "runs" / living / directory.MARKER).stat().st_mtime_ns
    for name, shift in ((before, -1), (during, 1), (newest, 2)):
        os.utime(tmp_path / "runs" / name / "events.ndjson", ns=(began + shift, began + shift))
    assert _going(tmp_path, Policy(runs=1)) == [before]
    assert [run.path.name for run in retention.removable(directory.find(tmp_path))] == [before]


@pytest.mark.parametrize(
    ("report", "log", "failed"),
    [
        ('{"verdict": "pass"}', True, False),
        ('{"verdict": "inconclusive"}', True, True),
        ('{"verdict": "pa', True, True),
        ("[]", True, True),
        (None, True, True),
        (None, False, False),
    ],
)
def test_a_damaged_report_is_no_pass(tmp_path: Path, report: str | None, log: bool, failed: bool) -> None:
    if report is not None:
        (tmp_path / "verdict.json").write_text(report)
    if log:
        (tmp_path / "events.ndjson").touch()
    assert retention.failed(tmp_path) is failed


def test_a_size_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "big").write_bytes(os.urandom(MIB))
    (tmp_path / "run" / "logs").mkdir(parents=True)
    (tmp_path / "run" / "logs" / "file").write_bytes(os.urandom(MIB // 4))
    (tmp_path / "run" / "link").symlink_to(tmp_path / "far")
    assert MIB // 4 <= retention.size(tmp_path / "run") < MIB // 2


def test_the_end_of_a_run_says_what_it_removed(tmp_path: Path) -> None:
    old, kept = _run(tmp_path, 0, "pass"), _run(tmp_path, 1, "fail")
    own = directory.create(tmp_path)
    assert retention.tidy(own.path) == []
    assert retention.tidy(own.path, Policy(runs=1)) == [f"removed the run {old} (passed, 0.0 MiB)"]
    assert [run.path.name for run in directory.find(tmp_path)] == [kept, own.path.name]
    assert retention.tidy(tmp_path / "runs" / "no run", Policy(runs=1, mib=0)) == []


def test_nothing_is_surplus_where_there_are_no_runs(tmp_path: Path) -> None:
    assert retention.surplus(tmp_path / "absent", Policy()) == []
    assert retention.apply(tmp_path, Policy(runs=1, mib=0)) == ([], [])


def test_a_run_that_cannot_be_removed_is_said(tmp_path: Path) -> None:
    old = _run(tmp_path, 0, "pass")
    _run(tmp_path, 1, "pass")
    (tmp_path / "runs" / old / directory.MARKER).write_text("{}")
    assert retention.apply(tmp_path, Policy(runs=1)) == ([], []), "without a record it is not a run at all"
    assert (tmp_path / "runs" / old).is_dir()
