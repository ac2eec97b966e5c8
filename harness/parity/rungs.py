"""
The rungs as a table: what is compared, how closely it must agree, why so closely, and what a failure points at.

Tolerances are for float64, which is the gate: there, two correct backends agree to a few hundred units in the last
place, and a wrong constant stands eleven orders above. A float32 comparison at one fixed tolerance either rejects a
correct pair or lets faults live; until its floors are calibrated it is listed as unverified.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rung:
    """
    One step of the ladder.

    Attributes:
        name: `R0` to `R8`; names of its tensors begin with it.
        what: what is compared.
        tolerance: largest D = ‖a − b‖ / ‖b‖ that passes, in float64; None where values must be equal.
        reason: why this tolerance.
        catches: what a failure here, with all rungs below it standing, points at.
    """

    name: str
    what: str
    tolerance: float | None
    reason: str
    catches: str


RUNGS = (
    Rung(
        name="R0",
        what="contract: parameters, constants, conventions as measured, defaults",
        tolerance=None,
        reason="none of it is computed with rounding",
        catches="a drifted default, a parameter that is not registered, axes, norm, sign or order",
    ),
    Rung(
        name="R1",
        what="data: SHA-256 from the file to the tensors on the device",
        tolerance=None,
        reason="loading is shared and rounds once, in float32",
        catches="overflow, axis order, shuffle, split, normalisation",
    ),
    Rung(
        name="R3",
        what="layers, each on the oracle's recorded input",
        tolerance=1e-12,
        reason="about a thousand units in the last place of float64; the longest sum has 9·128 terms",
        catches="the layer itself: padding, activation, kernel layout, up-sampling, a bias",
    ),
    Rung(
        name="R4",
        what="forward pass, every checkpoint on its way",
        tolerance=1e-11,
        reason="ten layers deep, and the last rung's tolerance once more",
        catches="order, pooling, split of channels, head, assembly, exit wave, shift",
    ),
    Rung(
        name="R5",
        what="loss: each term, total, deviance",
        tolerance=1e-12,
        reason="sums of positive and negative terms of one size; a 1 % rate error moves the deviance by far more",
        catches="epsilon, sum or mean, constants, double square",
    ),
    Rung(
        name="R6",
        what="gradients to each weight, to the object and to the probe",
        tolerance=1e-11,
        reason="twice the depth of the forward pass",
        catches="a detached branch, a wrong complex derivative, a gradient written by hand",
    ),
    Rung(
        name="R7",
        what="optimiser alone, on recorded gradients from 1 to 1e-10 and zero",
        tolerance=1e-14,
        reason="six steps of element-wise arithmetic from parameters at zero",
        catches="where epsilon is added, betas, bias correction, clipping",
    ),
    Rung(
        name="R8",
        what="trajectory: change of each weight, and the losses on the way",
        tolerance=1e-9,
        reason="Adam divides by the size of a gradient, so that rounding of a small one grows into the step; measured: "
        "5e-12 at gridsize 1 and 5e-11 at gridsize 2 within 200 steps",
        catches="state, order of batches, slow drift, a schedule that is off by one",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Unmeasured:
    """A rung of the design that is not measured, and why; listed as unverified in every report."""

    name: str
    what: str
    reason: str


UNMEASURED = (
    Unmeasured(
        name="R2", what="single operations, laws of the physics", reason="no figures yet; R3 and R4 contain them"
    ),
    Unmeasured(name="f32", what="float32 second opinion", reason="needs calibrated floors"),
    Unmeasured(name="R9", what="trained quality", reason="not part of this command yet"),
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """
    A comparison that is expected to fail: it runs, and if it passes the entry must go.

    Attributes:
        rung: name of the rung.
        tensor: name of the tensor in it.
        id: by which the failure is tracked.
        reason: why it is not repaired.
    """

    rung: str
    tensor: str
    id: str
    reason: str


KNOWN: tuple[Known, ...] = ()
