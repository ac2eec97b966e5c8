"""
`python -m harness gpu-check`: everything that a bare GPU machine can show, in eight minutes and one folder.

The command itself needs the standard library alone. It looks what the machine has, makes an environment out of the
machine's own packages and the folder of wheels, and runs the steps in it (`python -m harness.gpu_check.run FOLDER`).
"""

import json
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.gpu_check import bundle, needs
from ptycho.errors import InfrastructureError, UsageError, exit_on_error
from ptycho.fingerprint import ROOT, commit
from ptycho.verdict import Verdict

SCHEMA = "ptycho-gpu-check/1"
RESULT = "gpu-check.json"
MACHINE = "machine.json"
MINUTES = 8.0
REPORT_S = 30.0
"""Of the time, kept for the report."""


@dataclass(frozen=True, kw_only=True)
class GpuCheckOptions:
    """
    Options of a check.

    Attributes:
        out: the folder to write.
        sides: of `harness.gpu_check.needs.FRAMEWORKS`; those that are installed if there is none.
        wheels: folder that `--bundle` made, or None.
        minutes: limit of the whole.
        json: print the result as one JSON document, and only that.
    """

    out: Path
    sides: tuple[str, ...] = ()
    wheels: Path | None = None
    minutes: float = MINUTES
    json: bool = False


def check(options: GpuCheckOptions) -> int:
    """
    Check a machine; returns the exit code.

    Raises:
        UsageError: the folder is in use.
        InfrastructureError: something is missing; every name at once.
    """
    began, out = time.monotonic(), options.out.absolute()
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"--out {out} is not empty; give a new folder")
    if options.wheels is not None and not options.wheels.is_dir():
        raise UsageError(f"--wheels {options.wheels} is not a folder; make it with gpu-check --bundle DIR")
    machine = needs.look(options.sides, options.wheels, out)
    if machine.missing:
        listed = "\n".join(f"  - {sentence}" for sentence in machine.missing)
        raise InfrastructureError(
            f"this machine cannot be checked; missing:\n{listed}\n"
            "packages come from `python -m harness gpu-check --bundle DIR --python-version "
            f"{sys.version_info[0]}.{sys.version_info[1]}` on a machine with a network, and --wheels DIR here"
        )
    out.mkdir(parents=True, exist_ok=True)
    python = environment(out / "environment", machine.wheels)
    about = {
        "python": machine.python,
        "frameworks": machine.frameworks,
        "gpu": machine.gpu,
        "wheels": [path.name for path in machine.wheels],
        "minutes": options.minutes - (time.monotonic() - began) / 60,
        "quiet": options.json,
    }
    (out / MACHINE).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    if not options.json:
        print(described(about), flush=True)
    code = subprocess.call([str(python), "-m", "harness.gpu_check.run", str(out)], cwd=ROOT)
    if options.json and (out / RESULT).is_file():
        print((out / RESULT).read_text(encoding="utf-8"), end="", flush=True)
    return code


def described(about: dict[str, Any]) -> str:
    """The machine in a few lines."""
    lines = [f"Python {about['python']}"]
    lines += [f"{needs.FRAMEWORKS[s]} {v} on {about['gpu'].get(s, 'no GPU')}" for s, v in about["frameworks"].items()]
    return "\n".join([*lines, f"{len(about['wheels'])} packages from the folder of wheels"])


def environment(folder: Path, wheels: Sequence[Path]) -> Path:
    """
    An environment with the machine's own packages, and behind them what was missing. Returns its interpreter.

    Args:
        folder: to be made.
        wheels: to be unpacked.
    """
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    (site,) = (folder / "lib").glob("python3*/site-packages")
    # The machine's interpreter may be a virtual environment itself, of which this one would not inherit.
    own = [path for path in sys.path if path and Path(path).is_dir() and Path(path).name.endswith("-packages")]
    (site / "machine.pth").write_text("".join(f"{path}\n" for path in own), encoding="utf-8")
    bundle.unpack(wheels, site)
    return folder / "bin" / "python"


def judged(about: dict[str, Any], done: Sequence[Any], out: Path, seconds: float) -> dict[str, Any]:
    """
    The result as one document.

    Args:
        about: the machine.
        done: steps.
        out: the folder of the check.
        seconds: wall time.
    """
    verdict = Verdict.worst((step.verdict for step in done), default=Verdict.FAIL)
    return {
        "schema": SCHEMA,
        "verdict": verdict.label,
        "exit_code": int(verdict),
        "commit": commit(),
        "machine": {key: value for key, value in about.items() if key not in ("minutes", "quiet")},
        "unverified": [f"{name}: not installed" for side, name in needs.FRAMEWORKS.items() if side not in about["gpu"]],
        "steps": [step.as_dict() for step in done],
        "seconds": round(seconds, 1),
        "report": str(out / "report.html"),
    }


def main(folder: str) -> int:
    """Run the steps in the environment that was made for them; returns the exit code."""
    from harness.gpu_check import steps

    began, out = time.monotonic(), Path(folder)
    about: dict[str, Any] = json.loads((out / MACHINE).read_text(encoding="utf-8"))
    deadline = began + 60 * about["minutes"] - REPORT_S
    planned = [step for side in about["gpu"] for step in steps.plan(side, sys.executable, out)]
    say = (lambda _text: None) if about["quiet"] else print
    done = steps.run(planned, out, deadline, say)
    report = steps.CheckStep(
        name="report",
        argv=(
            *(sys.executable, "-m", "harness", "report", "page"),
            *("--root", str(out / "workspace"), "--out", str(out / "report.html")),
        ),
        limit_s=REPORT_S,
        shows="the page",
    )
    # The page has the verdict of the runs as its exit code; here it must only be there.
    steps.run([report], out, time.monotonic() + REPORT_S, lambda _text: None)
    document = judged(about, done, out, time.monotonic() - began)
    if not (out / "report.html").is_file():
        document |= {"report": f"could not be written; see {out / 'logs' / 'report.log'}"}
    steps.write(out / RESULT, document)
    if not about["quiet"]:
        for sentence in document["unverified"]:
            print(f"unverified: {sentence}")
        print(f"gpu-check: {document['verdict']} (exit {document['exit_code']}) in {document['seconds']:.0f} s; {out}")
    return int(document["exit_code"])


if __name__ == "__main__":
    with exit_on_error():
        sys.exit(main(sys.argv[1]))
