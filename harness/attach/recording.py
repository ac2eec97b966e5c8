"""Reads and checks what `harness/kit/ptycho_attach.py` recorded of one model."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.attach import dataflow
from harness.attach.calls import Call, Layer, Weight
from ptycho.errors import UsageError

SCHEMA = "ptycho-attach/1"
ARRAYS, MANIFEST = "recording.npz", "recording.json"
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """
    One model's recording.

    Attributes:
        side: what the report calls it.
        framework: `torch` or `keras`.
        versions: of everything.
        layers: all that have weights or were called.
        calls: by precision, in order.
        steps: by precision, one entry an optimiser step.
        floors: by precision and array: what rounding of float32 makes of it.
        failures: by precision: why it could not be run.
        optimizer: its settings, or None.
        training: what was noted of the code base's own training, or None.
        expected: what that training should see.
        arrays: `f64/call/3/out/0` and so on.
    """

    side: str
    framework: str
    versions: Mapping[str, str]
    layers: tuple[Layer, ...]
    calls: Mapping[str, tuple[Call, ...]]
    steps: Mapping[str, tuple[Mapping[str, Any], ...]]
    floors: Mapping[str, Mapping[str, float]]
    failures: Mapping[str, str] = field(default_factory=dict)
    optimizer: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array]

    def array(self, precision: str, name: str) -> Array | None:
        """An array of a run; None where there is none."""
        return self.arrays.get(f"{precision}/{name}")

    @property
    def batch(self) -> list[Array]:
        """The batch that went in."""
        found = sorted((int(name[6:]), value) for name, value in self.arrays.items() if name.startswith("batch/"))
        return [value for _, value in found]

    @property
    def weights(self) -> dict[str, Weight]:
        """Every weight by name."""
        return {weight.name: weight for layer in self.layers for weight in layer.weights}


def load(folder: Path, side: str) -> Recording:
    """
    Read a recording.

    Raises:
        UsageError: it is not there, damaged, or of another version.
    """
    try:
        plain = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if plain["schema"] != SCHEMA:
            raise ValueError(f"its schema is {plain['schema']!r}, allowed: {SCHEMA!r}")
        with np.load(folder / ARRAYS, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return from_plain(plain, arrays, side)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{folder} holds no recording of this version ({error}); record it again") from error


def from_plain(plain: Mapping[str, Any], arrays: Mapping[str, Array], side: str) -> Recording:
    """A recording from its manifest and its arrays."""
    runs = {name: tuple(_call(n, row) for n, row in enumerate(run["calls"])) for name, run in plain["runs"].items()}
    floors: dict[str, Mapping[str, float]] = dict(plain["floors"])
    batch = [value for name, value in arrays.items() if name.startswith("batch/")]
    ordered = dict(arrays)
    for name, calls in runs.items():
        own = {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}
        moved, places = dataflow.unravelled(calls, own, batch)
        if list(places) != list(places.values()):
            runs[name] = tuple(moved)
            floors[name] = dataflow.renamed(floors.get(name, {}), places)
            ordered = {key: value for key, value in ordered.items() if not key.startswith(f"{name}/")}
            ordered |= {f"{name}/{key}": value for key, value in dataflow.renamed(own, places).items()}
    return Recording(
        side=side,
        framework=str(plain["framework"]),
        versions=plain["versions"],
        layers=tuple(_layer(row) for row in plain["layers"]),
        calls=runs,
        steps={name: tuple(run["steps"]) for name, run in plain["runs"].items()},
        floors=floors,
        failures=plain["failures"],
        optimizer=plain.get("optimizer"),
        training=plain.get("training"),
        expected=plain.get("expected") or {},
        arrays=ordered,
    )


def _layer(row: Mapping[str, Any]) -> Layer:
    weights = tuple(
        Weight(
            name=weight["name"],
            role=weight["role"],
            shape=tuple(weight["shape"]),
            dtype=weight["dtype"],
            layout=weight["layout"],
            trainable=weight["trainable"],
        )
        for weight in row["weights"]
    )
    return Layer(name=row["name"], cls=row["class"], kind=row["kind"], weights=weights)


def _call(number: int, row: Mapping[str, Any]) -> Call:
    ends = {
        name: tuple((tuple(int(side) for side in entry["shape"]), str(entry["dtype"])) for entry in row[name])
        for name in ("inputs", "outputs")
    }
    plain: dict[str, Any] = {name: row[name] for name in ("name", "layer", "kind", "settings", "training")}
    return Call(number=number, **plain, inputs=ends["inputs"], outputs=ends["outputs"])
