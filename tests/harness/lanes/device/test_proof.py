"""A whole lane proves its device: what the log holds of it, and that a touched GPU or a wrong claim ends it red."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.record import state, verdict
from harness.record.log import parse
from harness.record.outcome import Outcome
from ptycho.verdict import Verdict
from tests.support.fakes import fake_driver
from tests.support.injected import bites

GOOD = {"parameters": ["cuda:0"], "batch": ["cuda:0"], "parameter_bytes": 40, "peak_bytes": 400, "kernels": 3}
TOUCHING = "import ctypes, sys\nctypes.CDLL({driver!r})\n"


def _rows(outcome: Outcome) -> list[dict[str, Any]]:
    return list(parse((outcome.run_root / "events.ndjson").read_bytes()).rows)


def _messages(outcome: Outcome) -> str:
    return "\n".join(problem.message for problem in outcome.problems)


@pytest.fixture
def gpu(workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a lane on a GPU that is none: training loads a stand-in for the driver and claims the given work."""
    driver = fake_driver.copied(tmp_path / "driver")
    make = type(workspace).target

    def target(self: Any, *, work: Any, loads: bool = True, key: str = 'device = "work"', **settings: object) -> Any:
        made = make(self, **settings)
        text = (made.root / "train.py").read_text()
        claim = f"json.dumps({{'input_sha256': digest, 'work': json.loads({json.dumps(work)!r})}})"
        assert 'json.dumps({"input_sha256": digest})' in text
        text = text.replace('json.dumps({"input_sha256": digest})', claim)
        (made.root / "train.py").write_text((TOUCHING.format(driver=str(driver)) if loads else "") + text)
        made.file.write_text(made.file.read_text().replace("[summary]\n", f"[summary]\n{key}\n"))
        from harness.targets import loader

        return loader.load(made.file)

    monkeypatch.setattr(type(workspace), "target", target)
    return lambda **settings: workspace.run(device="cuda", probe="print('Fake 1')", **settings)


@pytest.mark.slow
def test_a_cpu_lane_has_a_control_and_a_proof_of_every_command(workspace: Any) -> None:
    outcome = workspace.run()
    rows = _rows(outcome)
    (control,) = [row for row in rows if row["event"] == "device.control"]
    assert (len(control["caught"]), control["missed"]) == (6, [])
    proofs = {row["label"]: row for row in rows if row["event"] == "device.proof"}
    assert sorted(proofs) == sorted(row["label"] for row in rows if row["event"] == "command.end")
    assert [(row["touched"], row["reported"] >= 1, row["gpu"]) for row in proofs.values()] == [([], True, False)] * 2
    assert ("device", "") in {(row["check"], row["subject"]) for row in outcome.findings.checks()}
    assert outcome.verdict is Verdict.PASS


@pytest.mark.slow
@pytest.mark.parametrize("event", ["device.control", "device.proof"])
def test_without_it_the_same_log_is_red(workspace: Any, event: str) -> None:
    outcome = workspace.run()
    log = parse((outcome.run_root / "events.ndjson").read_bytes())
    assert verdict.judge(state.tell(log)).verdict is Verdict.PASS
    rows = tuple(row for row in log.rows if row["event"] != event)
    judged = verdict.judge(state.tell(type(log)(rows=rows, damage=())))
    assert judged.verdict is Verdict.FAIL
    assert "no evidence: " in judged.problems[0].message


@pytest.mark.slow
@pytest.mark.fault("gpu-forbidden")
def test_a_cpu_lane_whose_training_loads_a_driver_is_red(workspace: Any, gpu: Any) -> None:
    outcome = workspace.run(work=None)
    (train,) = (row for row in _rows(outcome) if row["event"] == "command.end" and row["label"] == "scan-train")
    bites(train["returncode"] == 0, "the training loaded the driver and went on")
    assert outcome.verdict is Verdict.FAIL
    assert "libcuda.so.1, in a lane from which every GPU is hidden" in _messages(outcome)
    assert [finding.id for finding in outcome.findings] == ["gpu-touched"]


