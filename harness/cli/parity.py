"""The `parity` commands' own arguments, apart from what they do: a command line must start without NumPy."""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

from harness.cli import options, parity_quality
from harness.cli.options import Commands
from harness.targets import devices, version_option
from harness.targets.devices import SIDES
from harness.targets.interpreters import add_option, pythons, require_frameworks
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

GRIDSIZES = (1, 2)
PRECISIONS = ("f64", "f32", "bf16")
DRAWN_SIDES, DRAWN = (64, 128, 256), (64, 128)
STEPS, DRIFT_STEPS, SEED, CANARIES, SEEDS = 200, 20, 42, 3, 20
CODES = f"pass {Verdict.PASS:d} · a rung fails {Verdict.FAIL:d} · incomplete {Verdict.INCONCLUSIVE:d} · docs/parity.md"


def add_parser(commands: Commands) -> None:
    """Register `parity` with its commands."""
    inner = options.add_group(
        commands,
        "parity",
        "Compare the two backends rung by rung and name the step where they differ.",
        more="Both backends and a NumPy oracle answer the same questions, in float64, float32 and bf16.",
        default="run",
        examples=(
            "parity --python torch=PATH --python tf=PATH",
            "parity --against HEAD~1  # the working tree against a commit",
            "parity replay .harness/runs/RUN/f64-gridsize-1-R4-exit_wave.npz",
        ),
    )
    _add_run(inner)
    _add_replay(inner)
    _add_survey(inner)
    parity_quality.add_parser(inner)
    _add_calibrate(inner)


def _add_run(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "run",
        "Climb the ladder once and check that planted faults are caught.",
        examples=(
            "parity run --gridsize 1 --precision f64",
            "parity run --device cuda  # or torch=cuda alone; the oracle stays on the CPU",
            "parity run --target torch=mine.toml  # another checkout replaces a side",
            "parity run --against main  # is a difference from this commit rounding, or a regression?",
            "parity run --versions tf=2.20.0,2.21.0  # and between these versions of TensorFlow?",
        ),
        codes=CODES,
    )
    _add_ladder(parser)
    listed = " and ".join(map(str, DRAWN))
    _add_drawn(parser, f"Climb a drawn problem of this patch side, too, in float64; without it one of {listed}.")
    text = f"Plant this many faults in a run that passes ({CANARIES})."
    parser.add_argument("--canaries", type=int, default=CANARIES, metavar="K", help=text)
    text = "Draw the planted faults with this seed; without it a seed is drawn and printed."
    parser.add_argument("--canary-seed", type=int, metavar="SEED", help=text)
    text = "Draw the problems of --drawn from this seed on; without it a seed is drawn and printed."
    parser.add_argument("--drawn-seed", type=int, metavar="SEED", help=text)
    text = "Climb no drawn problem; a run with --gridsize, --precision or --target climbs none unless --drawn is given."
    parser.add_argument("--no-drawn", action="store_true", help=text)
    text = "Compare the working tree with this commit, branch or tag instead, each backend with itself (docs/drift.md)."
    parser.add_argument("--against", metavar="REV", help=text)
    text = (
        "Compare ways of running instead, each backend with itself: batch permuted and in parts on one and two threads "
        "(batch), torch.compile and jit_compile (compiled); without KIND both."
    )
    parser.add_argument(
        "--ways", nargs="?", const="all", choices=("all", "batch", "compiled"), metavar="KIND", help=text
    )
    version_option.add_option(parser)
    text = "Compare with the locks of this commit instead of the present ones (with --versions)."
    parser.add_argument("--lock-of", metavar="REV", help=text)
    parser.set_defaults(run=run, seeds=None, check=_check)


