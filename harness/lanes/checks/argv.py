"""
A target's training command in the variants that the checks need: seeded, tracked, with its input dumped.

The target file gives the pieces; here they are put together, so that every run of a lane, the first included, has the
same seed and no tracking unless tracking is what is looked at.
"""

from collections.abc import Sequence
from dataclasses import replace

from harness.targets.loader import Target


def prepared(target: Target) -> Target:
    """A target whose training is seeded and not tracked, as far as its file says how."""
    checks = target.checks
    argv = target.working.argv
    if checks.seed_flag and checks.seed_flag[0] not in argv:
        argv = (*argv, *checks.seed_flag)
    if checks.mlflow is not None:
        argv = added(without(argv, checks.mlflow.on), checks.mlflow.off)
    return with_training(target, argv)


def tracked(target: Target) -> Target:
    """A prepared target with tracking switched on; the target itself where its file does not say how."""
    mlflow = target.checks.mlflow
    return (
        target if mlflow is None else with_training(target, added(without(target.working.argv, mlflow.off), mlflow.on))
    )


def dumping(target: Target) -> Target:
    """A target whose training dumps its input; the target itself where its file does not say how."""
    dump = target.checks.input_dump
    return target if dump is None else with_training(target, added(target.working.argv, dump.argv))


def with_training(target: Target, argv: Sequence[str]) -> Target:
    """A target with another argument vector of training; of inference where nothing is trained."""
    working = replace(target.working, argv=tuple(argv))
    return replace(target, infer=working) if target.train is None else replace(target, train=working)


def takes(target: Target, placeholder: str) -> bool:
    """Whether training is given a value, such as `"seed"`."""
    return target.working.takes(placeholder)


def added(argv: tuple[str, ...], extra: tuple[str, ...]) -> tuple[str, ...]:
    """Arguments with others at the end, unless they are among them already."""
    return argv if _position(argv, extra) is not None else (*argv, *extra)


def without(argv: tuple[str, ...], extra: tuple[str, ...]) -> tuple[str, ...]:
    """Arguments without a run of others."""
    at = _position(argv, extra)
    return argv if at is None or not extra else (*argv[:at], *argv[at + len(extra) :])


def _position(argv: tuple[str, ...], extra: tuple[str, ...]) -> int | None:
    return next((at for at in range(len(argv) - len(extra) + 1) if argv[at : at + len(extra)] == extra), None)
