"""
A campaign: the runs that were made so far, in a file that is whole after every one of them.

A run costs half a minute and a campaign a quarter of an hour, so an interrupted one goes on where it stopped. Runs of
another commit, setting, data set or lock are not a sample of the same thing: such a file is refused, with each
difference.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.files.run_files import write_text
from harness.parity.quality.measure import METRICS, NetworkScores
from ptycho import fingerprint
from ptycho.errors import PtychoError, UsageError
from ptycho.parity.request import digest, source_digest

SCHEMA = "ptycho-quality/1"


@dataclass(frozen=True, kw_only=True)
class QualityRun:
    """
    One training with its inference.

    Attributes:
        side: `torch` or `tf`, or one of them with a precision.
        seed: of data order, split and initial weights.
        measured: what it reached.
        input_sha256: of the network's input, as the target logged it.
        versions: framework and NumPy, as the target logged them.
        seconds: wall time of both processes.
    """

    side: str
    seed: int
    measured: NetworkScores
    input_sha256: str
    versions: Mapping[str, str | None]
    seconds: float

    @property
    def name(self) -> str:
        """Side and seed."""
        return f"{self.side} seed {self.seed}"


@dataclass(kw_only=True)
class QualityCampaign:
    """
    Runs of both sides under one identity.

    Attributes:
        identity: what must be equal for two runs to belong together; `identify` makes it.
        sides: the two sides, in the order of a difference.
        runs: those made so far.
        looks: how many seeds each earlier verdict was based on: more seeds after a verdict is another look.
    """

    identity: Mapping[str, Any]
    sides: tuple[str, str]
    runs: list[QualityRun] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)

    def add(self, run: QualityRun) -> None:
        """
        Take in a run.

        Raises:
            PtychoError: the other side's network saw another input under this seed.
            UsageError: an earlier run of this side used other versions of its framework.
        """
        for other in self.runs:
            if other.side == run.side and other.versions != run.versions:
                raise UsageError(
                    f"{run.name} ran with {dict(run.versions)}, {other.name} with {dict(other.versions)}: runs of two "
                    "environments are not a sample of one; start a new campaign"
                )
            if other.seed == run.seed and other.input_sha256 != run.input_sha256:
                raise PtychoError(
                    f"{run.name} and {other.name} did not get the same input: {run.input_sha256[:16]}… and "
                    f"{other.input_sha256[:16]}…; look at rung R1"
                )
        self.runs.append(run)

    def has(self, side: str, seed: int) -> bool:
        """Whether a run was made."""
        return any((run.side, run.seed) == (side, seed) for run in self.runs)

    def pairs(self, seeds: Sequence[int]) -> dict[str, list[QualityRun]]:
        """Runs by side, in the order of the seeds; only seeds of which both sides have run."""
        found = {(run.side, run.seed): run for run in self.runs}
        whole = [seed for seed in seeds if all((side, seed) in found for side in self.sides)]
        return {side: [found[side, seed] for seed in whole] for side in self.sides}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "identity": dict(self.identity),
            "sides": list(self.sides),
            "looks": list(self.looks),
            "runs": [asdict(run) for run in self.runs],
        }

    def write(self, path: Path, verdict: Mapping[str, Any] | None = None) -> None:
        """Write the campaign, whole or not at all; with its verdict once there is one."""
        document = self.as_dict() | {"result": None if verdict is None else dict(verdict)}
        write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def identify(
    scan: Path, settings: Mapping[str, Any], backends: Sequence[str], locks: Path = fingerprint.ROOT / "requirements"
) -> dict[str, Any]:
    """
    Return what makes a run comparable with another.

    Args:
        scan: the file that is trained on.
        settings: settings of the trainings, the seed aside.
        backends: `torch`, `tf` or both.
        locks: folder of the lanes' locks.
    """
    found: dict[str, Any] = {"commit": fingerprint.commit(), "scan_sha256": digest(scan), "settings": dict(settings)}
    # The commit of a changed checkout is one for all changes: the text itself tells them apart.
    for backend in backends:
        found[f"sources_sha256.{backend}"] = source_digest(f"ptycho_{backend}")
        lock = locks / f"{backend}-cpu.txt"
        found[f"lock_sha256.{backend}"] = hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None
    found["sources_sha256.harness"] = source_digest("harness")
    return found


def resume(path: Path, identity: Mapping[str, Any], sides: tuple[str, str]) -> QualityCampaign:
    """
    Go on with an earlier campaign.

    Args:
        path: its document.
        identity: identity of the campaign that wants its runs.
        sides: as now.

    Raises:
        UsageError: it cannot be read, or belongs to something else; every difference is listed.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {SCHEMA!r}")
        known, runs = document["identity"], [_run(row) for row in document["runs"]]
        looks = [int(count) for count in document["looks"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a campaign of this version ({error!r}); start without it") from error
    wanted = json.loads(json.dumps(identity))
    problems = [
        f"{key}: there {known.get(key)!r}, now {wanted.get(key)!r}"
        for key in sorted({*known, *wanted})
        if known.get(key) != wanted.get(key)
    ]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise UsageError(f"{path} is a campaign of something else; start a new one:\n{listed}")
    campaign = QualityCampaign(identity=identity, sides=sides, looks=looks)
    for run in runs:
        campaign.add(run)
    return campaign


def _run(row: Mapping[str, Any]) -> QualityRun:
    given = row["measured"]
    measured = NetworkScores(
        figures={metric.name: float(given["figures"][metric.name]) for metric in METRICS},
        flat={name: float(value) for name, value in given["flat"].items()},
        correlation=float(given["correlation"]),
        train_loss=tuple(given["train_loss"]),
        validation_loss=tuple(given["validation_loss"]),
    )
    return QualityRun(**{**row, "measured": measured})
