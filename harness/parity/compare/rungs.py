"""
The rungs as a table: what is compared, how closely it must agree, why so closely, and what a failure points at.

Tolerances are for float64, which is the gate: there, two correct backends agree to a few hundred units in the last
place, and a wrong constant is eleven orders larger. A float32 comparison at one fixed tolerance either rejects a
correct pair or misses faults; there, each tensor is allowed a multiple of its own floor
(`harness.parity.compare.floors`).
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
        floors: multiple of a tensor's own floor that passes in float32; None where values must be equal or the rung
            judges by limits of its own.
        ratio: largest ratio of the two sides' errors that passes in float32; None for no limit.
        drawn: tolerance on drawn problems, where it is another.
    """

    name: str
    what: str
    tolerance: float | None
    reason: str
    catches: str
    floors: float | None = None
    ratio: float | None = None
    drawn: float | None = None


PRECISIONS = ("f64", "f32", "bf16")
"""The gate first; the last is mixed: convolutions in bfloat16, everything else in float32."""

MIXED = "bf16"

FLOORS = 32.0
"""Of a tensor's own floor. A sum of n terms is rounded n times where the floor's runs perturb its result once; correct
backends reach 4 in forward passes, and more where a unit near its ReLU's corner falls on the other side."""

ENVELOPE = 8.0
"""Of the envelope of perturbed twins, in a trajectory: it has the growth in it already. A weight whose first gradient
is rounding moves by a full step in whichever direction; over 20 seeds correct backends reached 4.0."""

MIXED_FLOORS = 2.0
"""Of a floor in bf16, where the oracle rounds as a backend must: a backend may round twice, or the folded kernel
instead of the kernel, and no more than that. Correct backends came to 0.5."""

ALONE = 4.0
"""How much more a single number may err: it is not averaged, and a sum of both signs nearly cancels in some
problems. Over 20 seeds the gradient of the intensity scale reached 28 floors."""

WORKFLOW, WORKFLOW_TOLERANCE = "R8/workflow.", 1e-7
"""A training as users run it has biases about zero and a high learning rate, at which it is unstable: over 20 seeds
correct backends came to 2.3e-9. What is planted there (something not saved, not resumed, not read) is gross."""

ERROR_RATIO = 8.0

HORIZON = 0.05
"""Change of the weights by rounding alone, relative, from which on a float32 trajectory is not judged: two correct
backends are then on ways of their own."""

DOUBLE_IN_SINGLE = ("R5/", "R8/losses")
"""Beginnings of tensors that stay float64 in a float32 run: the loss is summed in float64 in every precision."""


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
        name="R2",
        what="single operations, each within the bound of its own kind",
        tolerance=None,
        reason="2·√n rounding units for a sum, log2(N²) for a transform, none for a copy, a table for functions",
        catches="padding, shift, norm, pooling, up-sampling, a cast, a cheaper function",
    ),
    Rung(
        name="R2b",
        what="gradients at corners: at zero, at ties, in tails, of a negative modulus",
        tolerance=None,
        reason="the kind of number that they are does not depend on rounding",
        catches="NaN, a half for a one, a slope where there is none",
    ),
    Rung(
        name="R2c",
        what="laws of the physics, and what both share against formulas: loading, draws, stitching",
        tolerance=None,
        reason="1e-13·log2(N), a few hundred rounding units a stage; what is counted must be exact",
        catches="a conjugated or transposed probe, double scale, crop and sign, a wrong adjoint, a fault in the core",
    ),
    Rung(
        name="R3",
        what="layers, each on the oracle's recorded input",
        tolerance=1e-12,
        reason="about a thousand units in the last place of float64; the longest sum has 9·128 terms",
        catches="the layer itself: padding, activation, kernel layout, up-sampling, a bias",
        floors=FLOORS,
    ),
    Rung(
        name="R4",
        what="forward pass, every checkpoint on its way",
        tolerance=1e-11,
        reason="ten layers deep, and the last rung's tolerance again",
        catches="order, pooling, split of channels, head, assembly, exit wave, shift",
        floors=FLOORS,
        ratio=ERROR_RATIO,
    ),
    Rung(
        name="R5",
        what="loss: each term, total, deviance",
        tolerance=1e-12,
        reason="sums of positive and negative terms of one size; a 1 % rate error moves the deviance by far more",
        catches="epsilon, sum or mean, constants, double square",
        floors=FLOORS,
    ),
    Rung(
        name="R6",
        what="gradients to each weight, to the object and to the probe",
        tolerance=1e-11,
        drawn=1e-9,
        reason="twice the depth of the forward pass; on drawn problems a bias's sum over up to 65,536 pixels may "
        "nearly cancel: correct backends came to 2.7e-11 in 60 of them, and a cast to float32 makes 1e-7",
        catches="a detached branch, a wrong complex derivative, a gradient written by hand",
        floors=FLOORS,
    ),
    Rung(
        name="R7",
        what="optimiser alone, on recorded gradients from 1 to 1e-10 and zero",
        tolerance=1e-14,
        reason="six steps of element-wise arithmetic from parameters at zero",
        catches="where epsilon is added, betas, bias correction, clipping",
        floors=FLOORS,
    ),
    Rung(
        name="R8",
        what="trajectory: change of each weight, and the losses on the way",
        tolerance=1e-9,
        reason="Adam divides by the size of a gradient, so that rounding of a small one grows into the step; measured: "
        "5e-12 at gridsize 1 and 5e-11 at gridsize 2 within 200 steps",
        catches="state, order of batches, slow drift, a schedule that is off by one",
        floors=ENVELOPE,
    ),
)


@dataclass(frozen=True, kw_only=True)
class UnmeasuredRung:
    """A rung that a run of the ladder does not measure, and why; listed as unverified in every report."""

    name: str
    what: str
    reason: str


UNMEASURED = (UnmeasuredRung(name="R9", what="trained quality", reason="on demand: parity quality"),)


@dataclass(frozen=True, kw_only=True)
class KnownDifference:
    """
    A comparison that is expected to fail: it runs, and if it passes the entry must go.

    Attributes:
        rung: name of the rung.
        tensor: name of the tensor in it.
        id: by which the failure is tracked.
        reason: why it is not repaired.
        precision: precision of the runs in which it fails; None for all.
        gridsize: at which it fails; None for all.
    """

    rung: str
    tensor: str
    id: str
    reason: str
    precision: str | None = None
    gridsize: int | None = None

    def names(self, tensor: str, precision: str, gridsize: int) -> bool:
        """Whether this entry is about a comparison."""
        return (
            tensor == f"{self.rung}/{self.tensor}"
            and self.precision in (None, precision)
            and self.gridsize in (None, gridsize)
        )


KNOWN: tuple[KnownDifference, ...] = ()
