"""A backend opened up for the ladder: what an adapter must be able to do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from ptycho.parity.case import Case
from ptycho.training.engine import Batch, Engine

Array = NDArray[Any]


class BackendAdapter(Protocol):
    """A backend opened up: what the engine does, in pieces. Arrays in, arrays out, canonical names and layouts."""

    @property
    def engine(self) -> Engine:
        """The engine under test, at the request's weights."""

    def compiled(self) -> dict[str, int]:
        """Counts of what was compiled and of what was left for Python: asked where the request's way is compiled."""

    def parameters(self) -> dict[str, tuple[list[int], str, bool]]:
        """Shape, dtype and whether it is trained, of each weight by canonical name, as the framework has them."""

    def optimiser(self) -> dict[str, Any]:
        """Names that the optimiser steps, and its constants beta1, beta2, epsilon."""

    def intensity(self, objects: Array, probe: Array) -> Array:
        """The physics alone."""

    def canvas(self, patches: Array, coords_relative: Array, gridsize: int) -> Array:
        """The assembly alone."""

    def delivered(self, given: Iterable[Batch]) -> Iterator[tuple[Array, Array]]:
        """Diffraction and relative coordinates of batches as they lie on the device."""

    def layer(self, name: str, x: Array) -> Array:
        """One layer of `ptycho.physics.network.stages` on a given input."""

    def forward(self, batch: Batch) -> dict[str, Array]:
        """Every checkpoint of one forward pass, recorded while the engine's own code runs."""

    def terms(self, batch: Batch, mae_weight: float, tv_weight: float) -> dict[str, Array]:
        """Loss terms, the total and the deviance."""

    def weighted_gradients(self, batch: Batch, mae_weight: float, tv_weight: float) -> dict[str, Array]:
        """Gradient of the objective with its optional terms to each trained weight, canonical names and layout."""

    def operate(self, case: Case) -> Array:
        """One operation of the backend on given arguments, or its gradient."""

    def physics_gradients(self, batch: Batch) -> dict[str, Array]:
        """Gradient of the objective to `object` (patches as the physics sees them) and to `probe`."""

    def replay(self, gradients: Iterable[Mapping[str, Array]], rates: Iterable[float]) -> Iterator[dict[str, Array]]:
        """The optimiser alone, from parameters at zero: parameters, moments and count after each step."""