def _add_survey(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "survey",
        "Climb the ladder at many seeds and show the margin of each rung.",
        more="A rung that fails at one of the seeds on a correct pair is a false alarm.",
        examples=("parity survey --seeds 20 --steps 20",),
        codes=CODES,
    )
    _add_ladder(parser)
    _add_drawn(parser, "Climb a drawn problem of this patch side at every seed, in place of the ladder's own.")
    text = f"Climb at this many seeds, from --seed on ({SEEDS})."
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=text)
    options.add_unused(parser, "--canaries", "--canary-seed")
    unused = {"canaries": 0, "canary_seed": None, "drawn_seed": None, "no_drawn": False}
    parser.set_defaults(run=run, **unused, against=None, ways=None, versions=[], lock_of=None)


def _add_ladder(parser: argparse.ArgumentParser) -> None:
    """Options of every command that climbs the ladder."""
    add_option(parser)
    devices.add_option(parser)
    text = "Ask only this side, torch or tf, and say of the other that it is unverified; without it both."
    parser.add_argument("--side", choices=SIDES, help=text)
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="SIDE=FILE",
        help="Let the adapter of this target file replace a side (docs/adapter-kit.md).",
    )
    text = "Climb at this gridsize only; without it at both."
    parser.add_argument("--gridsize", type=int, action="append", choices=GRIDSIZES, help=text)
    text = "Compare in this precision only: f64 is the gate, f32 the second opinion."
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help=text)
    text = f"Draw the problem with this seed ({SEED}; a survey of drawn problems begins with another every day)."
    parser.add_argument("--seed", type=int, metavar="N", help=text)
    text = (
        f"Follow the trajectory of rung R8 for this many steps ({STEPS}; with --against and --versions {DRIFT_STEPS})."
    )
    parser.add_argument("--steps", type=int, metavar="N", help=text)
    options.add_fixture(parser, "small", "for rung R1")
    parser.add_argument("--quiet", action="store_true", help="Print only the result.")
    options.add_run_options(parser, "the report")


