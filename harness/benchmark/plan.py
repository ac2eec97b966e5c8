"""
The plan of a benchmark session, in a file: the session's processes read it, and the log says what must report.

The names come from `manifest.toml` and not from what pytest finds: a benchmark that is gone cannot be found.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.benchmark.budget import BUDGET_S
from harness.targets.devices import SIDES
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT

if TYPE_CHECKING:
    from harness.benchmark.manifest import SessionManifest

VARIABLE = "PTYCHO_BENCHMARK_PLAN"
MANIFEST = Path(__file__).with_name("manifest.toml")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    A session.

    Attributes:
        run: the run root.
        token: token of the run.
        pythons: interpreter by side.
        scans: file by name, in the order in which they are trained on.
        devices: `cpu` or `cuda` by side; the CPU for one that is not named.
        threads: of the framework; 0 leaves it to it.
        budget_s: of an epoch.
        short: whether only the short form runs.
        benchmarks: names that must report; empty: those of the manifest.
    """

    run: str
    token: str
    pythons: Mapping[str, str]
    scans: Mapping[str, str]
    devices: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0
    budget_s: float = BUDGET_S
    short: bool = False
    benchmarks: Sequence[str] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Benchmarks that must report: those of the file, or else of the manifest."""
        return tuple(self.benchmarks) or names(list(self.pythons), list(self.scans), short=self.short)

    def device(self, side: str) -> str:
        """Return where a side computes: `cpu` or `cuda`."""
        return self.devices.get(side, "cpu")

    @property
    def gpu(self) -> bool:
        """Whether a side computes on a GPU."""
        return "cuda" in self.devices.values()

    @property
    def locks(self) -> list[Path]:
        """The sides' files of pinned versions."""
        kinds = {"cpu": "cpu", "cuda": "gpu"}
        return [ROOT / "requirements" / f"{side}-{kinds[self.device(side)]}.txt" for side in self.pythons]

    def write(self, path: Path) -> None:
        """Write it."""
        path.write_text(json.dumps(asdict(self) | {"benchmarks": self.names}, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Plan:
    """Read what `Plan.write` wrote."""
    return Plan(**json.loads(path.read_text(encoding="utf-8")))


def name(*, short: bool) -> str:
    """Name of a session: its short form is never the verdict of the whole."""
    return "benchmark-short" if short else "benchmark"


def left_out(
    sides: Sequence[str], scan_names: Sequence[str], *, short: bool, budget_s: float = BUDGET_S
) -> tuple[str, ...]:
    """Return what a caller took out of a session or replaced, in a sentence each; empty for a whole one."""
    found = []
    if missing := [side for side in SIDES if side not in sides]:
        found.append(f"a part of the lanes: without {', '.join(missing)}")
    if list(scan_names) != (own := scans(short=short)):
        found.append(f"other scans: {', '.join(scan_names)} instead of {', '.join(own)}")
    if budget_s > BUDGET_S:
        found.append(f"a larger budget: {budget_s:g} s instead of {BUDGET_S:g} s")
    return tuple(found)


def scans(*, short: bool) -> list[str]:
    """Names of the scans of a session that names none."""
    return list(_section(short).scans)


def names(sides: Sequence[str], scan_names: Sequence[str], *, short: bool) -> tuple[str, ...]:
    """
    The manifest's names for some lanes and scans.

    Raises:
        UsageError: no lane or no scan.
    """
    if not sides or not scan_names:
        raise UsageError("a benchmark needs a lane and a scan; allowed: --side torch or tf, --fixture NAME or FILE.npz")
    found = [
        name.format(side=side, scan=scan, last=scan_names[-1])
        for name in _section(short).benchmarks
        for side in sides
        for scan in scan_names
    ]
    return tuple(dict.fromkeys(found))


def _section(short: bool) -> "SessionManifest":
    # Late: a process that is measured reads its plan and no manifest.
    from harness.benchmark.manifest import BenchmarkManifest
    from harness.files import toml_model

    manifest = toml_model.load(MANIFEST, BenchmarkManifest, "the manifest")
    return manifest.short if short else manifest.full
