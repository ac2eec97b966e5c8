"""
Dishonest answers for the self-check: each must be refused, and the honest one they are made of must not.

They are files, since what is refused is what `response.read` reads. Only a few arrays are kept in them: whether an
answer counts does not depend on its size.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.parity.compare import response
from harness.parity.compare.response import TELLING, Answer
from harness.parity.exchange.backend_client import PACKAGES
from harness.parity.judge import ladder
from ptycho import fingerprint
from ptycho.parity.request import (
    ARRAYS,
    BATCH_FIELDS,
    MANIFEST,
    SCHEMA,
    Request,
    digest,
    read_arrays,
    source_digest,
    write_arrays,
)

KEPT = 3
"""Arrays of an answer that a forgery is made of."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """
    Place where a forgery is made.

    Attributes:
        folder: the answer.
        request: the request's file.
        sources: folder that the answer claims to be made from.
    """

    folder: Path
    request: Path
    sources: Path

    def forge(self, **changes: Any) -> None:
        """Change what the answer says of itself."""
        path = self.folder / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    def substitute(self, arrays: Mapping[str, response.Array]) -> None:
        """Change its arrays, and let it vouch for them."""
        whole = {**read_arrays(self.folder / ARRAYS), **arrays}
        self.forge(arrays_sha256=write_arrays(self.folder / ARRAYS, whole))


def write(folder: Path, given: Answer, request: Path, package: str, sources: Path) -> None:
    """
    Write an answer as an adapter would.

    Args:
        folder: for the answer; made here.
        given: its content.
        request: file of the question.
        package: the backend.
        sources: folder that its packages were imported from.
    """
    folder.mkdir(parents=True)
    asked = Request.load(request)
    manifest = {
        "schema": SCHEMA,
        "backend": package,
        "request_sha256": digest(request),
        "nonce": asked.nonce,
        "commit": fingerprint.commit(sources),
        "sources_sha256": source_digest(package, sources),
        "precision": asked.precision,
        "quantities": list(asked.quantities),
        "arrays_sha256": write_arrays(folder / ARRAYS, given.arrays),
        "exact": {rung: dict(values) for rung, values in given.exact.items()},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def check(request: Request, answers: Mapping[str, Answer], folder: Path) -> list[str]:
    """
    Forge answers in every known way.

    Args:
        request: the question.
        answers: clean answers by side.
        folder: for the forgeries; empty.

    Returns:
        What was not refused, and what was and should not have been.
    """
    weights = dict(list(request.weights.items())[:KEPT])
    batch = type(request.batch)(**{name: getattr(request.first, name)[:1] for name in BATCH_FIELDS})
    small = replace(request, inputs={}, replay=(), weights=weights, batch=batch, batch_size=1)
    found = []
    for number, (name, package, change) in enumerate(_forgeries()):
        place = folder / str(number)
        desk = Desk(folder=place / "answer", request=place / "request.npz", sources=place / "sources")
        (desk.sources / package).mkdir(parents=True)
        (desk.sources / package / "engine.py").write_text("first = 1\n", encoding="utf-8")
        small.save(desk.request)
        side = next(side for side, owner in PACKAGES.items() if owner == package)
        write(desk.folder, _few(answers[side]), desk.request, package, desk.sources)
        change(desk, small)
        refusals = response.read(desk.folder, desk.request, package, desk.sources).refusals
        if bool(refusals) == (name == HONEST):
            found.append(f"an answer that is {name} is {'refused' if refusals else 'accepted'}")
    return found + _echoes(answers)


HONEST = "honest"
Change = Callable[[Desk, Request], None]


def _forgeries() -> Iterator[tuple[str, str, Change]]:
    """Yield what is wrong, with whose answer, and how it is made."""
    for package, other in (("ptycho_torch", "ptycho_tf"), ("ptycho_tf", "ptycho_torch")):
        yield HONEST, package, lambda _desk, _request: None
        yield "the other backend's", package, lambda desk, _r, other=other: desk.forge(backend=other)  # type: ignore[misc]
    wrong: Mapping[str, Any] = {
        "schema": "ptycho-probe/0",
        "request_sha256": "0" * 64,
        "nonce": "0" * 32,
        "commit": "0" * 40,
        "sources_sha256": "0" * 64,
        "precision": "bf16",
        "quantities": [],
        "arrays_sha256": "0" * 64,
    }
    for key, value in wrong.items():
        for named, given in ((f"of another {key}", value), (f"without {key}", "")):
            yield named, "ptycho_torch", lambda desk, _r, key=key, given=given: desk.forge(**{key: given})  # type: ignore[misc]
    yield "to an older request", "ptycho_tf", _ask_again
    yield "older than the code", "ptycho_tf", _edit_sources
    yield "changed afterwards", "ptycho_torch", _change_arrays
    yield "an array of the request", "ptycho_torch", _copy_request
    yield "cut off", "ptycho_tf", _cut_off
    yield "without a manifest", "ptycho_torch", lambda desk, _r: (desk.folder / MANIFEST).unlink()


def _ask_again(desk: Desk, request: Request) -> None:
    replace(request, nonce=request.nonce[::-1] + "0").save(desk.request)


def _edit_sources(desk: Desk, _request: Request) -> None:
    for path in desk.sources.rglob("*.py"):
        path.write_text("first = 2\n", encoding="utf-8")


def _change_arrays(desk: Desk, _request: Request) -> None:
    arrays = read_arrays(desk.folder / ARRAYS)
    write_arrays(desk.folder / ARRAYS, {name: value * 2 for name, value in arrays.items()})


def _cut_off(desk: Desk, _request: Request) -> None:
    (desk.folder / ARRAYS).write_bytes(b"PK")


def _copy_request(desk: Desk, request: Request) -> None:
    given = next(value for value in request.weights.values() if value.size >= TELLING)
    desk.substitute({next(iter(read_arrays(desk.folder / ARRAYS))): given})


def _few(given: Answer) -> Answer:
    telling = [name for name, value in given.arrays.items() if TELLING <= value.size and value.dtype.kind in "fc"]
    chosen = sorted(telling, key=lambda name: given.arrays[name].size)
    return replace(given, arrays={name: given.arrays[name] for name in chosen[:KEPT]})


def _echoes(answers: Mapping[str, Answer]) -> list[str]:
    """One backend's layers under the other's name, alone or with everything else."""
    one, other = (answers[side] for side in PACKAGES)
    layers = {name: value for name, value in one.arrays.items() if name.startswith("R3/")}
    found = []
    for what, copied in (("everything", one.arrays), ("the layers", {**other.arrays, **layers})):
        if set(ladder.refusals({"torch": one, "tf": replace(other, arrays=copied)})) != set(PACKAGES):
            found.append(f"{what} of one side under the other's name is accepted")
    return found
