"""
A mutant before a lane: `harness run` from the changed copy trains, reconstructs, scores and takes stock.

The lane's own test suite and its further trainings are left out, since what is asked is whether the job notices, and
the fixture is the small one only; the frameworks get one thread, since several trials share the cores. Everything else
is the lane's target file as it is. A lane names no cause beside itself, and so none is counted.
"""

import json
import re
from pathlib import Path
from typing import Any

from harness.faults.mutation import run_in_copy
from harness.faults.mutation.result import GateAnswer, PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.isolation.sandbox import Sandbox
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict

ONE_THREAD = '"--threads", "1", '
LANE_OF = {"torch": "torch", "tf": "tf", "core": "torch", "harness": "torch"}
"""Whose lane is run for whom; for what both share, the faster one."""


def run(planted: PlantedMutant, stage: MutationSetup) -> GateAnswer:
    """Run a lane from the copy."""
    return lane(LANE_OF[planted.mutant.guilty], planted.root, planted.label, stage)


def stands(side: str, stage: MutationSetup) -> None:
    """
    Make sure that a lane passes as long as nothing is planted.

    Raises:
        InfrastructureError: it does not: whatever a mutant did would prove nothing.
    """
    found = lane(side, stage.tree, f"lane.{side}", stage)
    if found.at is not None or found.error:
        raise InfrastructureError(f"the lane {side} does not pass without a mutant: {found.error or found.detail}")


def lane(side: str, root: Path, label: str, stage: MutationSetup) -> GateAnswer:
    """
    Run one backend's lane from a copy of the code.

    Args:
        side: whose lane.
        root: the copy.
        label: name of the command.
        stage: the run.
    """
    cell = Sandbox(path=stage.kept.scratch / label).make()
    folder = root / "harness" / "targets"
    target = folder / f"{side}-trial.toml"
    target.write_text(shortened((folder / f"{side}.toml").read_text(encoding="utf-8")), encoding="utf-8")
    argv = [stage.pythons[side], "-m", "harness", "run", "--target", str(target), "--fixture", str(stage.scan)]
    argv += ["--root", str(cell.output), "--brief", "--json"]
    ended = run_in_copy.run(argv, root, cell, label, stage)
    if ended.returncode == Verdict.PASS:
        return GateAnswer()
    if error := run_in_copy.machine_error(ended.tail(), ended.returncode):
        return GateAnswer(error=error)
    return GateAnswer(at="lane", how="lane", detail=problem(ended.log))


def shortened(text: str) -> str:
    """A target file without its test suite, and with one thread for training."""
    without_suite = re.sub(r"^\[suite\]\n(?:(?!\[).*\n?)*", "", text, flags=re.MULTILINE)
    return without_suite.replace('"--seed", "{seed}", ', f'"--seed", "{{seed}}", {ONE_THREAD}', 1)


def problem(log: Path) -> str:
    """The first problem of a lane's outcome, from what `--json` printed; its last line where it printed none."""
    text = log.read_text(encoding="utf-8", errors="replace")
    try:
        outcomes: Any = json.loads(text[text.index("[") :])
        return str(outcomes[0]["problems"][0]["message"]).splitlines()[0]
    except (ValueError, LookupError, TypeError):
        return run_in_copy.last_line(text)
