"""
Weights and training state in safetensors files: no pickles, readable by any other program, whole or absent.

Two kinds with one format: `model.safetensors` (weights; what inference reads) and `checkpoint.safetensors` (weights,
the optimiser's `adam.m/`, `adam.v/` and `adam.step`, and the schedule; what `--resume` reads). The header carries the
meaning of the tensors as one JSON text, under one key: the order of several keys would differ from write to write,
and equal states must give equal bytes.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho import files
from ptycho.errors import CheckpointError

FORMAT = "ptycho-checkpoint/1"
"""Changes whenever the meaning of the header or of a tensor changes; other formats are refused."""

MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
OPTIMISER = "adam."
"""Prefix of every tensor that is the optimiser's and not the network's."""
STEP = f"{OPTIMISER}step"
"""How many steps the optimiser has taken."""

_KEY = "ptycho"
_LENGTH_BYTES = 8
_LARGEST_HEADER = 16 * 2**20
_ITEM_BYTES = {
    name: bits // 8
    for names, bits in (
        (("BOOL", "I8", "U8"), 8),
        (("I16", "U16", "F16", "BF16"), 16),
        (("I32", "U32", "F32"), 32),
        (("I64", "U64", "F64"), 64),
    )
    for name in names
}

Tensors = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class Meta:
    """
    Meaning of tensors. Everything is JSON: numbers, text, lists, dictionaries; paths become text.

    Attributes:
        config: the effective configuration as nested dictionaries (`dataclasses.asdict`), `config["model"]` the
            network's.
        statistics: statistics of the training data: the normalisation factor, nphotons, the source's and the input's
        sha256.
        epoch: epochs done.
        schedule: state of the learning-rate schedule; empty in weights for inference.
        extra: anything else that a training must find again, such as the tracking run.
    """

    config: dict[str, Any]
    statistics: dict[str, Any]
    epoch: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def digest(tensors: Tensors) -> str:
    """Hex sha256 over names, dtypes, shapes and bytes in the order of the names: equal states, equal digests."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        value = _plain(tensors[name])
        sha.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode())
        sha.update(value.reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def save(path: Path, tensors: Tensors, meta: Meta) -> None:
    """
    Write tensors atomically: after a kill or on a full disk, the path holds the old file or the new one.

    Shapes and dtypes are kept as they are, scalars `()` and float64 included.

    Raises:
        InfrastructureError: the folder is missing, not writable, or full; the file that was there is unchanged.
    """
    from safetensors.numpy import save as serialise

    text = json.dumps(asdict(meta), sort_keys=True, default=_as_text)
    header = {"format": FORMAT, "digest": digest(tensors), "meta_sha256": _sha256(text), "meta": json.loads(text)}
    # safetensors wants contiguous arrays; the sort makes the bytes independent of the mapping's order.
    plain = {name: _plain(tensors[name]) for name in sorted(tensors)}
    content = serialise(plain, metadata={_KEY: json.dumps(header, sort_keys=True)})
    with files.replacing(path) as handle:
        handle.write(content)


def load(path: Path) -> tuple[dict[str, NDArray[np.generic]], Meta]:
    """
    Read and verify a file of `save`.

    Sizes are checked before tensors are read, and the digests of tensors and meaning afterwards.

    Returns:
        The tensors by name, writable, with the shapes and dtypes that were saved; and what they mean.

    Raises:
        CheckpointError: missing, truncated, damaged, or not written by this project.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be read: {error.strerror}; give a weights file or the output folder of a training"
        ) from error
    header = _header(path, content)
    try:
        tensors: dict[str, NDArray[np.generic]] = dict(sorted(deserialise(content).items()))
    except (SafetensorError, KeyError, ValueError) as error:
        raise _refused(path, "readable safetensors", str(error)) from error
    text = json.dumps(header["meta"], sort_keys=True)
    for what, expected, actual in (
        ("header with sha256", header["meta_sha256"], _sha256(text)),
        ("tensors with digest", header["digest"], digest(tensors)),
    ):
        if expected != actual:
            raise _refused(path, f"{what} {expected}", str(actual))
    try:
        return tensors, Meta(**header["meta"])
    except TypeError as error:
        raise _refused(path, "the fields of Meta", str(error)) from error


def weights_only(tensors: Tensors) -> dict[str, NDArray[np.generic]]:
    """The network's tensors of a checkpoint, without the optimiser's."""
    return {name: value for name, value in tensors.items() if not name.startswith(OPTIMISER)}


def require_moments(tensors: Tensors, names: Iterable[str]) -> None:
    """
    Refuse the state of an optimiser that cannot go on from it.

    Args:
        tensors: what was loaded.
        names: the parameters that the optimiser steps.

    Raises:
        CheckpointError: listing each missing moment, or the missing step count.
    """
    required = [STEP, *(f"{OPTIMISER}{letter}/{name}" for letter in "mv" for name in names)]
    missing = [name for name in required if name not in tensors]
    if missing:
        listed = "\n".join(f"  - {name}" for name in missing)
        raise CheckpointError(f"the optimiser's state is incomplete; train again, or load weights only:\n{listed}")


def find_model(path: Path) -> Path:
    """
    The weights file that a user means: the file itself, or the one in a training's output folder.

    Raises:
        CheckpointError: neither is there.
    """
    if path.is_file():
        return path
    if (path / MODEL).is_file():
        return path / MODEL
    if (path / CHECKPOINT).is_file():
        hint = f"the training did not end; resume it, or pass {str(path / CHECKPOINT)!r} for its last whole epoch"
    elif path.is_dir():
        hint = f"the folder holds no {MODEL}; give the --output_dir of a finished training"
    else:
        hint = "there is no such file or folder; give a weights file or the output folder of a training"
    raise CheckpointError(f"no weights at {str(path)!r}: {hint}")


def _header(path: Path, content: bytes) -> dict[str, Any]:
    """The project's header of a file whose sizes are consistent."""
    size = len(content)
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if size < _LENGTH_BYTES or length > min(size - _LENGTH_BYTES, _LARGEST_HEADER):
        raise _refused(path, "a safetensors file", f"{size} bytes that begin with {content[:16]!r}")
    try:
        header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
        ours = header.pop("__metadata__", {}).get(_KEY)
        data_bytes = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        wrong = [name for name, entry in header.items() if _declared(entry) != _stored(entry)]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _refused(path, "a safetensors header", f"{type(error).__name__}: {error}") from error
    if size != _LENGTH_BYTES + length + data_bytes:
        raise _refused(path, f"{_LENGTH_BYTES + length + data_bytes} bytes", f"{size} bytes")
    if wrong:
        raise _refused(path, "as many bytes as shape and dtype say", f"others for {', '.join(sorted(wrong))}")
    if ours is None:
        raise _refused(path, f"a header of {FORMAT}", "a safetensors file of another program")
    try:
        parsed: dict[str, Any] = json.loads(ours)
        missing = {"format", "digest", "meta_sha256", "meta"} - parsed.keys()
    except (ValueError, AttributeError) as error:
        raise _refused(path, f"a header of {FORMAT}", str(error)) from error
    if missing or parsed["format"] != FORMAT:
        raise _refused(path, FORMAT, f"{parsed.get('format')!r}, without {', '.join(sorted(missing)) or 'nothing'}")
    return parsed


def _declared(entry: dict[str, Any]) -> int:
    return int(_ITEM_BYTES[entry["dtype"]] * math.prod(entry["shape"]))


def _stored(entry: dict[str, Any]) -> int:
    first, last = entry["data_offsets"]
    return int(last) - int(first)


def _refused(path: Path, expected: str, actual: str) -> CheckpointError:
    return CheckpointError(
        f"{str(path)!r} is damaged or is not a checkpoint of this project: expected {expected}, found {actual}; "
        "use another checkpoint, or train again"
    )


def _plain(value: NDArray[np.generic]) -> NDArray[np.generic]:
    """In C order and little-endian, a scalar still `()`: `numpy.ascontiguousarray` would make it `(1,)`."""
    return np.asarray(value, dtype=np.asarray(value).dtype.newbyteorder("<"), order="C")


def _as_text(value: object) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
