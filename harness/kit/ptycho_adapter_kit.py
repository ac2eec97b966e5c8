"""
Expose what a network computes to the parity ladder: copy this one file into your code base, and write the functions.

It needs NumPy and nothing else. A request is an NPZ file: inputs, weights, the rungs that are wanted, and a nonce. The
answer is a folder of one NPZ file a rung and `manifest.json`, written rung by rung: one that raises is written down
with its lines of code and takes no other along. The nonce, the request's digest, the digest of your source text and
the commit tie an answer to its question: an old one, or another code base's, is refused.

    from ptycho_adapter_kit import serve

    def bench(request):
        network = build(request.weights)                 # canonical names, layout OIHW, float64
        return {
            "R3": lambda: {name: network.layer(name, x) for name, x in request.inputs.items()},
            "R4": lambda: network.checkpoints(request.first),
        }

    if __name__ == "__main__":
        serve(bench, backend="my_package", sources=["ptycho", "my_package"])

What each rung's names mean is in docs/adapter-kit.md of the harness. Record while your own code runs: a copy of it here
would be compared in its place.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA, ANSWER_SCHEMA = "ptycho-probe/1", "ptycho-probe-answer/2"
MANIFEST = "manifest.json"
MESSAGE = 4000
LOUD = 1024.0
"""Factor of the inputs of layers that R3 asks a second time in float64: what is capped shows only there."""
BATCH_FIELDS = ("diffraction", "coords_offsets", "coords_relative", "indices")
GIT_SECONDS = 60.0
GIT_LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")
"""On a busy machine git was seen to take more than 5 s; without its answer a commit is unknown and refused."""

Named = Mapping[str, Any] | Iterable[tuple[str, Any]]
Bench = Callable[["Request"], Mapping[str, Callable[[], Named]]]


class KitError(Exception):
    """The request cannot be answered; the message says why and what to do. Ends the command with 2."""


@dataclass(frozen=True)
class Request:
    """
    A request to the adapter.

    Attributes:
        nonce: text that the answer carries back; `serve` does that.
        quantities: rungs wanted.
        precision: `f64`, the gate, or `f32`.
        model: `side` (N), `gridsize`, `filter_scale`, `probe_big`, `probe_scale`, `probe_mask` and
            `intensity_scale_trainable`, by name.
        nphotons: mean photons per pattern.
        threads: threads of the framework.
        scan: for R1: `path` of the scan, `seed`, `batch_size`, `batches`.
        steps: after how many optimiser steps R8 looks at the weights.
        learning_rates: one a step of R8.
        batch_size: groups per step of R8.
        batch: arrays by name (`BATCH_FIELDS`), all groups; the other rungs use `first`.
        probe: `(P, N, N)` normalised probe.
        weights: by canonical name.
        inputs: recorded input of each layer, for R3.
        replay: recorded gradients of each step, for R7.
        mae_weight: weight of the amplitude term in the second objective of R5.
        tv_weight: weight of the total variation there.
        spec: everything that the request says in plain values, also what a later version adds.
        arrays: everything that it holds in arrays.
        sha256: digest of its file.
    """

    nonce: str
    quantities: tuple[str, ...]
    precision: str
    model: Mapping[str, Any]
    nphotons: float
    threads: int
    scan: Mapping[str, Any]
    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    batch_size: int
    batch: Mapping[str, np.ndarray[Any, Any]]
    probe: np.ndarray[Any, Any]
    weights: Mapping[str, np.ndarray[Any, Any]]
    inputs: Mapping[str, np.ndarray[Any, Any]]
    replay: tuple[Mapping[str, np.ndarray[Any, Any]], ...]
    mae_weight: float
    tv_weight: float
    spec: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray[Any, Any]]
    sha256: str

    @property
    def uneven(self) -> list[dict[str, np.ndarray[Any, Any]]]:
        """Two batches of different sizes, as at the end of an epoch: `first`, and one group fewer of the next."""
        later = slice(self.batch_size, 2 * self.batch_size - 1)
        return [self.first, {name: self.batch[name][later] for name in BATCH_FIELDS}]

    @property
    def first(self) -> dict[str, np.ndarray[Any, Any]]:
        """The batch of R3 to R6: the first `batch_size` groups."""
        return self.walk(1)[0]

    def walk(self, steps: int) -> list[dict[str, np.ndarray[Any, Any]]]:
        """The batches of so many steps of R8: all of them in order, again and again."""
        count = len(self.batch["diffraction"]) // self.batch_size
        rows = [slice(k * self.batch_size, (k + 1) * self.batch_size) for k in range(count)]
        cut = [{name: self.batch[name][part] for name in BATCH_FIELDS} for part in rows]
        return [cut[step % count] for step in range(steps)]


def read(path: Path) -> Request:
    """
    Read a request.

    Raises:
        KitError: it is not there, or not of this version.
    """
    try:
        data = path.read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        spec = json.loads(str(arrays.pop("spec")))
        if spec["schema"] != SCHEMA:
            raise ValueError(f"its schema is {spec['schema']!r}, this kit's is {SCHEMA!r}: copy the kit again")
        plain = ("nonce", "precision", "model", "nphotons", "threads", "scan", "batch_size", "mae_weight", "tv_weight")
        said: dict[str, Any] = {name: spec[name] for name in plain}
        said.update({name: tuple(spec[name]) for name in ("quantities", "steps", "learning_rates")})
        return Request(
            **said,
            batch=_below(arrays, "batch/"),
            probe=arrays["probe"],
            weights=_below(arrays, "weights/"),
            inputs=_below(arrays, "inputs/"),
            replay=tuple(_below(arrays, f"replay/{step}/") for step in range(spec["replay"])),
            spec=spec,
            arrays=arrays,
            sha256=hashlib.sha256(data).hexdigest(),
        )
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise KitError(f"{path} is not a request of this version ({error})") from error


def _below(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}


def array_digest(*arrays: Any) -> str:
    """SHA-256 of the bytes of arrays in C order, one after the other, as R1 wants it."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def sources_digest(root: Path, sources: Sequence[str]) -> str:
    """SHA-256 of the source text of packages below a folder: names an uncommitted change, too."""
    hashed = hashlib.sha256()
    for package in sources:
        for path in sorted((root / package).rglob("*.py")):
            hashed.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest()


