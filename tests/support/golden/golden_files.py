"""
Files that a training and an inference leave, written by hand: no writer or reader of the project has a part in them.

What is saved and loaded by one program may be wrong twice and seem right. These files are committed; every value in
them is a formula of its tensor's name, so that whoever reads them can be asked for each by name. The scan has another
extent and another number of photons than the training had.

`PYTHONPATH=. python tests/support/golden/golden_files.py` writes them again, which nobody should need: a file that can
no longer be read is a fault of the reader.
"""

import hashlib
import json
import lzma
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.physics import network
from ptycho.physics.weights import LOG_SCALE, shapes

Array = NDArray[Any]

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "golden"
MODEL, CHECKPOINT, SCAN, RECONSTRUCTION = (
    FOLDER / name for name in ("model.safetensors.xz", "checkpoint.safetensors.xz", "scan.npz", "reconstruction.npz")
)

NETWORK = ModelConfig(filter_scale=1, intensity_scale_trainable=True)
NORMALISATION, NPHOTONS, STEP, EPOCH = 0.375, 3e5, 1000, 2
CROP = 20
KINDS = {"float32": "F32", "float64": "F64", "int64": "I64"}


def offset(name: str) -> int:
    """A number that differs between names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:2], "little")


def weight(name: str, shape: tuple[int, ...]) -> Array:
    """The weight of a name: multiples of a power of two, so that float32 holds it exactly; no bias is zero."""
    if name == LOG_SCALE:
        return np.array(2.75)
    place = np.arange(math.prod(shape)).reshape(shape)
    fan = math.prod(shape[1:]) if len(shape) > 1 else 64
    return ((5 * place + offset(name)) % 17 - 7.5) / 8 * 2.0 ** -round(math.log2(math.sqrt(fan)))


def moments(name: str, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """First and second moment of a name; the second is positive."""
    place = np.arange(math.prod(shape)).reshape(shape)
    first = ((3 * place + offset(f"m {name}")) % 13 - 5.5) * 2.0**-12
    return first, ((7 * place + offset(f"v {name}")) % 11 + 1) * 2.0**-22


def weights() -> dict[str, Array]:
    """Every weight of the network."""
    return {name: weight(name, shape) for name, shape in shapes(NETWORK).items()}


def state() -> dict[str, Array]:
    """Weights, moments and step count."""
    found = {**weights(), "adam.step": np.array(STEP)}
    for name, value in weights().items():
        found[f"adam.m/{name}"], found[f"adam.v/{name}"] = moments(name, value.shape)
    return found


def history() -> list[dict[str, Any]]:
    """Two epochs, no figure twice."""
    names = ("train_loss", "validation_loss", "train_deviance", "validation_deviance", "learning_rate", "seconds")
    rows = [{name: (k + 1) * (n + 3) / 8 for n, name in enumerate(names)} for k in range(EPOCH)]
    return [{"epoch": k + 1, **row, "patterns_per_second": 16.0 + k} for k, row in enumerate(rows)]


def meta(*, resumes: bool) -> dict[str, Any]:
    """What the header says of the tensors."""
    config = TrainingConfig(
        data=DataConfig(path=Path("trained-on.npz"), seed=7), output_dir=Path("out"), model=NETWORK, batch_size=3
    )
    statistics = {"normalisation": NORMALISATION, "nphotons": NPHOTONS, "input_sha256": "ab", "groups_sha256": "cd"}
    return {
        "config": json.loads(json.dumps(asdict(config), default=str)),
        "statistics": statistics,
        "epoch": EPOCH,
        "schedule": {"learning_rate": 5e-4, "best": -1.5, "bad_epochs": 1, "factor": 0.5, "patience": 2}
        | {"minimum": 1e-4, "threshold": 0.0}
        if resumes
        else {},
        "extra": {"history": history()} if resumes else {},
    }


def content(tensors: Mapping[str, Array], said: Mapping[str, Any]) -> bytes:
    """A safetensors file: length of the header, the header as JSON, and the bytes of every tensor."""
    digest, table, data, start = hashlib.sha256(), dict[str, Any](), list[bytes](), 0
    for name in sorted(tensors):
        value = tensors[name]
        raw = np.ascontiguousarray(value).tobytes()
        digest.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode() + raw)
        table[name] = {
            "dtype": KINDS[value.dtype.name],
            "shape": value.shape,
            "data_offsets": [start, start + len(raw)],
        }
        data.append(raw)
        start += len(raw)
    text = json.dumps(said, sort_keys=True)
    ours = {
        "format": "ptycho-checkpoint/1",
        "digest": digest.hexdigest(),
        "meta_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "meta": said,
    }
    header = json.dumps({"__metadata__": {"ptycho": json.dumps(ours)}, **table}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"".join(data)


def read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Tensors by name and what the header says of them, by the format's description alone."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    said = json.loads(header.pop("__metadata__")["ptycho"])["meta"]
    types = {kind: name for name, kind in KINDS.items()}
    found = {}
    for name, entry in header.items():
        first, last = (8 + length + at for at in entry["data_offsets"])
        found[name] = np.frombuffer(raw[first:last], types[entry["dtype"]]).reshape(entry["shape"])
    return found, said


def unpacked(path: Path, folder: Path) -> Path:
    """A committed file as a training leaves it, in a folder."""
    place = folder / path.name.removesuffix(".xz")
    place.write_bytes(lzma.decompress(path.read_bytes()))
    return place


def reconstructed(scan: Mapping[str, Array]) -> dict[str, Array]:
    """What inference must leave of a scan at whole pixels: the oracle's patches, added up one by one."""
    frames = scan["diff3d"] * np.float32(NORMALISATION)
    patches = network.forward(
        frames[:, None].astype(np.float64), weights(), NETWORK, math.sqrt(NPHOTONS) / (NETWORK.side / 2)
    )[:, 0]
    x, y = scan["xcoords"].astype(int), scan["ycoords"].astype(int)
    row, col = int(y.min()) - CROP // 2, int(x.min()) - CROP // 2
    extent = int(y.max()) + CROP // 2 - row, int(x.max()) + CROP // 2 - col
    total, overlap = np.zeros(extent, np.complex128), np.zeros(extent)
    inner = slice(NETWORK.side // 2 - CROP // 2, NETWORK.side // 2 + CROP // 2)
    for patch, i, j in zip(patches, y - CROP // 2 - row, x - CROP // 2 - col, strict=True):
        total[i : i + CROP, j : j + CROP] += patch[inner, inner]
        overlap[i : i + CROP, j : j + CROP] += 1
    crop = np.array([row, row + extent[0], col, col + extent[1]])
    return {"object": np.where(overlap > 0, total / np.maximum(overlap, 1), 0), "overlap": overlap, "crop": crop}


def main() -> None:
    """Write every file."""
    from tests.support import crafted_npz

    FOLDER.mkdir(exist_ok=True)
    scan = {**crafted_npz.scan(m=5, seed=11, photons=2e4), "_metadata": crafted_npz.metadata(nphotons=2e4)}
    crafted_npz.write(SCAN, scan, compressed=True)
    single = {name: value.astype(np.float32) for name, value in weights().items()}
    kept = {name: value if value.dtype == np.int64 else value.astype(np.float32) for name, value in state().items()}
    for path, tensors in ((MODEL, single), (CHECKPOINT, kept)):
        path.write_bytes(lzma.compress(content(tensors, meta(resumes=path == CHECKPOINT))))
    crafted_npz.write(RECONSTRUCTION, reconstructed(scan), compressed=True)


if __name__ == "__main__":
    main()
