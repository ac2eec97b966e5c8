"""
The one list of fixtures, `datasets/inventory.toml`: read, checked, and turned into files whose bytes are known.

A test that names a fixture gets the same bytes on every machine or an error, never another file under the same name.
Only the standard library is imported, and arrays are never read: the command line answers at once.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from ptycho.errors import ConfigurationError, PtychoError, UsageError
from ptycho.verdict import Verdict

CHECKOUT = Path(__file__).resolve().parents[1]
INVENTORY = CHECKOUT / "datasets" / "inventory.toml"
SEARCH_PATH = "PTYCHO_DATA"
"""Environment variable: folders, separated as in PATH, in which fixtures of `datasets/` are looked up, too."""

KINDS = ("committed", "made", "slot", "external")
LAYOUTS = ("canonical", "legacy", "cxi", "ptychodus")
_DIGESTS = {"sha256": 64, "git_blob": 40}
"""Ways to record a file's bytes, and their hex digits."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


class DriftError(PtychoError):
    """A fixture whose bytes are not the recorded ones, or one name for different bytes."""

    verdict = Verdict.FAIL


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """
    One entry of the inventory.

    Attributes:
        name: what tests and targets call it.
        kind: `"committed"`, `"made"` (by `make`), `"slot"` (dropped in by its owner) or `"external"`.
        path: where it is in the checkout; below `datasets/` it may also lie under a folder of the search path.
        layout: `"canonical"`, `"legacy"`, `"cxi"` or `"ptychodus"`.
        patterns: M.
        side: N, pixels.
        gridsize: the largest gridsize that it serves.
        owner: whose it is.
        licence: under what it may be used.
        purpose: what it is for.
        sha256: hex digest of the bytes; exactly one of this and `git_blob` is given.
        git_blob: git's object id of the bytes.
        make: argument vector that writes it, run in the checkout; `{python}`, `{output}` and names of earlier
            fixtures stand for paths.
    """

    name: str
    kind: str
    path: str
    layout: str
    patterns: int
    side: int
    gridsize: int
    owner: str
    licence: str
    purpose: str
    sha256: str | None = None
    git_blob: str | None = None
    make: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The recorded digest, with its kind: `sha256:…` or `git_blob:…`."""
        return f"sha256:{self.sha256}" if self.sha256 is not None else f"git_blob:{self.git_blob}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Fixtures that making this one reads."""
        found = (match for word in self.make for match in _PLACEHOLDER.findall(word))
        return tuple(name for name in found if name not in ("python", "output"))


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """
    All fixtures of one checkout.

    Attributes:
        checkout: the folder that paths are relative to.
        fixtures: by name, in the order of the file.
    """

    checkout: Path
    fixtures: Mapping[str, Fixture]

    def __getitem__(self, name: str) -> Fixture:
        if name not in self.fixtures:
            raise UsageError(f"there is no fixture {name!r}; allowed: {', '.join(self.fixtures)}")
        return self.fixtures[name]

    def home(self, fixture: Fixture) -> Path:
        """Where a fixture lies in the checkout, or is made."""
        return self.checkout / fixture.path

    def candidates(self, fixture: Fixture) -> tuple[Path, ...]:
        """Every place where a fixture may lie, the checkout first."""
        places = [self.home(fixture)]
        inside = PurePosixPath(fixture.path)
        if inside.parts[0] == "datasets":
            roots = [root for root in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if root]
            places += [Path(root).expanduser().absolute() / inside.relative_to("datasets") for root in roots]
        return tuple(dict.fromkeys(places))

    def resolve(self, name: str) -> Path | None:
        """The first place that holds a fixture, unverified, or None; `why_absent` then says why."""
        return next((place for place in self.candidates(self[name]) if place.is_file()), None)

    def why_absent(self, name: str) -> str:
        """Where a fixture was looked for, and what to do."""
        fixture = self[name]
        looked = ", ".join(map(str, self.candidates(fixture)))
        remedy = {
            "committed": "restore it with git",
            "made": f"run: python -m harness fixtures make {name}",
            "slot": f"put the file there ({fixture.licence})",
            "external": f"put the file there, or name its folder in {SEARCH_PATH} ({fixture.licence})",
        }[fixture.kind]
        unset = "" if os.environ.get(SEARCH_PATH) else f" ({SEARCH_PATH} is not set)"
        return f"fixture {name!r} is absent; looked at {looked}{unset}; {remedy}"

    def drift(self, name: str) -> list[str]:
        """
        What is wrong with the bytes of a fixture, in every place that has it; nothing where it is absent.

        A copy with other bytes further down the search path counts, too: it is what another lane would be given.
        """
        fixture = self[name]
        places = [place for place in self.candidates(fixture) if place.is_file()]
        problems = [problem for place in places if (problem := mismatch(fixture, place))]
        if fixture.kind == "committed" and places:
            from harness import sidecar

            problems += sidecar.problems(fixture, self.home(fixture))
        return problems


def load(path: Path = INVENTORY) -> Inventory:
    """
    Read and check an inventory.

    Raises:
        ConfigurationError: listing everything that is wrong, each with its entry's name.
    """
    import tomllib

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as TOML: {error}") from error
    entries = document.get("fixture")
    problems = [f"unknown key {key!r}; allowed: [[fixture]]" for key in document if key != "fixture"]
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        problems.append("there must be one or more [[fixture]] tables")
        entries = []
    found: dict[str, Fixture] = {}
    for number, entry in enumerate(entries, start=1):
        label = f"fixture {entry.get('name', f'number {number}')!r}"
        wrong = _shape_problems(entry)
        if not wrong:
            values = entry | ({"make": tuple(entry["make"])} if "make" in entry else {})
            fixture = Fixture(**values)
            wrong = _value_problems(fixture) + _clashes(fixture, found.values())
            found.setdefault(fixture.name, fixture)
        problems += [f"{label}: {problem}" for problem in wrong]
    if problems:
        raise ConfigurationError(f"{path} is not an inventory:\n" + "\n".join(f"  - {item}" for item in problems))
    # Not resolved: `datasets` may be a link to another disk, and the checkout is where the link is.
    return Inventory(checkout=path.absolute().parents[1], fixtures=found)


