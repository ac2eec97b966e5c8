"""
The JSON file beside a committed fixture: its provenance and checksum, for whoever meets the file without the list.

It holds what the inventory says and nothing else, so that the two cannot disagree for long: every verification
compares them.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.fixture_schema import Fixture


def beside(file: Path) -> Path:
    """Where the sidecar of a file is."""
    return file.with_suffix(".json")


def content(fixture: "Fixture") -> dict[str, Any]:
    """What the sidecar of a fixture must say."""
    said = {key: value for key, value in asdict(fixture).items() if value is not None}
    return said | {"make": list(fixture.make)}


def write(fixture: "Fixture", file: Path) -> None:
    """Write the sidecar of a file, whole or not at all."""
    target = beside(file)
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_text(json.dumps(content(fixture), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(target)


def problems(fixture: "Fixture", file: Path) -> list[str]:
    """What the sidecar of a file says otherwise than the inventory, one sentence per key."""
    path = beside(file)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [f"fixture {fixture.name!r}: the sidecar {path} cannot be read: {error}"]
    expected = content(fixture)
    actual = found if isinstance(found, dict) else {}
    return [
        f"fixture {fixture.name!r}: {path} says {key} = {actual.get(key)!r}, the inventory {expected.get(key)!r}"
        for key in dict.fromkeys([*expected, *actual])
        if expected.get(key) != actual.get(key)
    ]
