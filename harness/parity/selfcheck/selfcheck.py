"""
Rung R10: known defects are planted into a clean answer; the ladder must fail where they are, and pass without them.

A comparator that has rotted passes everything, and nothing about a green run shows it. So every run plants defects
into its own figures: NumPy alone, in about a second. `python -m harness.parity.selfcheck.selfcheck` does the same from
kept files; faults planted into the ladder itself are judged by it.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from harness.parity.compare import response
from harness.parity.compare.comparison import Result
from harness.parity.compare.response import TELLING, Answer
from harness.parity.compare.rungs import KnownDifference
from harness.parity.exchange.backend_client import PACKAGES
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.output import replay
from harness.parity.output.report import LadderReport
from harness.parity.selfcheck import tampered
from harness.parity.selfcheck.defects import (
    ABOVE,
    BELOW,
    DEFECTS,
    LIMITS,
    Array,
    drifted,
    limit_of,
    moved,
    with_element,
)
from ptycho.command_line import Parser
from ptycho.errors import UsageError, exit_on_error
from ptycho.parity.request import Request
from ptycho.verdict import Verdict

SIDES = ("tf", "torch")


@dataclass(frozen=True, kw_only=True)
class SelfCheckCase:
    """
    Answers of one side or both, and the ladder's right verdict on them.

    Attributes:
        name: what is planted, for people.
        sides: arrays or plain values by side.
        expected: the oracle's answer.
        rung: the rung that must fail; None if all must pass.
        guilty: sides that must be named.
    """

    name: str
    sides: Mapping[str, Answer]
    expected: OracleAnswer
    rung: str | None
    guilty: tuple[str, ...] = ()


def run(request: Request, answers: Mapping[str, Answer], expected: OracleAnswer, scratch: Path) -> list[str]:
    """
    Check the ladder on a clean answer.

    Args:
        request: the question, in float64.
        answers: clean answers by side.
        expected: the oracle's.
        scratch: folder for a few files; they are removed.

    Returns:
        What the ladder did not see, or saw and should not have, one sentence each; empty if it can be relied upon.
    """
    quantities = request.quantities
    gridsize = request.model.gridsize
    found = _stands(request, answers, expected)
    base = _small(expected, quantities)
    planted = 0
    for case in _cases(base, quantities):
        planted += 1
        found += _checked(case, gridsize)
    if planted < len(quantities):
        found.append(f"only {planted} defects were planted for {len(quantities)} rungs")
    found += _own_limits(request, answers, expected)
    limited = [name for name in quantities if name not in expected.judges]
    found += _order(base, limited)
    found += _known(base, limited)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        found += tampered.check(request, answers, Path(folder))
        found += _replayed(base, quantities, Path(folder))
    return found


def _stands(request: Request, answers: Mapping[str, Answer], expected: OracleAnswer) -> list[str]:
    """The clean answers must pass, and everything that the oracle has must have been compared."""
    climbed = ladder.climb(request.model.gridsize, answers, expected, request.quantities)
    found = [
        f"a clean answer fails at {item.rung.name}, {item.worst.tensor if item.worst else 'with nothing compared'}"
        for item in climbed
        if item.result not in (Result.PASS, Result.KNOWN_FAILURE)
    ]
    if ladder.refusals(answers):
        found.append("a clean answer is refused")
    names = {item.rung.name for item in climbed}
    found += [f"{name} was asked for and is not judged" for name in request.quantities if name not in names]
    judged = {one.tensor for item in climbed for one in item.judgements}
    silent = sorted(name for name in expected.arrays if _rung(name) in request.quantities and name not in judged)
    found += [f"{name} is not compared" for name in silent]
    report = LadderReport(climbed=climbed, refused={"tf": ("old",)}, seed=0, seconds=0.0).as_dict()
    if report["exit_code"] != Verdict.FAIL or report["verdict"] != "fail":
        found.append("a report of a refused answer is a pass")
    if ladder.verdict([], {}) is Verdict.PASS or ladder.verdict(climbed, {"tf": ("old",)}) is Verdict.PASS:
        found.append("nothing climbed, or a refused answer, is a pass")
    return found


def _rung(name: str) -> str:
    return name.partition("/")[0]


def _small(expected: OracleAnswer, quantities: Sequence[str]) -> OracleAnswer:
    """A few small tensors a rung, of each kind: real and complex, without axes and with; and a value of each type."""
    chosen: dict[str, Array] = {}
    for rung in quantities:
        kinds: dict[tuple[str, int], str] = {}
        candidates = [name for name in expected.arrays if _rung(name) == rung and np.any(expected.arrays[name])]
        for name in sorted(
            candidates, key=lambda name: (expected.arrays[name].size < TELLING, expected.arrays[name].size)
        ):
            value = expected.arrays[name]
            if value.dtype.kind in "fc":
                kinds.setdefault((value.dtype.kind, min(value.ndim, 3)), name)
        chosen |= {name: expected.arrays[name] for name in sorted(kinds.values())}
    exact = {side: {rung: _typical(told) for rung, told in rungs.items()} for side, rungs in expected.exact.items()}
    return OracleAnswer(exact=exact, arrays=chosen)


def _typical(told: Mapping[str, Any]) -> dict[str, Any]:
    """The first two values of each type."""
    kept: dict[str, list[str]] = {}
    for name, value in told.items():
        kept.setdefault(type(value).__name__, []).append(name)
    return {name: told[name] for names in kept.values() for name in names[:2]}


def _alone(base: OracleAnswer, name: str) -> OracleAnswer:
    """One tensor and a neighbour of its rung, in the order of the oracle."""
    of_rung = [other for other in base.arrays if _rung(other) == _rung(name)]
    beside = of_rung[of_rung.index(name) - 1]
    return replace(base, arrays={other: base.arrays[other] for other in of_rung if other in (name, beside)})


def _both(expected: OracleAnswer) -> dict[str, Answer]:
    """Both sides giving exactly what the oracle has."""
    return {
        side: Answer(exact=expected.exact[side], arrays=expected.arrays, refusals=(), manifest={}) for side in SIDES
    }


def _given(expected: OracleAnswer, name: str, **by_side: Array | None) -> dict[str, Answer]:
    """As the oracle, but one tensor: what a side gives for it, None for nothing."""
    made = _both(expected)
    for side, value in by_side.items():
        arrays = {key: one for key, one in expected.arrays.items() if key != name or value is not None}
        made[side] = replace(made[side], arrays=arrays if value is None else {**arrays, name: value})
    return made


def _cases(base: OracleAnswer, quantities: Sequence[str]) -> Iterator[SelfCheckCase]:
    yield SelfCheckCase(name="nothing", sides=_both(base), expected=base, rung=None)
    for number, name in enumerate(base.arrays):
        alone, value = _alone(base, name), base.arrays[name]
        yield from _defects(alone, name, value, number)
        if _rung(name) in LIMITS and value.dtype == np.float64 and value.size > 1:
            yield from _sizes(alone, name, value)
    for rung in (name for name in base.exact["torch"] if name in quantities):
        yield from _values(base, rung)


def _defects(base: OracleAnswer, name: str, value: Array, number: int) -> Iterator[SelfCheckCase]:
    """Each defect, on the sides in turn and on both alike: agreement is not truth."""
    rung = _rung(name)
    for turn, defect in enumerate(DEFECTS, start=number):
        if defect.fits(value) and (rung in LIMITS or not defect.of_values):
            wrong = defect.plant(value)
            for guilty in ((SIDES[turn % 2],), SIDES):
                yield SelfCheckCase(
                    name=f"{name} with {defect.name} from {' and '.join(guilty)}",
                    sides=_given(base, name, **dict.fromkeys(guilty, wrong)),
                    expected=base,
                    rung=rung,
                    guilty=guilty,
                )
    for made in (dict.fromkeys(SIDES, value), {"torch": value}):
        yield SelfCheckCase(
            name=f"{rung}/unknown, which the oracle does not have, from {' and '.join(made)}",
            sides=_given(base, f"{rung}/unknown", **made),
            expected=base,
            rung=rung,
            guilty=tuple(sorted(made)),
        )


def _sizes(base: OracleAnswer, name: str, value: Array) -> Iterator[SelfCheckCase]:
    """Yield how much a rung allows; numbers of any size; casts; infinities and NaN where the oracle has them, too."""
    rung, limit = _rung(name), limit_of(name)

    def case(what: str, oracle: Array, torch: Array, tf: Array, guilty: tuple[str, ...] | None) -> SelfCheckCase:
        changed = replace(base, arrays={**base.arrays, name: oracle})
        return SelfCheckCase(
            name=f"{name} {what}",
            sides=_given(changed, name, torch=torch, tf=tf),
            expected=changed,
            rung=None if guilty is None else rung,
            guilty=guilty or (),
        )

    yield case(f"{ABOVE:g} limits away", value, value * (1 + ABOVE * limit), value, ("torch",))
    yield case(f"{ABOVE:g} limits away in one element", value, value, moved(value, ABOVE * limit), ("tf",))
    yield case(f"{BELOW:.2f} limits away", value, value * (1 + BELOW * limit), value, None)
    apart = value * (1 + 0.9 * limit), value * (1 - 0.6 * limit)
    yield case("within the limit, and 1.5 limits from the other side's", value, *apart, ("torch",))
    yield case("small, with the other sign", value * 1e-200, -value * 1e-200, value * 1e-200, ("torch",))
    yield case("zero, and not quite", value * 0, value * 1e-30, value * 0, ("torch",))
    single = value.astype(np.float32).astype(np.float64)
    near = single * (1 + 1e-15)
    yield case("cast to float32 and back", near, near, single, ("tf",))
    for special in (np.nan, np.inf, -np.inf):
        right = with_element(value, special)
        yield case(f"with a {special} that the oracle has, too", right, right, right, None)
        yield case(f"without the {special} of the oracle", right, value, right, ("torch",))
    yield case("with an infinity of the other sign", with_element(value, np.inf), *_infinities(value), ("tf",))


def _infinities(value: Array) -> tuple[Array, Array]:
    return with_element(value, np.inf), with_element(value, -np.inf)


def _values(base: OracleAnswer, rung: str) -> Iterator[SelfCheckCase]:
    """A plain value that drifted, is missing, or is there and should not be."""
    told = base.exact["torch"][rung]

    def case(
        what: str, change: Callable[[Mapping[str, Any]], dict[str, Any]], guilty: tuple[str, ...]
    ) -> SelfCheckCase:
        sides = _both(base)
        for side in guilty:
            changed = change(base.exact[side][rung])
            sides[side] = replace(sides[side], exact={**base.exact[side], rung: changed})
        return SelfCheckCase(name=f"{rung}: {what} from {guilty}", sides=sides, expected=base, rung=rung, guilty=guilty)

    for name, value in told.items():
        for guilty in (("torch",), ("tf",), SIDES):
            if any(name not in base.exact[side][rung] for side in guilty):
                continue
            yield case(f"{name} drifted", lambda given, n=name, v=value: {**given, n: drifted(v)}, guilty)  # type: ignore[misc]
    first = next(iter(told))
    for guilty in (("torch",), ("tf",), SIDES):
        yield case(f"{first} missing", lambda given: {n: v for n, v in given.items() if n != first}, guilty)
        yield case("an unknown value", lambda given: {**given, "unknown": 1}, guilty)


def _checked(case: SelfCheckCase, gridsize: int) -> list[str]:
    asked = [case.rung] if case.rung is not None else list(dict.fromkeys(map(_rung, case.expected.arrays)))
    climbed = ladder.climb(gridsize, case.sides, case.expected, asked)
    wanted = Verdict.PASS if case.rung is None else Verdict.FAIL
    if ladder.verdict(climbed, {}) is not wanted:
        return [f"planted {case.name}: the verdict is not a {wanted.label}"]
    failed = ladder.first_failure(climbed)
    if failed is not None and (failed.rung.name, failed.guilty) != (case.rung, case.guilty):
        told = f"found at {failed.rung.name}, at fault {failed.guilty}; expected {case.rung}, {case.guilty}"
        return [f"planted {case.name}: {told}"]
    return []


def _telling(base: OracleAnswer, quantities: Sequence[str]) -> list[str]:
    """A tensor of each rung that has a limit, in the order of the climb."""
    first: dict[str, str] = {}
    for name in base.arrays:
        if _rung(name) in LIMITS:
            first.setdefault(_rung(name), name)
    return [first[rung] for rung in quantities if rung in first]


SOILED = 4
"""Tensors of a rung with limits of its own that defects are planted into."""


def _own_limits(request: Request, answers: Mapping[str, Answer], expected: OracleAnswer) -> list[str]:
    """NaN, nothing and a stray, from each side, where a rung has its own judge: what it allows is its own affair."""
    found = []
    for rung in (name for name in expected.judges if name in request.quantities):
        tensors = [name for name, value in answers["torch"].arrays.items() if _rung(name) == rung and value.size]
        floats = [name for name in tensors if answers["torch"].arrays[name].dtype.kind in "fc"]
        for turn, name in enumerate(floats[:: max(1, len(floats) // SOILED)]):
            value, side = answers["torch"].arrays[name], SIDES[turn % 2]
            spoilt = {"NaN": (name, np.full_like(value, np.nan)), "nothing": (name, None)}
            for what, (tensor, array) in {**spoilt, "a stray": (f"{rung}/unknown", value)}.items():
                arrays = {key: one for key, one in answers[side].arrays.items() if key != tensor}
                given = {
                    **answers,
                    side: replace(answers[side], arrays=arrays if array is None else {**arrays, tensor: array}),
                }
                (climbed,) = ladder.climb(request.model.gridsize, given, expected, [rung])
                if (climbed.result, climbed.guilty) != (Result.FAIL, (side,)):
                    found.append(f"planted {what} at {tensor} from {side}: {climbed.result}, at fault {climbed.guilty}")
    return found


def _order(base: OracleAnswer, quantities: Sequence[str]) -> list[str]:
    """Of several rungs that fail the lowest counts, on any side or gridsize; a silent rung is not a pass."""
    found = []
    names = _telling(base, quantities)
    for low, high in pairwise(names):
        one, four = (
            ladder.climb(gridsize, _given(base, name, **{side: -base.arrays[name]}), base, quantities)
            for gridsize, name, side in ((1, high, "torch"), (2, low, "tf"))
        )
        failed = ladder.first_failure([*one, *four])
        if failed is None or (failed.rung.name, failed.gridsize, failed.guilty) != (_rung(low), 2, ("tf",)):
            found.append(f"{low} and {high} are wrong, and {_rung(low)} at gridsize 2 is not the first failure")
    for name in names:
        rung = _rung(name)
        silent = {key: value for key, value in base.arrays.items() if _rung(key) != rung}
        mute = {side: replace(given, arrays=silent) for side, given in _both(base).items()}
        for oracle_too in (False, True):
            wanted = replace(base, arrays=silent) if oracle_too else base
            climbed = ladder.climb(1, mute, wanted, quantities)
            if ladder.verdict(climbed, {}) is not Verdict.FAIL:
                found.append(f"nobody says anything at {rung}, and that is a pass")
    return found


def _known(base: OracleAnswer, quantities: Sequence[str]) -> list[str]:
    """A known failure fails nothing while it fails, and fails the run once it passes; others are not covered by it."""
    found = []
    for name in _telling(base, quantities):
        known = (KnownDifference(rung=_rung(name), tensor=name.partition("/")[2], id="K0", reason="planted"),)
        wrong = _given(base, name, torch=-base.arrays[name])
        if ladder.verdict(ladder.climb(1, wrong, base, quantities, known), {}) is not Verdict.PASS:
            found.append(f"{name}: a known failure fails the run")
        if ladder.verdict(ladder.climb(1, _both(base), base, quantities, known), {}) is not Verdict.FAIL:
            found.append(f"{name}: a known failure that passes is not noticed")
        others = [other for other in base.arrays if other != name and _rung(other) == _rung(name)]
        for other in others[:1]:
            beside = _given(base, other, torch=-base.arrays[other])
            if ladder.verdict(ladder.climb(1, beside, base, quantities, known), {}) is not Verdict.FAIL:
                found.append(f"{other} is covered by a known failure of {name}")
    return found


def _replayed(base: OracleAnswer, quantities: Sequence[str], folder: Path) -> list[str]:
    """A kept comparison is judged as it was, and its figures are those of the defect."""
    found = []
    for name in _telling(base, quantities):
        value = base.arrays[name]
        for what, given, wanted in (("right", value, Result.PASS), ("wrong", value * 1.001, Result.FAIL)):
            path = replay.save(folder / "replay.npz", name, 1, {"torch": given, "tf": value}, value)
            judged = replay.again(path)
            if judged.result is not wanted:
                found.append(f"{name}, {what}, is judged {judged.result} once it was kept")
            least = judged.minimum_tolerance
            if wanted is Result.FAIL and (least is None or not math.isclose(least, 1e-3, rel_tol=1e-6)):
                found.append(f"{name} is 1e-3 away, and the least tolerance that would pass is {least}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Check the ladder on kept answers, each `tampered.write` made; exit code 1 if it cannot be relied upon."""
    parser = Parser(prog="python -m harness.parity.selfcheck.selfcheck", description=__doc__)
    parser.add_argument("--request", type=Path, action="append", required=True, metavar="NPZ")
    parser.add_argument("--answers", type=Path, action="append", required=True, metavar="DIR", help="a folder a side")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="what the answers were made from")
    parser.add_argument("--scratch", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(arguments)
    found: list[str] = []
    with exit_on_error():
        if len(args.request) != len(args.answers):
            raise UsageError("give one --answers a --request")
        for path, folder in zip(args.request, args.answers, strict=True):
            request = Request.load(path)
            answers = {s: response.read(folder / s, path, package, args.root) for s, package in PACKAGES.items()}
            exact = {side: oracle.exact(request, package) for side, package in PACKAGES.items()}
            expected = OracleAnswer(exact=exact, arrays=oracle.arrays(request))
            at = f"gridsize {request.model.gridsize}"
            found += [f"{at}: {sentence}" for sentence in run(request, answers, expected, args.scratch)]
    for sentence in found:
        print(sentence)
    raise SystemExit(int(Verdict.FAIL if found else Verdict.PASS))


if __name__ == "__main__":
    main()
