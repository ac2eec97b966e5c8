"""Reports a campaign of kills: the table of who was killed in which phase, `kill-test.json`, and every failure."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from harness.faults.kill.campaign import KillScore
from harness.faults.kill.postconditions import CHECKS
from harness.faults.kill.workloads import STAND_IN
from harness.files.run_files import write_text
from harness.system import tables

SCHEMA = "ptycho-kill-test/1"


def table(score: KillScore) -> tables.Table:
    """A row for each victim and phase, and one for all: kills, how many with a framework, how many failed."""
    kinds = Counter((str(item.planned.victim), item.phase) for item in score.trials)
    rows = [["killed", "while", "kills", "with a framework", "drawn again", "failed"]]
    for (victim, phase), count in sorted(kinds.items()):
        these = [item for item in score.trials if (str(item.planned.victim), item.phase) == (victim, phase)]
        rows.append([victim, phase or "never hit", str(count), *_counts(these)])
    return [*rows, ["all", "", str(len(score.trials)), *_counts(list(score.trials))]]


def _counts(trials: list[Any]) -> list[str]:
    real = sum(item.planned.job.name != STAND_IN for item in trials)
    return [str(real), str(sum(item.missed for item in trials)), str(sum(bool(item.failures) for item in trials))]


def checks(score: KillScore) -> tables.Table:
    """Return what must hold after a kill, and in how many trials it does not."""
    fallen = score.by_check
    return [["after a kill", "failed"], *([text, str(fallen[check])] for check, text in CHECKS.items())]


def as_dict(score: KillScore) -> dict[str, Any]:
    """Plain values, for JSON."""
    found = [item.checkpoint for item in score.trials]
    return {
        "schema": SCHEMA,
        "verdict": score.verdict.label,
        "exit_code": int(score.verdict),
        "seed": score.seed,
        "planned": score.planned,
        "kills": len(score.trials),
        "failed": len(score.failed),
        "failed_by_check": {check: score.by_check[check] for check in CHECKS},
        "with_a_framework": sum(item.planned.job.real for item in score.trials),
        "checkpoints_loaded": sum(item.loaded for item in found),
        "strays": list(score.strays),
        "seconds": round(score.seconds, 1),
        "table": [list(row) for row in table(score)],
        "trials": [item.as_dict() for item in score.trials],
    }


def write(score: KillScore, path: Path) -> Path:
    """Write `kill-test.json`."""
    write_text(path, json.dumps(as_dict(score), indent=1, ensure_ascii=False) + "\n")
    return path


def show(score: KillScore) -> None:
    """Print the tables and every failure."""
    tables.show(table(score))
    print()
    tables.show(checks(score))
    for item in score.failed:
        about = f"{item.planned.victim}, {item.planned.job.name}, {item.moment}"
        print(f"\nkill {item.planned.number} ({about}; hit: {item.phase or 'nothing'})")
        for failure in item.failures:
            print(f"  {failure}")
    for stray in score.strays:
        print(f"\na process outlived all trials: {stray}")
    loaded = sum(item.checkpoint.loaded for item in score.trials)
    verdict = f"{score.verdict.label} (exit {int(score.verdict)})"
    print(
        f"\n{len(score.trials)} of {score.planned} kills, seed {score.seed}: {loaded} checkpoints loaded and resumed, "
        f"{len(score.failed)} failed: {verdict} in {score.seconds:.0f} s",
        flush=True,
    )
