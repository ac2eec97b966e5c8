"""
Describes a file as one value: `inspect` computes it, `inspection_report` shows it, a program may take it as JSON.

A file that breaks the contract is described as far as it could be understood: that is when a description is needed.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ptycho.data import contract
from ptycho.data import measurement_domain as frame_domain
from ptycho.data.contract import ReadResult
from ptycho.data.dataset import Dataset
from ptycho.data.measurement_domain import DomainDiagnosis
from ptycho.metrics import data_fit, scan_coverage
from ptycho.metrics import suspicions as suspicion_checks
from ptycho.metrics.data_fit import Explanation
from ptycho.metrics.scan_coverage import Footprint
from ptycho.metrics.suspicions import Suspicion


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """
    Everything that is known of one file.

    Attributes:
        attempt: headers, reading, arrays and violations.
        diagnosis: what kind of values the frames hold, or None where they could not be read.
        footprint: where the scan goes, or None where that is unknown.
        explanation: given object against flat object; only for a file that keeps the contract and has an object.
        suspicions: what keeps the contract and still looks wrong; none for a file that breaks it.
    """

    attempt: ReadResult
    diagnosis: DomainDiagnosis | None = None
    footprint: Footprint | None = None
    explanation: Explanation | None = None
    suspicions: tuple[Suspicion, ...] = ()

    @property
    def violations(self) -> tuple[str, ...]:
        """Return what breaks the contract."""
        return self.attempt.violations


def inspect(
    path: Path | str, *, layout: str | None = None, measurement_domain: str | None = None, **others: Any
) -> Inspection:
    """
    Look at a file.

    Args:
        path: the NPZ file.
        layout: as in `contract.load`.
        measurement_domain: as in `contract.load`.
        others: as in `contract.load`.

    Raises:
        InfrastructureError: the file is there but may not be read.
    """
    attempt = contract.attempt(path, layout=layout, measurement_domain=measurement_domain, **others)
    dataset = attempt.dataset
    if dataset is None:
        return Inspection(attempt=attempt)
    positions_finite = bool(np.isfinite(dataset.xcoords).all() and np.isfinite(dataset.ycoords).all())
    return Inspection(
        attempt=attempt,
        diagnosis=frame_domain.diagnose(dataset.diffraction) if _displayable(dataset) else None,
        footprint=scan_coverage.measure(dataset) if positions_finite and np.isfinite(dataset.probe).all() else None,
        explanation=None if attempt.violations else data_fit.explain(dataset),
        suspicions=() if attempt.violations else suspicion_checks.find(dataset),
    )


def _displayable(dataset: Dataset) -> bool:
    return bool(np.isfinite(dataset.diffraction).all() and dataset.diffraction.min() >= 0)


def as_dict(inspection: Inspection) -> dict[str, Any]:
    """The same as plain values that `json.dumps` takes."""
    attempt = inspection.attempt
    dataset, explained = attempt.dataset, inspection.explanation
    return {
        "file": str(attempt.members.path),
        "sha256": None if dataset is None else dataset.source.sha256,
        "members": {
            key: {
                "name": member.filename.removesuffix(".npy"),
                "shape": list(member.shape),
                "dtype": str(member.dtype),
                "fortran_order": member.fortran_order,
                "bytes": member.nbytes,
                "stored_bytes": member.stored,
            }
            for key, member in attempt.members.table.items()
        },
        "bad_pixels": None
        if dataset is None or dataset.bad_pixels is None
        else {"shape": list(dataset.bad_pixels.shape), "share": dataset.bad_share},
        "metadata": dict(attempt.metadata),
        "reading": None if attempt.reading is None else asdict(attempt.reading),
        "diagnosis": None if inspection.diagnosis is None else asdict(inspection.diagnosis),
        "footprint": None if inspection.footprint is None else asdict(inspection.footprint),
        "explanation": None
        if explained is None
        else {
            "given": explained.given,
            "flat": explained.flat,
            "better_than_flat": explained.better_than_flat,
            "sampling": explained.sampling,
            "by_sampling": dict(explained.by_sampling),
            "patterns": explained.patterns,
            "total": explained.total,
        },
        "notes": list(attempt.notes),
        "suspicions": [item.text for item in inspection.suspicions],
        "violations": list(inspection.violations),
    }
