"""The `parity` command's own arguments, apart from what it does: a command line must start without NumPy."""

import argparse
import os
from functools import partial
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT
from harness.targets.interpreters import SIDES, add_option, pythons
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

GRIDSIZES = (1, 2)
PRECISIONS = ("f64", "f32")
STEPS, SEED, CANARIES = 200, 42, 3


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `parity`."""
    epilog = (
        f"exit codes: pass {int(Verdict.PASS)} · a rung fails {int(Verdict.FAIL)} · an adapter dies {Verdict.INFRA:d}"
    )
    parser = subparsers.add_parser(
        "parity",
        help="prove that the two backends agree, or name the step where they part",
        description="Ask both backends and a NumPy oracle the same; compare rung by rung, in float64.",
        epilog=epilog,
    )
    add_option(parser)
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="SIDE=FILE",
        help="another checkout's target file, whose adapter takes a side's place (docs/adapter-kit.md)",
    )
    parser.add_argument("--gridsize", type=int, action="append", choices=GRIDSIZES, help="default: both")
    parser.add_argument(
        "--precision",
        action="append",
        choices=PRECISIONS,
        help="f64, the gate, and f32, the second opinion; default: both",
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the problem (default: {SEED})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"length of the trajectory (default: {STEPS})")
    parser.add_argument("--fixture", default="small", metavar="NAME", help="canonical scan for R1 (default: small)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON document, and only that")
    parser.add_argument("--follow", type=int, metavar="PID", help="end as if interrupted when this parent is gone")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="climb at N seeds from --seed on, and show how near to its limits"
    )
    parser.add_argument(
        "--canaries", type=int, default=CANARIES, metavar="K", help=f"faults planted in a passing run ({CANARIES})"
    )
    parser.add_argument("--canary-seed", type=int, metavar="SEED", help="of their choice (default: drawn and printed)")
    parser.add_argument("--quality", action="store_true", help="compare trained quality over seeds instead (R9)")
    parser.add_argument(
        "--bf16", choices=SIDES, help="with --quality: a backend's bfloat16 against its float32, over seeds"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="JSON", help="with --quality: go on with an interrupted campaign"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="with --quality: of each training")
    parser.add_argument("--recalibrate", action="store_true", help="measure the floors anew; show what would change")
    parser.add_argument("--write", action="store_true", help="with --recalibrate: replace the committed floors")
    parser.add_argument("--reason", metavar="TEXT", help="with --write: why a floor may rise")
    parser.add_argument("--replay", type=Path, metavar="NPZ", help="judge one kept comparison again, and nothing else")
    parser.set_defaults(run=run)


def target_files(given: list[str]) -> dict[str, Path]:
    """
    Target file by side.

    Raises:
        UsageError: listing what is not `SIDE=FILE`, names no side or one twice, or is no file.
    """
    found: dict[str, Path] = {}
    problems = []
    for text in given:
        side, _, path = text.partition("=")
        if side not in SIDES or side in found or not Path(path).is_file():
            problems.append(f"--target {text!r}; allowed: SIDE=FILE, each side ({', '.join(SIDES)}) once, FILE a file")
        found[side] = Path(path)
    if problems:
        raise UsageError("\n".join(problems))
    return found


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    # Before NumPy is imported: the oracle's products are small, and its threads would wait by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _refuse(args)
    if args.recalibrate:
        from harness.parity import recalibrate

        return recalibrate.main(write=args.write, reason=args.reason, quiet=args.quiet, as_json=args.json)
    from harness.parity import run as parity_run

    if args.replay is not None:
        return parity_run.again(args.replay, as_json=args.json)
    chosen, files = pythons(args.python), target_files(args.target)
    from harness.faults.mutation import canaries
    from harness.fixtures import locate

    (scan,) = locate.locate([args.fixture]).values()
    if args.quality:
        return _quality(args, chosen, scan)
    options = parity_run.Options(
        parties=parity_run.parties(chosen, files),
        scan=scan,
        gridsizes=tuple(sorted(set(args.gridsize or GRIDSIZES))),
        precisions=tuple(sorted(set(args.precision or PRECISIONS), key=PRECISIONS.index)),
        seed=args.seed,
        steps=args.steps,
        root=args.root,
        plant=partial(canaries.plant, args.canaries) if args.canaries else None,
        canary_seed=args.canary_seed,
        quiet=args.quiet or args.json,
        json=args.json,
    )
    wanted = range(args.seed, args.seed + args.seeds) if args.seeds else ()
    return parity_run.main(options, follow=args.follow, wanted=wanted)


def _refuse(args: argparse.Namespace) -> None:
    """
    Refuse what cannot be honoured, all of it at once.

    Raises:
        UsageError: listing it.
    """
    found = []
    if args.steps < 1 or args.seed < 0:
        found.append(f"--steps {args.steps} --seed {args.seed}; allowed: steps from 1, seed from 0")
    if args.seeds is not None and args.seeds < 1:
        found.append(f"--seeds {args.seeds}; allowed: 1 or more")
    if args.canaries < 0 or (args.canary_seed is not None and args.canary_seed < 0):
        found.append(f"--canaries {args.canaries} --canary-seed {args.canary_seed}; allowed: 0 or more")
    if (args.write or args.reason is not None) and not args.recalibrate:
        found.append("--write and --reason go with --recalibrate")
    if any(value is not None for value in (args.resume, args.epochs, args.bf16)) and not args.quality:
        found.append("--resume, --epochs and --bf16 go with --quality")
    if args.target and (args.quality or args.recalibrate or args.replay):
        found.append("--target goes with neither --quality nor --recalibrate nor --replay")
    modes = [name for name in ("quality", "recalibrate", "replay") if getattr(args, name)]
    if len(modes) > 1:
        found.append(f"{' and '.join(f'--{name}' for name in modes)}; allowed: one of them")
    if found:
        raise UsageError("\n".join(found))


def _quality(args: argparse.Namespace, chosen: dict[str, str], scan: Path) -> int:
    from harness.parity.quality import run as quality_run
    from harness.parity.quality import sides

    options = quality_run.Options(
        pythons=chosen,
        scan=scan,
        root=args.root,
        seeds=tuple(range(1, (args.seeds or quality_run.SEEDS) + 1)),
        epochs=args.epochs or quality_run.EPOCHS,
        contest=sides.precisions(args.bf16) if args.bf16 else sides.BACKENDS,
        resume=args.resume,
        quiet=args.quiet or args.json,
        json=args.json,
    )
    return quality_run.main(options, follow=args.follow)
