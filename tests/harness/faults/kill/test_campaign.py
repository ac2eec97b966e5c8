"""The kill test finds what a kill may leave: a defect planted into a copy of the code makes the campaign fail."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.faults.kill import campaign, plan, report, trial, workloads
from harness.faults.kill.campaign import KillScore
from harness.faults.kill.kill import Victim
from harness.faults.kill.plan import PlannedKill
from harness.faults.kill.postconditions import PostconditionFailure
from harness.isolation import source_overlay
from harness.targets.loader import Target, load
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict
from tests.support.injected import bites


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return load(workloads.write(workloads.STAND_IN, tmp_path_factory.mktemp("target"), ROOT))


def _seed(victim: Victim, target: Target, anchor: str) -> int:
    """A seed whose first kill is in a part of the run."""
    job = workloads.Workload(name=workloads.STAND_IN, python=sys.executable, target=target)
    drawn = ((seed, plan.draw(1, seed, [victim], [job])[0].moment(0)) for seed in range(1000))
    return next(seed for seed, moment in drawn if moment.anchor.name == anchor)


def _campaign(
    tmp_path: Path, scan: Path, target: Target, victim: Victim, anchor: str, defects: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    """One kill by the command, from a copy of the code to which defects are appended, by file."""
    copy = source_overlay.copy(ROOT, tmp_path / "copy", ("ptycho", "harness"))
    for file, defect in defects.items():
        with (copy / file).open("a", encoding="utf-8") as stream:
            stream.write(defect)
    argv = [
        sys.executable,
        "-m",
        "harness",
        "kill-test",
        "--count",
        "1",
        "--victim",
        str(victim),
        "--jobs",
        "1",
        "--json",
    ]
    argv += ["--seed", str(_seed(victim, target, anchor)), "--fixture", str(scan), "--root", str(tmp_path / "root")]
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.deep
@pytest.mark.fault("harness-killed")
@pytest.mark.fault("training-killed")
@pytest.mark.parametrize(
    ("victim", "anchor"), [(Victim.HARNESS, "epoch"), (Victim.NOX, "inference"), (Victim.TRAINING, "checkpoint")]
)
def test_after_a_kill_everything_holds(
    tmp_path: Path, scan: Path, stand_in: Target, victim: Victim, anchor: str
) -> None:
    code, told = _campaign(tmp_path, scan, stand_in, victim, anchor, {})
    assert (code, told["verdict"], told["failed"], told["kills"]) == (0, "pass", 0, 1)
    (made,) = told["trials"]
    bites(made["phase"], "the kill was sent to a living process in a phase of the run")
    assert (made["victim"], made["failures"]) == (str(victim), [])
    (kept,) = (tmp_path / "root" / "runs").iterdir()
    assert json.loads((kept / "kill-test.json").read_text()) == told
    assert json.loads((kept / "verdict.json").read_text())["rungs"] == {"kill 001": "pass"}
    assert not (kept / "scratch").exists()


LEFT_WHEN_KILLED = """

import shutil, tempfile
_whole = run
def run(*args, **options):
    folder = tempfile.mkdtemp(prefix="fonts-")
    try:
        return _whole(*args, **options)
    finally:
        shutil.rmtree(folder)
"""
LOCKED_WHEN_KILLED = """

from ptycho.errors import InfrastructureError
_whole = run
def run(target, options, interruption, **more):
    lock = options.root / "lock"
    options.root.mkdir(exist_ok=True)
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        raise InfrastructureError("somebody else runs")
    try:
        return _whole(target, options, interruption, **more)
    finally:
        lock.unlink()
"""
NO_SWEEP = "\n\ndef sweep(*args, **options):\n    return [], []\n"
ORPHAN = """

import os, sys
WAIT = (
    "import os, sys, time; mine = os.getppid() if time.sleep(0.2) is None else 0\\n"
    "while os.getppid() == mine and os.path.exists('/proc/' + sys.argv[1]): time.sleep(0.01)\\n"
    "time.sleep(60 * (os.getppid() != mine))"
)
def create_engine(**options):
    training = str(os.getpid())
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            for descriptor in (1, 2):
                os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            os.execve(sys.executable, [sys.executable, "-c", WAIT, training], {})
        os._exit(0)
    os.wait()
    return StandIn(**options)
"""
"""
An orphan that shows neither token nor log nor scratch. It ends with its training, unless the harness that adopted it is
killed.
"""
NO_GROUPS = "\n\ndef make(token):\n    return None\n"
"""Without a control group nothing in the kernel says whose that orphan is (docs/hygiene.md)."""

IN_PLACE = """

