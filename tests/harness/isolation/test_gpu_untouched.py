"""Every way to touch a GPU is planted in a child, with a stand-in for the driver, and seen from outside and inside."""

import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.isolation import gpu_untouched, sandbox
from harness.isolation.gpu_untouched import GpuEvidence, GpuWatcher
from harness.isolation.sandbox import Sandbox
from harness.process import supervise
from harness.process.supervise import CompletedCommand
from harness.record.findings import Finding
from harness.system.injected import ptycho_harness_gpu as instrument
from harness.system.signals import Interruption
from tests.support.fakes import fake_driver
from tests.support.injected import bites

LOAD = "import ctypes; library = ctypes.CDLL(sys.argv[1])"
OPEN = "import os, pathlib; descriptor = os.open(sys.argv[2], os.O_RDONLY)"
WAIT = "; time.sleep(0.6)"


class Bench:
    """Runs a child in a cell while it is watched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.driver = fake_driver.copied(path / "lib")
        self.node = path / "dev" / "nvidia0"
        self.node.parent.mkdir()
        self.node.touch()
        self.number = 0
        self.token = secrets.token_hex(6)
        self.watching = GpuWatcher

    def run(
        self, code: str, *, gpu: bool = False, provable: bool = True, timeout_s: float = 60, **extra: str
    ) -> tuple[GpuEvidence, list[Finding], CompletedCommand]:
        self.number += 1
        cell = Sandbox(path=self.path / f"cell-{self.number}").make()
        watch = self.watching(cell, provable=provable)
        env = sandbox.build(
            cell,
            token=self.token,
            scratch=self.path,
            events=self.path / "events.ndjson",
            import_root=self.path,
            gpu=gpu,
            extra=extra,
        )
        argv = [sys.executable, "-c", f"import sys, time; {code}", str(self.driver), str(self.node)]
        finished = supervise.run(
            argv,
            env=env,
            cwd=cell.cwd,
            log=cell.path / "log",
            timeout_s=timeout_s,
            token=self.token,
            interruption=Interruption(),
            meanwhile=watch.sample,
        )
        proof = watch.proof("scan-train", gpu=gpu)
        return proof, gpu_untouched.judge(proof, finished), finished


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _named(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.id, finding.subject) for finding in found]


@pytest.mark.slow
def test_a_child_that_keeps_to_the_cpu_is_shown_to(bench: Bench) -> None:
    proof, found, _ = bench.run("time.sleep(0.6)")
    assert found == []
    assert (proof.watched, proof.reported, proof.touched, proof.blind) == (1, 1, (), ())
    assert proof.looks >= 2


@pytest.mark.slow
@pytest.mark.parametrize("waits", [True, False])
def test_a_driver_that_was_loaded_is_caught_also_by_a_child_too_quick_to_be_looked_at(
    bench: Bench, waits: bool
) -> None:
    proof, found, finished = bench.run(LOAD + (WAIT if waits else ""))
    assert finished.returncode == 0
    assert _named(found) == [("gpu-touched", "libcuda.so.1")]
    assert found[0].sentence == (
        f"device: scan-train: process {finished.pid} maps {bench.driver}, in a lane from which every GPU is hidden"
    )
    assert proof.touched == (f"process {finished.pid} maps {bench.driver}",)


@pytest.mark.fault("gpu-forbidden")
def test_a_driver_that_was_called_is_caught(bench: Bench) -> None:
    code = LOAD
    if (driver := fake_driver.built(bench.path / "built")) is not None:
        bench.driver, code = driver, LOAD + "; assert library.cuInit(0) == 0"
    _, found, finished = bench.run(code)
    bites(finished.returncode == 0, "the driver was loaded and answered")
    assert (finished.returncode, _named(found)) == (0, [("gpu-touched", "libcuda.so.1")])


def test_an_open_device_file_is_caught(bench: Bench) -> None:
    proof, found, _ = bench.run(OPEN)
    assert _named(found) == [("gpu-touched", "nvidia0")]
    assert proof.touched[0].endswith(f" has {bench.node} open")


@pytest.mark.fault("gpu-forbidden")
def test_a_gpu_that_is_not_hidden_at_exec_is_caught_and_hiding_it_later_does_not_help(bench: Bench) -> None:
    code = "import os; os.environ.update(CUDA_VISIBLE_DEVICES='')"
    proof, found, finished = bench.run(code, CUDA_VISIBLE_DEVICES="0")
    bites(finished.returncode == 0, "the child hid the GPU after its start, and went on")
    assert _named(found) == [("gpu-touched", "CUDA_VISIBLE_DEVICES")]
    assert proof.touched == (f"process {finished.pid} began with CUDA_VISIBLE_DEVICES='0'",)


@pytest.mark.slow
def test_a_grandchild_that_clears_its_environment_is_seen_from_outside(bench: Bench) -> None:
    code = "import subprocess; subprocess.run(['sleep', '0.8'], env={})"
    proof, found, _ = bench.run(code)
    assert proof.watched == 2
    assert _named(found) == [("gpu-touched", "CUDA_VISIBLE_DEVICES")]
    assert "began without CUDA_VISIBLE_DEVICES" in proof.touched[0]


@pytest.mark.slow
def test_a_killed_child_is_judged_by_the_looks_at_it(bench: Bench) -> None:
    proof, found, finished = bench.run("time.sleep(60)", timeout_s=0.7)
    assert (finished.timed_out, proof.reported, found) == (True, 0, [])
    assert proof.looks >= 2
    _, found, finished = bench.run(LOAD + "; time.sleep(60)", timeout_s=0.9)
    assert (finished.timed_out, _named(found)) == (True, [("gpu-touched", "libcuda.so.1")])


@pytest.mark.slow
@pytest.mark.parametrize(
    "code", ["import os; time.sleep(0.6); os._exit(0)", "import os; os.execv('/bin/true', ['true'])"]
)
def test_no_report_is_no_proof(bench: Bench, code: str) -> None:
    proof, found, finished = bench.run(code)
    assert (finished.returncode, proof.reported) == (0, 0)
    assert _named(found) == [("device-unproven", "scan-train")]
    assert "that no GPU was touched is not shown: no process reported when it ended" in found[0].sentence


def test_what_cannot_be_looked_at_is_no_proof(bench: Bench) -> None:
    proof, _, finished = bench.run("pass")
    blind = replace(proof, blind=("process 7: Permission denied",))
    assert [finding.sentence for finding in gpu_untouched.judge(blind, finished)] == [
        "device: scan-train: that no GPU was touched is not shown: process 7: Permission denied"
    ]


def test_a_process_that_does_not_let_itself_be_looked_at_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(pid: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(instrument, "touched", closed)
    proof, found, finished = bench.run("time.sleep(0.3)")
    assert proof.blind == (f"process {finished.pid}: Permission denied",)
    assert _named(found) == [("device-unproven", "scan-train")]


def test_a_command_that_may_use_a_gpu_is_described_and_not_blamed(bench: Bench) -> None:
    proof, found, _ = bench.run(LOAD, gpu=True)
    assert ("maps" in proof.touched[-1], found) == (True, [])


def test_where_nothing_can_be_proved_nothing_is_claimed(bench: Bench) -> None:
    proof, found, _ = bench.run("time.sleep(0.3)", provable=False)
    assert (proof.provable, proof.looks, found) == (False, 0, [])


@pytest.mark.slow
def test_another_command_s_process_is_not_taken_for_one_s_own(bench: Bench) -> None:
    other = GpuWatcher(Sandbox(path=bench.path / "elsewhere"))
    seen: list[tuple[str, ...]] = []

    class Both(GpuWatcher):
        def sample(self) -> None:
            super().sample()
            other.sample()
            seen.append(other.found)

    bench.watching = Both
    proof, _, _ = bench.run(LOAD + WAIT)
    assert proof.looks > 0
    assert (other.looks, set(seen)) == (0, {()})


@pytest.mark.slow
def test_looking_costs_less_than_a_hundredth_of_the_time(bench: Bench) -> None:
    spent: list[float] = []

    class Timed(GpuWatcher):
        def sample(self) -> None:
            before = time.thread_time()
            super().sample()
            spent.append(time.thread_time() - before)

    bench.watching = Timed
    _, _, finished = bench.run("time.sleep(2)")
    assert sum(spent) < 0.01 * finished.seconds


def test_the_fields_of_the_event_are_plain(bench: Bench) -> None:
    proof, _, _ = bench.run("pass")
    about = {"label": "scan-train", "gpu": False, "provable": True, "reported": 1, "touched": (), "blind": ()}
    assert about | {"looks": proof.looks, "watched": proof.watched} == proof.as_fields()


@pytest.mark.slow
def test_a_process_in_the_middle_of_its_exec_is_not_taken_for_one_without_variables(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = instrument.touched, list[int]()

    def early(pid: int) -> list[str] | None:
        calls.append(pid)
        return [instrument.WITHOUT] if len(calls) == 1 else plain(pid)

    monkeypatch.setattr(instrument, "touched", early)
    proof, found, _ = bench.run("time.sleep(0.6)")
    assert (len(calls) >= 2, proof.touched, found) == (True, (), [])
