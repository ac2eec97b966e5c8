"""
The mutation campaign on several machines: a manifest of cells, workers that claim them, one verdict over all.

The same command goes on with a campaign of which a part was killed, and says the same again of one that is complete.
The verdict is that of `nox -s mutation` over the merged results, as if one machine had tried every mutant.
"""

import json
import sys
from pathlib import Path
from typing import Any

from harness.ci import array_task, cells, slurm
from harness.ci.array import Array, ArrayOptions, Ending, Task, new_folder
from harness.ci.cells import CampaignCell, CampaignFolder
from harness.ci.schedulers import LocalScheduler, Scheduler, State
from harness.system import filelock
from harness.system import identity as process_identity
from harness.system.signals import Interruption
from ptycho.verdict import Verdict

_LOCK_S = 5.0


def mutants(
    ids: tuple[str, ...], *, sample: int | None, seed: int, more: bool, edits: bool, checkout: Path
) -> tuple[CampaignCell, ...]:
    """The cells of a selection, as `harness mutation` chooses them. Raises `UsageError` as that does."""
    from harness.faults.mutation import campaign, catalogue, records

    found = catalogue.load(catalogue.FOLDER / (catalogue.EDITS if edits else ""), checkout)
    if more:
        found += catalogue.load(catalogue.FOLDER / catalogue.MORE, checkout)
    chosen = catalogue.matching(found, ids)
    if sample is not None:
        chosen = campaign.sample(chosen, sample, seed)
    return tuple(CampaignCell(id=mutant.id, entry=records.of_mutant(mutant)) for mutant in chosen)


def alive(campaign: CampaignFolder, claim: dict[str, Any], scheduler: Scheduler) -> str:
    """Return why whoever made a claim may still work on it; empty if it cannot."""
    plan = array_task.read(campaign.folder / "arrays" / str(claim.get("array")) / array_task.PLAN) or {}
    host, job = claim.get("host"), plan.get("job")
    if plan.get("scheduler") == "slurm" and job and not isinstance(scheduler, LocalScheduler):
        state = scheduler.states(str(job)).get(int(claim["task"]), State(name="FORGOTTEN"))
        return "" if state.is_over else f"job {job} on {host}: {state}"
    if not claim:
        return ""  # its maker was killed while it wrote the claim; the lock says that nobody is at it
    identity = process_identity.Identity(pid=int(claim["pid"]), started=str(claim["started"]), boot=str(claim["boot"]))
    if identity.boot == process_identity.boot_id():
        return f"process {identity.pid} on {host}" if process_identity.is_alive(identity) else ""
    return "" if plan.get("scheduler") == "local" else f"job {job} on {host}, which cannot be asked with --local"


def workers(campaign: CampaignFolder, folder: Path, count: int, checkout: Path) -> list[Task]:
    """The tasks of an array that works on a campaign; no more than there is work for."""
    number = min(count, len(campaign.open_cells()))
    found = []
    for index in range(number):
        root = folder / f"worker-{index + 1}"
        words = (str(campaign.folder), str(root), folder.name, str(number))
        argv = (sys.executable, "-m", "harness.ci.cells_worker", *words)
        found.append(Task(name=root.name, argv=argv, cwd=checkout, root=root))
    return found


def run_cells(campaign: CampaignFolder, array: Array, interruption: Interruption) -> Verdict:
    """Let workers run every open cell; returns the worst of how they ended."""
    endings: list[Ending] = []

    def end(ending: Ending) -> None:
        endings.append(ending)
        left = len(campaign.missing())
        why = f", {ending.why}" if ending.why else ""
        array.say(f"{ending.task.name}: {ending.verdict.label}{why}; {left} of {len(campaign.cells)} cells are open")
        slurm.judge(ending)  # for the reports and the scratch of a killed one; the verdict is the campaign's

    array.ends = end
    array.submit()
    try:
        array.wait(interruption)
    except KeyboardInterrupt:
        return Verdict.INTERRUPTED
    return Verdict.worst((ending.verdict for ending in endings), default=Verdict.PASS)


def main(
    chosen: tuple[CampaignCell, ...],
    options: ArrayOptions,
    *,
    selection: tuple[str, ...],
    count: int,
    checkout: Path,
    as_json: bool,
) -> int:
    """
    Run what is open of a campaign, merge it, and judge the whole.

    Args:
        chosen: its cells.
        options: of the arrays; their folder is the campaign's.
        selection: options of `harness mutation` that chose the cells.
        count: how many workers.
        checkout: of this project.
        as_json: print one JSON document, and only that.

    Returns:
        The exit code: the verdict of the whole catalogue or part that was chosen; while cells are open, why they are.

    Raises:
        UsageError: the folder is another campaign's, or this one is under way.
        InfrastructureError: a cell did not run exactly once.
    """
    from harness.faults.mutation import records

    scheduler, say = options.scheduler(), slurm.saying(as_json)
    slurm.nox("mutation", ())
    campaign = CampaignFolder(folder=options.folder, code=records.of_code(checkout), selection=selection, cells=chosen)
    campaign.save()
    with (
        Interruption().installed() as interruption,
        filelock.held(campaign.folder / "lock", "go on with this campaign", timeout_s=_LOCK_S),
    ):
        if free := campaign.release(lambda claim: alive(campaign, claim, scheduler)):
            say(f"{len(free)} cells were claimed and have no result; they are tried again: {', '.join(free[:5])}")
        verdict = Verdict.PASS
        results: list[slurm.TaskResult] = []
        if campaign.open_cells():
            folder = new_folder(campaign.folder / "arrays")
            array = Array(
                folder=folder,
                tasks=workers(campaign, folder, count, checkout),
                options=options,
                scheduler=scheduler,
                say=say,
                checkout=checkout,
            )
            verdict = run_cells(campaign, array, interruption)
        missing = campaign.missing()
        if not missing and verdict is not Verdict.INTERRUPTED:
            merged = campaign.merge()
            say(f"every one of {len(campaign.cells)} cells ran exactly once")
            folder = new_folder(campaign.folder / "arrays")
            root = folder / "mutation"
            argv = slurm.nox("mutation", (*selection, "--resume", str(merged), "--root", str(root)))
            array = Array(
                folder=folder,
                tasks=[Task(name="mutation", argv=argv, cwd=checkout, root=root)],
                options=options,
                scheduler=options.scheduler(),
                say=say,
                checkout=checkout,
            )
            results, verdict = slurm.run(array, interruption)
        elif missing and verdict is Verdict.PASS:
            verdict = Verdict.INFRA
    _show(campaign, missing, results, verdict, as_json=as_json)
    return int(verdict)


def _show(
    campaign: CampaignFolder, missing: list[str], results: list[slurm.TaskResult], verdict: Verdict, *, as_json: bool
) -> None:
    if as_json:
        document = {
            "schema": cells.SCHEMA,
            "verdict": verdict.label,
            "exit_code": int(verdict),
            "folder": str(campaign.folder),
            "cells": len(campaign.cells),
            "missing": missing,
            "released": len(list((campaign.folder / "released").iterdir())),
            "runs": [str(path) for result in results for path in result.runs],
        }
        print(json.dumps(document, indent=1))
        return
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        print(f"{len(missing)} of {len(campaign.cells)} cells are open: {listed}; the same command goes on with them")
    for result in results:
        print(f"reports: {', '.join(map(str, result.runs))}")
    print(f"campaign: {verdict.label} (exit {int(verdict)}); folder {campaign.folder}", flush=True)
