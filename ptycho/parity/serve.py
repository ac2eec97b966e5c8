"""
Serves requests of the parity ladder: measures one rung after the other, and writes each as soon as it is measured.

A rung that raises is written down as a failure, with the lines of code it came from, and the next one is measured. If
the process dies, what it wrote before stays: the manifest is replaced whole after every rung.
"""

import inspect
import json
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho import fingerprint
from ptycho.command_line import Parser
from ptycho.errors import UsageError, exit_on_error
from ptycho.files import prepare, write_text
from ptycho.parity import trace
from ptycho.parity.request import ANSWER_SCHEMA, COMPILED, MANIFEST, Request, digest, source_digest, write_arrays
from ptycho.phase_timer import Clock

MESSAGE = 4000
"""Characters of an error's message that are kept: a framework appends the stack of its graph."""

Values = Iterator[tuple[str, Any]]


class AdapterProxy:
    """
    A backend as it is measured: passes every call on, and remembers the last one.

    An answer of the wrong shape raises where the core uses it; the last call says whose answer that was.

    Args:
        bench: the backend's `BackendAdapter`.
    """

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self.last_call: str | None = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._bench, name)
        if not inspect.ismethod(value):
            self.last_call = name
            return value

        def call(*arguments: Any) -> Any:
            self.last_call = name
            return value(*arguments)

        return call


def serve(arguments: Sequence[str] | None, *, package: str, bench: Callable[[Request], Any]) -> None:
    """
    Read requests, measure, answer: the command line of both backends' adapters.

    Args:
        arguments: instead of the process's own.
        package: the backend, `"ptycho_torch"` or `"ptycho_tf"`.
        bench: makes the backend's bench; imports the framework.
    """
    parser = Parser(
        prog=f"python -m {package}.adapter",
        description="Answer requests with figures; several pairs share one import of the framework.",
    )
    parser.add_argument(
        "--request", type=Path, action="append", required=True, metavar="NPZ", help="Answer this request."
    )
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="Write the answer here, one folder for each request.",
    )
    args = parser.parse_args(arguments)
    with exit_on_error():
        if len(args.request) != len(args.out):
            raise UsageError(f"{len(args.request)} --request and {len(args.out)} --out; give one --out a --request")
        if (record := os.environ.get(trace.VARIABLE)) is not None:
            trace.follow(Path(record), fingerprint.ROOT / package)
        for path, out in zip(args.request, args.out, strict=True):
            answer(path, out, package, bench)


def answer(path: Path, out: Path, package: str, bench: Callable[[Request], Any]) -> None:
    """
    Answer one request; a rung that raises does not take the others along.

    Args:
        path: the request.
        out: folder for the answer.
        package: the backend.
        bench: makes the backend's bench.

    Raises:
        UsageError: the request cannot be read.
    """
    from ptycho.parity import measure as parity_measure

    sha256 = digest(path) if path.is_file() else ""
    request = Request.load(path)
    writer = AnswerWriter(prepare(out), request, sha256, package)
    writer.write()
    adapter: AdapterProxy | None = None
    try:
        adapter = AdapterProxy(bench(request))
        writer.manifest["engine"] = adapter.engine.fingerprint()
    except (Exception, SystemExit) as error:
        # Without an engine no rung can be measured: each fails for the same reason.
        for rung in request.quantities:
            writer.fail(rung, error, None)
    else:
        for rung in request.quantities:
            with Clock().phase(rung):
                adapter.last_call = None
                writer.measure(rung, parity_measure.values(rung, request, adapter, package), adapter)
        if request.way == COMPILED:
            writer.manifest["compiled"] = adapter.compiled()
    writer.manifest["complete"] = True
    writer.write()


class AnswerWriter:
    """
    Writes an answer rung by rung.

    Args:
        folder: folder of the answer.
        request: what is answered.
        sha256: digest of the request's file.
        package: the backend.
    """

    def __init__(self, folder: Path, request: Request, sha256: str, package: str) -> None:
        self._folder = folder
        self.manifest: dict[str, Any] = {
            "schema": ANSWER_SCHEMA,
            "backend": package,
            "request_sha256": sha256,
            "nonce": request.nonce,
            "commit": fingerprint.commit(),
            "sources_sha256": source_digest(package),
            "precision": request.precision,
            "engine": {},
            "quantities": [],
            "arrays_sha256": {},
            "exact": {},
            "failures": {},
            "complete": False,
        }

    def measure(self, rung: str, values: Values, adapter: AdapterProxy) -> None:
        """Take every value of a rung; what came before an error is kept beside it."""
        arrays: dict[str, NDArray[Any]] = {}
        try:
            for name, value in values:
                if isinstance(value, np.ndarray):
                    arrays[f"{rung}/{name}"] = plain(name, value)
                else:
                    json.dumps(value)  # what is not a plain value fails here, and not when everything is written
                    self.manifest["exact"].setdefault(rung, {})[name] = value
        except (Exception, SystemExit) as error:
            names = [*arrays, *(f"{rung}/{name}" for name in self.manifest["exact"].get(rung, ()))]
            self.fail(rung, error, adapter.last_call, after=names[-1] if names else None)
        else:
            self.manifest["quantities"].append(rung)
        if arrays:
            self.manifest["arrays_sha256"][rung] = write_arrays(self._folder / f"{rung}.npz", arrays)
        self.write()

    def fail(self, rung: str, error: BaseException, call: str | None, after: str | None = None) -> None:
        """Write down why a rung could not be measured: the error, the last call to the backend, the last answer."""
        self.manifest["failures"][rung] = describe(error, fingerprint.ROOT) | {"call": call, "after": after}

    def write(self) -> None:
        """Replace the manifest."""
        write_text(self._folder / MANIFEST, json.dumps(self.manifest, indent=1) + "\n")


def plain(name: str, value: NDArray[Any]) -> NDArray[Any]:
    """
    An array that an NPZ file holds without pickles; a type that NumPy does not know (bfloat16) is widened.

    Raises:
        TypeError: it holds objects, as a ragged array does.
    """
    if value.dtype.kind == "V" and value.dtype.names is None:
        return value.astype(np.float32)
    if value.dtype.kind == "O":
        raise TypeError(f"{name} is not an array of numbers: its elements are objects or of different lengths")
    return value


def describe(error: BaseException, root: Path) -> dict[str, Any]:
    """
    An error as plain values: its type, its message, and the lines of the checkout that it passed, outermost first.

    Args:
        error: the error.
        root: the checkout; frames outside it are left out.
    """
    frames = [
        (Path(frame.filename), frame.lineno, frame.name, frame.line or "")
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename is not None:
        frames.append((Path(error.filename), error.lineno, "", (error.text or "").strip()))
    return {
        "type": type(error).__name__,
        "message": str(error)[:MESSAGE],
        "errno": error.errno if isinstance(error, OSError) else None,
        "module": error.name if isinstance(error, ModuleNotFoundError) else None,
        "verdict": int(verdict) if isinstance(verdict := getattr(error, "verdict", None), int) else None,
        "frames": [
            {"file": path.relative_to(root).as_posix(), "line": line, "function": name, "text": text}
            for path, line, name, text in frames
            if path.is_relative_to(root)
        ],
    }
