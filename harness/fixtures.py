"""
Fixtures by name: the inventory knows where they are and whether their bytes are the right ones.

A path of an NPZ file is taken as it is: that is how a user runs a lane on a file of his own.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from ptycho.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+=,@ -]*(\.[A-Za-z0-9_+=,@ -]+)*")
_WORDS = "letters, digits, blanks, '-', '_', '+', '=', ',', '@' and single '.' between them: files are called after it"


def locate(names: Iterable[str]) -> dict[str, Path]:
    """
    Files of fixtures.

    Args:
        names: names in `datasets/inventory.toml`, or paths of NPZ files.

    Returns:
        File by name, in the order asked for; a path is named after its stem.

    Raises:
        UsageError: an unknown name, an absent or a changed file.
    """
    found: dict[str, Path] = {}
    for name in names:
        if name.endswith(".npz"):
            path = Path(name).absolute()
            if not path.is_file():
                raise UsageError(f"fixture {name!r} is not a file; give a path or a name of the inventory")
            stem = path.stem
        else:
            from harness import inventory

            path, stem = inventory.require(name), name
        if not _NAME.fullmatch(stem):
            raise UsageError(f"fixture {name!r} is called {stem!r}; allowed: {_WORDS}; rename the file")
        if found.get(stem, path) != path:
            raise UsageError(f"two fixtures are called {stem!r}: {found[stem]} and {path}; rename one of the files")
        found[stem] = path
    return found
