"""Files that a command finds in its working directory: there before it starts, gone before leaks are looked for."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.isolation.sandbox import Sandbox
from harness.system.rmtree import remove_tree
from harness.targets.model import Command
from ptycho.errors import InfrastructureError


def put(command: Command, cell: Sandbox, values: Mapping[str, object], *, root: Path, output: Path) -> tuple[Path, ...]:
    """
    Write or copy a command's files, and make its output folder where it wants it made.

    Args:
        command: whose.
        cell: its folders.
        values: of the placeholders.
        root: against which sources are read.
        output: its output folder.

    Returns:
        What was put into the working directory.

    Raises:
        InfrastructureError: a source is not there.
    """
    if command.make_output:
        output.mkdir(parents=True, exist_ok=True)
    placed = []
    for file in command.files:
        path = cell.cwd / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        source = root / file.source.format(**values)
        try:
            if not file.source:
                path.write_text(file.text.format(**values), encoding="utf-8")
            elif source.is_dir():
                shutil.copytree(source, path)
            else:
                shutil.copyfile(source, path)
        except OSError as error:
            raise InfrastructureError(f"{source} cannot be put into the working directory: {error.strerror}") from error
        placed.append(path)
    return tuple(placed)


def take_away(placed: Sequence[Path], cell: Sandbox) -> None:
    """Remove what was put there, and the folders that were made for it unless the command left something in them."""
    for path in placed:
        remove_tree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == cell.cwd or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()
