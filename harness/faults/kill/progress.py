"""Shows a campaign of kills while it works: a bar on a terminal, a line a kill elsewhere, nothing when quiet."""

from harness.faults.kill.trial import KillTrial
from harness.system.progress import Steps


class KillProgress(Steps):
    """
    Progress of a campaign, as a context manager.

    Args:
        total: how many kills.
        quiet: show nothing.
    """

    def __init__(self, total: int, *, quiet: bool) -> None:
        super().__init__("kills", total, quiet=quiet)

    def tried(self, made: KillTrial) -> None:
        """A trial ended. On a terminal only one that failed takes a line."""
        planned = made.planned
        how = "; ".join(map(str, made.failures)) or "all checks pass"
        about = f"{planned.victim} of {planned.job.name}, {made.phase or 'never hit'}"
        text = f"kill {planned.number}: {about}: {how}, {made.seconds:.0f} s"
        self.done(text, seconds=made.seconds, notable=bool(made.failures))