def require(name: str) -> Path:
    """
    The file of a fixture, verified. One that can be made and is absent is made.

    Raises:
        UsageError: an unknown or an absent fixture.
        DriftError: bytes that are not the recorded ones.
    """
    inventory = load()
    place = inventory.resolve(name)
    if place is None and inventory[name].kind == "made":
        from harness import making

        return making.make(inventory, name)
    if place is None:
        raise UsageError(inventory.why_absent(name))
    problems = inventory.drift(name)
    if problems:
        raise DriftError("\n".join(problems))
    return place


def digest_of(path: Path, kind: str) -> str:
    """Hex digest of a file: `"sha256"` of its bytes, or `"git_blob"`, git's id of it."""
    size = path.stat().st_size
    # git's ids are SHA-1 by definition; nothing here relies on it against an attacker.
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def mismatch(fixture: Fixture, path: Path) -> str | None:
    """The sentence that a file deserves whose bytes are not the fixture's, or None."""
    kind, _, expected = fixture.digest.partition(":")
    actual = digest_of(path, kind)
    if actual == expected:
        return None
    return f"fixture {fixture.name!r} has drifted: {path} has {kind} {actual}, the inventory says {expected}"


def conflicts(uses: Iterable[tuple[str, str, str]]) -> list[str]:
    """
    Uses of different bytes under one name.

    Args:
        uses: (who, fixture name, digest), for example one for each fixture that each lane was given.

    Returns:
        one sentence for every name with more than one digest.
    """
    seen: dict[str, dict[str, list[str]]] = {}
    for who, name, digest in uses:
        seen.setdefault(name, {}).setdefault(digest, []).append(who)
    return [
        f"fixture {name!r} was not the same for everyone: "
        + "; ".join(f"{', '.join(users)} had {digest}" for digest, users in by_digest.items())
        for name, by_digest in seen.items()
        if len(by_digest) > 1
    ]


def _shape_problems(entry: Mapping[str, Any]) -> list[str]:
    """Unknown, missing and mistyped keys."""
    known = {item.name: item for item in fields(Fixture)}
    problems = [f"unknown key {key!r}; allowed: {', '.join(known)}" for key in entry if key not in known]
    for key, item in known.items():
        if key not in entry:
            problems += [f"{key} is missing"] if item.default is MISSING else []
            continue
        value, wanted = entry[key], int if item.type is int else list if key == "make" else str
        words = isinstance(value, list) and all(isinstance(word, str) for word in value)
        if type(value) is not wanted or (wanted is list and not words) or value in ("", []):
            sort = {int: "a whole number", str: "text, not empty", list: "a list of words"}[wanted]
            problems.append(f"{key} = {value!r}; allowed: {sort}")
    return problems


def _value_problems(fixture: Fixture) -> list[str]:
    """Values out of range, each on its own."""
    problems = []
    if not _NAME.fullmatch(fixture.name) or fixture.name in ("python", "output"):
        problems.append(f"name = {fixture.name!r}; allowed: lower-case letters, digits and _, not python or output")
    for key, value, allowed in (("kind", fixture.kind, KINDS), ("layout", fixture.layout, LAYOUTS)):
        if value not in allowed:
            problems.append(f"{key} = {value!r}; allowed: {', '.join(allowed)}")
    sizes = {"patterns": fixture.patterns, "side": fixture.side, "gridsize": fixture.gridsize}
    problems += [f"{key} = {size}; allowed: 1 or more" for key, size in sizes.items() if size < 1]
    path = PurePosixPath(fixture.path)
    home = "tests/fixtures" if fixture.kind == "committed" else "datasets"
    if path.is_absolute() or ".." in path.parts or not path.is_relative_to(home) or str(path) == home:
        problems.append(f"path = {fixture.path!r}; allowed: a file below {home}/, without ..")
    digests = {key: value for key in _DIGESTS if (value := getattr(fixture, key)) is not None}
    if len(digests) != 1:
        problems.append("exactly one of sha256 and git_blob must be given")
    problems += [
        f"{key} = {value!r}; allowed: {_DIGESTS[key]} lower-case hex digits"
        for key, value in digests.items()
        if not re.fullmatch(f"[0-9a-f]{{{_DIGESTS[key]}}}", value)
    ]
    makeable = fixture.kind in ("committed", "made")
    if makeable != bool(fixture.make):
        problems.append(f"make must {'be given' if makeable else 'not be given'} for kind {fixture.kind!r}")
    if fixture.make and not any("{output}" in word for word in fixture.make):
        problems.append("make names no {output}")
    return problems


def _clashes(fixture: Fixture, earlier: Iterable[Fixture]) -> list[str]:
    """What two entries must not share, and sources that do not come before."""
    others = list(earlier)
    problems = [
        f"{key} {getattr(fixture, key)!r} is also that of fixture {other.name!r}"
        for other in others
        for key in ("name", "path", "digest")
        if getattr(fixture, key) == getattr(other, key)
    ]
    names = [other.name for other in others]
    problems += [
        f"make reads {source!r}; allowed: python, output and the fixtures above it"
        for source in fixture.sources
        if source not in names
    ]
    return problems