def commit(root: Path) -> str | None:
    """The checkout's commit, with `-dirty` after it where tracked files differ; None outside a repository."""
    if not (root / ".git").exists():
        return None
    # A hook runs with GIT_DIR set to its own repository.
    env = {name: value for name, value in os.environ.items() if name not in GIT_LOCAL}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_SECONDS,
            stdin=subprocess.DEVNULL,
            env=env | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    lines = done.stdout.splitlines()
    head = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    if head == "(initial)":
        return None
    return head if all(line.startswith("#") for line in lines) else f"{head}-dirty"


def _write(path: Path, data: bytes) -> str:
    """Write a file whole or not at all; returns its SHA-256."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)
    return hashlib.sha256(data).hexdigest()


def measure(answer: Callable[[], Named], rung: str) -> Iterator[tuple[str, Any]]:
    """
    Yield what one rung's function answers, by name: arrays, or plain values.

    An array is what NumPy made or can make an array of by itself; text, numbers and lists are plain values.

    Raises:
        TypeError: an array holds objects, or its rows have different lengths.
    """
    values = answer()
    for name, value in values.items() if isinstance(values, Mapping) else values:
        if not hasattr(value, "__array__"):
            json.dumps(value)  # what is not a plain value fails here, and not when everything is written
            yield name, value
            continue
        array = np.asarray(value)
        if array.dtype.kind == "O":
            raise TypeError(
                f"{rung}/{name} is not an array of numbers: its elements are objects or of different lengths"
            )
        # A type that NumPy does not know (bfloat16) is widened.
        yield f"{rung}/{name}", array.astype(np.float32) if array.dtype.kind == "V" else array


def describe(error: BaseException, root: Path) -> dict[str, Any]:
    """An error as plain values: its type, its message, and the lines below `root` that it passed, outermost first."""
    frames = [(f.filename, f.lineno, f.name, f.line or "") for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        frames.append((error.filename, error.lineno, "", (error.text or "").strip()))
    return {
        "type": type(error).__name__,
        "message": str(error)[:MESSAGE],
        "errno": error.errno if isinstance(error, OSError) else None,
        "module": error.name if isinstance(error, ModuleNotFoundError) else None,
        "frames": [
            {"file": Path(file).relative_to(root).as_posix(), "line": line, "function": name, "text": text}
            for file, line, name, text in frames
            if Path(file).is_relative_to(root)
        ],
    }


def answer(
    path: Path, out: Path, bench: Bench, *, backend: str, sources: Sequence[str], root: Path, about: Mapping[str, Any]
) -> None:
    """
    Answer one request, rung by rung; the manifest is replaced whole after each.

    Raises:
        KitError: the request cannot be read.
    """
    request = read(path)
    out.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {
        "schema": ANSWER_SCHEMA,
        "backend": backend,
        "request_sha256": request.sha256,
        "nonce": request.nonce,
        "commit": commit(root),
        "sources_sha256": sources_digest(root, sources),
        "precision": request.precision,
        "engine": dict(about),
        "quantities": [],
        "arrays_sha256": {},
        "exact": {},
        "failures": {},
        "complete": False,
    }
    _save(out, manifest)
    answers: Mapping[str, Callable[[], Named]] = {}
    try:
        answers = bench(request)
    except (Exception, SystemExit) as error:
        # Without a network no rung can be measured: each fails for the same reason.
        manifest["failures"] = dict.fromkeys(request.quantities, describe(error, root))
    for rung in (name for name in request.quantities if name not in manifest["failures"]):
        # Said aloud, so that the harness holds each rung to its time.
        sys.audit("ptycho.phase.start", {"phase": rung})
        _answer_rung(rung, answers, out, manifest, root)
        sys.audit("ptycho.phase.end", {"phase": rung})
    manifest["complete"] = True
    _save(out, manifest)


def _answer_rung(
    rung: str, answers: Mapping[str, Callable[[], Named]], out: Path, manifest: dict[str, Any], root: Path
) -> None:
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    try:
        if rung not in answers:
            raise KitError(f"asked for {rung}, answered are {', '.join(answers)}; repair [adapter] quantities")
        for name, value in measure(answers[rung], rung):
            if isinstance(value, np.ndarray):
                arrays[name] = value
            else:
                manifest["exact"].setdefault(rung, {})[name] = value
        manifest["quantities"].append(rung)
    except (Exception, SystemExit) as error:
        manifest["failures"][rung] = describe(error, root)
    if arrays:
        buffer = io.BytesIO()
        members: dict[str, Any] = {**arrays}  # numbers alone, see `measure`
        np.savez(buffer, **members)
        manifest["arrays_sha256"][rung] = _write(out / f"{rung}.npz", buffer.getvalue())
    _save(out, manifest)


def _save(out: Path, manifest: Mapping[str, Any]) -> None:
    _write(out / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def serve(
    bench: Bench,
    *,
    backend: str,
    sources: Sequence[str],
    root: Path | None = None,
    about: Mapping[str, Any] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """
    The adapter's command line: `--request NPZ --out DIR`, several pairs if need be.

    Args:
        bench: given a request, says for each rung how to answer it. Import the framework in it, not before.
        backend: name of the package that answers.
        sources: packages whose source text identifies the answer, as `[adapter] sources` in the target file has them.
        root: folder that holds them; by default that of the first.
        about: versions and device, for the report.
        arguments: instead of the process's own.
    """
    parser = argparse.ArgumentParser(description="Answer requests of the parity ladder with figures.")
    parser.add_argument("--request", type=Path, action="append", required=True, metavar="NPZ")
    parser.add_argument("--out", type=Path, action="append", required=True, metavar="DIR", help="one a request")
    args = parser.parse_args(arguments)
    try:
        if len(args.request) != len(args.out):
            raise KitError(f"{len(args.request)} --request and {len(args.out)} --out; give one --out a --request")
        place = root or _root_of(sources[0])
        for path, out in zip(args.request, args.out):  # noqa: B905 - counted above; runs on Python 3.10, too
            answer(path, out, bench, backend=backend, sources=sources, root=place, about=about or {})
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _root_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise KitError(f"there is no package {package!r} on the import path; repair sources, or give root")
    return Path(next(iter(spec.submodule_search_locations))).resolve().parent
