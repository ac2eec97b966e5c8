"""Command line of the session's pytest; apart from the plugin, which only that pytest imports."""

from collections.abc import Iterable
from pathlib import Path

from ptycho.fingerprint import ROOT

CASES = Path(__file__).with_name("cases")


def arguments(bench: Path, scratch: Path) -> list[str]:
    """
    Arguments of pytest.

    Args:
        bench: the `bench.json` to write.
        scratch: for what pytest-benchmark keeps by habit in the working directory.
    """
    return [
        str(CASES),
        *("-c", str(CASES / "pytest.ini"), "--rootdir", str(CASES), "--no-header", "-q", "--tb=short"),
        *("-p", "pytest_benchmark.plugin", "-p", "harness.benchmark.plugin"),
        *("--benchmark-timer=harness.benchmark.external_clock.now", f"--benchmark-json={bench}"),
        *(f"--benchmark-storage=file://{scratch / 'benchmarks'}", "--benchmark-disable-gc", "--benchmark-time-unit=s"),
    ]


def locks(sides: Iterable[str]) -> list[Path]:
    """The lanes' files of pinned versions."""
    return [ROOT / "requirements" / f"{side}-cpu.txt" for side in sides]
