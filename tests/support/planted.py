"""
A checkout in which faults can be planted without any framework: the real core and harness, two backends of one line.

The interpreter that `python` makes answers as `fake_adapter` does, from the folder that it should import from, and
multiplies what a backend or the core says in `FACTOR`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import GateAnswer, MutantOutcome, MutantTrial
from harness.isolation import source_overlay
from harness.isolation.source_overlay import Edit
from harness.record import directory
from harness.record.log import EventLog
from harness.system.signals import Interruption

ROOT = Path(__file__).resolve().parents[2]
LINE = "FACTOR = 1.0\n"
FILES = {"torch": "ptycho_torch/fault.py", "tf": "ptycho_tf/fault.py", "core": "ptycho/fault.py"}
SHORT = ("--gridsize", "1", "--precision", "f64", "--steps", "1", "--canaries", "0")
"""A ladder that costs little, in a checkout with few `RUNGS`."""

RUNGS = """LOW = ("R0",)
HIGH = ("R3", "R4", "R5", "R6")
"""

CODE = """#!{python}
import os, sys
sys.path.insert(0, os.environ["PYTHONPATH"].split(os.pathsep)[-1])
from importlib import import_module
package = sys.argv[2].removesuffix(".adapter")
factors = [import_module(name + ".fault").FACTOR for name in ("ptycho", package)]
sys.path.append({support!r})  # last: the real backends lie there, too
from tests.support.fakes import fake_adapter
fault = f"value * {{factors[0] * factors[1]!r}} if name == 'R4/phase' else value"
fake_adapter.main(sys.argv, fault, True)
"""


def checkout(path: Path) -> Path:
    """Make the checkout."""
    root = source_overlay.copy(ROOT, path, ("ptycho", "harness", "datasets", "tests/fixtures"))
    questions = root / "harness" / "parity" / "exchange" / "plan.py"
    lines = questions.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("LOW = ", "HIGH = "))]
    kept.insert(kept.index('FIRST_HIGH = "R3"\n') + 1, RUNGS)
    questions.write_text("".join(kept), encoding="utf-8")
    for file in FILES.values():
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(LINE)
    return root


def python(path: Path) -> Path:
    """Make the interpreter."""
    path.write_text(CODE.format(python=sys.executable, support=str(ROOT)))
    path.chmod(0o755)
    return path


def mutant(guilty: str, new: str = "FACTOR = 1.001\n", **changes: object) -> Mutant:
    """A mutant of the checkout."""
    edits = (Edit(file=FILES[guilty], old=LINE, new=new),)
    given: Mapping[str, object] = {"id": f"factor-{guilty}", "dies_at": "R4", "story": "Too large.", **changes}
    return Mutant(edits=edits, guilty=guilty, **given)  # type: ignore[arg-type]


def trial(made: Mutant, outcome: MutantOutcome = MutantOutcome.KILLED, **found: object) -> MutantTrial:
    """A trial that is over."""
    told: Mapping[str, object] = {"at": made.dies_at, "how": "rung", "guilty": made.accused} if found == {} else found
    return MutantTrial(mutant=made, found=GateAnswer(**told), outcome=outcome, seconds=1.5)  # type: ignore[arg-type]


def run_root(path: Path) -> tuple[directory.RunRoot, EventLog, Interruption]:
    """A run to try mutants in."""
    kept = directory.create(path)
    return kept, kept.open_events(), Interruption()
