"""
Fixtures by name: the inventory knows where they are and whether their bytes are the right ones.

A path of an NPZ file is taken as it is: that is how a user runs a lane on a file of his own.
"""

from collections.abc import Iterable
from pathlib import Path

from ptycho.errors import UsageError


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
            found[path.stem] = path
        else:
            from harness import inventory

            found[name] = inventory.require(name)
    return found