@pytest.mark.slow
def test_a_gpu_lane_whose_training_shows_its_work_passes(gpu: Any) -> None:
    outcome = gpu(work=GOOD)
    assert (_messages(outcome), outcome.verdict, outcome.lane) == ("", Verdict.PASS, "fake-gpu")
    (work,) = [row for row in _rows(outcome) if row["event"] == "device.work"]
    assert (work["label"], work["evidence"], work["problems"]) == ("scan-train", GOOD, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "id", "sentence"),
    [
        ({"work": GOOD | {"parameters": ["cpu"]}}, "gpu-unused", "parameters (devices of the weights) on cpu"),
        ({"work": GOOD | {"peak_bytes": 0}}, "gpu-unused", "peak_bytes (largest memory in use on the device) is 0"),
        ({"work": GOOD, "loads": False}, "gpu-unused", "no process of it loaded a driver library"),
        ({"work": None}, "device-unproven", "the entry 'work' of summary.json is None, not a table"),
        ({"work": GOOD, "key": ""}, "device-unproven", "the target names no [summary] device"),
    ],
)
def test_a_gpu_lane_that_worked_elsewhere_is_red(gpu: Any, settings: Any, id: str, sentence: str) -> None:  # noqa: A002
    outcome = gpu(**settings)
    assert outcome.verdict is Verdict.FAIL
    assert [finding.id for finding in outcome.findings] == [id]
    assert sentence in _messages(outcome)


SUITE = """import json, os
{touch}def test_training() -> None:
    assert os.environ['PTYCHO_HARNESS_DEVICE'] == 'cuda'
{say}"""
SAY = "    open(os.environ['PTYCHO_HARNESS_WORK'], 'a').write(json.dumps({row!r}) + chr(10))\n"


@pytest.fixture
def suite_on(gpu: Any, tmp_path: Path) -> Any:
    """Runs a GPU lane with a suite that reports the given work, and loads a driver or not."""
    driver = fake_driver.copied(tmp_path / "suite-driver")

    def run(evidence: Any, *, loads: bool = True, reports: bool = True, **settings: Any) -> Outcome:
        touch = TOUCHING.format(driver=str(driver)) if loads else ""
        say = SAY.format(row={"label": "out", "evidence": evidence}) if reports else ""
        outcome: Outcome = gpu(work=GOOD, suite=SUITE.format(touch=touch, say=say), **settings)
        return outcome

    return run


@pytest.mark.slow
def test_a_suite_that_ran_on_the_gpu_passes(suite_on: Any) -> None:
    outcome = suite_on(GOOD)
    assert (_messages(outcome), outcome.verdict) == ("", Verdict.PASS)
    (work,) = [row for row in _rows(outcome) if row["event"] == "device.work" and row["label"] == "suite"]
    assert (work["evidence"]["trainings"], work["problems"]) == (1, [])


@pytest.mark.slow
@pytest.mark.fault("gpu-missing")
@pytest.mark.parametrize(
    ("evidence", "settings", "sentence"),
    [
        (GOOD | {"batch": ["cpu"]}, {}, "out: batch (devices of a batch) on cpu"),
        (GOOD, {"loads": False}, "no process of it loaded a driver library"),
        (None, {}, "out: its evidence is None, not a table"),
        (GOOD, {"loads": False, "reports": False}, "no process of it loaded a driver library"),
    ],
)
def test_a_suite_that_ran_on_the_cpu_is_red(suite_on: Any, evidence: Any, settings: Any, sentence: str) -> None:
    outcome = suite_on(evidence, **settings)
    assert outcome.suite is not None
    bites(outcome.suite.failed == 0, "every test of the suite passed, on the CPU")
    assert outcome.verdict is Verdict.FAIL
    assert ["gpu-unused"] == [finding.id for finding in outcome.findings]
    assert sentence in _messages(outcome)


def test_a_suite_that_promises_its_work_and_is_silent_proves_nothing(tmp_path: Path) -> None:
    from harness.isolation.gpu_untouched import GpuEvidence
    from harness.lanes.device import gpu_worked

    proof = GpuEvidence(label="suite", gpu=True, provable=True, touched=("process 1 maps libcuda.so.1",))
    silent = gpu_worked.judge_suite(tmp_path / "none", proof, promised=True)
    assert ["device-unproven"] == [finding.id for finding in silent.findings]
    assert [] == gpu_worked.judge_suite(tmp_path / "none", proof, promised=False).findings
    (tmp_path / "work").write_text("{}\n")
    assert "cannot be read" in gpu_worked.judge_suite(tmp_path / "work", proof, promised=True).missing


def test_suites_and_lane_mean_the_same_variables() -> None:
    from harness.lanes import suite
    from tests.support import pipeline

    assert (suite.DEVICE_VARIABLE, suite.WORK_VARIABLE) == (pipeline.DEVICE_VARIABLE, pipeline.WORK_VARIABLE)
