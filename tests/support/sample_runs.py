"""Folders of runs as the harness leaves them: lanes with reconstructions, ladders, campaigns; whole, cut, failing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.comparison import judge
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output import diff_image
from harness.parity.output.evidence import Evidence
from harness.parity.output.report import LadderReport
from harness.record import directory
from tests.support import sample_log
from tests.support.sample_log import Row, parent

SCORES = {
    "phase_correlation": 0.94,
    "phase_psnr": 17.8,
    "phase_ssim": 0.6,
    "amplitude_psnr": 21.0,
    "amplitude_ssim": 0.4,
}
FLAT = SCORES | {"phase_correlation": 0.0, "phase_psnr": 8.6}
HOSTILE = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"


def root(path: Path, name: str, *, living: bool = False) -> Path:
    """A run's folder below `path/runs`, of a process that is gone, or of this one."""
    made = directory.create(path)
    record = json.loads((made.path / directory.MARKER).read_text())
    if not living:
        record["owner"]["started"] = "0"
    (made.path / directory.MARKER).write_text(json.dumps(record))
    return made.path.rename(made.path.with_name(f"{name}-{made.token}"))


def origin(scan: Path | None, **changes: Any) -> dict[str, Any]:
    """What a lane's outcome belongs to."""
    found = (
        {} if scan is None else {"scan": {"path": str(scan), "sha256": hashlib.sha256(scan.read_bytes()).hexdigest()}}
    )
    return {**sample_log.ORIGIN, "fixtures": found, **changes}


def lane_rows(framework: str, scan: Path | None, *, kept: str | None = None, loss: float = -1200.0) -> list[Row]:
    """The events of a lane that passed."""
    rows = sample_log.whole()
    train, infer = sample_log.command("scan-train")
    said: list[Row] = []
    for epoch in (1, 2, 3):
        said += [
            sample_log.training("phase.start", phase="train") | {"monotonic_s": 2.0 * epoch},
            sample_log.training("phase.end", phase="train") | {"monotonic_s": 2.0 * epoch + 1.5},
            sample_log.training(
                "epoch.end", epoch=epoch, train_loss=loss - 10 * epoch, validation_loss=loss - 9 * epoch, seconds=1.5
            ),
        ]
    end = parent(
        "fixture.end",
        fixture="scan",
        verdict="pass",
        train_s=9.0,
        infer_s=1.25,
        scores=SCORES,
        flat=FLAT,
        reconstruction=kept,
    )
    job = [train, *said, infer | {"seconds": 9.0}, *sample_log.command("scan-infer"), end]
    first = next(number for number, row in enumerate(rows) if row.get("label") == "scan-train")
    last = next(number for number, row in enumerate(rows) if row["event"] == "fixture.end")
    rows[first : last + 1] = job
    rows[0] = rows[0] | {"name": framework, "origin": origin(scan)}
    rows[2] = rows[2] | {"lane": f"{framework}-cpu"}
    return rows


def lane(path: Path, framework: str, scan: Path, *, when: str = "20260102T030405Z", noise: float = 0.02) -> Path:
    """A lane that passed, with the reconstruction that it kept."""
    folder = root(path, when)
    kept = folder / "reconstructions" / f"{framework}-scan.npz"
    kept.parent.mkdir()
    reconstruct(kept, scan, noise)
    (folder / "events.ndjson").write_bytes(sample_log.content(lane_rows(framework, scan, kept=str(kept))))
    return folder


def reconstruct(path: Path, scan: Path, noise: float) -> None:
    """The inner part of a scan's own object, with noise, in the form that lanes keep."""
    with np.load(scan) as arrays:
        truth = arrays["objectGuess"]
    drawn = np.random.default_rng(1).normal(0, noise, truth.shape)
    inner = (truth * np.exp(1j * drawn))[20:100, 24:104].astype(np.complex64)
    np.savez(path, object=inner, overlap=np.ones(inner.shape), origin=np.array((20, 24)))


