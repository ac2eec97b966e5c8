"""Two lanes are compared from what they kept: inputs, subsets, places and objects, each with its own finding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.lanes.checks import cross_target
from harness.record.outcome import FixtureResult, Outcome
from harness.targets.model import InputDump
from ptycho.errors import PtychoError
from tests.support.fakes import fake_target
from tests.support.fakes.fake_bench import ids

_TRUTH = fake_target.truth(60)
_SUBJECT = "small: one-cpu and two-cpu"


def _patterns() -> NDArray[np.float32]:
    return np.random.default_rng(1).random((6, 8, 8)).astype(np.float32)


def _lane(
    folder: Path,
    name: str,
    *,
    obj: NDArray[Any] = _TRUTH,
    origin: tuple[int, int] = (4, 5),
    dump: NDArray[Any] | None = None,
    digest: str | None = None,
    score: float = 0.9,
) -> Outcome:
    path = folder / f"{name}.npz"
    np.savez(path, object=obj, overlap=np.ones(obj.shape), origin=np.array(origin))
    if dump is not None:
        np.save(folder / f"{name}.npy", dump)
    outcome = Outcome(lane=f"{name}-cpu", device="cpu", run_root=folder)
    outcome.fixtures.append(
        FixtureResult(
            fixture="small",
            scores={"complex_correlation": score},
            input_sha256=digest,
            reconstruction=str(path),
            input_dump=None if dump is None else str(folder / f"{name}.npy"),
        )
    )
    return outcome


def _found(folder: Path, one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    other = _lane(folder, "two", **two)
    cross_target.compare(_lane(folder, "one", **one), other)
    assert {_SUBJECT} >= {subject for _, subject in ids(other)}
    return [name for name, _ in ids(other)]


def _noisy(size: float) -> NDArray[Any]:
    return np.asarray(_TRUTH + size * np.random.default_rng(2).normal(size=_TRUTH.shape), np.complex64)


def test_two_that_agree(tmp_path: Path) -> None:
    same = {"dump": _patterns(), "digest": "a"}
    assert [] == _found(tmp_path, same, {**same, "obj": _noisy(0.05), "dump": _patterns()[:, None] * 1.0})


@pytest.mark.parametrize(
    ("two", "expected"),
    [
        ({"dump": _patterns() * 2}, "pair-inputs-differ"),
        ({"dump": _patterns()[::-1]}, "pair-subsets-differ"),
        ({"dump": _patterns()[:4]}, "pair-subsets-differ"),
        ({"dump": _patterns().transpose(0, 2, 1)}, "pair-inputs-differ"),
        ({"dump": _patterns()[:, :4]}, "pair-inputs-differ"),
        ({"digest": "b"}, "pair-hashes-differ"),
        ({"origin": (5, 5)}, "pair-coordinates-differ"),
        ({"obj": _noisy(1.0)}, "pair-outputs-differ"),
        ({"obj": _TRUTH.conj()}, "pair-outputs-differ"),
    ],
    ids=["factor", "order", "subset", "axes", "shape", "hash", "place", "noise", "conjugate"],
)
def test_what_differs_is_named(tmp_path: Path, two: dict[str, Any], expected: str) -> None:
    one = {"dump": _patterns()} if "dump" in two else {"digest": "a"}
    # One pixel aside, smooth objects still agree to better than this.
    assert [expected] == _found(tmp_path, {**one, "score": 0.8}, {**one, **two, "score": 0.8})


def test_objects_that_do_not_touch_agree_in_nothing(tmp_path: Path) -> None:
    found = _found(tmp_path, {}, {"origin": (400, 5)})
    assert ["pair-coordinates-differ", "pair-outputs-differ"] == found


@pytest.mark.parametrize(("name", "key"), [("x.npy", ""), ("x.npz", "seen")])
def test_a_dumped_input_outlives_its_run(tmp_path: Path, name: str, key: str) -> None:
    if key:
        np.savez(tmp_path / name, seen=_patterns())
    else:
        np.save(tmp_path / name, _patterns())
    dump = InputDump(argv=(), path=name, key=key)
    kept = cross_target.keep_input(dump, tmp_path, tmp_path / "kept" / "input.npy")
    assert kept is not None
    assert _patterns().tolist() == np.load(kept).tolist()
    assert cross_target.keep_input(None, tmp_path, tmp_path / "kept" / "input.npy") is None


def test_a_dump_that_is_promised_and_absent_is_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", other=_patterns())
    for name in ("x.npz", "absent.npy"):
        with pytest.raises(PtychoError, match="cannot be read"):
            cross_target.keep_input(InputDump(argv=(), path=name, key="seen"), tmp_path, tmp_path / "input.npy")
