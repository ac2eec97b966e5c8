"""
A backend in NumPy that does what R2, R2b and R2c ask, by formulas and by transposes written out: no framework.

It is used where a test is about the judgement and not about a backend. A fault is a method that a test replaces.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import formulas, operations, subgradients
from harness.parity.reference.formulas import wide
from ptycho.parity import measure
from ptycho.parity.case import Case
from ptycho.parity.request import Request

Array = NDArray[Any]
Given = Mapping[str, Any]


def answers(request: Request) -> dict[str, Array]:
    """Every array of R2 and R2c that a request asks for, by `RUNG/NAME`."""
    found: dict[str, Array] = {}
    if "R2" in request.quantities:
        found |= {n: np.asarray(e.value).astype(e.dtype) for n, e in operations.expected(request).items()}
    if "R2c" in request.quantities:
        found |= {f"R2c/{name}": np.asarray(v) for name, v in measure.sides_of_laws(request, HonestBench(request))}  # type: ignore[arg-type]
    return found


def classes(request: Request) -> dict[str, list[str]]:
    """R2b as it must be."""
    return subgradients.expected(request)


class HonestBench:
    """
    The operations that laws ask for, on arrays.

    Args:
        request: whose probe is the engine's.
    """

    def __init__(self, request: Request) -> None:
        self.request = request

    def operate(self, case: Case) -> Array:
        """A value, or a gradient to one argument, rounded to double precision."""
        given = {name: wide(value) for name, value in case.given.items()} | dict(case.settings)
        if case.to is None:
            made = getattr(self, case.operation)(given)
        else:
            made = getattr(self, f"{case.operation}_pull")(given, wide(case.upstream), case.to)
        made = np.asarray(made)
        return made.astype(np.complex128 if np.iscomplexobj(made) else np.float64)

    def illumination(self, given: Given) -> Any:
        return given["objects"][:, :, None] * self.request.probe

    def intensity(self, given: Given) -> Any:
        return formulas.intensity(given["objects"], given["probe"])

    def amplitude(self, given: Given) -> Any:
        return np.sqrt(self.intensity(given))

    def intensity_pull(self, given: Given, upstream: Any, to: str) -> Any:
        objects, probe = given["objects"][:, :, None], given["probe"]
        spectrum = 2 * upstream[:, :, None] * formulas.far_field(objects * probe)
        side = probe.shape[-1]
        back = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(-2, -1)).astype(np.clongdouble)) * side
        return np.sum(probe.conj() * back, axis=2) if to == "objects" else np.sum(objects.conj() * back, axis=(0, 1))

    def convolve(self, given: Given) -> Any:
        return formulas.convolve(given["x"], given["kernel"], given["bias"])

    def convolve_pull(self, given: Given, upstream: Any, to: str) -> Any:
        if to == "x":
            turned = given["kernel"][:, :, ::-1, ::-1].swapaxes(0, 1)
            return formulas.convolve(upstream, turned, np.zeros(len(turned)))
        height, width = upstream.shape[-2:]
        padded = np.pad(given["x"], ((0, 0), (0, 0), (1, 1), (1, 1)))
        parts = [padded[:, :, r : r + height, s : s + width] for r in range(3) for s in range(3)]
        return np.stack([np.einsum("bohw,bchw->oc", upstream, part) for part in parts], -1).reshape(
            given["kernel"].shape
        )

    def upsampled(self, given: Given) -> Any:
        return self.convolve({**given, "x": formulas.doubled(given["x"])})

    def upsampled_pull(self, given: Given, upstream: Any, to: str) -> Any:
        back = self.convolve_pull({**given, "x": formulas.doubled(given["x"])}, upstream, to)
        return sum(back[..., r::2, s::2] for r in (0, 1) for s in (0, 1)) if to == "x" else back

    def assemble(self, given: Given) -> Any:
        return formulas.assembled(given["patches"], given["coords_relative"], int(given["gridsize"]))

    def assemble_pull(self, given: Given, upstream: Any, _to: str) -> Any:
        side = given["patches"].shape[-1]
        rows, columns = formulas.tents(upstream.shape[-1], side, given["coords_relative"])
        mask = formulas.centre(side)
        count = formulas.placed(mask, rows, columns).sum(axis=1) + formulas.MASK_FLOOR
        return mask * formulas.placed((upstream / count)[:, None], rows.swapaxes(-1, -2), columns.swapaxes(-1, -2))

    def extract(self, given: Given) -> Any:
        return formulas.extracted(given["canvas"], given["coords_relative"], int(given["side"]))

    def extract_pull(self, given: Given, upstream: Any, _to: str) -> Any:
        rows, columns = formulas.tents(given["canvas"].shape[-1], upstream.shape[-1], given["coords_relative"])
        return formulas.placed(upstream, rows, columns).sum(axis=1)

    def consistent(self, given: Given) -> Any:
        if given["gridsize"] == 1:
            return given["patches"]
        return self.extract({**given, "canvas": self.assemble(given), "side": given["patches"].shape[-1]})

    def consistent_pull(self, given: Given, upstream: Any, to: str) -> Any:
        if given["gridsize"] == 1:
            return upstream
        canvas = {**given, "canvas": self.assemble(given)}
        return self.assemble_pull(given, self.extract_pull(canvas, upstream, to), to)

    def terms(self, given: Given) -> Any:
        rate = given["intensity"] * np.exp(2 * given["log_scale"])
        counts = (given["diffraction"] * given["scale"]) ** 2
        counted = given.get("good", np.ones_like(rate))

        def mean(values: Any) -> Any:
            return np.sum(np.where(counted != 0, values, 0)) / (values.size * given.get("good_share", 1.0))

        nll = mean(formulas.nll(rate, counts, 1e-12))
        mae = mean(np.abs(np.sqrt(rate + formulas.ROOT_FLOOR) / given["scale"] - given["diffraction"]))
        variation = sum(np.mean(part) for part in formulas.lengths(given["patches"]))
        total = nll + given["mae_weight"] * mae + given["tv_weight"] * variation
        return np.stack([nll, mae, variation, total, mean(formulas.deviance(rate, counts, 1e-12))])

    def terms_pull(self, given: Given, upstream: Any, _to: str) -> Any:
        """Of the likelihood and the amplitude's error to the intensity."""
        rate = given["intensity"] * np.exp(2 * given["log_scale"])
        counts = (given["diffraction"] * given["scale"]) ** 2
        root = np.sqrt(rate + formulas.ROOT_FLOOR)
        sign = np.sign(root / given["scale"] - given["diffraction"])
        slope = 1 - counts / rate + given["mae_weight"] * sign / (2 * given["scale"] * root)
        shared = upstream[3] * np.exp(2 * given["log_scale"]) / (rate.size * given["good_share"])
        return np.where(given["good"] != 0, slope * shared, 0)
