"""Evidence in a report besides its rungs: that of the first failure, and the proof by planted faults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    Evidence of the first failure.

    Attributes:
        replay: file of the comparison, or None where values are plain and are in the report itself.
        picture: picture of the difference, or None.
        command: what judges the comparison again, or None.
        resembles: what the tensor of a side at fault is, where a simple relation explains it.
        extent: where all elements that differ lie; empty if they are everywhere.
        size: number of elements of the tensor; 0 where none was kept.
    """

    replay: str | None = None
    picture: str | None = None
    command: str | None = None
    resembles: tuple[str, ...] = ()
    extent: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class SelfValidation:
    """
    The result of planted defects and faults.

    Attributes:
        checked: whether the ladder was checked on planted defects.
        seed: seed of the choice of canaries; None if none was tried.
        canaries: the result of each, as plain values.
        complaints: what was not seen, one sentence each; any of them fails the run.
        seconds: wall time.
    """

    checked: bool = False
    seed: int | None = None
    canaries: tuple[Mapping[str, Any], ...] = ()
    complaints: tuple[str, ...] = ()
    seconds: float = 0.0

    def sentences(self) -> list[str]:
        """Return what to tell of it."""
        if not self.checked:
            return []
        told = ", ".join(f"{item['id']} ({item['outcome']} at {item['at']})" for item in self.canaries)
        count = f"{len(self.canaries)} canaries of seed {self.seed}: {told}" if self.canaries else "no canaries"
        return [f"self-check on planted defects, and {count}; {self.seconds:.0f} s", *self.complaints]
