"""
A worker of a campaign: claims a batch of cells, runs the campaign's command on them, and so on until none is left.

The command is the one that a user runs on one machine (`nox -s mutation -- --id … --resume DIR`); a batch is a run
of it with its own log. A signal is handed on; the cells that have no result then are released by whoever goes on.
"""

import glob
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from harness.ci import cells
from harness.system import identity
from ptycho.errors import exit_on_error
from ptycho.verdict import Verdict

_POLL_S = 0.2


def work(campaign: cells.CampaignFolder, root: Path, array: str, workers: int) -> int:
    """
    Work until no cell is left.

    Args:
        campaign: whose cells.
        root: the workspace folder of the runs.
        array: name of the array's folder, for the claims.
        workers: how many there are.

    Returns:
        0; the code of a command that could not decide; that of a signal.
    """
    signals: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        signals.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    host, own = os.uname().nodename, identity.identify(os.getpid())
    about = {"array": array, "task": int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")), "host": host, **asdict(own)}
    while not signals:
        batch = f"{host}-{secrets.token_hex(4)}"
        size = cells.batch_size(len(campaign.open_cells()), workers)
        if not (mine := campaign.claim(size, about | {"batch": batch})):
            return int(Verdict.PASS)
        print(f"batch {batch}: {', '.join(cells.names(mine))}", flush=True)
        chosen = (word for cell in mine for word in ("--id", glob.escape(cell.id)))
        where = ("--resume", str(campaign.folder / "batches" / batch), "--root", str(root))
        kept = [word for word in campaign.selection if word in ("--more", "--edits", "--no-plain")]
        argv = (sys.executable, "-m", "nox", "-s", "mutation", "--", *chosen, *where, *kept)
        process, handed = subprocess.Popen(argv, stdin=subprocess.DEVNULL), 0
        while process.poll() is None:
            time.sleep(_POLL_S)
            while handed < len(signals):
                handed += 1
                process.send_signal(signal.SIGTERM)
        if process.returncode not in (Verdict.PASS, Verdict.FAIL):
            return process.returncode if process.returncode > 0 else int(Verdict.INFRA)
        if not signals and not campaign.results().get(batch):
            # nox says 1 of everything. A machine that decides no mutant must not use up the claims of all the others.
            print(f"batch {batch} has brought no result: this machine decides nothing; see above", flush=True)
            return int(Verdict.INFRA)
    return int(Verdict.INTERRUPTED)


def main(arguments: Sequence[str]) -> int:
    """Folder of the campaign, workspace folder, name of the array, number of workers."""
    folder, root, array, workers = arguments
    with exit_on_error():
        return work(cells.load(Path(folder)), Path(root), array, int(workers))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
