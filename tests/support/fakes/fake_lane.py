"""
A lane without a framework: an executable that takes the place of an interpreter, and leaves what the pipelines leave.

`write` makes it: `PATH -P -m ptycho_SIDE.train|inference|bench …`, and a comparison's
blocks. What it takes, and whether it ends well, is ordered.
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def write(path: Path, *, seconds: float = 0.0, work: float = 0.0, exit_code: int = 0, overhead: float = 1.05) -> Path:
    """Make an interpreter whose trainings sleep, work (seconds of processor time), or end with a code."""
    call = f"fake_lane.main(sys.argv, {seconds!r}, {work!r}, {overhead!r}); raise SystemExit({exit_code})"
    code = f"import sys; sys.path[:0] = {[str(ROOT)]!r}; from tests.support.fakes import fake_lane; {call}"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return path


def main(argv: list[str], seconds: float, work: float, overhead: float) -> None:
    """Do as the module of the command line would."""
    module = argv[3].rpartition(".")[2]
    if module == "step_block":
        _block(Path(_option(argv, "--tree")), Path(_option(argv, "--out")), int(_option(argv, "--slices")))
        return
    if module == "bench":
        _bench(argv[4], Path(_option(argv, "--out")), int(_option(argv, "--blocks")), overhead)
        return
    output = Path(_option(argv, "--output_dir"))
    if module == "inference":
        spent = {"data": 0.01, "predict": 0.02}
        (output / "inference.json").write_text(json.dumps({"patterns": 64, "seconds": spent}))
        return
    sys.audit("ptycho.phase.start", {"phase": "data"})
    sys.audit("ptycho.phase.end", {"phase": "data"})
    sys.audit("ptycho.phase.start", {"phase": "train"})
    time.sleep(seconds)
    until = time.process_time() + work
    while time.process_time() < until:
        pass
    sys.audit("ptycho.phase.end", {"phase": "train"})
    (output / "summary.json").write_text(json.dumps({"n_groups": 64}))
    (output / "history.csv").write_text("epoch,patterns_per_second\n1,120.0\n")


def _bench(kind: str, out: Path, blocks: int, overhead: float) -> None:
    names = ("epoch", "bare") if kind == "overhead" else (kind,)
    rows = [
        {
            "name": name,
            "wall_s": 0.1 * (overhead if name == "epoch" else 1.0) * (1 + 0.001 * number),
            "cpu_s": 0.1 * (overhead if name == "epoch" else 1.0) * (1 + 0.001 * (number % 2)),
            "patterns": 64,
            "steps": 4,
        }
        for number in range(blocks)
        for name in names
    ]
    out.write_text(json.dumps({"schema": "ptycho-bench/1", "kind": kind, "blocks": rows, "fingerprint": {}}))


def _block(tree: Path, out: Path, slices: int) -> None:
    """A block whose steps take what the tree says, against a calibration of 1; the project's own tree says nothing."""
    said = tree / "ptycho" / "cost.txt"
    cost = float(said.read_text()) if said.is_file() else 9.0
    out.write_text(json.dumps({"rows": [[cost, 0.5, 0.5]] * slices, "peak_mib": 100.0}))


def _option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]
