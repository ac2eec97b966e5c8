"""
Memory per pattern: the same command on scans of two sizes, and what it would take on a larger one.

A limit in MiB depends on the machine and says nothing about a larger scan. The difference of two runs leaves out what a
framework takes before it has seen a pattern.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.record.outcome import FixtureResult

LARGE = 100_000
"""Patterns for which the forecast is made."""

RESOLUTION_MIB = 16.0
"""Largest resident memory is looked at a few times a second: two runs of one command differ by about this much."""

STEPS = ("train", "infer")


@dataclass(frozen=True, kw_only=True)
class Size:
    """
    A scan's size.

    Attributes:
        patterns: M.
        side: N.
    """

    patterns: int
    side: int


def sizes(paths: Mapping[str, Path]) -> dict[str, Size]:
    """
    Size of each fixture, by name.

    Raises:
        ContractError: a file that breaks the contract.
    """
    from ptycho.data import contract

    loaded = {name: contract.load(path) for name, path in paths.items()}
    return {name: Size(patterns=dataset.n_patterns, side=dataset.side) for name, dataset in loaded.items()}


def forecast(results: Sequence[FixtureResult], measured: Mapping[str, Size]) -> Iterator[str]:
    """
    Yield what training and inference take per pattern, a sentence each; nothing where all scans are of one size.

    Args:
        results: of the fixtures, with their peaks.
        measured: size of each fixture, by name.
    """
    for step in STEPS:
        peaks = [
            (measured[result.fixture], float(peak))
            for result in results
            if (peak := getattr(result, f"{step}_peak_mib")) is not None and result.fixture in measured
        ]
        by_side: dict[int, list[tuple[int, float]]] = {}
        for size, peak in peaks:
            by_side.setdefault(size.side, []).append((size.patterns, peak))
        for side, points in sorted(by_side.items()):
            (few, low), (many, high) = min(points), max(points)
            if few < many:
                yield _sentence(step, side, few, low, many, high)


def _sentence(step: str, side: int, few: int, low: float, many: int, high: float) -> str:
    own = side * side * 4 / 2**20
    said = f"memory of {step}, N = {side}: {low:.0f} MiB for {few} patterns, {high:.0f} MiB for {many}"
    if abs(high - low) < RESOLUTION_MIB:
        most = RESOLUTION_MIB / (many - few)
        return f"{said}: less than {most:.2g} MiB a pattern ({most / own:.1f} times its own bytes)"
    each = (high - low) / (many - few)
    if each < 0:
        return f"{said}: it does not grow with the scan"
    large = (low + each * (LARGE - few)) / 1024
    return (
        f"{said}: {each:.2g} MiB a pattern ({each / own:.1f} times its own bytes); {LARGE:,} patterns would take "
        f"{large:.1f} GiB"
    )