def rungs(spoilt: float = 0.0, *, guilty: str = "torch") -> tuple[list[JudgedRung], NDArray[Any], NDArray[Any]]:
    """A ladder of two rungs, of which the second is spoilt by a factor; its tensor, and what it should be."""
    layers = next(rung for rung in RUNGS if rung.name == "R3")
    forward = next(rung for rung in RUNGS if rung.name == "R4")
    true = np.random.default_rng(2).normal(size=(2, 3, 8, 8))
    near = true * (1 + 1e-15)
    bad = true * (1 + spoilt)
    sides = {side: bad if side == guilty else near for side in ("torch", "tf")}
    climbed = [
        JudgedRung(
            rung=layers, gridsize=1, judgements=(judge("R3/encoder.0", dict.fromkeys(sides, near), true, 1e-12),)
        ),
        JudgedRung(rung=forward, gridsize=1, judgements=(judge("R4/exit_wave", sides, true, 1e-11),)),
    ]
    return climbed, bad, true


def ladder(path: Path, *, spoilt: float = 0.0, when: str = "20260102T040000Z") -> Path:
    """A run of the parity ladder, as its own report writes it; with a failure's picture where there is one."""
    folder = root(path, when)
    climbed, bad, true = rungs(spoilt)
    evidence = Evidence()
    if spoilt:
        drawn = diff_image.save(folder / "pictures" / "f64-R4.png", "R4/exit_wave", {"torch": bad, "tf": true}, true)
        evidence = Evidence(picture=str(drawn), replay="kept.npz", command="python -m harness parity replay kept.npz")
    report = LadderReport(climbed=climbed, evidence=evidence, seed=42, seconds=3.0)
    report.write(folder / "parity.json")
    verdict = report.verdict.name.lower()
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, rungs=["R3 g1 f64", "R4 g1 f64"])[:2]
    start[0] = start[0] | {"kind": "parity", "name": "parity", "origin": origin(None)}
    judged = [parent("rung.end", rung=f"{item.rung.name} g1 f64", result=str(item.result)) for item in climbed]
    blamed = [parent("problem", verdict="fail", message="a rung does not pass")] if verdict == "fail" else []
    rows = [*start, *judged, *blamed, sample_log.end(verdict)]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    return folder


LADDER = [f"{rung} f64 gridsize {gridsize} seed 42" for gridsize in (1, 2) for rung in ("R0", "R2", "R3", "R4")]
"""Rungs that a ladder of four must judge."""

ENDINGS = ("infra", "interrupted", "killed", "torn")
"""How a ladder may end early: by itself, by its user, and by a kill between two lines or inside one."""


def stopped(path: Path, ending: str, *, when: str = "20260102T040000Z", **known: Any) -> Path:
    """
    A ladder of four rungs that was stopped after R2 had failed, before R3 was judged: there is no `parity.json`.

    Args:
        path: the workspace's folder for runs.
        ending: one of `ENDINGS`.
        when: the run's time.
        known: what the event of the failed rung says besides.
    """
    folder = root(path, when)
    (folder / "events.ndjson").write_bytes(stopped_log(ending, **known))
    return folder


def stopped_log(ending: str, **known: Any) -> bytes:
    """The log of such a ladder."""
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, rungs=LADDER)[:2]
    start[0] = start[0] | {"kind": "parity", "name": "parity", "origin": origin(None)}
    reached = [label for label in LADDER if label.startswith(("R0", "R2"))]
    rows = [*start]
    for label in reached:
        failed = label.startswith("R2")
        rows.append(parent("rung.end", rung=label, result="fail" if failed else "pass", **(known if failed else {})))
    if ending == "torn":
        return sample_log.content([*rows, parent("probe.answer", label="x", number=1, refusals=[])])[:-9]
    if ending != "killed":
        rows.append(parent("problem", verdict=ending, message="the adapter adapter-torch ended with exit code 1"))
        rows.append(sample_log.end(ending))
    return sample_log.content(rows)


def stopped_campaign(path: Path, kind: str, *, when: str = "20260102T060000Z") -> Path:
    """A campaign (`mutation`, `kill-test`) that ended by itself after one trial of three had failed."""
    folder = root(path, when)
    word = {"mutation": "mutant", "kill-test": "kill"}[kind]
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, rungs=[f"{word} {name}" for name in "abc"])[:2]
    start[0] = start[0] | {"kind": kind, "name": kind, "origin": origin(None)}
    judged = [parent("rung.end", rung=f"{word} {name}", result=word_) for name, word_ in (("a", "pass"), ("b", "fail"))]
    ended = [parent("problem", verdict="infra", message="no space left"), sample_log.end("infra")]
    (folder / "events.ndjson").write_bytes(sample_log.content([*start, *judged, *ended]))
    return folder


