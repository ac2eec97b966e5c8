"""
Trainings that run while something is killed: the stand-in, and short ones of the shipped backends.

A shipped target's file is shortened, not written again: what is killed is the pipeline that users run.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from harness.faults.mutation import lane_trial
from harness.targets import loader
from harness.targets.loader import Target
from ptycho.errors import InfrastructureError

STAND_IN = "stand-in"
EPOCHS = 3
"""Of a shipped backend: as many as a kill needs to land before, in and after one."""

_FILE = Path(__file__).with_name("stub_backend.toml")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """
    Command that a trial runs.

    Attributes:
        name: `stand-in`, or the shipped target's.
        python: interpreter that has its framework.
        target: the target, loaded from its file.
        reference: digest of the weights that an undisturbed training ends with; "" where two are not equal bit for bit.
    """

    name: str
    python: str
    target: Target
    reference: str = ""

    @property
    def real(self) -> bool:
        """Whether a framework trains."""
        return self.name != STAND_IN

    @property
    def epochs(self) -> int:
        """Epochs of its training."""
        return self.target.settings["nepochs"]


def write(name: str, folder: Path, checkout: Path) -> Path:
    """
    Write a job's target file.

    Args:
        name: `stand-in`, or the name of a shipped target.
        folder: where to.
        checkout: folder of the packages.

    Returns:
        The file.

    Raises:
        UsageError: there is no such target.
        InfrastructureError: the target's file is not as this expects it.
    """
    path = folder / f"{name}.toml"
    if name == STAND_IN:
        text = _FILE.read_text(encoding="utf-8")
        changes = {}
    else:
        text = lane_trial.shortened(loader.built_in(name).read_text(encoding="utf-8"))
        # The correlation of so short a training says nothing; that there is a reconstruction is what is asked.
        changes = {"nepochs": str(EPOCHS), "min_phase_correlation": "-1.0"}
    for key, value in {"root": json.dumps(str(checkout)), **changes}.items():
        text, count = re.subn(rf"^{key} = [^\n#]*", f"{key} = {value}  ", text, flags=re.MULTILINE)
        if count != 1:
            raise InfrastructureError(f"the target file of {name} has {count} lines {key!r} and not one")
    path.write_text(text, encoding="utf-8")
    return path
