"""Results are as far apart as they are: no registration, no forgiven phase, no distance to what is missing."""

from pathlib import Path

import numpy as np
import pytest

from harness.lanes.checks.attempt import Attempt
from harness.lanes.checks.context import Bench
from harness.record.findings import Finding
from tests.support.fakes.fake_bench import Made, Runner, bench

_OBJ = np.exp(1j * np.random.default_rng(0).normal(size=(20, 30))).astype(np.complex64)
_MADE = {"plain": _OBJ, "same": _OBJ, "turned": 1j * _OBJ, "double": 2 * _OBJ, "smaller": _OBJ[:-1]}


def _object(label: str, command: object, values: object) -> Made:
    return np.asarray(_MADE[label.partition("-")[0]])


def _attempts(where: Bench, *names: str) -> list[Attempt]:
    return [where.attempt(name, Path("scan.npz")) for name in names]


@pytest.mark.parametrize(
    ("name", "expected"), [("same", 0.0), ("turned", 2**0.5), ("double", 1.0), ("smaller", float("inf"))]
)
def test_distances(tmp_path: Path, name: str, expected: float) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=_object))
    other, plain = _attempts(where, name, "plain")
    assert expected == pytest.approx(where.distance(other, plain), rel=1e-6)


def test_there_is_no_distance_to_what_is_not_there(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, object_of=_object, returncode_of=lambda label: int("same-infer" in label))
    where = bench(tmp_path, runner)
    failed, plain = _attempts(where, "same", "plain")
    assert where.distance(failed, plain) is None
    untold = where.attempt("double", Path("scan.npz"), infer=False)
    assert where.distance(untold, plain) is None
    (plain.output / "reconstruction.npz").write_bytes(b"not an archive")
    assert where.seen(plain) is None


def test_a_trial_is_short_and_takes_other_values(tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    def record(label: str, command: object, values: object) -> Made:
        assert isinstance(values, dict)
        seen.update({label: (values["nepochs"], values["seed"])})
        return np.asarray(_OBJ)

    where = bench(tmp_path, Runner(folder=tmp_path, object_of=record))
    where.attempt("plain", Path("scan.npz"))
    where.attempt("other", Path("scan.npz"), seed=7)
    assert {"plain-train": (1, 42), "other-train": (1, 7)} == seen


def test_a_finding_gets_the_command_of_the_lane_unless_it_has_its_own(tmp_path: Path) -> None:
    where = bench(tmp_path, Runner(folder=tmp_path, object_of=_object))
    where.find(Finding(id="unseeded", subject="a", sentence="x"))
    where.find(Finding(id="unseeded", subject="b", sentence="x", command="fit --fast"))
    assert ["python -m harness run", "fit --fast"] == [finding.command for finding in where.outcome.findings]
