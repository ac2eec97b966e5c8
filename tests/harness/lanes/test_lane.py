"""A whole lane on a pipeline with faults to order: every fault is named, and nothing is left in any case."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.lanes.lane import LaneOptions, run
from harness.record.log import read
from harness.record.outcome import Outcome
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites


def _messages(outcome: Outcome) -> str:
    return "\n".join(problem.message for problem in outcome.problems)


@pytest.mark.slow
def test_a_sound_pipeline_passes_and_leaves_only_its_run_root(workspace: Any) -> None:
    outcome = workspace.run(suite="def test_truth() -> None:\n    assert 4 == 2 + 2\n", strict=True)
    assert _messages(outcome) == ""
    assert outcome.verdict is Verdict.PASS
    assert outcome.lane == "fake-cpu"
    assert outcome.suite is not None
    assert (outcome.suite.passed, outcome.suite.failed) == (1, 0)
    (result,) = outcome.fixtures
    assert result.scores is not None
    assert result.scores["phase_correlation"] > 0.99
    assert sorted(path.name for path in outcome.run_root.iterdir()) == [
        *("ctrf.json", "events.ndjson", "junit.xml", "logs", "outcome.json", "pictures", "reconstructions", "run.json"),
        *("run.lock", "summary.md", "summary.txt", "verdict.json"),
    ]
    assert [Path(picture).is_file() for picture in result.pictures] == [True]
    assert json.loads((outcome.run_root / "outcome.json").read_text())["verdict"] == "pass"
    names = [row["event"] for row in read(outcome.run_root / "events.ndjson")]
    assert (names[0], names[-1], names.count("command.start")) == ("run.start", "run.end", 3)
    assert [sorted(folder.iterdir()) for folder in (workspace.home, workspace.tmp)] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "verdict", "message"),
    [
        ("cwd", Verdict.FAIL, "left in the working directory: "),
        ("parent", Verdict.FAIL, "left in the parent of the working directory: "),
        ("home", Verdict.FAIL, "left in HOME: "),
        ("tmp", Verdict.FAIL, "left in TMPDIR: "),
        ("daemon", Verdict.FAIL, "scan-train left a process alive: "),
        ("nothing", Verdict.FAIL, "exited 0, but weights.bin is missing; summary.json is missing"),
        ("crash", Verdict.FAIL, "planted crash"),
        ("code", Verdict.OOM, "ended with exit code 12"),
        ("hang", Verdict.TIMEOUT, "killed after 1 s"),
        ("flat", Verdict.FAIL, "phase correlation 0.000 with the truth; needed: more than 0.5"),
        ("mirrored", Verdict.FAIL, "with the truth; needed: more than 0.5"),
    ],
)
def test_a_fault_is_named_and_swept_up(workspace: Any, fault: str, verdict: Verdict, message: str) -> None:
    outcome = workspace.run(fault=fault, timeout_s=1 if fault == "hang" else 60)
    assert message in _messages(outcome)
    assert outcome.verdict is verdict
    assert not (outcome.run_root / "scratch").exists()
    assert identity.with_token(outcome.run_root.name.rpartition("-")[2]) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["cwd", "parent", "home", "tmp"])
def test_a_leak_by_absolute_path_is_named_with_its_culprit(workspace: Any, place: str) -> None:
    folder = {"parent": workspace.cwd.parent}.get(place) or getattr(workspace, place)
    leak = folder / "stray.npz"
    outcome = workspace.run(fault="absolute", absolute=str(leak))
    assert f"new in {_name(place)}: {leak} (written by process " in _messages(outcome)
    assert outcome.verdict is Verdict.FAIL


def _name(place: str) -> str:
    names = {"cwd": "working directory", "parent": "parent of the working directory", "home": "HOME"}
    return names.get(place, "TMPDIR")


@pytest.mark.slow
def test_a_leak_in_shared_memory_is_named(workspace: Any, tmp_path: Path) -> None:
    leak = Path("/dev/shm") / f"ptycho-test-{tmp_path.name}-{workspace.path.parent.name}"
    if not leak.parent.is_dir():
        leak = workspace.cwd / "no-shared-memory-here"
    try:
        outcome = workspace.run(fault="absolute", absolute=str(leak))
        assert f": {leak} (written by process " in _messages(outcome)
    finally:
        leak.unlink(missing_ok=True)


@pytest.mark.deep
def test_another_programs_file_is_a_note_and_strictness_makes_it_a_failure(
    workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.lanes.checks import attempt

    plain = attempt.attempt

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        (workspace.tmp / f"neighbour-{len(list(workspace.tmp.iterdir()))}").write_text("x")
        return plain(*args, **kwargs)

    monkeypatch.setattr(attempt, "attempt", meanwhile)
    lenient = workspace.run()
    assert lenient.verdict is Verdict.PASS
    assert [note.rpartition(": ")[2] for note in lenient.notes[1:]] == [str(workspace.tmp / "neighbour-0")]
    assert "new in TMPDIR: " in _messages(workspace.run(strict=True))


@pytest.mark.fault("gpu-missing")
def test_no_gpu_where_one_is_required_is_an_error_and_nothing_is_skipped(workspace: Any) -> None:
    outcome = workspace.run(device="cuda")
    log = (outcome.run_root / "logs" / "device-probe.log").read_text()
    bites("no GPU here" in log, "the probe ran and found no GPU")
    assert outcome.verdict is Verdict.INFRA
    assert "no GPU computes in none: the probe ended with 1: no GPU here" in _messages(outcome)
    assert outcome.fixtures == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("probe", "lane", "verdict"),
    # It says nowhere what it did on the GPU, and so has not shown it.
    [("print('Fake 1')", "fake-gpu", Verdict.FAIL), ("raise SystemExit(1)", "fake-cpu", Verdict.PASS)],
)
def test_auto_says_which_device_it_took(workspace: Any, probe: str, lane: str, verdict: Verdict) -> None:
    outcome = workspace.run(device="auto", probe=probe)
    assert (outcome.lane, outcome.verdict) == (lane, verdict)


@pytest.mark.slow
def test_the_gpu_is_hidden_from_a_cpu_lane_at_exec(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    outcome = workspace.run(fault="environment")
    environment = json.loads((outcome.run_root / "logs" / "scan-train.log").read_text().splitlines()[0])
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("def test_wrong() -> None:\n    assert 5 == 2 + 2\n", "1 failed"),
        (
            "import pytest\n\n@pytest.mark.skip\ndef test_absent() -> None: ...\n",
            "all 1 tests of the suite were skipped",
        ),
        ("nothing = 1\n", "collected no test"),
        ("def test_home() -> None:\n    import pathlib; (pathlib.Path.home() / 'x').touch()\n", "left in HOME"),
    ],
)
def test_a_suite_that_proves_nothing_fails(workspace: Any, suite: str, message: str) -> None:
    outcome = workspace.run(suite=suite)
    assert message in _messages(outcome)
    assert outcome.verdict is Verdict.FAIL


@pytest.mark.slow
def test_kept_scratch_is_said(workspace: Any) -> None:
    outcome = workspace.run(keep=True)
    assert (outcome.run_root / "scratch" / "scan-train" / "output" / "weights.bin").is_file()
    assert outcome.notes[1:] == [f"scratch kept, until `clean --all`: {outcome.run_root / 'scratch'}"]


HANGS_IN_A_PHASE = """
import ctypes, sys
def lock_twice(library):
    mutex = ctypes.create_string_buffer(128)
    library.pthread_mutex_lock(mutex)
    print("hanging", flush=True)
    library.pthread_mutex_lock(mutex)
