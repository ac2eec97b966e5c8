"""
The order of the checks of a lane: the same for every target, each as far as its file gives what the check needs.

What a reconstruction is worth is judged after the short trainings, since a poor one may come from weights that were
never trained.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.files import run_files
from harness.lanes.checks import attempt, layouts, options, quality, reproducibility, score
from harness.lanes.checks.context import CheckContext
from harness.record.findings import Finding
from harness.record.outcome import FixtureResult
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict


def run(
    bench: CheckContext, fixtures: Mapping[str, Path], attempts: Mapping[str, attempt.TrainInferRun], *, brief: bool
) -> list[FixtureResult]:
    """
    Judge what the job left and make the checks that need runs of their own.

    Args:
        bench: where to.
        fixtures: file of each fixture.
        attempts: the job's attempt on each.
        brief: make no run beyond the job's own.

    Returns:
        A result for each fixture.
    """
    found = layouts.of_fixtures(fixtures)
    layouts.report_faults(bench, attempts, found)
    results = {name: _result(bench, name, made) for name, made in attempts.items()}
    layouts.same_input(bench, results.values())
    tried = None
    sound = [name for name, made in attempts.items() if made.fault is None]
    if sound:
        reproducibility.tracking_off(bench, attempts[sound[0]])
    if sound and not brief:
        first = sound[0]
        tried = reproducibility.run(bench, first, fixtures[first], attempts[first])
        results[first] = replace(
            results[first],
            epoch_s=tried.epoch_s,
            start_s=tried.start_s,
            input_dump=None if tried.once.fault else _kept_input(bench, first, tried),
        )
    for name in sound:
        results[name] = _judge(bench, results[name], fixtures[name], attempts[name], tried)
    if sound and tried is not None and tried.once.fault is None and tried.again.fault is None:
        first = sound[0]
        if results[first].verdict is Verdict.PASS:
            reproducibility.epochs_ignored(bench, first, tried)
        reproducibility.other_seed(bench, first, fixtures[first], tried)
        layouts.run(bench, first, fixtures[first], [found[name] for name in attempts], tried)
        options.run(bench, first, fixtures[first], tried)
    return list(results.values())


def _result(bench: CheckContext, name: str, made: attempt.TrainInferRun) -> FixtureResult:
    """Return what is known of a fixture before anything is judged."""
    target, noted = bench.target, bench.outcome.findings
    for check in ("run", "artifacts"):
        for step in ("train", "infer"):
            noted.checked(check, step)
    result = FixtureResult(
        fixture=name,
        train_s=None if made.train is None else made.train.seconds,
        infer_s=None if made.infer is None else made.infer.seconds,
        input_sha256=attempt.input_hash(target, made.model),
    )
    if made.fault is not None:
        return replace(result, verdict=made.fault.verdict or made.fault.kind.verdict)
    if target.summary is not None:
        noted.checked("input-hash", name)
        if result.input_sha256 is None:
            sentence = f"{target.name} train on {name}: {target.summary} has no text under {target.input_hash_key!r}"
            bench.find(Finding(id="input-hash-missing", subject=name, sentence=sentence))
    return result


def _judge(
    bench: CheckContext,
    result: FixtureResult,
    fixture: Path,
    made: attempt.TrainInferRun,
    tried: reproducibility.Trials | None,
) -> FixtureResult:
    """Score a reconstruction, name what is wrong with it, and keep it."""
    target, name = bench.target, result.fixture
    run_root = bench.outcome.run_root
    place = made.reconstruction(target)
    noted = bench.outcome.findings
    noted.checked("quality", name)
    known = len(bench.outcome.problems)
    try:
        judged = score.judge(
            place,
            target.reconstruction_keys,
            fixture,
            run_root / "pictures" / f"{target.name}-{name}.png",
            name=f"{target.name}: {name}",
            pictures=target.pictures,
        )
    except (PtychoError, OSError, ValueError) as error:
        sentence = f"{target.name} on {name}: the reconstruction cannot be scored: {error}"
        bench.find(Finding(id="reconstruction-unreadable", subject=name, sentence=sentence))
        return result
    for check in ("orientation", "place", "scale"):
        noted.checked(check, name)
    effect = None if tried is None else tried.effect
    repeats = [] if tried is None else _brightness_of(bench, fixture, tried)
    for finding in quality.judge(
        judged, name, min_phase_correlation=target.min_phase_correlation, effect=effect, repeats=repeats
    ):
        bench.find(replace(finding, sentence=f"{target.name} on {finding.sentence}"))
    passed = len(bench.outcome.problems) == known and (target.summary is None or result.input_sha256 is not None)
    return replace(
        result,
        scores=judged.scores or None,
        flat=judged.flat or None,
        pictures=() if judged.picture is None else (str(judged.picture),),
        losses=judged.losses,
        reconstruction=_keep(bench, judged, name),
        verdict=Verdict.PASS if passed else Verdict.FAIL,
    )


def _brightness_of(
    bench: CheckContext, fixture: Path, tried: reproducibility.Trials
) -> list[tuple[float, float, float]]:
    """Brightness of the reconstructions of the short trainings, as far as there are any."""
    target = bench.target
    made = (trial.reconstruction(target) for trial in (tried.once, tried.again) if trial.fault is None)
    found = (score.brightness(place, target.reconstruction_keys, fixture, pictures=target.pictures) for place in made)
    return [row for row in found if row is not None]


def _keep(bench: CheckContext, judged: score.ReconstructionJudgement, name: str) -> str | None:
    """Keep what was scored in the run root, in one form for all targets: others are compared with it."""
    import numpy as np

    found = judged.reconstruction
    if found is None:
        return None
    kept = bench.outcome.run_root / "reconstructions" / f"{bench.target.name}-{name}.npz"
    run_files.make(kept.parent)
    with run_files.replacing(kept) as file:
        np.savez(file, object=found.obj.astype(np.complex64), overlap=found.overlap, origin=np.array(found.origin))
    return str(kept)


def _kept_input(bench: CheckContext, name: str, tried: reproducibility.Trials) -> str | None:
    """Keep what the network was given, where the target can dump it."""
    from harness.lanes.checks import cross_target

    kept = bench.outcome.run_root / "reconstructions" / f"{bench.target.name}-{name}-input.npy"
    try:
        return cross_target.keep_input(bench.target.checks.input_dump, tried.once.model, kept)
    except PtychoError as error:
        sentence = f"{bench.target.name} train on {name}: {error}"
        bench.find(Finding(id="input-hash-missing", subject=name, sentence=sentence))
        return None
