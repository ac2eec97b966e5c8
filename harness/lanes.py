"""
`python -m harness verdict LANE ...`: do all lanes that must report stand, for this very commit, lock and data?

Each lane judges itself; this asks whether there is anything to judge. A lane without a run fails, and so does one whose
newest run is of another commit, data set or lock: an old green is not a green.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import events, judgement, origin, runroot, story
from harness.outcome import GRAVITY
from harness.story import Story
from ptycho.errors import UsageError
from ptycho.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class LaneVerdict:
    """
    What the newest run of a lane is worth now.

    Attributes:
        lane: its name, for example `torch-cpu`.
        verdict: of the run; `FAIL` where there is none or where it is stale.
        run: its folder, or None.
        reasons: why it does not pass.
    """

    lane: str
    verdict: Verdict
    run: Path | None = None
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = "" if self.run is None else f" ({self.run})"
        return "\n  ".join((f"{self.lane}: {self.verdict.name.lower()}{where}", *self.reasons))


def stale(told: Story) -> list[str]:
    """How a run's origin differs from the present state of the same checkout, locks and files."""
    found = dict(told.origin)
    missing = [key for key in ("root", "commit", "locks", "fixtures", "device") if key not in found]
    if missing:
        return [f"the outcome does not say what it belongs to: its origin lacks {', '.join(missing)}"]
    return origin.stale(found, origin.again(found))


def judge(root: Path, lanes: Sequence[str]) -> list[LaneVerdict]:
    """
    Judge the newest run of each lane.

    Args:
        root: the workspace's folder for runs.
        lanes: names of the lanes that must report.
    """
    newest: dict[str, tuple[Path, Story]] = {}
    for run in runroot.find(root):
        if run.events.is_file():
            told = story.tell(events.parse(run.events.read_bytes()))
            # A run that was killed before its device was settled counts for every lane of its target.
            for lane in lanes:
                mine = lane == told.lane or (not told.complete and lane.rpartition("-")[0] == told.lane)
                if mine and (lane not in newest or newest[lane][1].started <= told.started):
                    newest[lane] = (run.path, told)
    return [_judged(lane, *newest[lane]) if lane in newest else _absent(lane, root) for lane in lanes]


def _absent(lane: str, root: Path) -> LaneVerdict:
    return LaneVerdict(lane=lane, verdict=Verdict.FAIL, reasons=(f"the lane did not run: no run of it in {root}/runs",))


def _judged(lane: str, run: Path, told: Story) -> LaneVerdict:
    judged = judgement.judge(told)
    reasons = [f"{problem.verdict.name.lower()}: {problem.message}" for problem in judged.problems]
    verdict = judged.verdict
    if old := [f"stale outcome: {sentence}" for sentence in stale(told)]:
        verdict = min(verdict, Verdict.FAIL, key=GRAVITY.index)
    return LaneVerdict(lane=lane, verdict=verdict, run=run, reasons=(*reasons, *old))


def main(root: Path, lanes: Sequence[str]) -> int:
    """
    The `verdict` command.

    Returns:
        The exit code: the gravest verdict.

    Raises:
        UsageError: no lane is named: nothing that must report is no pass.
    """
    if not lanes:
        raise UsageError("name the lanes that must report, for example: torch-cpu tf-cpu")
    found = judge(root, lanes)
    for lane in found:
        print(lane)
    return int(min((lane.verdict for lane in found), key=GRAVITY.index))
