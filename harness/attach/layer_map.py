"""
The map between two models as a TOML file: shown, written, edited by hand, and passed back.

It holds pairs of calls and of weights by name, the layout of the batch, and accepted differences with their reasons.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.attach import pairing
from harness.attach.calls import Call
from harness.attach.layouts import orders
from harness.attach.pairing import CallPair, WeightPair
from harness.attach.recording import Recording
from ptycho.errors import UsageError
from ptycho.files import write_text

SCHEMA = "ptycho-attach-map/1"
CARRY, OWN = "carry", "own"
"""The first model's weights go into the second; or each keeps its own, because they come from one file."""


@dataclass(frozen=True, kw_only=True)
class AcceptedDifference:
    """A difference that its maintainers accept: a pattern of findings' names, and why."""

    finding: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LayerMap:
    """
    The correspondence of two models.

    Attributes:
        pairs: names of paired calls, in the first model's order.
        weights: pairs of weights with their layout.
        batch: order of axes of each array of the batch in the second model.
        mode: `carry` or `own`.
        accepted: differences that do not fail.
    """

    pairs: tuple[tuple[str, str], ...]
    weights: tuple[WeightPair, ...]
    batch: tuple[tuple[int, ...], ...]
    mode: str = CARRY
    accepted: tuple[AcceptedDifference, ...] = ()

    def reason_for(self, finding: str) -> str | None:
        """Return why a finding is accepted; None if it is not."""
        return next((entry.reason for entry in self.accepted if fnmatchcase(finding, entry.finding)), None)

    def calls(self, one: Recording, two: Recording, precision: str) -> list[tuple[Call, Call]]:
        """The paired calls of a run; those that this run does not have are left out."""
        first = {call.name: call for call in one.calls[precision]}
        second = {call.name: call for call in two.calls[precision]}
        return [(first[a], second[b]) for a, b in self.pairs if a in first and b in second]


def propose(one: Recording, two: Recording, *, mode: str | None = None) -> LayerMap:
    """
    The map that order, kinds, names, shapes and values suggest.

    Args:
        one: the first model.
        two: the second.
        mode: `carry` or `own`; None lets the values decide.

    Raises:
        UsageError: the batches do not belong together.
    """
    pairs = pairing.propose(one, two)
    weights = pairing.carry(one, two, pairs)
    return LayerMap(
        pairs=tuple((_name(one, pair.one), _name(two, pair.two)) for pair in pairs),
        weights=tuple(weights),
        batch=_batch(one, two),
        mode=mode or _mode(one, two, pairs),
    )


def _name(recording: Recording, number: int) -> str:
    return next(iter(recording.calls.values()))[number].name


def _mode(one: Recording, two: Recording, pairs: Sequence[CallPair]) -> str:
    """`own` where at least half of the layers with weights hold equal ones already."""
    first, second = pairing._ModelCalls(one), pairing._ModelCalls(two)
    having = [pair for pair in pairs if first.values[pair.one] and second.values[pair.two]]
    equal = [pair for pair in having if first.values[pair.one] & second.values[pair.two]]
    return OWN if having and 2 * len(equal) >= len(having) else CARRY


def _batch(one: Recording, two: Recording) -> tuple[tuple[int, ...], ...]:
    if len(one.batch) != len(two.batch):
        raise UsageError(
            f"batch() of {one.side} gives {len(one.batch)} arrays and that of {two.side} {len(two.batch)}; give both "
            "the same arrays, each in its own layout"
        )
    found = []
    for number, (mine, theirs) in enumerate(zip(one.batch, two.batch, strict=True)):
        axes = next(orders(mine.shape, theirs.shape, other=one.framework != two.framework), None)
        if axes is None:
            raise UsageError(
                f"array {number} of the batch is {mine.shape} in {one.side} and {theirs.shape} in {two.side}; allowed: "
                "the same shape, or the channels moved to the end"
            )
        found.append(axes)
    return tuple(found)