def stopped_benchmark(path: Path, *, when: str = "20260102T050000Z") -> Path:
    """A session of benchmarks that was killed after one of two had failed, before it wrote `bench.json`."""
    folder = root(path, when)
    names = ["test_epoch[torch-small]", "test_epoch[tf-small]"]
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, benchmarks=names)[:2]
    start[0] = start[0] | {"kind": "benchmark", "name": "benchmark", "origin": origin(None)}
    rows = [*start, parent("benchmark.end", benchmark=names[0], verdict="fail")]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    return folder


def benchmark(path: Path, *, when: str = "20260102T050000Z") -> Path:
    """A run of the benchmarks in pytest-benchmark's format, with phases and a machine."""
    folder = root(path, when)
    stats = {"median": 11.5, "min": 11.0, "max": 12.0, "rounds": 3}
    extra = {"phases": {"import": 2.0, "train": 8.0}, "peak_mib": 410.0, "patterns_per_second": 94.0}
    extra |= {"wall_s": 11.5, "budget_s": 120.0}
    item = {"name": "test_epoch[torch-small]", "stats": stats, "extra_info": extra}
    told = {"machine_info": {"cpu": {"brand_raw": "Some CPU"}, "python_version": "3.13"}, "benchmarks": [item]}
    (folder / "bench.json").write_text(json.dumps(told))
    start = sample_log.beginning(fixtures=[], suite=False, tests={}, benchmarks=[item["name"]])[:2]
    start[0] = start[0] | {"kind": "benchmark", "name": "benchmark", "origin": origin(None)}
    rows = [*start, parent("benchmark.end", benchmark=item["name"], verdict="pass"), sample_log.end()]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    return folder


def mutation(path: Path, *, survived: int = 0, when: str = "20260102T060000Z") -> Path:
    """A campaign of planted faults, without a frame in its log."""
    folder = root(path, when)
    trials: list[Row] = [
        {"id": "a", "dies_at": "R4", "outcome": "killed", "names_guilty": True},
        {"id": "b", "dies_at": "R0", "outcome": "killed", "names_guilty": False},
        *({"id": f"c{number}", "dies_at": "lane", "outcome": "survived"} for number in range(survived)),
    ]
    verdict = "fail" if survived else "pass"
    told = {
        "verdict": verdict,
        "mutants": len(trials),
        "outcomes": {"killed": 2, "survived": survived},
        "trials": trials,
    }
    (folder / "mutation.json").write_text(json.dumps(told))
    (folder / "events.ndjson").write_bytes(sample_log.content([parent("mutation.end", verdict=verdict)]))
    return folder


def without_gpu(path: Path, *, when: str = "20260102T070000Z") -> Path:
    """A lane that was asked for a GPU where there is none."""
    folder = root(path, when)
    start = sample_log.beginning()[:2]
    start[0] = start[0] | {"name": "torch", "origin": origin(None, device="cuda")}
    message = "no GPU computes for target 'torch': torch sees no CUDA device; a GPU lane needs one that works"
    rows = [*start, parent("problem", verdict="infra", message=message), sample_log.end("infra")]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    return folder


def killed(path: Path, framework: str, *, when: str = "20260102T030405Z") -> Path:
    """A lane that was killed in its second epoch: its log ends in the middle of a line."""
    folder = root(path, when)
    rows = lane_rows(framework, None)
    second = [number for number, row in enumerate(rows) if row["event"] == "epoch.end"][1]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows[: second + 2])[:-40])
    return folder


def everything(path: Path, scan: Path, *, spoilt: float = 0.0) -> Path:
    """A workspace with both lanes, a ladder, benchmarks and planted faults."""
    lane(path, "torch", scan)
    lane(path, "tf", scan, noise=0.03)
    ladder(path, spoilt=spoilt)
    benchmark(path)
    mutation(path)
    return path
