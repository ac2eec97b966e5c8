"""Limits of a command, and the reason why it was ended where it used more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ptycho.verdict import Verdict

TIME = "time-limit"
MEMORY = "memory-limit"
"""Kinds of ending; each is the id of a finding, too."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """
    Limits beside the wall-clock limit, which every command has. Exactly a limit is allowed; more (>) ends the command.

    Attributes:
        phase_s: seconds that one stay in a phase may take, by phase; `start` is the time until the first one is said.
        memory_mib: memory of all processes of the command together, in MiB; None for a share of the machine's.
    """

    phase_s: Mapping[str, float] = field(default_factory=dict)
    memory_mib: float | None = None


@dataclass(frozen=True, kw_only=True)
class Stop:
    """
    Reason why a command is not evidence although its processes did nothing wrong that their exit code would tell.

    Attributes:
        kind: `TIME` or `MEMORY`.
        verdict: verdict of the command.
        sentence: how it ended, to follow its name.
        figures: the numbers that it rests on.
    """

    kind: str
    verdict: Verdict
    sentence: str
    figures: Mapping[str, Any]
