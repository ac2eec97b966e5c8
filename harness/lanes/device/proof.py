"""
Proves the device of a lane: a control first, a proof after each command, the work after each training.

The rules are in the modules beside this; here they meet the lane's log and its outcome.
"""

import sys
from pathlib import Path

from harness.isolation import gpu_control, gpu_untouched
from harness.isolation.gpu_untouched import GpuEvidence, GpuWatcher
from harness.isolation.sandbox import Sandbox
from harness.lanes.device import gpu_worked
from harness.process.supervise import CompletedCommand
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.outcome import Outcome
from harness.system.signals import Interruption
from harness.targets.loader import Target


def begin(python: Path, run: RunRoot, events: EventLog, outcome: Outcome, interruption: Interruption) -> None:
    """
    Plant a use of a GPU, which must be caught, before the first command of the job.

    Args:
        python: the interpreter that the lane's commands run with.
        run: the run's folder.
        events: its log.
        outcome: takes what is wrong.
        interruption: asked while waiting.
    """
    found = gpu_control.run(
        python,
        Sandbox(path=run.scratch / "device-control").make(),
        token=run.token,
        scratch=run.scratch,
        events=run.events,
        log=run.logs / "device-control.log",
        interruption=interruption,
    )
    events.write("device.control", **found.as_fields())
    if not found.provable:
        outcome.notes.append(f"which device was used is not provable here: {sys.platform} has no /proc to look into")
    for finding in found.findings:
        outcome.find(finding)


def after(
    label: str, watch: GpuWatcher, finished: CompletedCommand, *, gpu: bool, events: EventLog, outcome: Outcome
) -> GpuEvidence:
    """
    Conclude what a command touched.

    Args:
        label: label of the command.
        watch: that sampled while it ran.
        finished: how it ended.
        gpu: whether it may use a GPU.
        events: the run's log.
        outcome: takes what is wrong.
    """
    proof = watch.proof(label, gpu=gpu)
    events.write("device.proof", **proof.as_fields())
    for finding in gpu_untouched.judge(proof, finished):
        outcome.find(finding)
    outcome.findings.checked("device")
    return proof


def after_training(
    target: Target,
    label: str,
    cell: Sandbox,
    proof: GpuEvidence,
    finished: CompletedCommand,
    *,
    events: EventLog,
    outcome: Outcome,
) -> None:
    """
    Conclude where a training of a GPU lane did its work; one that did not end well has said so already.

    Args:
        target: whose training it was.
        label: label of the command.
        cell: its cell, with its output.
        proof: what it touched.
        finished: how it ended.
        events: the run's log.
        outcome: takes what is wrong.
    """
    if not proof.gpu or finished.returncode or finished.timed_out:
        return
    work = gpu_worked.judge(target, label, cell.output, proof)
    events.write("device.work", **work.as_fields())
    for finding in work.findings:
        outcome.find(finding)


def after_suite(target: Target, written: Path, proof: GpuEvidence, *, events: EventLog, outcome: Outcome) -> None:
    """
    Conclude where the suite of a GPU lane computed: one that passed on the CPU has tested something else.

    Args:
        target: whose suite it was.
        written: what it said of its trainings.
        proof: what it touched.
        events: the run's log.
        outcome: takes what is wrong.
    """
    if not proof.gpu:
        return
    work = gpu_worked.judge_suite(written, proof, promised=target.suite_device)
    events.write("device.work", **work.as_fields())
    for finding in work.findings:
        outcome.find(finding)
