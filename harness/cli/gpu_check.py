"""`python -m harness gpu-check` on the command line: it must start on a machine that has nothing but Python."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands
from harness.targets.devices import SIDES
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

MINUTES = 8.0
CODES = (
    f"pass {Verdict.PASS:d} · a step fails {Verdict.FAIL:d} · out of time {Verdict.TIMEOUT:d} · "
    f"something is missing, named at once {Verdict.INFRA:d}"
)


def add_parser(commands: Commands) -> None:
    """Register `gpu-check`."""
    parser = options.add_command(
        commands,
        "gpu-check",
        "Check a GPU machine that has a framework and NumPy: lane, ladder, benchmark, bfloat16, 100,000 patterns.",
        more="It needs no network, no nox and no uv; the other packages come from a folder of wheels.",
        examples=(
            "gpu-check --bundle wheels --python-version 3.12  # beforehand, where there is a network",
            "gpu-check --wheels wheels --out result  # on the machine",
        ),
        codes=CODES,
    )
    add = parser.add_argument
    add("--bundle", type=Path, metavar="DIR", help="Only fetch the wheels for such a machine into this folder.")
    add("--python-version", metavar="X", help="Fetch them for this Python: 3.11, 3.12 or 3.13.")
    add("--wheels", type=Path, metavar="DIR", help="Take what is not installed from this folder of wheels.")
    add("--out", type=Path, metavar="DIR", help="Write everything into this new folder (.harness/gpu-check/TIME).")
    add("--side", choices=SIDES, help="Check this side only, torch or tf; without it what is installed.")
    add("--minutes", type=float, default=MINUTES, metavar="M", help=f"End after this many minutes ({MINUTES:g}).")
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the machine, or fetch the wheels; returns the exit code."""
    problems = []
    if (args.bundle is None) != (args.python_version is None):
        problems.append("--bundle and --python-version belong together; allowed: both, or none of them")
    if args.bundle is not None and args.wheels is not None:
        problems.append("--bundle with --wheels; allowed: one of them, on the machine that has what it needs")
    if not args.minutes > 0:
        problems.append(f"--minutes {args.minutes:g}; allowed: more than 0")
    options.refuse(problems)
    if args.bundle is not None:
        return _bundle(args.bundle, args.python_version)
    from harness.gpu_check import run as gpu_check

    out = args.out or Path(".harness") / "gpu-check" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    asked = gpu_check.GpuCheckOptions(
        out=out,
        sides=(args.side,) if args.side else (),
        wheels=args.wheels,
        minutes=args.minutes,
        json=args.json,
    )
    return gpu_check.check(asked)


def _bundle(folder: Path, version: str) -> int:
    from harness.gpu_check import bundle

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--bundle {folder} is not a folder; give one that may be made")
    wheels = bundle.make(folder, version)
    size = sum(path.stat().st_size for path in wheels) / 1e6
    print(f"{folder}: {len(wheels)} wheels for Python {version}, {size:.1f} MB; no framework and no NumPy", flush=True)
    return int(Verdict.PASS)
