"""
`python -m harness.benchmark.null_block`: one block of the gate's measurement of itself, in a process of its own.

The work is the calibration kernel's own mix, and what is planted is real: further units of it in every slice, and
memory that is written to. The variable that orders it is read here and nowhere else.
"""

import json
import os
import resource
import sys
from pathlib import Path

import numpy as np

from harness.benchmark import calibrated_timer

PLANT = "PTYCHO_BENCHMARK_PLANT"
"""`cpu=0.1,memory=0.1`: a tenth more work, and a tenth more memory than the process has without it."""

WORK = 2 * calibrated_timer.UNITS
"""Units in a slice of work, so that 5 % is a whole one."""


def planted(text: str) -> tuple[float, float]:
    """Shares of further work and further memory that the variable orders; 0 where it does not name one."""
    given = dict(part.split("=") for part in text.split(",")) if text else {}
    return float(given.get("cpu", 0)), float(given.get("memory", 0))


def peak_mib(status: Path = Path("/proc/self/status")) -> float:
    """
    The largest resident memory of this process so far, in MiB.

    On Linux the peak that `getrusage` knows begins with that of the process that started this one.
    """
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main(count: int) -> dict[str, object]:
    """
    Measure one block.

    Args:
        count: slices.

    Returns:
        `rows` of `calibrated_timer.measure`, and `peak_mib`.
    """
    more_work, more_memory = planted(os.environ.get(PLANT, ""))
    kernel = calibrated_timer.Kernel(1)
    units = WORK + round(more_work * WORK)
    rows = calibrated_timer.measure(lambda _: kernel.run(units), count)
    held = np.ones(round(more_memory * peak_mib() * 2**20), dtype=np.uint8) if more_memory else None
    return {"rows": rows, "peak_mib": peak_mib(), "held": 0 if held is None else held.nbytes}


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1])), sys.stdout)
