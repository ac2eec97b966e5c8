"""`python -m harness attach physics FILE.py`: known arrays through somebody's own functions, judged in seconds."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.attach import known_arrays, physics, recorder
from harness.attach.physics import PhysicsResult
from harness.attach.recorder import Subject
from harness.system import tables
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

SCRIPT = "ptycho_physics.py"
SCHEMA = "ptycho-physics-report/1"
FUNCTIONS = ("stitch", "diffract", "load", "normalise_probe")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from harness.attach.command import interpreter

    subject = Subject(
        side=args.adapter.stem,
        file=args.adapter,
        python=interpreter(args.python),
        folder=args.folder or args.adapter.parent,
    )
    recorder.require([subject])
    with recorder.opened(args.root) as recording:
        out = recording.run(SCRIPT, subject, {}, known_arrays.request())
        rows, about = read(out)
    if not about["exposed"]:
        raise UsageError(f"{args.adapter} exposes nothing; allowed: {', '.join(FUNCTIONS)}")
    if args.json:
        print(json.dumps(plain(rows, about), indent=1, ensure_ascii=False))
    else:
        show(rows)
    return int(Verdict.FAIL if any(row.result == "fail" for row in rows) else Verdict.PASS)


def read(folder: Path) -> tuple[list[PhysicsResult], dict[str, Any]]:
    """Judge what an adapter answered."""
    about = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    with np.load(folder / "answer.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    known, rows = known_arrays.known(int(about["side"])), []
    for function in FUNCTIONS:
        if function in about["failures"]:
            last = about["failures"][function].strip().splitlines()
            sentence = f"it raised: {last[-1]}\n" + "\n".join(last[:-1])
            rows.append(PhysicsResult(function=function, result="fail", sentences=(sentence,), names=("raised",)))
        elif function not in about["exposed"]:
            rows.append(PhysicsResult(function=function, result="not exposed"))
        else:
            answers = {
                name.split("/", 1)[1]: value for name, value in arrays.items() if name.startswith(f"{function}/")
            }
            rows.append(physics.judge(function, answers, known))
    return rows, about


def plain(rows: list[PhysicsResult], about: dict[str, Any]) -> dict[str, Any]:
    """The report as one JSON document."""
    return {
        "schema": SCHEMA,
        "versions": about["versions"],
        "functions": {
            row.function: {
                "result": row.result,
                "findings": [{"name": n, "sentence": s} for n, s in zip(row.names, row.sentences, strict=True)],
                "figures": dict(row.figures),
            }
            for row in rows
        },
    }


def show(rows: list[PhysicsResult]) -> None:
    """Print one line a finding."""
    body = [(row.function, row.result, sentence) for row in rows for sentence in row.sentences or ("",)]
    tables.show([("function", "result", "what is wrong"), *body])
