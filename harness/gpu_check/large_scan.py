"""`python -m harness.gpu_check.large_scan FILE M`: write a scan of M patterns of 64×64 pixels."""

import sys
from pathlib import Path

from harness.benchmark.scaling import scan
from ptycho.errors import exit_on_error

SIDE = 64


def main(path: str, patterns: str) -> None:
    """Write the scan; its folder is made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    scan.write(Path(path), patterns=int(patterns), side=SIDE)


if __name__ == "__main__":
    with exit_on_error():
        main(*sys.argv[1:3])
