"""
The way in which a figure was measured, as digests: a change of it is not a change of what was measured.

Python files count by what they do: comments, docstrings and layout are left out.
"""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

DIGITS = 16


def sources(root: Path, names: Iterable[str]) -> str:
    """
    A digest of files.

    Args:
        root: the folder that the names are relative to.
        names: files, and folders, of which every Python, TOML and JSON file counts.

    Returns:
        The first digits of a sha256; of a file that is not there, its name alone counts.
    """
    whole = hashlib.sha256()
    for name in sorted(names):
        place = root / name
        files = sorted(path for path in place.rglob("*") if path.suffix in (".py", ".toml", ".json"))
        for path in files if place.is_dir() else [place]:
            whole.update(str(path.relative_to(root)).encode() + b"\0" + _content(path) + b"\0")
    return whole.hexdigest()[:DIGITS]


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return _meaning(content) if path.suffix == ".py" else content
    except (OSError, SyntaxError, ValueError):
        return b""


def _meaning(source: bytes) -> bytes:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # A docstring, or a text below an attribute.
            node.body = [  # type: ignore[attr-defined]
                item for item in body if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
            ]
    return ast.dump(tree).encode()
