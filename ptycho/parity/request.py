"""
Requests to a backend and its answers when figures are compared: files, so that no process holds both.

A request is an NPZ file (inputs, canonical weights, the rungs wanted, a nonce); the answer is a folder of one NPZ file
a rung and `manifest.json`. The nonce, the request's digest and the digest of the source text tie an answer to its
question: an old answer, or another backend's, is recognised. What is measured for each rung is `ptycho.parity.measure`;
`ptycho.parity.serve` writes the answer.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho import fingerprint
from ptycho.config import ModelConfig
from ptycho.errors import UsageError
from ptycho.files import replacing
from ptycho.training.engine import Batch

Array = NDArray[Any]

SCHEMA = "ptycho-probe/1"
"""Of a request, and of an answer that holds all rungs in one file, as earlier copies of the kit write it."""

ANSWER_SCHEMA = "ptycho-probe-answer/2"
"""Of an answer that is written rung by rung."""

QUANTITIES = ("R0", "R1", "R2", "R2b", "R2c", "R3", "R4", "R5", "R6", "R7", "R8")
ARRAYS, MANIFEST = "arrays.npz", "manifest.json"
_SPEC = "spec"
PROGRAM, COMPILED = "program", "compiled"
WAYS = ("", PROGRAM, COMPILED)
"""Ways of answering: every checkpoint, what programs call, and the same from compiled functions."""

BATCH_FIELDS = ("diffraction", "coords_offsets", "coords_relative", "indices")


@dataclass(frozen=True, kw_only=True)
class ScanFile:
    """
    The file whose way through the loaders is hashed (R1).

    Attributes:
        path: the NPZ file.
        seed: of groups, split and batch order.
        batch_size: groups per batch.
        batches: how many batches of the first epoch are hashed.
    """

    path: Path
    seed: int
    batch_size: int
    batches: int


@dataclass(frozen=True, kw_only=True)
class Request:
    """
    A request to an adapter.

    Attributes:
        nonce: random text that the answer must carry.
        quantities: rungs wanted, of `QUANTITIES`.
        precision: precision of the backend, as in `RuntimeConfig`.
        model: network and physics.
        nphotons: mean photons per pattern.
        threads: threads of the framework.
        scan: file for R1.
        steps: after how many optimiser steps R8 looks at the weights, ascending.
        learning_rates: one a step of R8.
        batch_size: groups per step of R8; the other rungs use the first batch.
        batch: all groups of R3 to R8, which R8 walks through again and again.
        probe: `(P, N, N)` normalised probe.
        weights: canonical weights.
        inputs: recorded input of each layer (R3).
        replay: recorded gradients of each step of R7, by name.
        mae_weight: weight of the amplitude term in the second objective of R5.
        tv_weight: weight of the total variation there.
        masked: whether what only this project has is asked for, too: bad pixels in the loss and its gradients, the
            core's schedules and its training through files. Adapters of other code bases are not.
        device: `cpu` or `cuda`: where the backend computes; answers are arrays in any case.
        way: of `WAYS`: "" asks for every checkpoint, `program` for what programs call and nothing inside of it,
            `compiled` for the same after the backend's functions were compiled (`torch.compile`, `jit_compile`).
    """

    nonce: str
    quantities: tuple[str, ...]
    precision: str
    model: ModelConfig
    nphotons: float
    threads: int
    scan: ScanFile
    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    batch_size: int
    batch: Batch
    probe: NDArray[np.complex128]
    weights: Mapping[str, NDArray[np.float64]]
    inputs: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    replay: tuple[Mapping[str, NDArray[np.float64]], ...] = ()
    mae_weight: float = 0.3
    tv_weight: float = 0.2
    masked: bool = True
    device: str = "cpu"
    way: str = ""

    def __post_init__(self) -> None:
        problems = [
            f"quantity {name!r}; allowed: {', '.join(QUANTITIES)}" for name in self.quantities if name not in QUANTITIES
        ]
        if self.way not in WAYS:
            problems.append(f"way {self.way!r}; allowed: {', '.join(map(repr, WAYS))}")
        if len(self.batch.diffraction) % self.batch_size:
            problems.append(f"{len(self.batch.diffraction)} groups do not divide into batches of {self.batch_size}")
        if self.steps and max(self.steps) > len(self.learning_rates):
            problems.append(f"{max(self.steps)} steps, but only {len(self.learning_rates)} learning rates")
        if problems:
            raise UsageError("the request cannot be served:\n" + "\n".join(f"  - {item}" for item in problems))

    @property
    def first(self) -> Batch:
        """The batch of R4 to R6."""
        return self.walk(1)[0]

    def walk(self, steps: int) -> list[Batch]:
        """The batches of so many steps of R8."""
        count = len(self.batch.diffraction) // self.batch_size
        rows = [slice(k * self.batch_size, (k + 1) * self.batch_size) for k in range(count)]
        cut = [Batch(**{name: getattr(self.batch, name)[part] for name in BATCH_FIELDS}) for part in rows]
        return [cut[step % count] for step in range(steps)]

    def save(self, path: Path) -> str:
        """Write the request, whole or not at all; returns its SHA-256."""
        spec = {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in ("nonce", "quantities", "precision", "nphotons", "threads")},
            **{name: getattr(self, name) for name in ("steps", "learning_rates", "batch_size")},
            **{name: getattr(self, name) for name in ("mae_weight", "tv_weight", "masked", "device")},
            "model": asdict(self.model),
            "scan": asdict(self.scan) | {"path": str(self.scan.path)},
            "replay": len(self.replay),
            # An adapter from an older kit refuses what it does not know.
            **({"way": self.way} if self.way else {}),
        }
        arrays: dict[str, Array] = {_SPEC: np.array(json.dumps(spec)), "probe": self.probe}
        arrays |= {f"batch/{name}": getattr(self.batch, name) for name in BATCH_FIELDS}
        arrays |= {f"weights/{name}": value for name, value in self.weights.items()}
        arrays |= {f"inputs/{name}": value for name, value in self.inputs.items()}
        for step, gradients in enumerate(self.replay):
            arrays |= {f"replay/{step}/{name}": value for name, value in gradients.items()}
        return write_arrays(path, arrays)

    @classmethod
    def load(cls, path: Path) -> "Request":
        """
        Read a request.

        Raises:
            UsageError: it is not a request of this version.
        """
        arrays = read_arrays(path)
        try:
            spec = json.loads(str(arrays.pop(_SPEC)))
            if spec.pop("schema") != SCHEMA:
                raise ValueError(f"its schema is not {SCHEMA}")
            steps = spec.pop("replay")
            model, scan = ModelConfig(**spec.pop("model")), spec.pop("scan")
            listed: dict[str, Any] = {name: tuple(spec.pop(name)) for name in ("quantities", "steps", "learning_rates")}
            return cls(
                **spec,
                **listed,
                model=model,
                scan=ScanFile(**scan | {"path": Path(scan["path"])}),
                batch=_batch(arrays),
                probe=arrays["probe"],
                weights=below(arrays, "weights/"),
                inputs=below(arrays, "inputs/"),
                replay=tuple(below(arrays, f"replay/{step}/") for step in range(steps)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{path} is not a request of this version ({error}); make one with `harness parity`"
            ) from error


def below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """The arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _batch(arrays: Mapping[str, Array]) -> Batch:
    given: dict[str, Any] = {name: arrays[f"batch/{name}"] for name in BATCH_FIELDS}
    return Batch(**given)


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> str:
    """Write named arrays as an NPZ file without pickles; returns its SHA-256."""
    buffer = io.BytesIO()
    members: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    if objects := [name for name, array in members.items() if array.dtype.hasobject]:
        raise ValueError(f"{', '.join(objects)}: arrays of Python objects; allowed: arrays of numbers and text")
    # Without `allow_pickle`, which NumPy up to 2.1 takes for the name of an array.
    np.savez(buffer, **members)
    with replacing(path) as handle:
        handle.write(buffer.getbuffer())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def read_arrays(path: Path) -> dict[str, Array]:
    """
    Named arrays of an NPZ file.

    Raises:
        UsageError: it is not there, not an NPZ file, or holds objects.
    """
    try:
        # Opened here, since NumPy leaves a file open that turns out not to be an archive.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is not an NPZ file of plain arrays ({error})") from error


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_digest(package: str, root: Path | None = None, sources: Sequence[str] | None = None) -> str:
    """SHA-256 of the source text of the core and of a backend, or of `sources`: names an uncommitted change, too."""
    below_root = fingerprint.ROOT if root is None else root
    hashed = hashlib.sha256()
    for owner in sources or ("ptycho", package):
        for path in sorted((below_root / owner).rglob("*.py")):
            hashed.update(f"{path.relative_to(below_root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest()
