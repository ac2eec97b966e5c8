"""
Reading an adapter's answer, and refusing one that is not an answer to this request by this backend.

A comparison of two equal files passes whatever the backends do. So an answer counts only if it names the request, the
nonce and the source text, comes from the backend that was asked, and is not a copy of the request or of the other
answer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lanes.device import gpu_worked
from harness.parity.compare import failure
from harness.parity.compare.comparison import SINGLE
from harness.parity.compare.failure import AnswerFailure
from harness.parity.compare.rungs import WORKFLOW
from ptycho import fingerprint
from ptycho.errors import UsageError
from ptycho.parity.request import (
    ANSWER_SCHEMA,
    ARRAYS,
    MANIFEST,
    QUANTITIES,
    SCHEMA,
    Request,
    digest,
    read_arrays,
    source_digest,
)

Array = NDArray[Any]

TELLING = 64
"""Elements from which on a bit-equal copy cannot be chance: a sum of many terms rounds differently in each party."""

_SHAPES: Mapping[str, tuple[type[Any], type[Any]]] = {
    "exact": (dict, dict),
    "failures": (dict, dict),
    "quantities": (list, str),
    "engine": (dict, object),
}
_NAMES = {
    "exact": "an object of values by rung",
    "failures": "an object of errors by rung",
    "quantities": "a list of rungs",
    "engine": "an object",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """
    Answer of one backend.

    Attributes:
        exact: plain values by rung.
        arrays: arrays by `RUNG/NAME`.
        refusals: why it does not count; empty for an answer that does.
        manifest: everything else that it says of itself.
        failures: why rungs have no whole answer, by rung.
    """

    exact: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, Array]
    refusals: tuple[str, ...]
    manifest: Mapping[str, Any]
    failures: Mapping[str, AnswerFailure] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of device that it says it was computed on: `cpu`, or the name of a GPU."""
        return str(self.manifest.get("engine", {}).get("device_name", "cpu"))


def read(
    folder: Path,
    request_path: Path,
    package: str,
    root: Path = fingerprint.ROOT,
    sources: Sequence[str] | None = None,
) -> Answer:
    """
    Read an answer.

    Args:
        folder: what the adapter wrote.
        request_path: the request that it was given.
        package: the backend that was asked, for example `"ptycho_torch"`.
        root: folder that its packages were imported from.
        sources: packages whose source text names the answer; the core and the backend if None.
    """
    try:
        manifest = _manifest(folder)
        arrays, digests = _arrays(folder, manifest)
    except (OSError, ValueError, TypeError, RecursionError, UsageError) as error:
        return Answer(exact={}, arrays={}, refusals=(f"it cannot be read: {error}",), manifest={})
    request = Request.load(request_path)
    failures = {
        rung: failure.of_error(record, root, tuple(sources or ("ptycho", package)))
        for rung, record in manifest.get("failures", {}).items()
    }
    wanted = {
        "schema": manifest["schema"] if manifest.get("schema") in (SCHEMA, ANSWER_SCHEMA) else ANSWER_SCHEMA,
        "backend": package,
        "request_sha256": digest(request_path),
        "nonce": request.nonce,
        "commit": fingerprint.commit(root),
        "sources_sha256": source_digest(package, root, sources),
        "precision": request.precision,
        "arrays_sha256": digests,
    }
    if manifest.get("complete", True):
        wanted["quantities"] = [rung for rung in request.quantities if rung not in failures]
    refusals = [
        f"its {key} is {manifest.get(key)!r}, expected {value!r}"
        for key, value in wanted.items()
        if manifest.get(key) != value
    ]
    refusals += elsewhere(manifest, request.device)
    refusals += [
        f"its {name} is a copy of an array in the request, bit for bit"
        for name in copied(arrays, read_arrays(request_path))
    ]
    about = {key: value for key, value in manifest.items() if key != "exact"}
    return Answer(
        exact=manifest.get("exact", {}), arrays=arrays, refusals=tuple(refusals), manifest=about, failures=failures
    )


