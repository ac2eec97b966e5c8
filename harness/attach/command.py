"""
`python -m harness attach ONE.py TWO.py`: record both models, pair their layers, and say where they first part.

The first model is recorded with its own weights; the second one once as it is, to see its layers, and then with the
first one's weights and batch.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.attach import compare, invariants, layer_map, recorder, report
from harness.attach.findings import ModelDifference, in_order
from harness.attach.layer_map import CARRY, LayerMap
from harness.attach.layouts import carried
from harness.attach.pair_of_runs import PairOfRuns, choose_precision
from harness.attach.recorder import Recorder, Subject
from harness.attach.recording import Recording, load
from harness.attach.report import ModelComparison
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

SCRIPT = "ptycho_attach.py"


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    one, two = subjects(args)
    recorder.require([one, two])
    folder = args.output or Path(f"attach-{one.side}-{two.side}")
    asked = {"steps": args.steps, "draws": args.draws, "train": not args.no_train}
    if args.precision:
        asked["precisions"] = sorted({"f32", args.precision})
    with recorder.opened(args.root) as recording:
        # The quick look comes first: a second model that cannot be recorded is known before the first one has been.
        looked = {"precisions": ["f32"], "draws": 0, "steps": 1, "train": False}
        seen = load(recording.run(SCRIPT, two, looked, {}), two.side)
        first = load(recording.run(SCRIPT, one, asked, {}), one.side)
        chosen = layer_map.read(args.map) if args.map else layer_map.propose(first, seen, mode=args.weights)
        layer_map.check(chosen, first, seen)
        folder.mkdir(parents=True, exist_ok=True)
        layer_map.write(chosen, folder / "map.toml")
        if not args.json:
            _show_map(chosen, folder / "map.toml", given=args.map is not None)
        if args.map_only or not _confirmed(args):
            return int(Verdict.PASS)
        second = record_second(recording, two, asked, first, chosen)
    comparison = judge(first, second, chosen)
    report.write(comparison, folder)
    if args.json:
        print(json.dumps(report.plain(comparison), indent=1))
    else:
        print(report.text(comparison))
        print(f"\nreport: {folder / 'report.txt'}, report.json, report.svg; map: {folder / 'map.toml'}")
    return int(Verdict.FAIL if comparison.findings else Verdict.PASS)


def subjects(args: argparse.Namespace) -> tuple[Subject, Subject]:
    """
    Both sides of a command line.

    Raises:
        UsageError: they would have one name.
    """
    names = args.one.stem, args.two.stem
    if names[0] == names[1]:
        names = f"{names[0]}-one", f"{names[1]}-two"
    pythons = [interpreter(python) for python in (args.python_one, args.python_two)]
    folders = [folder or file.parent for folder, file in ((args.folder_one, args.one), (args.folder_two, args.two))]
    if args.map is not None and not args.map.is_file():
        raise UsageError(f"--map {args.map} is not a file; leave it out, and one is proposed")
    one, two = (
        Subject(side=name, file=file, python=python, folder=folder)
        for name, file, python, folder in zip(names, (args.one, args.two), pythons, folders, strict=True)
    )
    return one, two


def interpreter(given: Path | None) -> Path:
    """An interpreter's path, not resolved: an environment's is a link, and what it leads to is another environment."""
    return Path(os.path.abspath(given or sys.executable))  # noqa: PTH100 - resolve() follows the link


def _show_map(chosen: LayerMap, path: Path, *, given: bool) -> None:
    print(f"{'given' if given else 'proposed'} map: {len(chosen.pairs)} calls, {len(chosen.weights)} weights ({path})")
    width = max((len(a) for a, _ in chosen.pairs), default=0)
    for one, two in chosen.pairs:
        print(f"  {one:<{width}}  {two}")


def _confirmed(args: argparse.Namespace) -> bool:
    """Whether a person at a terminal takes the proposed map; nobody there is asked nothing."""
    if args.map is not None or args.yes or args.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    answer = input("compare by this map? [Y/n] ").strip().lower()
    if answer in ("", "y", "yes"):
        return True
    print("edit the map and give it back with --map")
    return False


def record_second(
    recording: Recorder, two: Subject, asked: dict[str, Any], first: Recording, chosen: LayerMap
) -> Recording:
    """Record the second model with what the first one had."""
    return load(recording.run(SCRIPT, two, asked, request_arrays(first, chosen)), two.side)


def request_arrays(first: Recording, chosen: LayerMap) -> dict[str, NDArray[Any]]:
    """The first model's batch and weights in the second one's layout."""
    arrays = {
        f"batch/{number}": array.transpose(axes)
        for number, (array, axes) in enumerate(zip(first.batch, chosen.batch, strict=True))
    }
    if chosen.mode == CARRY:
        for entry in chosen.weights:
            value = first.array("f32", f"weight/{entry.one}")
            if value is not None:
                arrays[f"weight/{entry.two}"] = carried(value, entry.axes, entry.rows)
    return arrays


def judge(first: Recording, second: Recording, chosen: LayerMap) -> ModelComparison:
    """Compare two recordings, and set apart what their maintainers accept."""
    precision, note = choose_precision(first, second, chosen)
    found = in_order(
        [*compare.compare(first, second, chosen, precision), *invariants.breaches(first), *invariants.breaches(second)]
    )
    accepted = [_with_reason(finding, reason) for finding in found if (reason := chosen.reason_for(finding.name))]
    counted = [finding for finding in found if chosen.reason_for(finding.name) is None]
    if all(finding.name.startswith("optimizer.") for finding in accepted) and accepted:
        # An update that follows from what is accepted of the optimiser is accepted with it.
        explained = [f for f in counted if f.name == "optimizer.update" and "settings above" in f.sentence]
        others = [f for f in counted if f.name.startswith("optimizer.") and f.name != "optimizer.update"]
        if explained and not others:
            counted = [finding for finding in counted if finding not in explained]
            accepted += [_with_reason(finding, "it follows") for finding in explained]
    run_of_both = PairOfRuns(first, second, chosen, precision)
    notes = [note] if note else []
    if precision == "f64":
        single = [finding.name for finding in compare.compare(first, second, chosen, "f32")]
        hidden = [finding.name for finding in counted if finding.figures and finding.name not in single]
        notes += [f"float32 alone would not show: {report.listed(hidden)}"] if hidden else []
    if ties := compare.tied(run_of_both):
        notes.append(
            f"the gradient of what leaves {report.listed(sorted(ties))} differs and reaches no layer before it and no "
            "weight: equal elements, of which one or the other is taken"
        )
    return ModelComparison(
        one=first,
        two=second,
        layer_map=chosen,
        precision=precision,
        note="; ".join(notes),
        findings=counted,
        accepted=accepted,
        rows=report.rows_of(run_of_both),
        alone=report.alone(first, second, chosen),
    )


def _with_reason(finding: ModelDifference, reason: str) -> ModelDifference:
    from dataclasses import replace

    return replace(finding, reason=reason)
