"""Paths of the committed JSON Schemas of the files that users write."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def path(name: str) -> Path:
    """Return where a schema is committed."""
    return FOLDER / f"{name}.schema.json"