def _add_drawn(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--drawn", type=int, action="append", default=[], choices=DRAWN_SIDES, help=text)


def _add_replay(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "replay",
        "Judge one kept comparison again, without any framework.",
        examples=("parity replay .harness/runs/RUN/f64-gridsize-1-R4-exit_wave.npz",),
        codes=CODES,
    )
    parser.add_argument("file", type=Path, metavar="NPZ", help="Read this replay file, which a failing run has kept.")
    options.add_json(parser, "the judgement")
    options.add_unused(parser, "--python", "--follow")
    parser.set_defaults(run=_replay)


def _add_calibrate(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "calibrate",
        "Measure the floors of rounding again and show what would change.",
        examples=(
            "parity calibrate",
            "parity calibrate --precision bf16",
            'parity calibrate --write --reason "a new layer"',
        ),
        codes=CODES,
    )
    parser.add_argument("--write", action="store_true", help="Replace the committed floors.")
    parser.add_argument("--precision", choices=PRECISIONS, help="Measure the floors of this precision alone.")
    parser.add_argument("--reason", metavar="TEXT", help="Say why a floor may rise; the text is kept beside it.")
    parser.add_argument("--quiet", action="store_true", help="Print only the result.")
    options.add_json(parser, "the changes")
    options.add_unused(parser, "--python", "--follow")
    parser.set_defaults(run=_calibrate)


def target_files(given: list[str]) -> dict[str, Path]:
    """
    Target file by side.

    Raises:
        UsageError: listing what is not `SIDE=FILE`, names no side or one twice, or is not a file.
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


def _check(args: argparse.Namespace) -> int:
    """Refuse what a run would refuse, before an environment is built for it."""
    pythons(args.python)
    target_files(args.target)
    elsewhere = sorted(set(devices.requested(args.device).values()) - {"cpu"})
    version_option.requested(args.versions)
    if args.lock_of is not None and not args.versions:
        raise UsageError(f"--lock-of {args.lock_of}; allowed: with --versions; add it")
    if (alone := _alone(args)) and (elsewhere or args.side):
        what = " ".join(
            [*(f"--device {device}" for device in elsewhere), *([f"--side {args.side}"] if args.side else [])]
        )
        raise UsageError(f"{alone[0]} with {what}; allowed: both sides on the CPU; leave it out")
    return 0


def run(args: argparse.Namespace) -> int:
    """Climb the ladder; returns the exit code."""
    options.use_one_thread()
    if args.seed is None:
        args.seed = _first_seed(args)
    if args.steps is None:
        args.steps = DRIFT_STEPS if args.against is not None or args.versions else STEPS
    options.refuse(_problems(args))
    _check(args)
    if args.against is not None:
        return _against(args)
    if args.ways:
        return _ways(args)
    if args.versions:
        return _versions(args)
    from harness.parity import run as parity_run

    asked_sides = [args.side] if args.side else list(SIDES)
    files = target_files(args.target)
    chosen = {side: python for side, python in pythons(args.python).items() if side in asked_sides}
    from harness.faults.mutation import canaries

    scan = _scan(args)
    parties = parity_run.parties(chosen, files)
    on = devices.requested(args.device, asked_sides)
    # A target has an environment of its own.
    require_frameworks({side: python for side, python in chosen.items() if side not in files}, args.python, on)
    wanted = range(args.seed, args.seed + args.seeds) if args.seeds else ()
    asked = parity_run.ParityOptions(
        parties=parties,
        scan=scan,
        **_conditions(args),
        root=args.root,
        plant=partial(canaries.plant, args.canaries) if args.canaries else None,
        canary_seed=args.canary_seed,
        quiet=args.quiet or args.json,
        json=args.json,
        devices=on,
        unasked=tuple(side for side in SIDES if side not in asked_sides),
        drawn=_drawn(args),
        drawn_seed=args.drawn_seed,
    )
    return parity_run.main(asked, follow=args.follow, wanted=wanted)


def _against(args: argparse.Namespace) -> int:
    """Compare with a commit; returns the exit code."""
    from harness.parity.drift import run as drift_run

    asked = drift_run.DriftOptions(
        base=args.against,
        pythons=pythons(args.python),
        scan=_scan(args),
        root=args.root,
        **_conditions(args),
        quiet=args.quiet or args.json,
        json=args.json,
    )
    return drift_run.main(asked, follow=args.follow)


def _ways(args: argparse.Namespace) -> int:
    """Compare ways of running; returns the exit code."""
    from harness.parity.drift import ways_run

    conditions = _conditions(args)
    del conditions["steps"]  # of a trajectory that has a length of its own
    chosen = pythons(args.python)
    require_frameworks(chosen, args.python)
    asked = ways_run.WaysOptions(
        kinds=ways_run.KINDS if args.ways == "all" else (args.ways,),
        pythons=chosen,
        scan=_scan(args),
        root=args.root,
        **conditions,
        quiet=args.quiet or args.json,
        json=args.json,
    )
    return ways_run.main(asked, follow=args.follow)


def _versions(args: argparse.Namespace) -> int:
    """Compare versions of the frameworks; returns the exit code."""
    wanted = version_option.requested(args.versions)
    chosen = {side: python for side, python in pythons(args.python).items() if side in wanted}
    require_frameworks(chosen, args.python)
    from harness.parity.drift import frameworks_run

    asked = frameworks_run.VersionsOptions(
        versions=wanted,
        lock_of=args.lock_of,
        pythons=chosen,
        scan=_scan(args),
        root=args.root,
        **_conditions(args),
        quiet=args.quiet or args.json,
        json=args.json,
    )
    return frameworks_run.main(asked, follow=args.follow)


def _scan(args: argparse.Namespace) -> Path:
    from harness.fixtures import locate

    (scan,) = locate.locate([args.fixture]).values()
    return scan


def _conditions(args: argparse.Namespace) -> dict[str, Any]:
    """
    Options of the problem, which mean the same wherever the ladder is climbed.

    Mixed precision is the two backends' own and has floors on the CPU alone: another checkout or device is asked for it
    only by name.
    """
    elsewhere = {*devices.requested(getattr(args, "device", [])).values()} - {"cpu"}
    default = PRECISIONS[:2] if elsewhere or getattr(args, "target", None) else PRECISIONS
    return {
        "gridsizes": tuple(sorted(set(args.gridsize or GRIDSIZES))),
        "precisions": tuple(sorted(set(args.precision or default), key=PRECISIONS.index)),
        "seed": args.seed,
        "steps": args.steps,
    }


def _first_seed(args: argparse.Namespace) -> int:
    """The ladder's own seed; of drawn problems other ones every day, which the result names."""
    return int(time.time() // 86400) * args.seeds if args.seeds and args.drawn else SEED


def _drawn(args: argparse.Namespace) -> tuple[int, ...]:
    """Patch sides of drawn problems: those that are named, else a run of the whole ladder has its own."""
    part = bool(args.gridsize or args.precision or args.target or args.no_drawn or args.seeds is not None)
    return tuple(args.drawn) or (() if part else DRAWN)


def _alone(args: argparse.Namespace) -> list[str]:
    """Options that ask for a comparison of a backend with itself."""
    given = {"--against": args.against is not None, "--ways": args.ways is not None, "--versions": bool(args.versions)}
    return [name for name, is_given in given.items() if is_given]


def _drawn_problems(args: argparse.Namespace) -> list[str]:
    """Return what the options of drawn problems cannot mean, each with the option that was given."""
    given = [f"--drawn {side}" for side in args.drawn[:1]]
    given += [] if args.drawn_seed is None else [f"--drawn-seed {args.drawn_seed}"]
    found = [f"{given[0]} with --no-drawn; allowed: one of the two"] if args.no_drawn and given else []
    if args.drawn_seed is not None and args.drawn_seed < 0:
        found.append(f"--drawn-seed {args.drawn_seed}; allowed: 0 or more")
    given += ["--no-drawn"] if args.no_drawn else []
    if given and (alone := _alone(args)):
        return [*found, f"{given[0]} with {alone[0]}, which draws no problem; leave it out"]
    if args.drawn and args.target:
        found.append(f"--drawn {args.drawn[0]} with --target; allowed: both sides of this checkout; leave it out")
    if args.drawn and args.precision and PRECISIONS[0] not in args.precision:
        found.append(f"--drawn {args.drawn[0]} without float64, in which it is judged; add --precision {PRECISIONS[0]}")
    if args.drawn_seed is not None and not args.no_drawn and not _drawn(args):
        found.append(f"--drawn-seed {args.drawn_seed}, but no problem is drawn here; add --drawn {DRAWN[0]}")
    return found


def _problems(args: argparse.Namespace) -> list[str]:
    found = []
    if args.steps < 1:
        found.append(f"--steps {args.steps}; allowed: 1 or more")
    if args.seed < 0:
        found.append(f"--seed {args.seed}; allowed: 0 or more")
    if args.seeds is not None and args.seeds < 1:
        found.append(f"--seeds {args.seeds}; allowed: 1 or more")
    if args.canaries < 0:
        found.append(f"--canaries {args.canaries}; allowed: 0 or more")
    if args.canary_seed is not None and args.canary_seed < 0:
        found.append(f"--canary-seed {args.canary_seed}; allowed: 0 or more")
    found += _drawn_problems(args)
    alone = _alone(args)
    if alone and (len(alone) > 1 or args.target or args.canary_seed is not None):
        what = " and ".join(alone)
        found.append(f"{what} with --target, --canary-seed or each other; allowed: one of them, of this checkout alone")
    return found


def _replay(args: argparse.Namespace) -> int:
    options.use_one_thread()
    from harness.parity import run as parity_run

    return parity_run.again(args.file, as_json=args.json)


def _calibrate(args: argparse.Namespace) -> int:
    options.use_one_thread()
    from harness.parity import recalibrate

    return recalibrate.main(
        write=args.write, reason=args.reason, precision=args.precision, quiet=args.quiet, as_json=args.json
    )