def text_of(layer_map: LayerMap) -> str:
    """The map as TOML."""
    lines = [
        "# Which layer of ONE is which of TWO. Edit it, and give it back with --map.",
        f'schema = "{SCHEMA}"',
        "# carry: ONE's weights go into TWO; own: each keeps its own, and they are compared.",
        f'weights_mode = "{layer_map.mode}"',
        "# Order of the axes of each array of the batch in TWO.",
        f"batch = {json.dumps([list(axes) for axes in layer_map.batch])}",
        "",
        "layers = [",
        *(f"    [{json.dumps(a)}, {json.dumps(b)}]," for a, b in layer_map.pairs),
        "]",
        "",
        "# axes: order of ONE's axes in TWO; rows: (C, H, W) that TWO flattens in the order (H, W, C).",
        "weights = [",
        *(f"    {_weight(entry)}," for entry in layer_map.weights),
        "]",
    ]
    for entry in layer_map.accepted:
        lines += ["", "[[accept]]", f"finding = {json.dumps(entry.finding)}", f"reason = {json.dumps(entry.reason)}"]
    if not layer_map.accepted:
        lines += ["", "# [[accept]]", '# finding = "optimizer.epsilon added"', '# reason = "why this may differ"']
    return "\n".join(lines) + "\n"


def _weight(entry: WeightPair) -> str:
    rows = f", rows = {list(entry.rows)}" if entry.rows else ""
    return f"{{ one = {json.dumps(entry.one)}, two = {json.dumps(entry.two)}, axes = {list(entry.axes)}{rows} }}"


def write(layer_map: LayerMap, path: Path) -> None:
    """Write the file, whole or not at all."""
    write_text(path, text_of(layer_map))


def read(path: Path) -> LayerMap:
    """
    Read a map.

    Raises:
        UsageError: it is not a map of this version; with everything that is wrong.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}") from error
    return _from_plain(plain, path)


def _from_plain(plain: Mapping[str, Any], path: Path) -> LayerMap:
    wrong = []
    if plain.get("schema") != SCHEMA:
        wrong.append(f"schema is {plain.get('schema')!r}; allowed: {SCHEMA!r}")
    if plain.get("weights_mode", CARRY) not in (CARRY, OWN):
        wrong.append(f"weights_mode is {plain['weights_mode']!r}; allowed: {CARRY}, {OWN}")
    if unknown := sorted(set(plain) - {"schema", "weights_mode", "batch", "layers", "weights", "accept"}):
        wrong.append(f"unknown: {', '.join(unknown)}")
    wrong += [f"[[accept]] {entry} needs finding and reason" for entry in plain.get("accept", []) if not _whole(entry)]
    if wrong:
        raise UsageError(f"{path} is not a map of layers:\n" + "\n".join(f"  - {line}" for line in wrong))
    try:
        return LayerMap(
            pairs=tuple((str(a), str(b)) for a, b in plain["layers"]),
            weights=tuple(
                WeightPair(one=w["one"], two=w["two"], axes=tuple(w["axes"]), rows=tuple(w.get("rows", ())))
                for w in plain["weights"]
            ),
            batch=tuple(tuple(int(axis) for axis in axes) for axes in plain["batch"]),
            mode=plain.get("weights_mode", CARRY),
            accepted=tuple(
                AcceptedDifference(finding=e["finding"], reason=e["reason"]) for e in plain.get("accept", [])
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is not a map of layers ({error!r}); let one be proposed without --map") from error


def _whole(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("finding")) and bool(entry.get("reason"))


def check(layer_map: LayerMap, one: Recording, two: Recording) -> None:
    """
    Refuse a map whose names are not those of the models.

    Raises:
        UsageError: with every name that is not there.
    """
    wrong = []
    sides = ((0, one), (1, two))
    for position, recording in sides:
        known = {call.name for calls in recording.calls.values() for call in calls}
        wrong += [f"{recording.side} has no call {p[position]!r}" for p in layer_map.pairs if p[position] not in known]
        names = [(entry.one, entry.two)[position] for entry in layer_map.weights]
        wrong += [f"{recording.side} has no weight {name!r}" for name in names if name not in recording.weights]
    if wrong:
        raise UsageError("the map names what the models do not have:\n" + "\n".join(f"  - {line}" for line in wrong))