import time
def save(path, tensors, meta):
    from safetensors.numpy import save as serialise
    text = json.dumps(asdict(meta), sort_keys=True, default=_as_text)
    header = {"format": FORMAT, "digest": digest(tensors), "meta_sha256": _sha256(text), "meta": json.loads(text)}
    content = serialise({n: _plain(tensors[n]) for n in sorted(tensors)}, metadata={_KEY: json.dumps(header)})
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        time.sleep(1)
        file.write(content[len(content) // 2 :])
"""
NO_SIGNAL = """

_told = complaint
def complaint(label, finished, limit_s):
    return _told(label, finished, limit_s).replace("signal", "number")
"""


@pytest.mark.deep
@pytest.mark.parametrize(
    ("victim", "anchor", "file", "defect", "check"),
    [
        pytest.param(Victim.HARNESS, "epoch", "harness/runs/clean.py", NO_SWEEP, "next run", id="no sweep"),
        pytest.param(
            Victim.HARNESS, "epoch", "harness/lanes/lane.py", LEFT_WHEN_KILLED, "bytes", id="a folder in TMPDIR"
        ),
        pytest.param(
            Victim.HARNESS, "epoch", "harness/lanes/lane.py", LOCKED_WHEN_KILLED, "next run", id="a stale lock"
        ),
        pytest.param(
            Victim.TRAINING, "checkpoint", "ptycho/training/checkpoint.py", IN_PLACE, "checkpoint", id="no rename"
        ),
        pytest.param(
            Victim.TRAINING,
            "epoch",
            "harness/process/result.py",
            NO_SIGNAL,
            "verdict",
            id="the signal is not named",
        ),
    ],
)
def test_a_planted_defect_is_found(
    tmp_path: Path, scan: Path, stand_in: Target, victim: Victim, anchor: str, file: str, defect: str, check: str
) -> None:
    code, told = _campaign(tmp_path, scan, stand_in, victim, anchor, {file: defect})
    assert (code, told["verdict"], told["failed"]) == (1, "fail", 1)
    assert told["failed_by_check"][check] == 1
    (kept,) = (tmp_path / "root" / "runs").iterdir()
    assert sorted(path.name for path in (kept / "failed" / "001").glob("*.log"))[:1] != []


@pytest.mark.deep
@pytest.mark.fault("orphans")
def test_an_orphan_without_environment_that_outlives_a_killed_harness_is_found(
    tmp_path: Path, scan: Path, stand_in: Target
) -> None:
    defects = {"harness/faults/kill/stub_backend/engine.py": ORPHAN, "harness/process/control_group.py": NO_GROUPS}
    code, told = _campaign(tmp_path, scan, stand_in, Victim.HARNESS, "epoch", defects)
    # Nothing shows whose it is, so no trial can name it as its own; the campaign, which adopted it, does at its end.
    assert (code, told["verdict"], len(told["strays"])) == (1, "fail", 1)
    bites("getppid" in told["strays"][0], "the orphan is alive after the kill and the next run")


def _trial(number: int, *checks: str) -> trial.KillTrial:
    target: Any = None
    job = workloads.Workload(name=workloads.STAND_IN, python=sys.executable, target=target)
    planned = PlannedKill(number=number, victim=Victim.HARNESS, job=job, seed=f"1:{number}")
    failures = tuple(PostconditionFailure(check=check, sentence="x") for check in checks)
    return trial.KillTrial(planned=planned, phase="inference", moment="inference + 1.0 ms", failures=failures)


@pytest.mark.parametrize(
    ("trials", "planned", "strays", "verdict"),
    [
        ([_trial(1), _trial(2)], 2, (), Verdict.PASS),
        ([_trial(1), _trial(2, "bytes")], 2, (), Verdict.FAIL),
        ([_trial(1)], 2, (), Verdict.FAIL),
        ([], 0, (), Verdict.FAIL),
        ([_trial(1)], 1, ("7 (sleep)",), Verdict.FAIL),
    ],
)
def test_only_a_whole_campaign_in_which_everything_holds_passes(
    trials: list[trial.KillTrial], planned: int, strays: tuple[str, ...], verdict: Verdict
) -> None:
    assert KillScore(trials=trials, planned=planned, seed=1, strays=strays).verdict is verdict


def test_trials_are_counted_by_check_and_not_by_failure() -> None:
    score = KillScore(trials=[_trial(1, "bytes", "bytes", "log"), _trial(2, "log")], planned=2, seed=1)
    assert dict(score.by_check) == {"bytes": 1, "log": 2}
    told = report.as_dict(score)
    assert (told["failed"], told["failed_by_check"]["log"], told["failed_by_check"]["processes"]) == (2, 2, 0)
    assert told["table"][1:] == [["harness", "inference", "2", "0", "0", "2"], ["all", "", "2", "0", "0", "2"]]
    assert campaign.KillScore is KillScore