def elsewhere(manifest: Mapping[str, Any], device: str) -> list[str]:
    """
    Return why an answer does not show that it was computed where it was asked for; nothing is shown of a CPU.

    Args:
        manifest: what the answer says of itself; one without an engine has answered nothing.
        device: `cpu` or `cuda`.
    """
    engine, answered = manifest.get("engine") or {}, manifest.get("quantities") or manifest.get("exact")
    if device == "cpu" or not (engine or answered):
        return []
    work = engine.get("work")
    wrong = gpu_worked.problems(work) if isinstance(work, dict) else ["it holds no evidence (engine.work)"]
    said = engine.get("device", "no device")
    return [f"it was to be computed on {device}, and its engine says {said!r}: {'; '.join(wrong)}"] if wrong else []


def is_complete(folder: Path) -> bool:
    """Whether an adapter has written everything that it will write."""
    try:
        return bool(_manifest(folder).get("complete", True))
    except (OSError, ValueError, RecursionError):
        return False


def _manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of an answer; an adapter may have written anything into it."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(manifest, dict):
        raise ValueError(f"{path} holds {type(manifest).__name__}, expected an object")
    for name, (kind, item) in _SHAPES.items():
        value = manifest.get(name, kind())
        items = value.values() if isinstance(value, dict) else value
        if not isinstance(value, kind) or not all(isinstance(each, item) for each in items):
            raise ValueError(f"{path}: {name} is {str(value)[:80]!r}, expected {_NAMES[name]}")
    result: Mapping[str, Any] = manifest
    return result


def _arrays(folder: Path, manifest: Mapping[str, Any]) -> tuple[dict[str, Array], str | dict[str, str]]:
    """The arrays of an answer, and the digests of their files as its manifest should have them."""
    if manifest.get("schema") != ANSWER_SCHEMA:
        return read_arrays(folder / ARRAYS), digest(folder / ARRAYS)
    arrays: dict[str, Array] = {}
    digests: dict[str, str] = {}
    named = manifest.get("arrays_sha256", {})
    if not isinstance(named, dict):
        raise ValueError(f"arrays_sha256 is {str(named)[:80]!r}, expected an object of digests by rung")
    for rung in named:
        if rung not in QUANTITIES:
            raise ValueError(f"rung {rung!r}; allowed: {', '.join(QUANTITIES)}")
        file = folder / f"{rung}.npz"
        arrays |= read_arrays(file)
        digests[rung] = digest(file)
    return arrays, digests


def copied(arrays: Mapping[str, Array], given: Mapping[str, Array]) -> list[str]:
    """
    Names of arrays that are bit-equal to one that was given, as it was or in float32.

    What enters a layer (`.in`) is left out: the first of these is the scaled input, one product from what was given.
    So is what a training saves: a weight that has no gradient, as the border's at gridsize 2, is saved as it was given.
    """
    telling = [value for value in given.values() if _is_telling(value)]
    known = {_bytes(value) for value in telling}
    known |= {_bytes(value.astype(SINGLE[value.dtype])) for value in telling if value.dtype in SINGLE}
    made = {name: value for name, value in arrays.items() if not name.endswith(".in") and not name.startswith(WORKFLOW)}
    return [name for name, value in made.items() if _is_telling(value) and _bytes(value) in known]


def is_echo(one: Answer, other: Answer) -> bool:
    """Whether two answers hold the same layers bit for bit, which two frameworks' sums of many terms never do."""
    layers = [name for name, value in one.arrays.items() if name.startswith("R3/") and _is_telling(value)]
    return bool(layers) and all(
        name in other.arrays and _bytes(one.arrays[name]) == _bytes(other.arrays[name]) for name in layers
    )


def _is_telling(array: Array) -> bool:
    return array.size >= TELLING and array.dtype.kind in "fc" and bool(np.any(array != array.flat[0]))


def _bytes(array: Array) -> tuple[tuple[int, ...], str, bytes]:
    return array.shape, array.dtype.str, array.tobytes()