sys.audit("ptycho.phase.start", {"phase": "build"})
lock_twice(ctypes.PyDLL(None))
"""


@pytest.mark.slow
@pytest.mark.fault("hang")
def test_a_hang_is_named_by_phase_and_function_in_outcome_and_log(workspace: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(fake_target, "TRAIN", HANGS_IN_A_PHASE)
    limit = "timeout_s = 60\nphase_timeout_s = { build = 1 }\n\n[infer]"
    monkeypatch.setattr(
        fake_target, "TOML", fake_target.TOML.replace("timeout_s = {timeout_s}\n\n[infer]", _braced(limit))
    )
    outcome = workspace.run()
    log = (outcome.run_root / "logs" / "scan-train.log").read_text()
    bites(log == "hanging\n", "the training hangs with the interpreter's lock held")
    message = _messages(outcome)
    assert "fake train on scan killed after 1 s in phase 'build', its limit; it hung: " in message
    assert " in lock_twice" in outcome.problems[0].message.splitlines()[-1]
    assert outcome.verdict is Verdict.TIMEOUT
    assert [(found.id, found.figures["phase"]) for found in outcome.findings] == [("time-limit", "build")]
    rows = {row["event"]: row for row in read(outcome.run_root / "events.ndjson")}
    assert rows["stacks"]["label"] == "scan-train"
    assert Path(rows["stacks"]["path"]).is_file()
    assert (rows["command.end"]["stopped"], rows["command.end"]["verdict"]) == ("time-limit", "timeout")
    figures = json.loads((outcome.run_root / "outcome.json").read_text())["commands"]["scan-train"]
    assert (figures["timed_out"], figures["cpu_s"] < 30, "others" in figures) == (True, True, True)
    assert identity.with_token(outcome.run_root.name.rpartition("-")[2]) == []


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@pytest.mark.slow
@pytest.mark.fault("memory")
def test_a_training_above_its_memory_is_oom_and_leaves_nothing(workspace: Any, monkeypatch: Any) -> None:
    eats = "import tempfile, time\ntempfile.mkstemp()\nx = bytearray(200 * 2**20)\ntime.sleep(60)"
    monkeypatch.setattr(fake_target, "TRAIN", eats)
    limit = "timeout_s = 60\nmemory_mib = 100\n\n[infer]"
    monkeypatch.setattr(fake_target, "TOML", fake_target.TOML.replace("timeout_s = {timeout_s}\n\n[infer]", limit))
    outcome = workspace.run()
    assert len(outcome.findings) == 1, _messages(outcome)
    (finding,) = outcome.findings
    bites(finding.figures.get("used_mib", 0) > 100, "the training had more memory than it may")
    assert (finding.id, outcome.verdict) == ("memory-limit", Verdict.OOM)
    assert "allowed: 100 MiB" in _messages(outcome)
    assert not (outcome.run_root / "scratch").exists()


@pytest.mark.parametrize(
    ("words", "selects", "left_out"), [((), True, 1), (("-k", "two"), False, 1), (("-vv",), False, 0)]
)
def test_the_target_says_which_tests_of_its_folder_a_lane_runs_unless_the_caller_does(
    words: tuple[str, ...], selects: bool, left_out: int, workspace: Any
) -> None:
    target = workspace.target(suite="def test_one() -> None: ...\n\n\ndef test_two() -> None: ...\n")
    target = replace(target, suite_arguments=("-k", "one"))
    fixtures = {"scan": workspace.scan}
    options = LaneOptions(device="cpu", fixtures=fixtures, root=workspace.root, pytest=words, brief=True, quiet=True)
    outcome = run(target, options, Interruption())
    rows = {row["event"]: row for row in read(outcome.run_root / "events.ndjson")}
    assert (rows["run.expect"]["selects"], rows["suite.collected"]["deselected"]) == (selects, left_out)
