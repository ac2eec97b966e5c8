"""
The first failure as a person needs it: whose it is, where to look, what the value resembles, which elements differ.

Made once, for the terminal, for `parity.json` and for the page.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.parity.compare.comparison import Judgement, Result
from harness.parity.compare.number_format import readable
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output import code_places, element_table, replay, rung_context
from harness.system import tables

if TYPE_CHECKING:
    from harness.parity.output.evidence import Evidence

CALLS = {
    "intensity": "R4/intensity",
    "canvas": "R4/canvas",
    "delivered": "R1/delivered.diffraction",
    "terms": "R5/plain.total",
    "replay": "R7/1.adam.step",
    "physics_gradients": "R6/object",
    "parameters": "R0/parameter.encoder.0.0.weight",
    "optimiser": "R0/optimiser.epsilon",
}
"""A quantity that each call to a backend gives, by the call."""

SHARED = ("ptycho", "harness")
"""Packages that are neither backend's."""

ABSENT = "an answer that was not given, and not at how it is computed; what must be given is listed in adapter-kit.md"
_LISTED = 8
_LONGEST = 300


def decisive(failed: JudgedRung) -> Judgement | None:
    """
    The judgement of a rung that is nearest to the cause.

    A place where a backend raised says more than any value. Among values it is the one that comes first on the
    computation's way, since the others are computed from it; where nothing is known of that, the worst.
    """
    gravest = [item for item in failed.judgements if item.result is failed.result]
    if failed.result not in (Result.FAIL, Result.UNVERIFIED) or not gravest:
        return failed.worst
    known = [item for item in gravest if item.location is not None or code_places.row(item.tensor) is not None]
    if not known:
        return failed.worst
    return min(known, key=lambda item: (item.location is None, code_places.rank(item.tensor)))


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """
    Diagnosis of the first failure.

    Attributes:
        look_at: places in the code, the likeliest first; with a line where a backend raised.
        hint: what a failure of this quantity points at.
        standing: what the other rungs say.
        others: everything else in the rung that fails, nearest to the cause first.
        compared: how many comparisons the rung has.
    """

    look_at: tuple[str, ...] = ()
    hint: str = ""
    standing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    compared: int = 0


def diagnose(
    failed: JudgedRung, climbed: Sequence[JudgedRung], foreign: Sequence[str] = (), unanswered: Sequence[str] = ()
) -> Diagnosis:
    """
    Everything about the first failure that follows from names and results.

    Args:
        failed: the first failure.
        climbed: every rung.
        foreign: sides whose code is another checkout.
        unanswered: rungs that a party's adapter does not answer.
    """
    chosen = decisive(failed)
    where: list[str] = []
    if chosen is not None and chosen.location is not None:
        # An answer of the wrong shape raises where the core uses it: whose answer it was says more than that line.
        asked = CALLS.get(chosen.call or "", chosen.after)
        own = chosen.location.file.partition("/")[0] not in SHARED
        if asked is not None and not own and not chosen.shared:
            found = code_places.look_at(asked, chosen.guilty, shared=False, foreign=foreign)
            where = [place.sentence for place in found]
        where.append(chosen.location.sentence)
    elif chosen is not None and chosen.result is Result.FAIL and not chosen.is_missing:
        found = code_places.look_at(chosen.tensor, chosen.guilty, shared=chosen.shared, foreign=foreign)
        where = [place.sentence for place in found]
    others = [item.tensor for item in failed.judgements if item.result is Result.FAIL and item is not chosen]
    return Diagnosis(
        look_at=tuple(where),
        hint="" if chosen is None else ABSENT if chosen.is_missing else code_places.hint(chosen.tensor),
        standing=tuple(rung_context.sentences(failed, climbed, unanswered)),
        others=tuple(sorted(others, key=code_places.rank)),
        compared=len(failed.judgements),
    )


def lines(failed: JudgedRung, found: Diagnosis, evidence: "Evidence") -> list[str]:
    """The block that a terminal shows."""
    name = failed.rung.name
    made = [
        f"first failing rung: {name} at gridsize {failed.gridsize} in {failed.precision}; at fault: {failed.suspect}"
    ]
    made += [f"on a drawn problem: {failed.problem}"] if failed.problem else []
    made += [f"{'look at' if number == 0 else '     or'}: {place}" for number, place in enumerate(found.look_at)]
    chosen = decisive(failed)
    # What a quantity points at is said of values: an answer that could not be given says by itself what is wrong.
    if chosen is None or (chosen.location is None and chosen.cause is None):
        made.append(f"points at: {found.hint or failed.rung.catches}")
    if chosen is not None:
        made += [f"  {chosen.tensor}: {_cut(reason)}" for reason in chosen.reasons]
        made += [f"  {sentence}" for sentence in evidence.resembles]
        made += [f"  {line}" for line in _elements(chosen, evidence)]
        made += [f"  {line}" for line in _figures(chosen)]
    if found.others:
        listed = ", ".join(tensor.partition("/")[2] for tensor in found.others[:_LISTED])
        more = f" and {len(found.others) - _LISTED} more" if len(found.others) > _LISTED else ""
        made.append(f"{name} fails in {len(found.others) + 1} of {found.compared} comparisons, also in: {listed}{more}")
    made += found.standing
    if evidence.picture is not None:
        made.append(f"  picture: {replay.typed(Path(evidence.picture))}")
    if evidence.command is not None:
        made.append(f"  judge it again: {evidence.command}")
    return made


def _elements(chosen: Judgement, evidence: "Evidence") -> list[str]:
    rows = element_table.table([asdict(element) for element in chosen.worst], chosen.guilty)
    if not rows:
        return []
    count = _count(chosen.differing, evidence.size)
    where = f", all in {evidence.extent}" if evidence.extent and (chosen.differing or 0) > 1 else ""
    said = f"{count}{where}; the worst first:" if len(rows) > 2 else f"{count}{where}:"
    return [said, *(f"  {line}" for line in tables.plain(rows).splitlines())]


def _count(differing: int | None, size: int) -> str:
    if differing is None or size == 1:
        return "what differs"
    of = f"of {size} elements" if size else "element" if differing == 1 else "elements"
    return f"{differing} {of} {'differs' if differing == 1 else 'differ'}"


def _figures(chosen: Judgement) -> list[str]:
    made = []
    if chosen.noise_units:
        units = ", ".join(f"{name} {readable(figure, 3)}" for name, figure in chosen.noise_units.items())
        made.append(f"in noise units: {units}")
    if chosen.minimum_tolerance is not None:
        units = " rounding units" if chosen.tensor.startswith("R2/") and chosen.tolerance else ""
        made.append(f"minimum tolerance that would pass: {readable(chosen.minimum_tolerance, 3)}{units}")
    return made


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def as_dict(found: Diagnosis) -> dict[str, Any]:
    """For JSON."""
    return {
        "look_at": list(found.look_at),
        "hint": found.hint,
        "standing": list(found.standing),
        "also_failing": list(found.others),
    }
