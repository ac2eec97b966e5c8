"""
What a file is, as one value: `inspect` computes it, `inspection_report` shows it, a program may take it as JSON.

A file that breaks the contract is described as far as it could be understood: that is when a description is needed.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ptycho import contract, domain, explanation, footprint
from ptycho.contract import Attempt
from ptycho.dataset import Dataset
from ptycho.domain import Diagnosis
from ptycho.explanation import Explanation
from ptycho.footprint import Footprint


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """
    Everything that is known of one file.

    Attributes:
        attempt: headers, reading, arrays and violations.
        diagnosis: what kind of values the frames hold, or None where they could not be read.
        footprint: where the scan goes, or None where that is unknown.
        explanation: given object against flat object; only for a file that keeps the contract and has an object.
    """

    attempt: Attempt
    diagnosis: Diagnosis | None = None
    footprint: Footprint | None = None
    explanation: Explanation | None = None

    @property
    def violations(self) -> tuple[str, ...]:
        """What breaks the contract."""
        return self.attempt.violations

    @property
    def warnings(self) -> tuple[str, ...]:
        """What keeps the contract and is still suspicious."""
        found = []
        if self.explanation is not None and not self.explanation.better_than_flat:
            found.append(
                f"the given object explains the data worse ({self.explanation.given:.4f}) than a flat one "
                f"({self.explanation.flat:.4f}): suspect swapped or flipped axes, corner positions, transposed "
                "frames, or counts stored as amplitude"
            )
        if self.explanation is not None and self.explanation.better_if:
            name, error = next(iter(self.explanation.better_if.items()))
            found.append(f"the data would be explained better if {name}: Fourier error {error:.4f} on a subsample")
        if self.diagnosis is not None and self.diagnosis.kind == "counts":
            found.append(f"{self.diagnosis.text}; declare measurement_domain = counts if so")
        return tuple(found)


def inspect(path: Path | str, *, layout: str | None = None, measurement_domain: str | None = None) -> Inspection:
    """
    Look at a file.

    Args:
        path: the NPZ file.
        layout: as in `contract.load`.
        measurement_domain: as in `contract.load`.

    Raises:
        InfrastructureError: the file is there but may not be read.
    """
    attempt = contract.attempt(path, layout=layout, measurement_domain=measurement_domain)
    dataset = attempt.dataset
    if dataset is None:
        return Inspection(attempt=attempt)
    positions_finite = bool(np.isfinite(dataset.xcoords).all() and np.isfinite(dataset.ycoords).all())
    return Inspection(
        attempt=attempt,
        diagnosis=domain.diagnose(dataset.diffraction) if _displayable(dataset) else None,
        footprint=footprint.measure(dataset) if positions_finite and np.isfinite(dataset.probe).all() else None,
        explanation=None if attempt.violations else explanation.explain(dataset),
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
            "better_if": dict(explained.better_if),
            "patterns": explained.patterns,
            "total": explained.total,
        },
        "warnings": list(inspection.warnings),
        "violations": list(inspection.violations),
    }
