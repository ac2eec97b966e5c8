"""
The one list of fixtures, `datasets/inventory.toml`: read, checked, and turned into files whose bytes are known.

A test that names a fixture gets the same bytes on every machine or an error, never another file under the same name.
Nothing heavy is imported before the list is read, and arrays are never read: the command line answers at once. What
the list may say is `harness.fixture_schema`.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness import environment
from ptycho.errors import ConfigurationError, PtychoError, UsageError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from harness.fixture_schema import Fixture

CHECKOUT = Path(__file__).resolve().parents[1]
INVENTORY = CHECKOUT / "datasets" / "inventory.toml"
SEARCH_PATH = "PTYCHO_DATA"
"""Environment variable: folders, separated as in PATH, in which fixtures of `datasets/` are looked up, too."""


class DriftError(PtychoError):
    """A fixture whose bytes are not the recorded ones, or one name for different bytes."""

    verdict = Verdict.FAIL


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """
    All fixtures of one checkout.

    Attributes:
        checkout: the folder that paths are relative to.
        fixtures: by name, in the order of the file.
    """

    checkout: Path
    fixtures: "Mapping[str, Fixture]"

    def __getitem__(self, name: str) -> "Fixture":
        if name not in self.fixtures:
            raise UsageError(f"there is no fixture {name!r}; allowed: {', '.join(self.fixtures)}")
        return self.fixtures[name]

    def home(self, fixture: "Fixture") -> Path:
        """Where a fixture lies in the checkout, or is made."""
        return self.checkout / fixture.path

    def candidates(self, fixture: "Fixture") -> tuple[Path, ...]:
        """Every place where a fixture may lie, the checkout first."""
        places = [self.home(fixture)]
        inside = PurePosixPath(fixture.path)
        if inside.parts[0] == "datasets":
            roots = [root for root in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if root]
            places += [environment.expanded(Path(root)).absolute() / inside.relative_to("datasets") for root in roots]
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
        ConfigurationError: listing everything that is wrong, each with its line and its entry's name.
    """
    from harness import fixture_schema, toml_model

    file = toml_model.load(path, fixture_schema.InventoryFile, "inventory", ConfigurationError)
    # Not resolved: `datasets` may be a link to another disk, and the checkout is where the link is.
    return Inventory(checkout=path.absolute().parents[1], fixtures={fixture.name: fixture for fixture in file.fixture})


def names(path: Path = INVENTORY) -> tuple[str, ...]:
    """
    Names of the fixtures, and nothing is checked: for a command line that is looked at before anything is installed.

    Raises:
        ConfigurationError: it cannot be read.
    """
    import tomllib

    try:
        return tuple(entry["name"] for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fixture"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{path} is no inventory: {error!r}; ask: python -m harness fixtures list") from error


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


def mismatch(fixture: "Fixture", path: Path) -> str | None:
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
