"""A training that claims a GPU and worked elsewhere is red, whichever entry gives it away."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.isolation.gpu_untouched import GpuEvidence
from harness.lanes.device import gpu_worked
from harness.targets import loader
from harness.targets.loader import Target
from tests.support.fakes import fake_target

GOOD: dict[str, Any] = {
    "parameters": ["cuda:0"],
    "batch": ["cuda:0"],
    "parameter_bytes": 4_000_000,
    "peak_bytes": 90_000_000,
    "kernels": 87,
}
MAPPED = ("process 7 maps /usr/lib/libcuda.so.1",)


def _proof(touched: tuple[str, ...] = MAPPED, *, provable: bool = True) -> GpuEvidence:
    return GpuEvidence(label="scan-train", gpu=True, provable=provable, touched=touched)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return replace(loader.load(fake_target.write(tmp_path / "target")), device_key="engine.work")


def _judge(target: Target, folder: Path, summary: Any, proof: GpuEvidence | None = None) -> gpu_worked.Work:
    (folder / "summary.json").write_text(summary if isinstance(summary, str) else json.dumps(summary))
    return gpu_worked.judge(target, "scan-train", folder, _proof() if proof is None else proof)


def test_a_training_on_the_gpu_convinces_and_every_forgery_of_it_does_not(target: Target, tmp_path: Path) -> None:
    found = _judge(target, tmp_path, {"engine": {"work": GOOD}})
    assert (found.findings, gpu_worked.forgeries(GOOD)) == ([], [])
    assert found.as_fields() == {"label": "scan-train", "evidence": GOOD, "problems": []}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"parameters": ["cpu"]}, "parameters (devices of the weights) on cpu"),
        ({"parameters": ["cuda:0", "cpu"]}, "parameters (devices of the weights) on cpu"),
        ({"parameters": []}, "parameters (devices of the weights) is [], not the names of devices"),
        ({"batch": ["cpu"]}, "batch (devices of a batch) on cpu"),
        ({"peak_bytes": 0}, "peak_bytes (largest memory in use on the device) is 0, not above the weights' 4000000"),
        ({"peak_bytes": 4_000_000}, "is 4000000, not above the weights' 4000000"),
        ({"parameter_bytes": 0}, "parameter_bytes (bytes of the weights) is 0, not above 0"),
        ({"kernels": 0}, "kernels (kernels that ran on the device) is 0, not above 0"),
        ({"kernels": True}, "kernels (kernels that ran on the device) is True, not above 0"),
    ],
)
def test_each_entry_gives_a_fall_back_away(
    target: Target, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    found = _judge(target, tmp_path, {"device": "cuda", "engine": {"work": GOOD | change}})
    (finding,) = found.findings
    assert (finding.id, finding.subject) == ("gpu-unused", "train")
    assert finding.sentence.startswith("device: scan-train: in a GPU lane the work was done elsewhere: ")
    assert sentence in finding.sentence


@pytest.mark.parametrize("key", GOOD)
def test_an_entry_that_is_missing_is_no_evidence(target: Target, tmp_path: Path, key: str) -> None:
    found = _judge(target, tmp_path, {"engine": {"work": {name: GOOD[name] for name in GOOD if name != key}}})
    assert f"{key} ({gpu_worked.ENTRIES[key].what}) is missing" in found.problems


@pytest.mark.parametrize("name", ["cuda", "cuda:3", "/job:localhost/replica:0/task:0/device:GPU:0", "gpu:0"])
def test_names_of_gpus_in_any_framework(name: str) -> None:
    assert gpu_worked.problems(GOOD | {"parameters": [name], "batch": name}) == []


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        ({"engine": {}}, "summary.json has no entry 'engine.work'"),
        ({"engine": {"work": "cuda"}}, "the entry 'engine.work' of summary.json is 'cuda', not a table"),
        ("{", "summary.json cannot be read: "),
        ([1], "summary.json has no entry 'engine.work'"),
    ],
)
def test_no_evidence_is_no_pass(target: Target, tmp_path: Path, summary: Any, why: str) -> None:
    (finding,) = _judge(target, tmp_path, summary).findings
    assert finding.id == "device-unproven"
    assert f"that the GPU did the work is not shown: {why}" in finding.sentence


def test_a_target_that_does_not_say_where_its_evidence_is_has_none(target: Target, tmp_path: Path) -> None:
    found = _judge(replace(target, device_key=""), tmp_path, {"engine": {"work": GOOD}})
    assert found.missing == "the target names no [summary] device; see docs/gpu-runners.md"
    assert [finding.id for finding in found.findings] == ["device-unproven"]


def test_good_words_without_a_driver_in_any_process_are_words(target: Target, tmp_path: Path) -> None:
    found = _judge(target, tmp_path, {"engine": {"work": GOOD}}, _proof(()))
    assert found.problems == ("no process of it loaded a driver library",)
    assert _judge(target, tmp_path, {"engine": {"work": GOOD}}, _proof((), provable=False)).problems == ()


def test_a_judge_that_believes_everything_is_caught_by_its_own_control(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gullible = {
        key: replace(entry, wrong=lambda *_: None) if key == "kernels" else entry
        for key, entry in gpu_worked.ENTRIES.items()
    }
    monkeypatch.setattr(gpu_worked, "ENTRIES", gullible)
    found = _judge(target, tmp_path, {"engine": {"work": GOOD}})
    assert found.convinced == ("kernels = 0", "kernels = None")
    assert [finding.id for finding in found.findings] == ["device-unproven"]


def test_what_both_backends_write_is_what_is_judged() -> None:
    from ptycho.training.device_work import DeviceWork

    assert sorted(DeviceWork.__annotations__) == sorted(gpu_worked.ENTRIES)
    assert [loader.load(loader.built_in(name)).device_key for name in ("torch", "tf")] == ["engine.work"] * 2


def test_what_an_engine_on_the_cpu_says_convinces_nobody() -> None:
    """What `device_work.collect` gives there, as the backends' own tests hold it."""
    told = {"parameters": ["cpu"], "batch": ["cpu"], "parameter_bytes": 4_000_000, "peak_bytes": 0, "kernels": 0}
    assert [problem.partition(" ")[0] for problem in gpu_worked.problems(told)] == [
        *("parameters", "batch", "peak_bytes", "kernels")
    ]
