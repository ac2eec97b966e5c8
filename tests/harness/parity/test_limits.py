"""Each judge of the ladder at its limit, one unit below and one above: which side the limit itself belongs to."""

import math

import numpy as np
import pytest

from harness.parity.compare import comparison
from harness.parity.compare.comparison import SHARED, Limit, Result
from harness.parity.compare.elements import apart
from harness.parity.compare.floors import Floors
from harness.parity.compare.rungs import ALONE, ENVELOPE, FLOORS, HORIZON, RUNGS, WORKFLOW_TOLERANCE, KnownDifference
from harness.parity.judge import ladder, operation_bounds
from harness.parity.quality.measure import LEAST_CORRELATION, NetworkScores
from harness.parity.quality.tost import Margin, Tost
from harness.parity.recalibrate import SAME, changes
from harness.parity.reference import invariants, kink_margin
from harness.parity.reference.invariant import Law
from harness.parity.reference.operations import Expectation
from ptycho.physics.weights import LOG_SCALE

ONE = np.array([1.0, 0.0, 0.0])


def around(limit: float) -> tuple[float, float, float]:
    """The number below a limit, the limit, the number above."""
    return math.nextafter(limit, -math.inf), limit, math.nextafter(limit, math.inf)


def off(distance: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What lies exactly so far from `ONE`, by its last element."""
    return np.array([1.0, 0.0, distance])


@pytest.mark.parametrize("side", ["torch", "tf"])
@pytest.mark.parametrize(("figure", "result"), [*zip(around(2.0**-30), ("pass", "pass", "fail"), strict=True)])
def test_a_distance_of_exactly_the_tolerance_passes(side: str, figure: float, result: str) -> None:
    sides = {"torch": ONE, "tf": ONE, side: off(figure)}
    found = comparison.judge("R4/a", sides, ONE, 2.0**-30)
    assert (found.result, found.guilty) == (Result(result), (side,) if result == "fail" else ())


@pytest.mark.parametrize(("tolerance", "result"), [*zip(around(2.0**-29), ("fail", "pass", "pass"), strict=True)])
def test_backends_of_exactly_the_tolerance_from_each_other_pass(tolerance: float, result: str) -> None:
    # Each within the tolerance of the oracle, on either side of it.
    sides = {"torch": off(2.0**-30), "tf": off(-(2.0**-30))}
    expected = off(0.0)
    assert comparison.distance(sides["torch"], sides["tf"]) == pytest.approx(2.0**-29)
    # ‖tf‖ is 1 to the last digit, so the distance between them is exact.
    assert comparison.judge("R4/a", sides, expected, tolerance).result is Result(result)


@pytest.mark.parametrize(("ratio", "result"), [*zip(around(8.0), ("fail", "pass", "pass"), strict=True)])
def test_errors_of_exactly_the_ratio_pass(ratio: float, result: str) -> None:
    limit = Limit(tolerance=1.0, floor=2.0**-20, ratio=ratio)
    sides = {"torch": off(2.0**-20), "tf": off(2.0**-17)}
    found = comparison.judge("R4/a", sides, ONE, limit)
    assert (found.result, found.guilty) == (Result(result), ("tf",) if result == "fail" else ())


@pytest.mark.parametrize(("error", "result"), [(2.0**-18, "pass"), (2.0**-17, "pass"), (2.0**-16, "fail")])
def test_an_error_below_the_floor_counts_as_the_floor(error: float, result: str) -> None:
    limit = Limit(tolerance=1.0, floor=2.0**-20, ratio=8.0)
    found = comparison.judge("R4/a", {"torch": ONE, "tf": off(error)}, ONE, limit)
    assert found.result is Result(result)


@pytest.mark.parametrize(("between", "shared"), [*zip(around(SHARED * 0.5), (True, True, False), strict=True)])
def test_sides_of_exactly_that_share_from_each_other_err_together(between: float, shared: bool) -> None:
    figures = {"torch": 0.5, "tf": 0.75, "between": between}
    assert comparison._is_shared(["torch", "tf"], {"torch": ONE, "tf": ONE}, figures) is shared


@pytest.mark.parametrize(("gap", "differs"), [*zip(around(0.25), (False, False, True), strict=True)])
def test_an_element_differs_beyond_its_share_of_the_tolerance_and_the_last_counts_as_the_first(
    gap: float, differs: bool
) -> None:
    for place in (0, 2):
        gaps = np.zeros(3)
        gaps[place], gaps[1] = gap, 0.5
        assert apart(gaps, np.ones(3), 0.25).tolist() == [k == 1 or (k == place and differs) for k in range(3)]


@pytest.mark.parametrize(("value", "result"), [(3.0, "pass"), (-3.0, "pass"), (around(3.0)[2], "fail")])
@pytest.mark.parametrize("place", [0, 4])
@pytest.mark.parametrize("norm", [None, 1, 2])
def test_an_operation_of_exactly_its_bound_passes(value: float, result: str, place: int, norm: int | None) -> None:
    wide = np.zeros(5, np.longdouble)
    expectation = Expectation(
        value=wide, dtype=np.dtype(np.float64), scale=wide + 1, limit=3.0, norm=norm, reason="of this test"
    )
    answer = np.zeros(5)
    answer[place] = value
    found = operation_bounds.judge_one("R2/a", {"torch": answer, "tf": np.zeros(5)}, expectation)
    assert (found.result, found.guilty) == (Result(result), ("torch",) if result == "fail" else ())


@pytest.mark.parametrize(("residual", "result"), [*zip(around(1e-12), ("pass", "pass", "fail"), strict=True)])
def test_a_law_that_is_broken_by_exactly_its_limit_holds(residual: float, result: str) -> None:
    law = Law(name="a", says="it holds", needs=(), residual=lambda _: residual, limit=1e-12)
    found = invariants._judge(law, {"torch": {}})
    assert (found.result, found.guilty) == (Result(result), ("torch",) if result == "fail" else ())


@pytest.mark.parametrize(("floor", "gated"), [*zip(around(HORIZON), (True, True, False), strict=True)])
def test_a_trajectory_of_exactly_its_horizon_is_judged(floor: float, gated: bool) -> None:
    rung, tensor = RUNGS[-1], "R8/losses"
    floors = Floors(values={"f32": {1: {tensor: floor}}})
    assert ladder.limit(rung, tensor, 1, "f32", floors).gated is gated


@pytest.mark.parametrize(
    ("rung", "tensor", "allowed"),
    [
        ("R4", "R4/phase", FLOORS * 2.0**-20),
        ("R6", f"R6/{LOG_SCALE}", ALONE * FLOORS * 2.0**-20),
        ("R8", "R8/losses", ENVELOPE * 2.0**-20),
        ("R3", "R3/quiet", 1e-12),
    ],
)
def test_float32_is_allowed_multiples_of_its_floor_and_never_less_than_float64(
    rung: str, tensor: str, allowed: float
) -> None:
    floor = 2.0**-60 if tensor == "R3/quiet" else 2.0**-20
    floors = Floors(values={"f32": {1: {tensor: floor}}})
    (chosen,) = (item for item in RUNGS if item.name == rung)
    assert ladder.limit(chosen, tensor, 1, "f32", floors).tolerance == allowed


def test_only_the_workflow_has_a_tolerance_of_its_own() -> None:
    rung = RUNGS[-1]
    named = [
        ladder.limit(rung, name, 1, "f64", Floors()).tolerance for name in ("R8/workflow.a", "R8/workflo", "R8/1.a")
    ]
    assert named == [WORKFLOW_TOLERANCE, rung.tolerance, rung.tolerance]


@pytest.mark.parametrize(
    ("tensor", "precision", "gridsize", "named"),
    [
        ("R4/phase", "f32", 2, True),
        ("R4/phase.0", "f32", 2, False),
        ("R5/phase", "f32", 2, False),
        ("R4/phase", "f64", 2, False),
        ("R4/phase", "f32", 1, False),
    ],
)
def test_a_known_failure_excuses_exactly_its_own_comparison(
    tensor: str, precision: str, gridsize: int, named: bool
) -> None:
    known = KnownDifference(rung="R4", tensor="phase", id="a", reason="r", precision="f32", gridsize=2)
    assert known.names(tensor, precision, gridsize) is named


def paired(*, p: float = 0.01, mean: float = 0.0, established: bool = True) -> Tost:
    margin = Margin(value=0.5)
    figures = {"n": 8, "spread": 0.1, "alpha": 0.05, "power": 0.9, "needed": 8, "interval": (0.0, 0.0)}
    return Tost(p=p, mean=mean, established=established, margin=margin, **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize(("p", "equivalent"), [*zip(around(0.05), (True, True, False), strict=True)])
def test_a_p_value_of_exactly_alpha_is_equivalent(p: float, equivalent: bool) -> None:
    assert paired(p=p).equivalent is equivalent


@pytest.mark.parametrize(("mean", "beyond"), [*zip(around(0.5), (False, False, True), strict=True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_of_exactly_the_margin_is_not_beyond_it(mean: float, beyond: bool, sign: int) -> None:
    assert paired(mean=sign * mean).beyond is beyond
    assert not paired(mean=sign * mean, established=False).beyond


@pytest.mark.parametrize(
    ("phase", "correlation", "collapsed"),
    [
        (20.0, 0.9, True),
        (around(20.0)[2], 0.9, False),
        (30.0, LEAST_CORRELATION, True),
        (30.0, around(LEAST_CORRELATION)[2], False),
        (math.nan, 0.9, True),
        (30.0, math.nan, True),
    ],
)
def test_a_network_that_is_exactly_as_good_as_a_flat_object_has_collapsed(
    phase: float, correlation: float, collapsed: bool
) -> None:
    measured = NetworkScores(
        figures={"phase": phase},
        flat={"phase": 20.0},
        correlation=correlation,
        train_loss=(),
        validation_loss=(),
    )
    assert measured.collapsed is collapsed


@pytest.mark.parametrize(("factor", "listed"), [(1 + SAME / 2, False), (1 + 2 * SAME, True), (1 - 2 * SAME, True)])
def test_a_floor_that_moves_by_rounding_has_not_changed(factor: float, listed: bool) -> None:
    old, new = (Floors(values={"f32": {1: {"R3/a": value}}}) for value in (1e-7, 1e-7 * factor))
    assert bool(changes(old, new)) is listed


@pytest.mark.parametrize(("spread", "counts"), [*zip(around(0.25), (False, False, True), strict=True)])
def test_a_window_of_exactly_an_even_spread_does_not_count(spread: float, counts: bool) -> None:
    window = np.array([[[[0.0, 0.0], [0.0, spread]]]])
    assert (kink_margin.lead(window, 0.25) < math.inf) is counts
