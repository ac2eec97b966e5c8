"""`benchmark self-test`: the run of `harness.benchmark.power`, with its log, table and JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.benchmark import gate, power, session
from harness.benchmark.power import SelfTest
from harness.files import run_files
from harness.record import directory, machine
from harness.system import tables
from harness.system.progress import Steps
from harness.system.signals import Interruption

REPORT = "gate.json"
SCHEMA = "ptycho-gate/1"
NAME = "gate"

TRIALS = {0.0: 100, 0.05: 20, 0.10: 100, 0.20: 20}
QUICK = {0.0: 3, 0.10: 3}


def run(
    trials: Mapping[float, int], root: Path, interruption: Interruption, *, quiet: bool = False
) -> tuple[SelfTest, Path]:
    """
    Measure the gate.

    Args:
        trials: planted share to how many.
        root: the workspace's folder for runs.
        interruption: asked between blocks.
        quiet: say nothing of single trials.

    Returns:
        The figures, and the `gate.json` that holds them.

    Raises:
        InfrastructureError: a block failed.
        KeyboardInterrupt: the run was asked to end.
    """
    kept = directory.create(root)

    steps = Steps("trials", sum(trials.values()), quiet=quiet)

    def told(share: float, rulings: Sequence[gate.Ruling]) -> None:
        said = "; ".join(f"{one.channel} {one.result} {one.second or one.first}" for one in rulings)
        steps.done(f"{'A/A' if share == 0 else f'{share:+.0%}'}: {said}", notable=True)

    with session.logged(kept, name="gate", benchmarks=[NAME]) as (events, ended), steps:
        made = power.measure(trials, power.process_block(kept.scratch), interruption, told)
        found = {"schema": SCHEMA, "machine": machine.describe([], device="cpu"), **made.as_dict()}
        run_files.write_text(kept.path / REPORT, json.dumps(found, indent=1) + "\n")
        sentence = "; ".join([*made.complaints, *(f"{name}: too few verdicts" for name in made.undecided)])
        verdict = made.verdict.label
        events.write("benchmark.end", benchmark=NAME, verdict=verdict, sentence=sentence)
        if sentence:
            events.write("problem", verdict=verdict, message=sentence)
        ended(made.verdict)
    return made, kept.path / REPORT


def main(trials: Mapping[float, int], root: Path, *, follow: int | None, as_json: bool) -> int:
    """Run, print, and return the exit code."""
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(trials, root, interruption, quiet=as_json)
    if as_json:
        print(json.dumps(made.as_dict(), indent=1))
        return int(made.verdict)
    tables.show(made.table(), title=f"the gate by its own measure: {made.verdict.label}")
    busy = "" if made.others is None or made.pressure is None else f", pressure {made.pressure:.0%}"
    print(f"{made.blocks} processes in {made.seconds:.0f} s{busy}\nreport: {path}", flush=True)
    return int(made.verdict)
