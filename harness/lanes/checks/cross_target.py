"""
Two targets, or the two backends of one, on the same fixture: do they see, place and reconstruct the same?

Compared from outside, bottom up as the ladder does: what each network is given, which patterns in which order, where
the patches lie, and the objects. Two reconstructions of one scan owe each other at least what the worse of them has in
common with the truth; that bound needs no tolerance of ours.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files import run_files, untrusted
from harness.record.findings import Finding
from harness.record.outcome import FixtureResult, Outcome
from harness.targets.model import InputDump
from ptycho.errors import PtychoError

SAME_INPUT = 1e-6
"""Relative distance of two inputs: both are float32 and were normalised by one factor each."""


@dataclass(frozen=True, kw_only=True)
class StoredReconstruction:
    """A reconstruction that a run kept: `(h, w)` object and overlap, `(row, col)` of its first pixel."""

    obj: NDArray[np.complex128]
    overlap: NDArray[np.float64]
    origin: tuple[int, int]


def compare(one: Outcome, other: Outcome) -> None:
    """
    Compare two lanes on every fixture that both reconstructed; the findings are the second one's.

    Args:
        one: a finished lane.
        other: another.
    """
    results = {result.fixture: result for result in one.fixtures}
    for theirs in other.fixtures:
        ours = results.get(theirs.fixture)
        if ours is not None:
            subject = f"{theirs.fixture}: {one.lane} and {other.lane}"
            _hashes(ours, theirs, subject, other)
            _inputs(ours, theirs, subject, other)
            _outputs(ours, theirs, subject, other)


def _hashes(ours: FixtureResult, theirs: FixtureResult, subject: str, outcome: Outcome) -> None:
    if ours.input_sha256 is None or theirs.input_sha256 is None or None not in (ours.input_dump, theirs.input_dump):
        return
    outcome.findings.checked("pair-hashes", subject)
    if ours.input_sha256 != theirs.input_sha256:
        sentence = (
            f"{subject}: the logged hashes of the input are {ours.input_sha256[:16]}… and {theirs.input_sha256[:16]}…: "
            "the inputs differ, or the two hash differently; [checks.input_dump] in both files would tell"
        )
        outcome.find(Finding(id="pair-hashes-differ", subject=subject, sentence=sentence))


def _inputs(ours: FixtureResult, theirs: FixtureResult, subject: str, outcome: Outcome) -> None:
    if ours.input_dump is None or theirs.input_dump is None:
        return
    a, b = (_patterns(untrusted.read_array(Path(path))) for path in (ours.input_dump, theirs.input_dump))
    outcome.findings.checked("pair-inputs", subject)
    if a.shape == b.shape and _relative(a, b) <= SAME_INPUT:
        return
    common, in_order = in_common(a, b)
    if common and not in_order:
        how = "the same patterns in another order" if common == len(a) == len(b) else "not the same patterns"
        sentence = f"{subject}: {len(a)} and {len(b)} patterns, {common} in common: {how}"
        figures: dict[str, Any] = {"patterns": (len(a), len(b)), "common": common}
        outcome.find(Finding(id="pair-subsets-differ", subject=subject, sentence=sentence, figures=figures))
        return
    distance = _relative(a, b) if a.shape == b.shape else float("inf")
    sizes = tuple(float(np.sqrt(np.mean(np.abs(values) ** 2))) for values in (a, b))
    sentence = (
        f"{subject}: the networks are given other values: shapes {a.shape} and {b.shape}, distance {distance:.1e}, "
        f"root mean squares {sizes[0]:.4g} and {sizes[1]:.4g}"
    )
    figures = {"distance": distance, "rms": sizes}
    outcome.find(Finding(id="pair-inputs-differ", subject=subject, sentence=sentence, figures=figures))


def _outputs(ours: FixtureResult, theirs: FixtureResult, subject: str, outcome: Outcome) -> None:
    if ours.reconstruction is None or theirs.reconstruction is None:
        return
    a, b = _place(Path(ours.reconstruction)), _place(Path(theirs.reconstruction))
    outcome.findings.checked("pair-coordinates", subject)
    outcome.findings.checked("pair-outputs", subject)
    if (a.origin, a.obj.shape) != (b.origin, b.obj.shape) or not np.allclose(a.overlap, b.overlap, atol=1e-3):
        sentence = (
            f"{subject}: patches lie at other places: {a.obj.shape} pixels from {a.origin} and {b.obj.shape} from "
            f"{b.origin}; overlap counts up to {a.overlap.max():g} and {b.overlap.max():g}"
        )
        outcome.find(Finding(id="pair-coordinates-differ", subject=subject, sentence=sentence))
    if ours.scores is None or theirs.scores is None:
        return
    needed = min(float(result.scores["complex_correlation"]) for result in (ours, theirs) if result.scores)
    reached = agreement(a, b)
    if not reached >= needed:
        sentence = (
            f"{subject}: the reconstructions correlate by {reached:.3f} with each other, and the worse of them by "
            f"{needed:.3f} with the truth"
        )
        figures = {"each_other": reached, "truth": needed}
        outcome.find(Finding(id="pair-outputs-differ", subject=subject, sentence=sentence, figures=figures))


def agreement(a: StoredReconstruction, b: StoredReconstruction) -> float:
    """Magnitude of the complex correlation of two reconstructions on the inner pixels that both cover; 0 if none."""
    from ptycho.metrics.registration import correlation, scored_area

    masks = [scored_area(place.overlap, 10)[1] for place in (a, b)]
    tops, lefts = zip(a.origin, b.origin, strict=True)
    top, left = max(tops), max(lefts)
    bottom = min(place.origin[0] + place.obj.shape[0] for place in (a, b))
    right = min(place.origin[1] + place.obj.shape[1] for place in (a, b))
    if bottom <= top or right <= left:
        return 0.0
    windows = [
        np.s_[top - place.origin[0] : bottom - place.origin[0], left - place.origin[1] : right - place.origin[1]]
        for place in (a, b)
    ]
    both = masks[0][windows[0]] & masks[1][windows[1]]
    if not both.any():
        return 0.0
    return abs(correlation(a.obj[windows[0]][both], b.obj[windows[1]][both]))


def keep_input(dump: InputDump | None, model: Path, kept: Path) -> str | None:
    """
    Copy the array that a training dumped to where it outlives the run, without its NPZ file.

    Returns:
        The path, or None where nothing was dumped.

    Raises:
        PtychoError: the file or its array is not there, though the target's file says so.
    """
    if dump is None:
        return None
    source = model / dump.path
    try:
        values = untrusted.read_array(source, dump.key)
    except PtychoError as error:
        raise PtychoError(f"the dumped input {source} ({dump.key or 'its array'}) cannot be read: {error}") from error
    run_files.make(kept.parent)
    with run_files.replacing(kept) as file:
        np.save(file, values)
    return str(kept)


def _patterns(values: NDArray[Any]) -> NDArray[Any]:
    """An input as `(M, …)` without axes of length 1, so that channels first and last are one thing at one channel."""
    return np.squeeze(values) if values.ndim > 1 else values


def _relative(a: NDArray[Any], b: NDArray[Any]) -> float:
    """‖a − b‖ / ‖b‖ in double precision."""
    size = float(np.linalg.norm(b.astype(np.complex128)))
    return float(np.linalg.norm(a.astype(np.complex128) - b)) / size if size > 0 else float(np.linalg.norm(a))


def in_common(a: NDArray[Any], b: NDArray[Any]) -> tuple[int, bool]:
    """Return how many patterns of `a` are also in `b`, at any scale, and whether both are in the same order."""
    if a.ndim < 2 or a.shape[1:] != b.shape[1:]:
        return 0, False
    units = [values.reshape(len(values), -1).astype(np.float64) for values in (a, b)]
    units = [values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-300) for values in units]
    alike = units[0] @ units[1].T > 1 - 1e-6
    return int(alike.any(axis=1).sum()), len(a) == len(b) and bool(alike.diagonal().all())


def _place(path: Path) -> StoredReconstruction:
    arrays = untrusted.read_arrays(path, ("object", "overlap", "origin"))
    row, col = arrays["origin"].tolist()
    return StoredReconstruction(
        obj=arrays["object"].astype(np.complex128),
        overlap=arrays["overlap"].astype(np.float64),
        origin=(int(row), int(col)),
    )
